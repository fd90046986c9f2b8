"""Prune the networks of some seeds iteratively with one method (Algorithm 1)."""

from dropnet.errors import exit_on_user_error
from dropnet.methods import parse
from dropnet.metrics import METRICS
from dropnet.run import prune
from dropnet.store import load_cycles, load_initial_weights
from dropnet.training_job import TrainingJob, arguments


def main() -> None:
    """Prune, and write the networks of all cycles, the table and the provenance."""
    parser = arguments(__doc__, ["initial", "unpruned"])
    parser.add_argument("--method", required=True, help="as the tables name it")
    args = parser.parse_args()
    metric = METRICS[parse(args.method).metric]

    (unpruned,), _ = load_cycles(args.unpruned)
    seeds = [network.seed for network in unpruned.networks]
    files = [args.initial, args.unpruned]
    job = TrainingJob(__file__, args, files, [metric.module], method=args.method, seeds=seeds)
    cycles = prune(
        args.settings,
        metric,
        job.task,
        load_initial_weights(args.initial, seeds),
        unpruned,
        job.finished,
        job.name,
    )

    job.write(cycles)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
