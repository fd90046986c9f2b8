"""What is measured of ResNet18 and VGG19: a training step, unpruned and with a fifth of it left."""

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench, Images
from benchmarks.processes import Process
from benchmarks.report import announce, show, spread, table, tell
from benchmarks.sides.protocol import BATCH_SIZE

WORKLOAD = "large"
NETWORKS = ("ResNet18", "VGG19")
REMAINING = (1.0, 0.2)  # of each layer's filters
STEPS = 5  # of a measurement
QUICK_STEPS = 1


def measure_large(bench: Bench) -> dict[str, Any]:
    """Seconds of a step of ours, and of the other side, which has networks of full size."""
    steps = QUICK_STEPS if bench.options.quick else STEPS
    bench.write_arrays(WORKLOAD, {"train": Images("CIFAR-10", "train", steps * BATCH_SIZE)})
    with bench.start_sides(WORKLOAD, ("ours", "pytorch")) as workers:
        return {name: measure_network(bench, workers, name, steps) for name in NETWORKS}


def measure_network(
    bench: Bench, workers: Mapping[str, Process], name: str, steps: int
) -> dict[str, Any]:
    """Rounds of the sides in turns, the other one in the layout that is the fastest for it."""
    settings = bench.settings(name).to_json()
    ours, pytorch = workers["ours"], workers.get("pytorch")
    tried = {}
    for layout in pytorch.ask("settings") if pytorch else ():
        tell(f"{name}: trying {layout}")
        tried[layout] = pytorch.ask("epoch", settings=settings, layout=layout)["wall_s"]
    chosen = min(tried, key=tried.__getitem__, default=None)
    rounds = []
    for _ in announce(f"{name}: round", bench.options.rounds):
        own = [ours.ask("epoch", settings=settings, remaining=r)["wall_s"] for r in REMAINING]
        rounds.append({"ours": own})
        if pytorch:
            request = {"settings": settings, "layout": chosen}
            rounds[-1]["pytorch"] = pytorch.ask("epoch", **request)["wall_s"]
    result: dict[str, Any] = {"layouts_tried_s": tried, "chosen": chosen, "ours": {}}
    for place, remaining in enumerate(REMAINING):
        found = {"step_s": spread(r["ours"][place] / steps for r in rounds)}
        if chosen:
            found["ratio"] = spread(r["pytorch"] / r["ours"][place] for r in rounds)
        result["ours"][str(remaining)] = found
    if chosen:
        result["pytorch_step_s"] = spread(r["pytorch"] / steps for r in rounds)
    return result


def large_page(result: Mapping[str, Any]) -> str:
    """All of it as a table."""
    rows = []
    for name, found in result.items():
        for remaining, own in found["ours"].items():
            ratio = show(own["ratio"]) if "ratio" in own else ""
            side = f"ours: {float(remaining):.0%} of the filters"
            rows.append((name, side, show(own["step_s"]), ratio))
        if found["chosen"]:
            rows.append((name, f"pytorch: {found['chosen']}", show(found["pytorch_step_s"]), ""))
    title = f"M. A training step of {BATCH_SIZE} images of CIFAR-10, one core, float32\n"
    return title + table(("network", "side", "step, s", "pytorch/ours"), rows)
