"""The convolutional parts of the benchmarks: Model B on Figure 6, bfloat16, memory, parity."""

import sys
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from conv_common import (
    BATCH_SIZE,
    FILTERS,
    largest_difference,
    make_problem,
    sweep_widths,
    training_flops,
)
from processes import REPOSITORY, Process, run
from report import announce, print_table, show, spread, tell

if TYPE_CHECKING:
    from run_benchmarks import Bench

SCRIPTS = {"ours": "conv_ours.py", "keras": "conv_keras.py", "pytorch": "conv_pytorch.py"}
# training and validation images of an epoch: the ratio of the protocol, few enough for many epochs
IMAGES = {"train": 9600, "validation": 1067, "parity": 960}
QUICK_IMAGES = {"train": 320, "validation": 64, "parity": 96}
NARROW = (13, 13)  # 20% of the filters
ACCURACY_EPOCHS = 5
PARITY_LIMIT = 1e-3
MEMORY_LIMITS = {"preview": 3e9, "paper": 6e9}  # bytes


def measure_conv(bench: "Bench") -> dict[str, Any]:
    """All the training of Figure 6, ours beside the others; precision, memory and parity."""
    images = QUICK_IMAGES if bench.options.quick else IMAGES
    arrays = bench.folder / "conv.npz"
    write_arrays(bench, images, arrays)
    sides = [side for side in SCRIPTS if side in bench.options.sides]
    with ExitStack() as stack:
        workers = {side: stack.enter_context(start(bench, side, arrays)) for side in sides}
        result = {"images": images, "filters": list(FILTERS)}
        result["speed"] = measure_sweep(bench, workers)
        if "pytorch" in workers:
            result["step"] = measure_step(bench, workers, images["train"])
        result["bfloat16"] = measure_precision(bench, workers["ours"])
        if "keras" in workers:
            result["parity"] = measure_parity(bench, workers, images["parity"])
    result["memory"] = measure_memory(bench)
    return result


def start(bench: "Bench", side: str, arrays: Path) -> Process:
    """Start the side that answers requests."""
    python = bench.options.keras_python if side == "keras" else Path(sys.executable)
    command = [python, Path(__file__).with_name(SCRIPTS[side]), "--data", arrays]
    return Process(command, bench.folder / f"conv_{side}.log")


def write_arrays(bench: "Bench", images: dict[str, int], target: Path) -> None:
    """Write the first images of the splits as plain arrays [n, height, width, channels]."""
    from safetensors.numpy import load_file

    arrays = {}

    def put(name: str, tensors: dict[str, np.ndarray], indices: np.ndarray) -> None:
        arrays[f"{name}_images"] = tensors["train_images"][indices].transpose(0, 2, 3, 1)
        arrays[f"{name}_labels"] = tensors["train_labels"][indices]

    for model, dataset in (("B", "MNIST"), ("C", "CIFAR-10")):
        tensors = load_file(bench.options.data / f"{dataset}.safetensors")
        split = load_file(bench.options.data / f"{dataset}_split_all.safetensors")
        put(f"parity_{model}", tensors, split["train"][: images["parity"]])
        if model == "B":
            for name in ("train", "validation"):
                put(f"mnist_{name}", tensors, split[name][: images[name]])
    np.savez(target, **arrays)


# --- all the training of Figure 6 --------------------------------------------------------------


def measure_sweep(bench: "Bench", workers: dict[str, Process]) -> dict[str, Any]:
    """Seconds of one epoch of each of our networks; of the others, of one masked network.

    A masked network costs the same whatever its masks, so that the figure costs the others as many
    of these epochs as it has networks.
    """
    often = sweep_widths()
    widths = list(often) if not bench.options.quick else [FILTERS, NARROW]
    networks = sum(often.get(w, 0) for w in widths)
    others = [side for side in workers if side != "ours"]
    fastest = {side: try_settings(workers[side]) for side in others}
    chosen = {side: min(tried, key=tried.get) for side, tried in fastest.items()}
    workers["ours"].ask("epoch", widths=FILTERS)
    rounds = []
    for _ in announce("conv: round", bench.options.rounds):
        ours, theirs = {}, {side: [] for side in others}
        for number, width in enumerate(widths):
            if number % 12 == 0:
                for side in others:
                    theirs[side].append(workers[side].ask("epoch", setting=chosen[side])["wall_s"])
            ours[width] = workers["ours"].ask("epoch", widths=width)["wall_s"]
        rounds.append({"ours": ours, "others": theirs})
    totals = [
        sum(often.get(width, 0) * seconds for width, seconds in r["ours"].items()) for r in rounds
    ]
    return {
        "networks": networks,
        "settings_tried_s": fastest,
        "chosen": chosen,
        "our_sweep_s": spread(totals),
        "narrow_share": spread(
            r["ours"][nearest(NARROW, r["ours"])] / r["ours"][FILTERS] for r in rounds
        ),
        "others": {
            side: {
                "epoch_s": spread(chain.from_iterable(r["others"][side] for r in rounds)),
                "sweep_s": spread(networks * median(r["others"][side]) for r in rounds),
                "ratio": spread(
                    networks * median(r["others"][side]) / total
                    for r, total in zip(rounds, totals, strict=True)
                ),
            }
            for side in others
        },
        "our_epochs_s": {
            "-".join(map(str, w)): spread(r["ours"][w] for r in rounds) for w in widths
        },
    }


