"""Prune to the widths that a metric found, nodes at random: the metric's control."""

from dropnet.errors import exit_on_user_error
from dropnet.networks.cycle_files import load_cycles, load_initial_weights
from dropnet.networks.models import layers_of, masked_widths
from dropnet.pruning.job import TrainingJob, arguments
from dropnet.pruning.runs import prune_shuffled


def main() -> None:
    """Train, and write the networks of all cycles, the table and the provenance."""
    parser = arguments(__doc__, ["initial", "pruned"])
    parser.add_argument("--method", required=True, help="as the tables name it")
    args = parser.parse_args()

    pruned, _ = load_cycles(args.pruned, masked_widths(layers_of(args.settings)))
    seeds = [network.seed for network in pruned[0].networks]
    files = [args.initial, args.pruned]
    job = TrainingJob(__file__, args, files, method=args.method, seeds=seeds)
    cycles = prune_shuffled(
        args.settings,
        job.task,
        load_initial_weights(args.initial, pruned[0]),
        pruned,
        job.finished,
        job.name,
    )

    job.write(cycles)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
