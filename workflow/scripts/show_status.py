"""Show how far a scale's training is: cycles finished of each job, and what it does now."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from dropnet.config.check import check, load
from dropnet.config.plan import Job, Plan, ScalePlan
from dropnet.errors import UserError, exit_on_user_error, nearest
from dropnet.pruning.schedule import fractions_trained
from dropnet.pruning.status import Status, status_of


def as_in_a_file(text: str) -> Any:
    """What a value would be in the configuration, which is checked as one; else the text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def look(plan: ScalePlan, job: Job) -> Status:
    """Look how far a job is."""
    settings = plan.settings(job.experiment, job.method)
    metric = job.method.metric if job.method else None
    unpruned = job.method is None or job.method.trains_unpruned
    cycles = len(fractions_trained(settings, metric, unpruned))
    return status_of(Path("results", plan.scale, job.folder), job.seeds, cycles)


def main() -> None:
    """Print one line a job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="", help="default: the scale of the configuration")
    parser.add_argument("--seeds", type=as_in_a_file, help="in place of the scale's")
    parser.add_argument("--config", default="config.yaml")
    args = parser.parse_args()
    config = load(args.config)
    if args.seeds is not None:
        check(config := config | {"seeds": args.seeds})
    scale = args.scale or config["scale"]
    if scale not in config["scales"]:
        allowed = ", ".join(config["scales"])
        hint = nearest(scale, config["scales"])
        raise UserError(f"--scale: {scale!r} is not a scale{hint}; allowed: {allowed}")

    plan = Plan(config).at(scale)
    found = {f"{job.experiment} {job.name} {job.seeds}": look(plan, job) for job in plan.jobs()}
    width = max(map(len, found), default=0)
    for name, status in found.items():
        bar = "#" * round(20 * status.finished / status.cycles)
        doing = "done" if status.complete else status.last_line.partition(": ")[2] or "waiting"
        print(f"{name:{width}}  [{bar:<20}] {status.finished:>3}/{status.cycles:<3} {doing}")
    jobs = found.values()
    done = sum(status.complete for status in jobs)
    finished, cycles = sum(s.finished for s in jobs), sum(s.cycles for s in jobs)
    print(f"scale {scale}: {done} of {len(jobs)} training jobs, {finished} of {cycles} cycles done")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
