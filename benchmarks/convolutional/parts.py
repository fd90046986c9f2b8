"""What is measured of Figure 6: its training, bfloat16; losses and memory of larger networks."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import (
    JUDGED,
    Bench,
    Images,
    compare_losses,
    files_of,
    images_of,
    judged,
    measure_share,
    peaks_of_jobs,
    remaining_in_figure,
    share_table,
    try_settings,
)
from benchmarks.convolutional.workload import ARCHITECTURES, FILTERS
from benchmarks.processes import Process, run_script
from benchmarks.report import announce, show, spread, table, tell
from benchmarks.sides.protocol import BATCH_SIZE, CLASSES
from dropnet.config.plan import Plan
from dropnet.settings import Settings

WORKLOAD, FIGURE = "convolutional", "fig06"
EXPERIMENTS = {"B": "Conv64-Conv64", "C": "Conv64-Conv64-Conv128-Conv128"}
# training and validation images of an epoch: the ratio of the protocol, few enough for many epochs
IMAGES = {"train": 9600, "validation": 1067, "parity": 960}
QUICK_IMAGES = {"train": 320, "validation": 64, "parity": 96}
NARROW = (13, 13)  # 20% of the filters
WIDTHS_PER_SAMPLE = 12  # of our networks, between two epochs of the others
ACCURACY_EPOCHS = 5
#: Steps and the largest difference of their losses. In float32 few: by step 27 of Model C, rounding
#: alone takes either side 4e-3 from itself in float64, where both sides agree to the last digit.
PARITY = {"float32": (10, 1e-4), "float64": (30, 1e-6)}
MEMORY_LIMITS = {"preview": 3e9, "paper": 6e9}  # bytes
# At scale paper, VGG19's job has few of the images, for time's sake.
FEW = {"train_images": 200, "test_images": 100, "stop_fraction": 0.5}


def measure_conv(bench: Bench) -> dict[str, Any]:
    """All the training of Figure 6, ours beside the others; precision, memory and parity."""
    images = QUICK_IMAGES if bench.options.quick else IMAGES
    wanted = {name: Images("MNIST", name, images[name]) for name in ("train", "validation")}
    for model, network in ARCHITECTURES.items():
        wanted[f"parity_{model}"] = Images(network.dataset, "train", images["parity"])
    bench.write_arrays(WORKLOAD, wanted)
    with bench.start_sides(WORKLOAD) as workers:
        ours = workers["ours"]
        result = {"images": images, "filters": list(FILTERS)}
        result["speed"] = measure_sweep(bench, workers)
        flops = training_flops(images["train"])
        settings = bench.settings(EXPERIMENTS["B"]).to_json()
        result["step"] = measure_share(bench, "conv step", ours, flops, settings=settings)
        result["bfloat16"] = measure_precision(bench, ours)
    if "keras" in bench.options.sides:
        result["parity"] = measure_parity(bench, images["parity"])
    result["memory"] = measure_memory(bench)
    return result


def training_flops(samples: int, filters: tuple[int, int] = FILTERS) -> int:
    """Floating-point operations of the products that train Model B for one epoch.

    As in `fully_connected.parts`: outputs, gradients of the weights, gradients passed down but for
    the images; a multiplication and an addition for each weight and position.

    >>> training_flops(1) / 1e6
    45.34656
    """
    first, second = filters
    conv1 = 28 * 28 * 9 * first
    conv2 = 14 * 14 * 9 * first * second
    dense = 49 * second * CLASSES
    return 2 * samples * (2 * conv1 + 3 * (conv2 + dense))


# --- E: all the training of Figure 6 -----------------------------------------------------------


def networks_trained(plan: Plan) -> Counter[tuple[int, int]]:
    """The widths of the networks of one seed, and how often the figure trains each.

    The global metrics are taken to shrink both layers alike, as those by layer do. All methods
    share the unpruned network.
    """
    often = Counter({FILTERS: 1})
    for counts in remaining_in_figure(plan, FIGURE).values():
        often.update((count - count // 2, count // 2) for count in counts[1:])
    return often


def measure_sweep(bench: Bench, workers: Mapping[str, Process]) -> dict[str, Any]:
    """Seconds of one epoch of each of our networks; of the others, of one masked network.

    A masked network costs the same whatever its masks, so that the figure costs the others as many
    of these epochs as it has networks.
    """
    often = networks_trained(bench.plan)
    widths = list(often) if not bench.options.quick else [FILTERS, NARROW]
    networks = sum(often[w] for w in widths)
    others = [side for side in workers if side != "ours"]
    tried = {side: try_settings(f"conv of {side}", workers[side]) for side in others}
    chosen = {side: min(seconds, key=seconds.get) for side, seconds in tried.items()}
    model_b = bench.settings(EXPERIMENTS["B"])
    sizes = {width: replace(model_b, widths=width).to_json() for width in widths}
    workers["ours"].ask("epoch", settings=sizes[FILTERS])
    rounds = []
    for _ in announce("conv: round", bench.options.rounds):
        ours, theirs = {}, {side: [] for side in others}
        for number, width in enumerate(widths):
            if number % WIDTHS_PER_SAMPLE == 0:
                for side in others:
                    theirs[side].append(workers[side].ask("epoch", setting=chosen[side])["wall_s"])
            ours[width] = workers["ours"].ask("epoch", settings=sizes[width])["wall_s"]
        rounds.append({"ours": ours, "others": theirs})
    totals = [sum(often[width] * s for width, s in r["ours"].items()) for r in rounds]
    return {
        "networks": networks,
        "settings_tried_s": tried,
        "chosen": chosen,
        "our_sweep_s": spread(totals),
        "narrow_share": spread(
            r["ours"][nearest(NARROW, r["ours"])] / r["ours"][FILTERS] for r in rounds
        ),
        "others": {
            side: compare_sweeps([r["others"][side] for r in rounds], networks, totals)
            for side in others
        },
        "our_epochs_s": {
            "-".join(map(str, w)): spread(r["ours"][w] for r in rounds) for w in widths
        },
    }


def compare_sweeps(epochs: list[list[float]], networks: int, ours: list[float]) -> dict[str, Any]:
    """Another side's epochs in each round, as a sweep beside ours."""
    sweeps = [networks * median(seconds) for seconds in epochs]
    return {
        "epoch_s": spread(chain.from_iterable(epochs)),
        "sweep_s": spread(sweeps),
        "ratio": spread(theirs / own for theirs, own in zip(sweeps, ours, strict=True)),
    }


