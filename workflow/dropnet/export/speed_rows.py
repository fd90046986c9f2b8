"""Rows of speed.csv: how fast the networks of an experiment are beside the unpruned one."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dropnet.chance import near_chance
from dropnet.export import onnx_file
from dropnet.export.latency import Call, Clock, measure, spread
from dropnet.files.artifacts import artifact, read_json
from dropnet.randomness import generator

BATCHES = (1, 32)  # images at a time
DIGITS = 6  # decimals of what is measured

#: What rows take over from the cards of their networks.
FROM_CARD = (
    *("experiment", "method", "seed", "cycle", "rounding", "fraction_remaining"),
    *("accuracy", "unpruned_accuracy", "parameters", "multiply_adds", "bytes"),
)


def speed_rows(
    cards: Sequence[Mapping[str, Any]], calls: Mapping[int, Sequence[Call]], cpu: str, clock: Clock
) -> Iterator[dict[str, Any]]:
    """Measure networks, and yield a row for each batch size and network, the unpruned one first.

    Args:
        cards: of the networks, the unpruned one first.
        calls: by batch size, what makes each of the networks predict a batch.
        cpu: the name of the processor.
        clock: seconds.
    """
    reference = cards[0]
    for batch, of_batch in calls.items():
        named = {str(place): call for place, call in enumerate(of_batch)}
        seconds = list(measure(named, clock=clock).values())
        for card, taken in zip(cards, seconds, strict=True):
            latency, speedup = spread(1000 * taken), spread(seconds[0] / taken)
            yield {
                **{key: card[key] for key in FROM_CARD},
                "batch": batch,
                "at_chance": near_chance(card["unpruned_accuracy"], card["output"]["shape"][-1]),
                "multiply_adds_share": round(
                    card["multiply_adds"] / reference["multiply_adds"], DIGITS
                ),
                "latency_ms": round(latency.median, DIGITS),
                "latency_low": round(latency.low, DIGITS),
                "latency_high": round(latency.high, DIGITS),
                "speedup": round(speedup.median, DIGITS),
                "speedup_low": round(speedup.low, DIGITS),
                "speedup_high": round(speedup.high, DIGITS),
                "cpu": cpu,
            }


def read_card(network: str | Path) -> dict[str, Any]:
    """Read the card of a network by the path of its file; raises UserError if it is none."""
    path = Path(network).with_suffix(".json")
    return read_json(path, [*FROM_CARD, "input", "output"])


def calls_of(
    networks: Sequence[str | Path], cards: Sequence[Mapping[str, Any]]
) -> dict[int, list[Call]]:
    """Return by batch size what makes each network predict a batch of random images."""
    sessions = [onnx_file.start(path) for path in networks]
    with artifact(Path(networks[0]).with_suffix(".json")):
        _, *shape = cards[0]["input"]["shape"]
    calls: dict[int, list[Call]] = {}
    for batch in BATCHES:
        images = random_images(batch, shape)
        calls[batch] = [partial(onnx_file.logits_of, session, images) for session in sessions]
    return calls


def random_images(count: int, shape: Sequence[int]) -> np.ndarray:
    """Return float32 images of a shape, with values from 0 to 1."""
    return torch.rand(count, *shape, generator=generator("latency", count)).numpy()
