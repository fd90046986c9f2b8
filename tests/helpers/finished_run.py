"""A finished run of a small experiment, for tests that publish it."""

import json
from pathlib import Path

import torch
import yaml

from dropnet.config.check import check
from dropnet.config.plan import Plan
from dropnet.networks.cycle import Cycle, Network, Results
from dropnet.networks.cycle_files import save_cycles
from dropnet.networks.masks import Masks
from dropnet.publish.pages import BEGIN, END
from dropnet.tables.runs import RUNS

METHODS = ["minimum", "minimum_layer"]
COMMIT = "c0ffee" * 6 + "c0ff"
CONFIG = {
    "scale": "small",
    "data_dir": "data",
    "device": "auto",
    "seeds_per_job": None,
    "seeds": None,
    "overlay": True,
    "datasets": {
        "MNIST": {
            "classes": 10,
            "image": [1, 28, 28],
            "sha256": "0d60b7b95a4d7fbbb29a50ff72a6fb89350e03cb9db8afa675b5c51e627d83c6",
            "sources": [{"torchvision": "MNIST"}],
        }
    },
    "protocol": {
        "seeds": 15,
        "seeds_per_job": 1,
        "train_images": None,
        "batch_size": 32,
        "learning_rate": 0.1,
        "max_epochs": 100,
        "patience": 5,
        "selection": "exact",
        "precision": "float32",
        "augmentation": "none",
        "test_images": None,
    },
    "scales": {"small": {"seeds": 2, "note": "Not evidence"}},
    "experiments": {
        "FC5-FC5": {
            "dataset": "MNIST",
            "model": "FC",
            "widths": [5, 5],
            "prune_fraction": 0.4,
            "stop_fraction": 0.2,
            "methods": METHODS,
        }
    },
    "figures": {
        "fig03": {"experiment": "FC5-FC5", "shows": "test_accuracy", "title": "Figure 3"},
        "fig03_epochs": {"experiment": "FC5-FC5", "shows": "epochs", "title": "Figure 3"},
    },
}
# remaining of 10 nodes -> test accuracy of seeds 0 and 1; 0.2 is reached, 0.1 is not
ACCURACIES = {10: (0.96, 0.98), 6: (0.9, 0.94), 4: (0.8, 0.86), 2: (0.3, 0.5)}


def write_runs(path, method, seeds):
    rows = [
        ["FC5-FC5", "MNIST", method, seed, cycle, left / 10, "|".join(map(str, widths_of(left)))]
        + [0.9, 0.3, 0.9, 0.3, ACCURACIES[left][seed % 2], 0.3, 7 + cycle]
        for cycle, left in enumerate(ACCURACIES)
        for seed in seeds
    ]
    lines = [",".join(map(str, row)) for row in [RUNS, *rows]]
    path.write_text("\n".join(lines) + "\n")


def widths_of(left):
    """How many of each layer's nodes remain, of so many in all."""
    return left - left // 2, left // 2


def write_networks(path, seeds):
    """Networks of these runs, without their weights."""
    results = Results(0.9, 0.3, 0.9, 0.3, 0.9, 0.3, 7)
    cycles = [
        Cycle(
            number,
            [
                Network(
                    seed=seed,
                    masks=Masks(tuple(torch.arange(5) < width for width in widths_of(left))),
                    weights={},
                    statistics={},
                    results=results,
                )
                for seed in seeds
            ],
        )
        for number, left in enumerate(ACCURACIES)
    ]
    save_cycles(path, cycles)


def write_job(method, seeds, commit=COMMIT, **changes):
    """What a finished job of a method, or the baseline, leaves behind."""
    folder, block = Path("results/small/FC5-FC5", method), f"{seeds[0]}-{seeds[-1]}"
    folder.mkdir(parents=True, exist_ok=True)
    write_runs(folder / f"runs_seeds{block}.csv", method, seeds)
    write_networks(folder / f"networks_seeds{block}.safetensors", seeds)
    settings = json.loads(Plan(CONFIG).at("small").settings("FC5-FC5").to_json())
    provenance = {
        "settings": settings,
        "inputs": {"results/data/MNIST.safetensors": "ab" * 32},
        "git": {"commit": commit, "clean": True},
        "versions": {"python": "3.11.7"},
        "device": "cpu",
        "cpu": "A processor",
        "started": "2026-01-01T00:00:00+00:00",
        "wall_seconds": 600.0,
        "seeds": list(seeds),
    }
    if method != "baseline":
        provenance["method"] = method
    (folder / f"provenance_seeds{block}.json").write_text(json.dumps(provenance | changes))


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def make():
    """Put a finished run of CONFIG, made by one clean commit, into the working directory."""
    check(CONFIG)
    Path("config.yaml").write_text(yaml.safe_dump(CONFIG))
    Path("README.md").write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n")
    for method in ("baseline", *METHODS):
        for seed in (0, 1):
            write_job(method, [seed])


def provenance_of(method, seed=0):
    return Path("results/small/FC5-FC5", method, f"provenance_seeds{seed}-{seed}.json")


def made_elsewhere(commit):
    """The same results as if another experiment had been run, by another commit."""
    for path in [*Path("results").rglob("*.csv"), *Path("results").rglob("*.json")]:
        text = path.read_text().replace("FC5-FC5", "FC7-FC7")
        path.write_text(text.replace("c0ffee" * 6 + "c0ff", commit))
    Path("results/small/FC5-FC5").rename("results/small/FC7-FC7")
    other = json.loads(json.dumps(CONFIG))
    other["experiments"]["FC7-FC7"] = other["experiments"]["FC5-FC5"]
    for name, figure in CONFIG["figures"].items():
        renamed = name.replace("fig03", "fig04")
        other["figures"][renamed] = figure | {"experiment": "FC7-FC7"}
    return other
