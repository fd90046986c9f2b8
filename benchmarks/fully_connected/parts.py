"""What is measured of Figure 3: the sweep, the training step, the jobs' memory, the losses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from statistics import median
from typing import Any

from benchmarks.bench import (
    JUDGED,
    Bench,
    Images,
    compare_losses,
    files_of,
    judged,
    measure_share,
    peaks_of_jobs,
    remaining_in_figure,
    share_table,
    try_settings,
)
from benchmarks.fully_connected.workload import HIDDEN, INPUTS
from benchmarks.processes import Process
from benchmarks.report import announce, cpu_per_wall, show, spread, table, tell, walls
from benchmarks.sides.protocol import BATCH_SIZE, CLASSES

WORKLOAD, EXPERIMENT, FIGURE = "fully_connected", "FC40-FC40", "fig03"
# An odd number of training images: the last batch of a quick run is a partial one, as ever.
QUICK_IMAGES = {"train": 3216, "validation": 640, "test": 640}
CYCLES_PER_SAMPLE = 15  # of our sweep, between two samples of the others
# Another side's time divided by ours.
RATIOS = {
    "epoch_ratio": "epoch/ours",
    "epoch_cpu_ratio": "CPU epoch/ours",
    "sweep_ratio": "sweep/ours",
}
MEMORY_LIMIT = 2e9  # bytes
# (name, precision, steps or None for an epoch, largest relative difference of a step's loss)
PARITY_CASES = (("first 200 steps", "float32", 200, 1e-4), ("one epoch", "float64", None, 1e-6))
NETWORKS = {"full": 1.0, "pruned": 0.3}  # fraction of the hidden nodes that remains


def write_arrays(bench: Bench) -> dict[str, int]:
    """MNIST, or a little of it; how many images each split has."""
    few = QUICK_IMAGES if bench.options.quick else {}
    wanted = {name: Images("MNIST", name, few.get(name)) for name in QUICK_IMAGES}
    return bench.write_arrays(WORKLOAD, wanted)


def training_flops(samples: int, hidden: Sequence[int] = HIDDEN) -> int:
    """Floating-point operations of the matrix products that train one network for one epoch.

    A multiplication and an addition per weight and sample for the outputs, as many for the
    weights' gradients, and as many for the gradients passed down, which the first layer lacks:
    nobody needs the gradient of the images. Activations, loss and update are not counted.

    >>> training_flops(54_000) / 1e9
    7.42176
    """
    widths = (INPUTS, *hidden, CLASSES)
    weights = [fan_in * fan_out for fan_in, fan_out in zip(widths, widths[1:], strict=False)]
    return 2 * samples * (2 * sum(weights) + sum(weights[1:]))


# --- A: the sweep of Figure 3 ------------------------------------------------------------------


def measure_speed(bench: Bench) -> dict[str, Any]:
    """Time our whole sweep, with samples of the others in between, in several rounds."""
    write_arrays(bench)
    with bench.start_sides(WORKLOAD) as workers:
        others = [side for side in workers if side != "ours"]
        tried = {side: try_settings(f"speed of {side}", workers[side]) for side in others}
        for side in others:
            workers[side].ask("cycle")  # warm
        chosen = {side: usual_and_fastest(seconds) for side, seconds in tried.items()}
        rounds = [
            speed_round(bench, workers, chosen)
            for _ in announce("speed: round", bench.options.rounds)
        ]
    seeds, epochs = bench.options.seeds, bench.options.epochs
    networks = sum(map(len, remaining_in_figure(bench.plan, FIGURE).values()))
    return {
        "seeds": seeds,
        "epochs_per_network": epochs,
        "networks_per_seed": networks,
        "settings_tried_s": tried,
        "summary": summarise_speed(rounds, seeds * networks, epochs),
        "peak_bytes": {side: worker.peak_bytes for side, worker in workers.items()},
        "rounds": rounds,
    }


def usual_and_fastest(seconds: dict[str, float]) -> list[str]:
    """The first setting and the fastest one; one name if they are the same.

    >>> usual_and_fastest({"usual": 2.0, "tuned": 0.5, "other": 1.0})
    ['usual', 'tuned']
    """
    return list(dict.fromkeys([next(iter(seconds)), min(seconds, key=seconds.get)]))


def speed_round(
    bench: Bench, workers: Mapping[str, Process], settings: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """One whole sweep of ours; every few cycles, an epoch of each of the others."""
    ours: list[dict[str, Any]] = []
    others = {
        side: {"epoch": {name: [] for name in settings[side]}, "cycle": []} for side in settings
    }

    def sample_others() -> None:
        for side, samples in others.items():
            for name, epochs in samples["epoch"].items():
                epochs.append(workers[side].ask("epoch", setting=name))
            samples["cycle"].append(workers[side].ask("cycle"))

    sample_others()
    if "ours" in workers:
        start_sweep(bench, workers["ours"])
        while cycle := workers["ours"].ask("next_cycle"):
            ours.append(cycle)
            if len(ours) % CYCLES_PER_SAMPLE == 0:
                sample_others()
    sample_others()
    return {"ours": ours, "others": others}


def start_sweep(bench: Bench, ours: Process) -> None:
    """Begin to prune by all methods of the figure."""
    epochs = bench.options.epochs
    # More patience than epochs: all networks train equally long, as the others' do.
    settings = replace(bench.settings(EXPERIMENT), max_epochs=epochs, patience=epochs + 1)
    ours.ask(
        "start_sweep",
        settings=settings.to_json(),
        seeds=bench.options.seeds,
        metrics=list(remaining_in_figure(bench.plan, FIGURE)),
    )


def summarise_speed(
    rounds: Sequence[dict[str, Any]], networks: int, epochs: int
) -> list[dict[str, Any]]:
    """One row per side and setting, ours first; ratios are taken within each round.

    Ours is the wall time of all its cycles. The others are `networks` times (`epochs` epochs and
    one scoring and test evaluation), from the medians of the round.
    """
    ours = [our_sweep(done["ours"], epochs) for done in rounds if done["ours"]]
    rows = [our_row(ours, rounds)] if ours else []
    for side, samples in rounds[0]["others"].items():
        for setting in samples["epoch"]:
            rows.append(other_row(side, setting, rounds, networks, epochs, ours))
    return rows


def our_sweep(cycles: Sequence[dict[str, Any]], epochs: int) -> dict[str, float]:
    """Seconds of one of our sweeps, and per trained network: of an epoch, and of the rest."""
    networks = sum(cycle["networks"] for cycle in cycles)
    train = sum(cycle["train"]["wall_s"] for cycle in cycles)
    rest = sum(cycle["rest"]["wall_s"] for cycle in cycles)
    return {
        "networks": networks,
        "epoch_s": train / (networks * epochs),
        "epoch_cpu_s": sum(cycle["train"]["cpu_s"] for cycle in cycles) / (networks * epochs),
        "rest_s": rest / networks,
        "sweep_s": train + rest,
    }


def our_row(sweeps: Sequence[dict[str, float]], rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Our row of the table; spreads are over the rounds."""
    return {
        "side": "ours",
        "setting": "compact stacks",
        "networks_trained": sweeps[0]["networks"],
        "epoch_s": spread(sweep["epoch_s"] for sweep in sweeps),
        "epoch_cpu_s": spread(sweep["epoch_cpu_s"] for sweep in sweeps),
        "rest_of_cycle_s": spread(sweep["rest_s"] for sweep in sweeps),
        "sweep_s": spread(sweep["sweep_s"] for sweep in sweeps),
        "cpu_per_wall": cpu_per_wall(cycle["train"] for done in rounds for cycle in done["ours"]),
    }


