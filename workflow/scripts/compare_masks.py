"""Compare the masks of an experiment's methods with those of the oracle."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.tables.agreement import cycles_of, write_agreement


def main() -> None:
    """Read, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--experiment", required=True)
    parser.add_argument(
        "--networks", type=json.loads, required=True, help="JSON: each method's files of networks"
    )
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    write_agreement(args.output, args.experiment, cycles_of(args.networks))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
