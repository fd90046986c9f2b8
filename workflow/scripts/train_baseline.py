"""Train the unpruned networks of some seeds: cycle 0, which all methods of an experiment share."""

import argparse
import json
import time

import torch

from dropnet.artifacts import write_json
from dropnet.baseline import train_unpruned
from dropnet.code_files import code_sums
from dropnet.errors import exit_on_user_error
from dropnet.finished import FinishedCycles
from dropnet.models import engine_of, layers_of
from dropnet.provenance import collect, versions
from dropnet.settings import Settings
from dropnet.store import save_cycles, save_initial_weights
from dropnet.tables import write_runs
from dropnet.training.data import load_task
from dropnet.training.device import find_device, name_of


def main() -> None:
    """Train, and write initial weights, trained networks, table and provenance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Settings.from_json, required=True, help="as JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--finished", required=True, help="folder that keeps finished epochs")
    parser.add_argument("--seeds", required=True, help="first-last, e.g. 0-14")
    for file in ("dataset", "split", "runs", "initial", "networks", "provenance"):
        parser.add_argument(f"--{file}", required=True)
    args = parser.parse_args()
    first, last = map(int, args.seeds.split("-"))
    seeds = list(range(first, last + 1))
    started = time.time()
    torch.set_num_threads(1)

    device = find_device(args.device)
    task = load_task(args.settings, args.dataset, args.split, device)
    settings = json.loads(args.settings.to_json())
    provenance = collect(settings, [args.dataset, args.split], started, name_of(device))
    made_from = {
        "settings": settings,
        "seeds": seeds,
        "device": name_of(device),
        "code": code_sums(__file__, [engine_of(layers_of(args.settings))]),
        "inputs": list(provenance["inputs"].values()),
        "versions": versions(),
    }
    finished = FinishedCycles(args.finished, made_from)
    name = f"{args.settings.experiment} baseline, seeds {args.seeds}"
    initial, cycle = train_unpruned(args.settings, seeds, task, name, finished)

    save_initial_weights(args.initial, seeds, initial)
    save_cycles(args.networks, [cycle])
    wall = round(sum(finished.seconds.values()), 1)
    write_json(args.provenance, {**provenance, "seeds": seeds, "wall_seconds": wall})
    write_runs(args.runs, args.settings, "baseline", [cycle])


if __name__ == "__main__":
    with exit_on_user_error():
        main()
