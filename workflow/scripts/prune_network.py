"""Prune the networks of some seeds iteratively with one method (Algorithm 1)."""

import argparse

from dropnet.errors import exit_on_user_error
from dropnet.metrics import METRICS
from dropnet.networks.cycle_files import load_initial_weights, load_unpruned
from dropnet.networks.models import layers_of, masked_widths
from dropnet.pruning.job import TrainingJob, arguments
from dropnet.pruning.runs import prune


def main() -> None:
    """Prune, and write the networks of all cycles, the table and the provenance."""
    parser = arguments(__doc__, ["initial", "unpruned"])
    parser.add_argument("--method", required=True, help="as the tables name it")
    parser.add_argument("--metric", required=True, choices=METRICS, help="that decides what goes")
    parser.add_argument("--rewind", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    metric = METRICS[args.metric]

    unpruned = load_unpruned(args.unpruned, masked_widths(layers_of(args.settings)))
    seeds = [network.seed for network in unpruned.networks]
    files = [args.initial, args.unpruned]
    job = TrainingJob(__file__, args, files, [metric.module], method=args.method, seeds=seeds)
    cycles = prune(
        args.settings,
        metric,
        job.task,
        load_initial_weights(args.initial, unpruned),
        unpruned,
        job.finished,
        job.name,
        args.rewind,
    )

    job.write(cycles)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
