"""Show how far a scale's training is: cycles finished of each job, and what it does now."""

import argparse

from dropnet.config.plan import load
from dropnet.errors import UserError, exit_on_user_error, nearest
from dropnet.pruning import status


def main() -> None:
    """Print one line a job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="", help="default: the scale of the configuration")
    parser.add_argument("--config", default="config.yaml")
    args = parser.parse_args()
    config = load(args.config)
    scale = args.scale or config["scale"]
    if scale not in config["scales"]:
        allowed = ", ".join(config["scales"])
        hint = nearest(scale, config["scales"])
        raise UserError(f"--scale: {scale!r} is not a scale{hint}; allowed: {allowed}")

    jobs = list(status.jobs(config, scale))
    width = max((len(job.name) for job in jobs), default=0)
    for job in jobs:
        bar = "#" * round(20 * job.finished / job.cycles)
        doing = "done" if job.complete else job.last_line.partition(": ")[2] or "waiting"
        print(f"{job.name:{width}}  [{bar:<20}] {job.finished:>3}/{job.cycles:<3} {doing}")
    done = sum(job.complete for job in jobs)
    finished, cycles = sum(job.finished for job in jobs), sum(job.cycles for job in jobs)
    print(f"scale {scale}: {done} of {len(jobs)} training jobs, {finished} of {cycles} cycles done")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
