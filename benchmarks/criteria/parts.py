"""What is measured of the criteria: their scores, beside an epoch of the training before them."""

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench, Images
from benchmarks.report import announce, show, spread, table
from dropnet.metrics import METRICS

WORKLOAD = "criteria"
#: Networks: how many are trained together, and on how many images. The protocol's own for Model A.
NETWORKS = {"FC40-FC40": (15, 54_000), "Conv64-Conv64": (1, 6_400)}
PROTOCOL_IMAGES = 54_000
QUICK_IMAGES = 640
EPOCHS = 13  # of a cycle, rounded down from the published means (docs/scaling.md)
LIMIT_OF_RUN, LIMIT_IN_EPOCHS = 0.15, 1.0  # what scores may add, beyond those of `minimum`
PLAIN = "minimum"  # needs what every cycle works out


def measure_criteria(bench: Bench) -> dict[str, Any]:
    """Seconds of each criterion's scores beside those of an epoch, in turns."""
    count = QUICK_IMAGES if bench.options.quick else None
    wanted = {part: Images("MNIST", part, count) for part in ("train", "validation")}
    bench.write_arrays(WORKLOAD, wanted)
    with bench.start(WORKLOAD, "ours") as ours:
        return {name: measure_network(bench, ours, name) for name in NETWORKS}


def measure_network(bench: Bench, ours: Any, name: str) -> dict[str, Any]:
    """Rounds of an epoch and all scores."""
    networks, images = NETWORKS[name]
    settings = bench.settings(name).to_json()
    ours.ask("prepare", settings=settings, networks=networks, images=images)
    criteria = criteria_of(name)
    if bench.options.quick:  # those whose cost does not grow with the images would take minutes
        criteria = [c for c in criteria if c == PLAIN or METRICS[c].gatherers(1)]
    for criterion in criteria:
        ours.ask("scores", metric=criterion)  # warm
    rounds: list[dict[str, float]] = []
    for _ in announce(f"criteria {name}: round", bench.options.rounds):
        epoch = ours.ask("epoch")["wall_s"]
        seconds = {c: ours.ask("scores", metric=c)["wall_s"] for c in criteria}
        rounds.append({"epoch": epoch, **seconds})
    found: dict[str, Any] = {"networks": networks, "images": images}
    found["epoch_s"] = spread(r["epoch"] for r in rounds)
    found["criteria"] = {}
    for criterion in criteria:
        more = [(r[criterion] - r[PLAIN]) / r["epoch"] for r in rounds]
        of_run = [m / (EPOCHS + r[PLAIN] / r["epoch"]) for m, r in zip(more, rounds, strict=True)]
        found["criteria"][criterion] = {"in_epochs": spread(more), "of_run": spread(of_run)}
        share = of_protocol(criterion, images)
        limits = LIMIT_IN_EPOCHS, LIMIT_OF_RUN
        for (part, value), limit in zip(found["criteria"][criterion].items(), limits, strict=True):
            bench.check(f"scores of {criterion}, {name}: {part}", share * value["median"], limit)
    return found


def of_protocol(criterion: str, images: int) -> float:
    """What turns epochs of so many images into those of the protocol.

    The scores of some criteria cost the same whatever the number of images; those of the others
    grow with it, as an epoch does.
    """
    return 1.0 if METRICS[criterion].gatherers(1) else images / PROTOCOL_IMAGES


def criteria_of(name: str) -> list[str]:
    """The metrics that are for a network, in their global forms."""
    fully_connected = name.startswith("FC")
    return [
        name
        for name, metric in METRICS.items()
        if not metric.per_layer
        and (fully_connected or metric.networks != "fully connected")
        and name != "oracle"  # table J
    ]


def criteria_page(result: Mapping[str, Any]) -> str:
    """All of it as tables."""
    pages = [
        f"L. Scores of the criteria, beyond those of {PLAIN}; cycles of {EPOCHS} epochs of "
        f"{PROTOCOL_IMAGES:,} images"
    ]
    for name, measured in result.items():
        rows = []
        for criterion, found in measured["criteria"].items():
            share = of_protocol(criterion, measured["images"])
            rows.append(
                (criterion, show(found["in_epochs"], share), show(found["of_run"], 100 * share))
            )
        title = f"{name}: {measured['networks']} networks, measured with {measured['images']:,}"
        head = (title, "in epochs", "% of a cycle")
        pages.append(table(head, rows))
    return "\n".join(pages)