def nearest(widths: tuple[int, int], measured: Mapping[tuple[int, int], float]) -> tuple[int, int]:
    """The measured widths whose sum is nearest, the larger ones of two.

    >>> nearest((13, 13), {(12, 12): 1.0, (14, 14): 1.0, (20, 20): 2.0})
    (14, 14)
    """
    return min(sorted(measured, reverse=True), key=lambda w: abs(sum(w) - sum(widths)))


# --- G: bfloat16 -------------------------------------------------------------------------------


def measure_precision(bench: Bench, ours: Process) -> dict[str, Any]:
    """The unpruned epoch in float32 and in bfloat16, and what accuracy each reaches."""
    model_b = bench.settings(EXPERIMENTS["B"])
    single, half = (
        replace(model_b, precision=precision).to_json() for precision in ("float32", "bfloat16")
    )
    ratios = []
    ours.ask("step", settings=half)
    for _ in announce("conv bfloat16: round", bench.options.rounds):
        seconds = ours.ask("step", settings=single)["wall_s"]
        ratios.append(seconds / ours.ask("step", settings=half)["wall_s"])
    epochs = 1 if bench.options.quick else ACCURACY_EPOCHS
    accuracy = {
        precision: ours.ask("accuracy", settings=settings, epochs=epochs)
        for precision, settings in (("float32", single), ("bfloat16", half))
    }
    return {"ratio": spread(ratios), "epochs": epochs, "accuracy": accuracy}


# --- H: peak memory ----------------------------------------------------------------------------


def measure_memory(bench: Bench) -> dict[str, Any]:
    """Peak memory of the jobs of the largest network of each scale, one epoch a cycle.

    What the job of scale paper would hold more of is the training split of the images it lacks,
    once as the data set has it and once as the engine keeps it.
    """
    reduced = {"preview": {"stop_fraction": 0.1}} | ({} if bench.options.quick else {"paper": FEW})
    peaks = {}
    for scale, fewer in reduced.items():
        whole = replace(bench.settings("VGG19", scale), max_epochs=1, patience=1)
        settings = replace(whole, **fewer)
        split = make_split(bench, settings)
        peak = max(peaks_of_jobs(bench, settings, "minimum_layer", split, seeds=1).values())
        image_bytes = math.prod(bench.plan.config["datasets"][settings.dataset]["image"])
        left_out = 2 * (images_of(whole)[0] - images_of(settings)[0]) * image_bytes
        limit = MEMORY_LIMITS[scale]
        bench.check(f"peak memory of VGG19 at scale {scale}, bytes", peak + left_out, limit)
        peaks[scale] = {"measured": peak, "left_out": left_out, "limit": limit}
    return peaks


