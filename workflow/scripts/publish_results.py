"""Copy the results of a finished run of a scale to published/, to be committed."""

import argparse

from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.errors import exit_on_user_error
from dropnet.publish.snapshot import publish


def main() -> None:
    """Check that everything is there and from one state of the code, then copy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--config", default="config.yaml")
    parser.add_argument(
        "--allow-dirty",
        action="store_true",
        help="publish results of several commits or of uncommitted code too; this is recorded",
    )
    args = parser.parse_args()
    done = publish(Plan(load(args.config)), args.scale, allow_dirty=args.allow_dirty)
    if done.left_out:
        print(f"left out, not complete: {', '.join(done.left_out)}")
    folder = done.files[0].parent
    print(f"{len(done.files)} files in {folder}; make pages brings the pages up to date")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
