"""Put the finished training jobs of a scale into published/, to be committed."""

import argparse

from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.errors import exit_on_user_error
from dropnet.publish.snapshot import publish


def main() -> None:
    """Check that jobs are of the configuration and of committed code, then merge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--config", default="config.yaml")
    parser.add_argument(
        "--allow-dirty",
        action="store_true",
        help="publish results of uncommitted code too; this is recorded",
    )
    parser.add_argument(
        "--replace",
        action="append",
        default=[],
        metavar="EXPERIMENT",
        help="drop what is published of it, whose settings may be others",
    )
    args = parser.parse_args()
    plan = Plan(load(args.config))
    done = publish(plan, args.scale, allow_dirty=args.allow_dirty, replacing=args.replace)
    if done.left_out:
        print(f"not complete yet: {', '.join(done.left_out)}")
    if done.replaced:
        print(f"replaced: {done.replaced} runs that were published with other numbers")
    if done.removed:
        print(f"removed: {done.removed} runs that were published, and are not among these")
    folder = done.files[0].parent
    print(f"{len(done.files)} files in {folder}; make pages brings the pages up to date")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