def other_row(
    side: str,
    setting: str,
    rounds: Sequence[dict[str, Any]],
    networks: int,
    epochs: int,
    ours: Sequence[dict[str, float]],
) -> dict[str, Any]:
    """Another side's row; spreads are over all samples, for sweeps and ratios over the rounds."""
    epochs_done = [done["others"][side]["epoch"][setting] for done in rounds]
    epoch_walls = [walls(samples) for samples in epochs_done]
    epoch_cpu = [median(sample["cpu_s"] for sample in samples) for samples in epochs_done]
    cycle_walls = [walls(done["others"][side]["cycle"]) for done in rounds]
    epoch_medians = [median(seconds) for seconds in epoch_walls]
    sweeps = [
        networks * (epochs * epoch + median(rest))
        for epoch, rest in zip(epoch_medians, cycle_walls, strict=True)
    ]
    row = {
        "side": side,
        "setting": setting,
        "networks_trained": networks,
        "epoch_s": spread(chain.from_iterable(epoch_walls)),
        "epoch_cpu_s": spread(epoch_cpu),
        "rest_of_cycle_s": spread(chain.from_iterable(cycle_walls)),
        "sweep_s": spread(sweeps),
        "cpu_per_wall": cpu_per_wall(chain.from_iterable(epochs_done)),
    }
    if ours:
        row["epoch_ratio"] = spread(
            epoch / sweep["epoch_s"] for epoch, sweep in zip(epoch_medians, ours, strict=True)
        )
        row["epoch_cpu_ratio"] = spread(
            epoch / sweep["epoch_cpu_s"] for epoch, sweep in zip(epoch_cpu, ours, strict=True)
        )
        row["sweep_ratio"] = spread(
            theirs / sweep["sweep_s"] for theirs, sweep in zip(sweeps, ours, strict=True)
        )
    return row


