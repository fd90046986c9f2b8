"""sizes.csv: parameters and multiply-adds of every network of an experiment, from its masks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dropnet.files.csv_rows import write_rows
from dropnet.networks.cycle_files import load_masks
from dropnet.networks.models import layers_of, masked_widths
from dropnet.networks.sizes import size_of
from dropnet.networks.steps import steps_of
from dropnet.settings import Settings
from dropnet.tables.columns import SIZES


def write_sizes(
    path: str | Path,
    settings: Settings,
    image: Sequence[int],
    networks: Mapping[str, Sequence[str | Path]],
) -> None:
    """Write one row a network, by method and in the order of the files.

    Args:
        path: of the table.
        settings: of the experiment.
        image: (channels, height, width) of its images.
        networks: the files of each method, as `cycle_files.save_cycles` writes them.
    """
    write_rows(path, SIZES, size_rows(settings, image, networks))


def remaining_in(path: str | Path, settings: Settings) -> list[tuple[int, int, str]]:
    """Return (seed, cycle, what remains of each masked layer) of the networks in a file.

    The last is written as in runs.csv. Raises UserError if the file is damaged, or if the networks
    are not those of the settings.
    """
    masks = load_masks(path, masked_widths(layers_of(settings)))
    return [(seed, cycle, "|".join(map(str, of.remaining))) for cycle, seed, of in masks]


def size_rows(
    settings: Settings, image: Sequence[int], networks: Mapping[str, Sequence[str | Path]]
) -> Iterator[dict[str, Any]]:
    """Yield these rows."""
    layers, (channels, height, width) = layers_of(settings), image
    widths = masked_widths(layers)
    for method, paths in networks.items():
        for path in paths:
            for cycle, seed, masks in load_masks(path, widths):
                steps = steps_of(layers, (channels, height, width), masks)
                yield {
                    "experiment": settings.experiment,
                    "method": method,
                    "seed": seed,
                    "cycle": cycle,
                    **asdict(size_of(steps, height, width)),
                }
