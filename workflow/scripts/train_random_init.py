"""Train what a method left of the networks, cycle by cycle, from a fresh initialisation."""

from dropnet.errors import exit_on_user_error
from dropnet.networks.cycle_files import load_cycles
from dropnet.networks.models import layers_of, masked_widths
from dropnet.pruning.job import TrainingJob, arguments
from dropnet.pruning.runs import retrain


def main() -> None:
    """Train, and write the networks of all cycles, the table and the provenance."""
    parser = arguments(__doc__, ["pruned"])
    parser.add_argument("--method", required=True, help="as the tables name it")
    args = parser.parse_args()

    pruned, _ = load_cycles(args.pruned, masked_widths(layers_of(args.settings)))
    seeds = [network.seed for network in pruned[0].networks]
    job = TrainingJob(__file__, args, [args.pruned], method=args.method, seeds=seeds)
    cycles = retrain(args.settings, job.task, pruned, job.finished, job.name)

    job.write(cycles)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
