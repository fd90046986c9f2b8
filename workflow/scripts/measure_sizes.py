"""Count parameters and multiply-adds of every network of an experiment, from its masks."""

import argparse
import csv
import json

from dropnet.errors import exit_on_user_error
from dropnet.files.artifacts import atomic_path
from dropnet.networks.cycle_files import load_masks
from dropnet.networks.models import layers_of, masked_widths
from dropnet.networks.sizes import size_of
from dropnet.networks.steps import steps_of
from dropnet.settings import Settings
from dropnet.tables.columns import SIZE_COLUMNS


def main() -> None:
    """Read masks, count and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Settings.from_json, required=True, help="as JSON")
    parser.add_argument("--image", type=json.loads, required=True, help="JSON: its shape")
    parser.add_argument(
        "--networks", type=json.loads, required=True, help="JSON: each method's files of networks"
    )
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    layers = layers_of(args.settings)
    widths = masked_widths(layers)
    with atomic_path(args.output) as path, path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(SIZE_COLUMNS)
        for method, paths in args.networks.items():
            for networks in paths:
                for cycle, seed, masks in load_masks(networks, widths):
                    size = size_of(steps_of(layers, tuple(args.image), masks), *args.image[1:])
                    row = [args.settings.experiment, method, seed, cycle]
                    table.writerow([*row, size.parameters, size.multiply_adds])


if __name__ == "__main__":
    with exit_on_user_error():
        main()
