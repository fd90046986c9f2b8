"""Split the official training set into training and validation images: write their positions."""

import argparse
import sys
from pathlib import Path

from dropnet.data.dataset import Dataset
from dropnet.data.split import missing_classes, stratified_split
from dropnet.errors import UserError, exit_on_user_error


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="what prepare_dataset wrote")
    parser.add_argument(
        "--train-images", required=True, help="`all`, or a number: the first N images"
    )
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def parse_count(text: str) -> int | None:
    """`all` -> None, a number -> that number. Raises UserError for anything else."""
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UserError(f"--train-images: {text!r} is not allowed, only `all` or a number")
    return int(text)


def main() -> None:
    """Do what the command line says."""
    arguments = parse_arguments()
    count = parse_count(arguments.train_images)
    dataset = Dataset.load(arguments.dataset)
    try:
        split = stratified_split(dataset.train_labels, count)
        warnings = missing_classes(split, dataset.train_labels)
    except UserError as error:
        raise UserError(f"{dataset.name}: {error}") from None
    for line in warnings:
        print(f"warning: {dataset.name}: {line}", file=sys.stderr, flush=True)
    split.save(arguments.output)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
