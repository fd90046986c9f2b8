"""Prune the networks of some seeds iteratively with one method (Algorithm 1)."""

import argparse
import json
import time

import torch

from dropnet.artifacts import write_json
from dropnet.code_files import code_sums
from dropnet.errors import exit_on_user_error
from dropnet.finished import FinishedCycles
from dropnet.metrics import METRICS
from dropnet.models import engine_of, layers_of
from dropnet.provenance import collect, versions
from dropnet.run import prune
from dropnet.settings import Settings
from dropnet.store import load_cycles, load_initial_weights, save_cycles
from dropnet.tables import write_runs
from dropnet.training.data import load_task
from dropnet.training.device import find_device, name_of


def main() -> None:
    """Prune, and write the networks of all cycles, the table and the provenance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Settings.from_json, required=True, help="as JSON")
    parser.add_argument("--method", required=True)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--finished", required=True, help="folder that keeps finished cycles")
    inputs = ("dataset", "split", "initial", "unpruned")
    for file in (*inputs, "runs", "networks", "provenance"):
        parser.add_argument(f"--{file}", required=True)
    args = parser.parse_args()
    started = time.time()
    torch.set_num_threads(1)

    (unpruned,), _ = load_cycles(args.unpruned)
    seeds = [network.seed for network in unpruned.networks]
    settings = json.loads(args.settings.to_json())
    device = find_device(args.device)
    files = [getattr(args, name) for name in inputs]
    provenance = collect(settings, files, started, name_of(device))
    modules = [engine_of(layers_of(args.settings)), METRICS[args.method].module]
    made_from = {
        "settings": settings,
        "method": args.method,
        "device": name_of(device),
        "code": code_sums(__file__, modules),
        "inputs": list(provenance["inputs"].values()),
        "versions": versions(),
    }
    finished = FinishedCycles(args.finished, made_from)
    cycles = prune(
        args.settings,
        args.method,
        lambda: load_task(args.settings, args.dataset, args.split, device),
        load_initial_weights(args.initial, seeds),
        unpruned,
        finished,
        f"{args.settings.experiment} {args.method}, seeds {seeds[0]}-{seeds[-1]}",
    )

    save_cycles(args.networks, cycles)
    wall = {str(number): round(seconds, 1) for number, seconds in finished.seconds.items()}
    write_json(
        args.provenance,
        {
            **provenance,
            "method": args.method,
            "seeds": seeds,
            "cycle_seconds": wall,
            "wall_seconds": round(sum(finished.seconds.values()), 1),
        },
    )
    write_runs(args.runs, args.settings, args.method, cycles)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