def nearest(widths: tuple[int, int], measured: dict[tuple[int, int], float]) -> tuple[int, int]:
    """The measured widths whose sum is nearest, the larger ones of two.

    >>> nearest((13, 13), {(12, 12): 1.0, (14, 14): 1.0, (20, 20): 2.0})
    (14, 14)
    """
    return min(sorted(measured, reverse=True), key=lambda w: abs(sum(w) - sum(widths)))


def try_settings(worker: Process) -> dict[str, float]:
    """Seconds of an epoch in each way the side offers, after a first one that is not counted."""
    seconds = {}
    for setting in worker.ask("settings"):
        tell(f"conv: trying {setting}")
        worker.ask("epoch", setting=setting)
        seconds[setting] = worker.ask("epoch", setting=setting)["wall_s"]
    return seconds


def measure_step(bench: "Bench", workers: dict[str, Process], samples: int) -> dict[str, Any]:
    """GFLOP/s of our unpruned training epoch, and of 2048 x 2048 products around it."""
    rates, products, shares = [], [], []
    for _ in announce("conv step: round", 3 * bench.options.rounds):
        around = [workers["pytorch"].ask("product") for _ in range(5)]
        seconds = workers["ours"].ask("steps")["wall_s"]
        around += [workers["pytorch"].ask("product") for _ in range(5)]
        rates.append(training_flops(samples) / seconds / 1e9)
        products += around
        shares.append(rates[-1] / median(around))
    return {"gflops": spread(rates), "product_gflops": spread(products), "share": spread(shares)}


def measure_precision(bench: "Bench", ours: Process) -> dict[str, Any]:
    """The unpruned epoch in float32 and in bfloat16, and what accuracy each reaches."""
    ratios = []
    ours.ask("steps", precision="bfloat16")
    for _ in announce("conv bfloat16: round", bench.options.rounds):
        single = ours.ask("steps")["wall_s"]
        ratios.append(single / ours.ask("steps", precision="bfloat16")["wall_s"])
    epochs = 1 if bench.options.quick else ACCURACY_EPOCHS
    accuracy = {
        precision: ours.ask("accuracy", precision=precision, epochs=epochs)
        for precision in ("float32", "bfloat16")
    }
    return {"ratio": spread(ratios), "epochs": epochs, "accuracy": accuracy}


# --- the same losses ---------------------------------------------------------------------------


def measure_parity(
    bench: "Bench", workers: dict[str, Process], images: int
) -> list[dict[str, Any]]:
    """Losses of the first steps of Models B and C from the same weights, ours against Keras'."""
    rows = []
    for seed, model in enumerate(("B", "C")):
        problem = bench.folder / f"problem_{model}.npz"
        np.savez(problem, **make_problem(model, seed))
        losses = {}
        for side in ("keras", "ours"):
            tell(f"conv parity: Model {model}, {side}")
            out = bench.folder / f"losses_{model}_{side}.npy"
            steps = images // BATCH_SIZE
            workers[side].ask(
                "losses", model=model, problem=str(problem), steps=steps, out=str(out)
            )
            losses[side] = np.load(out)
        difference = largest_difference(losses["ours"], losses["keras"])
        passed = bench.check(f"parity Model {model}", difference, PARITY_LIMIT)
        rows.append(
            {"model": model, "steps": len(losses["keras"]), "largest_difference": difference}
            | {"limit": PARITY_LIMIT, "passed": passed}
        )
    return rows


# --- peak memory -------------------------------------------------------------------------------


