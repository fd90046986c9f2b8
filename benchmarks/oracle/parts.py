"""What is measured of the oracle: one cycle of Figures 13 and 14, its losses and its memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench import Bench, Images, largest_difference
from benchmarks.oracle.workload import candidates
from benchmarks.processes import Process
from benchmarks.report import announce, show, spread, table, tell
from benchmarks.sides.protocol import BATCH_SIZE

WORKLOAD = "oracle"
NAMES = {"A": "FC20-FC20", "B": "Conv20-Conv20"}  # of the networks
EXPERIMENTS = {"A": "FC20-FC20-oracle", "B": "Conv20-Conv20"}
QUICK_IMAGES = 640
TRAINED_ON = 6400  # images, for an epoch: enough for a network that has learnt something
# Candidates timed in a round, of 40; the other ones cost the same. All of PyTorch's Model A.
TIMED = {("keras", "A"): 2, ("pytorch", "A"): 40, ("pytorch", "B"): 4}
# Relative differences of losses. All sides compute in single precision; Keras also sums in it.
LOSS_LIMITS = {"pytorch": 1e-6, "keras": 1e-5}
MEMORY_LIMIT = 2e9  # bytes, of a process, with four times the images as well
OWN_MEMORY_LIMIT = 2e8  # bytes that the oracle adds to the data, whatever their number
COPIES = 4  # of the images


def measure_oracle(bench: Bench) -> dict[str, Any]:
    """Seconds of our oracle beside those of one pass per candidate; losses, choice and memory."""
    count = QUICK_IMAGES if bench.options.quick else None
    images = bench.write_arrays(WORKLOAD, {"train": Images("MNIST", "train", count)})["train"]
    with bench.start_sides(WORKLOAD) as workers:
        models = {model: measure_model(bench, workers, model, images) for model in NAMES}
    return {"images": images, "models": models, "memory": measure_memory(bench)}


def measure_model(
    bench: Bench, workers: Mapping[str, Process], model: str, images: int
) -> dict[str, Any]:
    """Rounds of ours and the others in turn."""
    network = str(bench.folder / f"oracle_{model}.npz")
    settings = bench.settings(EXPERIMENTS[model]).to_json()
    first = min(images, TRAINED_ON)
    workers["ours"].ask("prepare", model=model, settings=settings, images=first, out=network)
    others = [side for side in workers if (side, model) in TIMED]
    batches: dict[str, dict[str, int]] = {side: {} for side in others}
    for side in others:
        workers[side].ask("load", model=model, network=network)
        if side == "pytorch":
            batches[side] = {"batch": fastest_batch(workers[side], model)}
    every = candidates(model)
    ours: list[dict[str, Any]] = []
    theirs: dict[str, list[dict[str, Any]]] = {side: [] for side in others}
    workers["ours"].ask("losses", model=model)  # warm
    for number in announce(f"oracle {model}: round", bench.options.rounds):
        ours.append(workers["ours"].ask("losses", model=model))
        for side in others:
            chosen = some_of(every, TIMED[side, model], number)
            answer = workers[side].ask("losses", model=model, which=chosen, **batches[side])
            theirs[side].append(answer | {"which": chosen})
    compared = {side: compare(ours, theirs[side], every) | batches[side] for side in others}
    for side, other in compared.items():
        name = f"oracle losses of {NAMES[model]}: ours - {side}"
        bench.check(name, other["largest_loss_difference"], LOSS_LIMITS[side])
    return {
        "candidates": len(every),
        "our_s": spread(answer["wall_s"] for answer in ours),
        "others": compared,
    }


def some_of(every: list[tuple[int, int]], count: int, number: int) -> list[tuple[int, int]]:
    """As many candidates, spread over both layers, other ones in each round.

    >>> some_of(candidates("A"), 2, 3)
    [(0, 3), (1, 3)]
    >>> some_of(candidates("A"), 40, 3) == candidates("A")
    True
    """
    apart = len(every) // count
    return [every[place * apart + number % apart] for place in range(count)]


def fastest_batch(worker: Process, model: str) -> int:
    """The batch size at which a pass is fastest."""
    seconds = {}
    for batch in worker.ask("batches", model=model):
        worker.ask("losses", model=model, which=[[0, 0]], batch=batch)
        answer = worker.ask("losses", model=model, which=[[0, 0]], batch=batch)
        seconds[batch] = answer["wall_s"]
    return min(seconds, key=seconds.get)


def compare(
    ours: Sequence[Mapping[str, Any]],
    theirs: Sequence[Mapping[str, Any]],
    every: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Seconds for all candidates, how often ours is as fast, and how far the losses differ."""
    seconds = [t["wall_s"] / len(t["which"]) * len(every) for t in theirs]
    differences = []
    for our, their in zip(ours, theirs, strict=True):
        own = [our["losses"][every.index(tuple(which))] for which in their["which"]]
        differences.append(largest_difference(own, their["losses"]))
    return {
        "timed": len(theirs[0]["which"]),
        "all_s": spread(seconds),
        "ratio": spread(s / o["wall_s"] for s, o in zip(seconds, ours, strict=True)),
        "largest_loss_difference": max(differences),
    }


def measure_memory(bench: Bench) -> list[dict[str, Any]]:
    """Peak memory of a process that runs the oracle, and of one that only prepares the images."""
    rows = []
    for model in NAMES:
        for copies in (1, COPIES):
            tell(f"oracle {model}: memory, {copies} x the images")
            peak, data = (peak_of(bench, model, copies, runs=runs) for runs in (True, False))
            rows.append({"model": model, "copies": copies, "peak": peak, "data": data})
            name = f"oracle memory of {NAMES[model]}, {copies} x the images"
            bench.check(f"{name}: beyond the data", peak - data, OWN_MEMORY_LIMIT)
            bench.check(name, peak, MEMORY_LIMIT)
    return rows


def peak_of(bench: Bench, model: str, copies: int, runs: bool) -> int:
    """Peak memory in bytes of a process that prepares the images, and runs the oracle or not."""
    with bench.start(WORKLOAD, "ours") as ours:
        ours.ask("repeat", copies=copies)
        settings = bench.settings(EXPERIMENTS[model]).to_json()
        ours.ask("prepare", model=model, settings=settings, images=BATCH_SIZE)
        if runs:
            ours.ask("losses", model=model)
    return ours.peak_bytes


def oracle_page(result: Mapping[str, Any]) -> str:
    """All of it as tables."""
    images = result["images"]
    title = (
        f"J. Oracle: one cycle of one network, the loss without each node over {images:,} images"
    )
    rows = []
    for model, measured in result["models"].items():
        rows.append((NAMES[model], "ours", show(measured["our_s"]), "", ""))
        for side, other in measured["others"].items():
            timed = f"{side} ({other['timed']} of {measured['candidates']} candidates timed)"
            ratio, difference = show(other["ratio"]), f"{other['largest_loss_difference']:.1e}"
            rows.append((NAMES[model], timed, show(other["all_s"]), ratio, difference))
    seconds = table(("network", "side", "seconds", "oracle/ours", "losses differ by"), rows)
    rows = [
        (NAMES[row["model"]], f"{row['copies'] * images:,}", f"{row['peak'] / 1e6:,.0f}")
        + (f"{max(0, row['peak'] - row['data']) / 1e6:,.0f}",)
        for row in result["memory"]
    ]
    memory = table(("network", "images", "peak memory, MB", "beyond the data, MB"), rows)
    return "\n".join((title, seconds, memory))
