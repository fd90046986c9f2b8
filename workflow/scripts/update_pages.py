"""Write what follows from published/, verdicts and pages, or check that it is all there."""

import argparse
from pathlib import Path

from dropnet.config.check import load
from dropnet.config.plan import Plan
from dropnet.errors import UserError, exit_on_user_error
from dropnet.publish.derived import check_derived
from dropnet.publish.pages import check
from dropnet.publish.update import update_all


def main() -> None:
    """Update, or check and change nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if they disagree")
    parser.add_argument("--draw", action="store_true", help="draw every published figure anew, too")
    parser.add_argument("--readme", default="README.md")
    parser.add_argument("--published", default="published")
    parser.add_argument("--config", default="config.yaml")
    args = parser.parse_args()
    if not Path(args.published).is_dir():
        raise UserError(f"--published {args.published}: no such folder")
    plan = Plan(load(args.config))
    if args.check:
        check_derived(args.published, plan)
        check(args.readme, args.published, plan.config["scales"])
    else:
        update_all(Path(args.readme), Path(args.published), plan, redraw=args.draw)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
