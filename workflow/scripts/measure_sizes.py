"""Count parameters and multiply-adds of every network of an experiment, from its masks."""

import argparse
import json

from dropnet.errors import exit_on_user_error
from dropnet.settings import Settings
from dropnet.tables.sizes import write_sizes


def main() -> None:
    """Read masks, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--settings", type=Settings.from_json, required=True, help="as JSON")
    parser.add_argument("--image", type=json.loads, required=True, help="JSON: its shape")
    parser.add_argument(
        "--networks", type=json.loads, required=True, help="JSON: each method's files of networks"
    )
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    write_sizes(args.output, args.settings, args.image, args.networks)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
