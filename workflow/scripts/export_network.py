"""Write a network of a run as ONNX, at its pruned size, and check that it predicts the same."""

import argparse

from dropnet.data.dataset import Dataset
from dropnet.errors import exit_on_user_error
from dropnet.export.exporting import export
from dropnet.files.artifacts import read_json
from dropnet.networks.cycle_files import load_cycles
from dropnet.networks.models import layers_of, masked_widths
from dropnet.settings import Settings


def main() -> None:
    """Read, export and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Settings.from_json, required=True, help="as JSON")
    parser.add_argument("--method", required=True, help="as the tables name it")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cycle", type=int, help="else the smallest network within a point")
    parser.add_argument("--networks", required=True, help="those of the run")
    parser.add_argument("--provenance", required=True, help="of the job that trained them")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--output", required=True, help="the ONNX file of the exact size")
    args = parser.parse_args()

    settings = args.settings
    cycles, _ = load_cycles(args.networks, masked_widths(layers_of(settings)))
    data = Dataset.load(args.dataset)
    test = (data.test_images[: settings.test_images], data.test_labels[: settings.test_images])
    needed = ["git", "started", "device", "cpu"]
    provenance = read_json(args.provenance, needed)
    export(args.output, settings, args.method, cycles, args.seed, args.cycle, test, provenance)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