def speed_page(result: Mapping[str, Any]) -> str:
    """The sweep as a table."""
    title = (
        f"A. Figure 3 sweep (FC40-FC40, {result['seeds']} seeds x {result['networks_per_seed']} "
        f"networks, {result['epochs_per_network']} epoch(s) each), one core; median (min-max);\n"
        "   epoch: one network, validation included; rest: one network's scores and test accuracy\n"
    )
    rows = [
        (
            f"{row['side']}: {row['setting']}",
            show(row["epoch_s"], 1e3),
            show(row["rest_of_cycle_s"], 1e3),
            show(row["sweep_s"]),
            f"{row['cpu_per_wall']:.0%}",
            *(show(row[ratio]) if ratio in row else "" for ratio in RATIOS),
        )
        for row in result["summary"]
    ]
    head = ("side", "epoch, ms", "rest, ms", "sweep, s", "CPU/wall", *RATIOS.values())
    return title + table(head, rows)


# --- B: the unpruned training step against the core's matrix products --------------------------


def measure_step(bench: Bench) -> dict[str, Any]:
    """GFLOP/s of our unpruned training epoch, and of the large matrix products around it."""
    flops = training_flops(write_arrays(bench)["train"])
    with bench.start(WORKLOAD, "ours") as ours:
        request = {"settings": bench.settings(EXPERIMENT).to_json(), "seeds": bench.options.seeds}
        share = measure_share(bench, "step", ours, flops, **request)
    return {"gflop_per_network_and_epoch": flops / 1e9} | share


def step_page(result: Mapping[str, Any]) -> str:
    """The training step as a table."""
    title = (
        f"B. Unpruned training step, {result['networks']} networks, "
        f"{result['gflop_per_network_and_epoch']:.2f} GFLOP per network and epoch\n"
    )
    return title + share_table(result)


# --- C: peak memory of a job -------------------------------------------------------------------


def measure_memory(bench: Bench) -> dict[str, Any]:
    """Peak resident memory of the workflow's two training jobs, run as the workflow runs them.

    One epoch a cycle: what a job holds does not depend on how long it trains.
    """
    settings = replace(bench.settings(EXPERIMENT), max_epochs=1, patience=1)
    _, split = files_of(bench.options.data, settings.dataset)
    peaks = peaks_of_jobs(bench, settings, "minimum", split, bench.options.seeds)
    for name, peak in peaks.items():
        bench.check(f"peak memory of {name}, bytes", peak, MEMORY_LIMIT)
    return {"seeds": bench.options.seeds, "peak_bytes": peaks, "limit_bytes": MEMORY_LIMIT}


def memory_page(result: Mapping[str, Any]) -> str:
    """The jobs' peak memory."""
    rows = [
        (name, f"{peak / 1e6:,.0f}", f"{result['limit_bytes'] / 1e6:,.0f}")
        for name, peak in result["peak_bytes"].items()
    ]
    title = f"C. Peak memory of a job with {result['seeds']} seeds\n"
    return title + table(("job", "peak, MB", "limit, MB"), rows)


# --- D: the same losses ------------------------------------------------------------------------


def measure_parity(bench: Bench) -> list[dict[str, Any]]:
    """Losses of the same steps from the same weights; each side against Keras (else PyTorch)."""
    images = write_arrays(bench)["train"]
    networks = {name: str(bench.folder / f"network_{name}.npz") for name in NETWORKS}
    settings = bench.settings(EXPERIMENT).to_json()
    with bench.start(WORKLOAD, "ours") as ours:
        for seed, (name, remaining) in enumerate(NETWORKS.items()):
            request = {"out": networks[name], "seed": seed, "remaining": remaining}
            ours.ask("write_network", settings=settings, **request)
    reference = "keras" if "keras" in bench.options.sides else "pytorch"
    rows = []
    for case, dtype, steps, limit in PARITY_CASES:
        steps = min(steps or images, -(-images // BATCH_SIZE))
        losses = losses_of_sides(bench, networks, dtype, steps)
        theirs = losses.pop(reference)
        for side, own in losses.items():
            for name in NETWORKS:
                row = {"side": side, "reference": reference, "network": name}
                row |= {"case": case, "dtype": dtype}
                title = f"{side} {name} {dtype}"
                rows.append(row | compare_losses(bench, title, own[name], theirs[name], limit))
    return rows


def losses_of_sides(
    bench: Bench, networks: Mapping[str, str], dtype: str, steps: int
) -> dict[str, dict[str, list[float]]]:
    """The training loss of each step, by side and network; a process keeps to one precision."""
    tell(f"parity: {steps} steps in {dtype}")
    request = {"dtype": dtype, "steps": steps}
    own = {"ours": {"settings": bench.settings(EXPERIMENT).to_json()}}
    with bench.start_sides(WORKLOAD) as workers:
        return {
            side: {
                name: worker.ask("losses", network=network, **request, **own.get(side, {}))
                for name, network in networks.items()
            }
            for side, worker in workers.items()
        }


def parity_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The differences as a table."""
    head = ("compared", "network", "steps", "precision", *JUDGED)
    lines = [
        (f"{row['side']} - {row['reference']}", row["network"], f"{row['steps']}", row["dtype"])
        + judged(row)
        for row in rows
    ]
    return "D. Training loss of each step: largest relative difference\n" + table(head, lines)