def make_split(bench: Bench, settings: Settings) -> Path:
    """As the workflow does, in a process: what this one held would count in all that it starts."""
    dataset, _ = files_of(bench.options.data, settings.dataset)
    split = bench.folder / f"split_{settings.scale}.safetensors"
    few = ("--train-images", str(settings.train_images or "all"))
    run_script("split_dataset", "--dataset", str(dataset), *few, "--output", str(split))
    return split


# --- I: the same losses ------------------------------------------------------------------------


def measure_parity(bench: Bench, images: int) -> list[dict[str, Any]]:
    """Losses of the first steps of Models B and C from the same weights, ours against Keras'.

    A process keeps to one precision.
    """
    rows = []
    for dtype, (steps, limit) in PARITY.items():
        with bench.start(WORKLOAD, "ours") as ours, bench.start(WORKLOAD, "keras") as keras:
            for seed, model in enumerate(ARCHITECTURES):
                tell(f"conv parity: Model {model}, {dtype}")
                network = str(bench.folder / f"network_{model}.npz")
                own = {"settings": bench.settings(EXPERIMENTS[model]).to_json()}
                ours.ask("write_network", model=model, out=network, seed=seed, **own)
                request = {"model": model, "network": network, "dtype": dtype}
                request["steps"] = min(steps, images // BATCH_SIZE)
                losses = ours.ask("losses", **request, **own)
                theirs = keras.ask("losses", **request)
                title = f"Model {model} {dtype}"
                compared = compare_losses(bench, title, losses, theirs, limit)
                rows.append({"model": model, "dtype": dtype} | compared)
    return rows


# --- tables ------------------------------------------------------------------------------------


def conv_page(result: Mapping[str, Any]) -> str:
    """All of it as tables."""
    sections = [
        sweep_section(result["speed"], result["images"]["train"]),
        "F. Unpruned Conv64-Conv64 training step\n" + share_table(result["step"]),
        precision_section(result["bfloat16"]),
        memory_section(result["memory"]),
    ]
    if parity := result.get("parity"):
        rows = [(row["model"], f"{row['steps']}", row["dtype"], *judged(row)) for row in parity]
        title = "I. Training loss of each step against Keras: largest relative difference\n"
        sections.append(title + table(("model", "steps", "precision", *JUDGED), rows))
    return "\n\n".join(sections)


def sweep_section(speed: Mapping[str, Any], images: int) -> str:
    """All training of the figure."""
    title = (
        f"E. All training of Figure 6 (Conv64-Conv64, {speed['networks']} networks a seed), "
        f"{images:,} training images, one epoch each, one core, float32\n"
    )
    rows = [("ours: compact", "", show(speed["our_sweep_s"]), "")]
    for side, other in speed["others"].items():
        name = f"{side}: {speed['chosen'][side]}"
        rows.append((name, *(show(other[key]) for key in ("epoch_s", "sweep_s", "ratio"))))
    narrow = show(speed["narrow_share"])
    last = f"\n   an epoch at 20% of the filters / the unpruned one: {narrow}"
    return title + table(("side", "epoch, s", "sweep, s", "sweep/ours"), rows) + last


def precision_section(half: Mapping[str, Any]) -> str:
    """What bfloat16 brings and costs."""
    accuracy = ", ".join(f"{name} {value:.4f}" for name, value in half["accuracy"].items())
    return (
        f"G. bfloat16: the unpruned epoch is {show(half['ratio'])} times as fast as in float32;\n"
        f"   validation accuracy after {half['epochs']} epochs: {accuracy}"
    )


def memory_section(peaks: Mapping[str, Any]) -> str:
    """The jobs' peak memory."""
    sizes = {
        scale: (peak["measured"], peak["measured"] + peak["left_out"], peak["limit"])
        for scale, peak in peaks.items()
    }
    rows = [(scale, *(f"{size / 1e6:,.0f}" for size in of)) for scale, of in sizes.items()]
    head = ("scale", "measured, MB", "with all images, MB", "limit, MB")
    return "H. Peak memory of the jobs of VGG19\n" + table(head, rows)