def measure_memory(bench: "Bench") -> dict[str, Any]:
    """Peak memory of the jobs of the largest network of each scale, one epoch a cycle.

    The job of scale paper trains on few of the images, for time's sake; what it would hold more of
    is the training split, once as the data set has it and once as the engine keeps it.
    """
    from dropnet.config import plan as configuration

    config = configuration.load(REPOSITORY / "config.yaml")
    peaks = {}
    for scale, limit in MEMORY_LIMITS.items():
        if scale == "paper" and bench.options.quick:
            continue
        settings = configuration.settings(config, scale, "VGG19")
        reduced = {
            "max_epochs": 1,
            "patience": 1,
            "stop_fraction": 0.5 if scale == "paper" else 0.1,
        }
        reduced |= {"train_images": 200, "test_images": 100} if scale == "paper" else {}
        peak = run_jobs(bench, scale, settings, reduced)
        left_out = 2 * (45_000 - 180) * 3 * 32 * 32 if scale == "paper" else 0
        bench.check(f"peak memory of VGG19 at scale {scale}, bytes", peak + left_out, limit)
        peaks[scale] = {"measured": peak, "left_out": left_out, "limit": limit}
    return peaks


def run_jobs(bench: "Bench", scale: str, settings: Any, reduced: dict[str, Any]) -> int:
    """Run the two training jobs of a network; the larger peak of resident memory in bytes."""
    from dataclasses import replace

    from dropnet.data.dataset import Dataset
    from dropnet.data.split import stratified_split

    tell(f"conv memory: VGG19 at scale {scale}")
    settings = replace(settings, **reduced)
    folder = bench.folder / f"memory_{scale}"
    folder.mkdir()
    dataset = bench.options.data / "CIFAR-10.safetensors"
    split = folder / "split.safetensors"
    stratified_split(Dataset.load(dataset).train_labels, settings.train_images).save(split)
    common = ["--settings", settings.to_json(), "--dataset", dataset, "--split", split]
    initial, unpruned = folder / "initial", folder / "unpruned"
    baseline = ["--seeds", "0-0", "--initial", initial, "--networks", unpruned]
    pruning = ["--method", "minimum_layer", "--initial", initial, "--unpruned", unpruned]
    pruning += ["--networks", folder / "networks"]
    peaks = []
    for name, own in (("train_baseline", baseline), ("prune_network", pruning)):
        made = ["--runs", folder / f"{name}.csv", "--provenance", folder / f"{name}.json"]
        made += ["--finished", folder / f"cycles_{name}"]
        script = REPOSITORY / f"workflow/scripts/{name}.py"
        peaks.append(run([sys.executable, script, *common, *own, *made], folder / f"{name}.log"))
    return max(peaks)


# --- tables ------------------------------------------------------------------------------------


def print_conv(result: dict[str, Any]) -> None:
    """All of it as tables."""
    speed = result["speed"]
    print(
        f"\nE. All training of Figure 6 (Conv64-Conv64, {speed['networks']} networks a seed), "
        f"{result['images']['train']:,} training images, one epoch each, one core, float32"
    )
    rows = [("ours: compact", "", show(speed["our_sweep_s"]), "")]
    for side, other in speed["others"].items():
        name = f"{side}: {speed['chosen'][side]}"
        rows.append((name, show(other["epoch_s"]), show(other["sweep_s"]), show(other["ratio"])))
    print_table(("side", "epoch, s", "sweep, s", "sweep/ours"), rows)
    print(f"   an epoch at 20% of the filters / the unpruned one: {show(speed['narrow_share'])}")
    if step := result.get("step"):
        print("\nF. Unpruned Conv64-Conv64 training step")
        print_table(
            ("training, GFLOP/s", "2048^3 product, GFLOP/s", "share"),
            [(show(step["gflops"]), show(step["product_gflops"]), show(step["share"]))],
        )
    half = result["bfloat16"]
    accuracy = ", ".join(f"{name} {value:.4f}" for name, value in half["accuracy"].items())
    print(
        f"\nG. bfloat16: the unpruned epoch is {show(half['ratio'])} times as fast as in float32;\n"
        f"   validation accuracy after {half['epochs']} epochs: {accuracy}"
    )
    print("\nH. Peak memory of the jobs of VGG19")
    print_table(
        ("scale", "measured, MB", "with all images, MB", "limit, MB"),
        [
            (scale, f"{p['measured'] / 1e6:,.0f}")
            + (f"{(p['measured'] + p['left_out']) / 1e6:,.0f}", f"{p['limit'] / 1e6:,.0f}")
            for scale, p in result["memory"].items()
        ],
    )
    if parity := result.get("parity"):
        print("\nI. Training loss of each step against Keras: largest relative difference")
        print_table(
            ("model", "steps", "difference", "limit", ""),
            [
                (r["model"], f"{r['steps']}", f"{r['largest_difference']:.1e}", f"{r['limit']:.0e}")
                + ("ok" if r["passed"] else "FAILED",)
                for r in parity
            ],
        )
