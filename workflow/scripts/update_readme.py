"""Write the results of published/ into README.md, or check that they are there."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.readme import check, update


def main() -> None:
    """Update, or check and change nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if they disagree")
    parser.add_argument("--readme", default="README.md")
    parser.add_argument("--published", default="published")
    args = parser.parse_args()
    (check if args.check else update)(args.readme, args.published)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
