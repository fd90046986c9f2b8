"""Join the accuracy curves of all figures into one table."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.files.csv_tables import write_table
from dropnet.tables.aggregate import combine, read_curve


def main() -> None:
    """Read, join and write."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--output", required=True)
    parser.add_argument("curves", nargs="*")
    args = parser.parse_args()
    write_table(args.output, combine([read_curve(path, "accuracy") for path in args.curves]))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
