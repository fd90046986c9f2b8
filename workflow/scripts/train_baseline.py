"""Train the unpruned networks of some seeds: cycle 0, which all methods of an experiment share."""

from dropnet.errors import exit_on_user_error
from dropnet.networks.cycle_files import save_initial_weights
from dropnet.pruning.job import TrainingJob, arguments
from dropnet.pruning.trainer import train_unpruned


def main() -> None:
    """Train, and write initial weights, trained networks, table and provenance."""
    parser = arguments(__doc__, ["initial"])
    parser.add_argument("--seeds", required=True, help="first-last, e.g. 0-14")
    args = parser.parse_args()
    first, last = map(int, args.seeds.split("-"))
    seeds = list(range(first, last + 1))

    job = TrainingJob(__file__, args, seeds=seeds)
    initial, cycle = train_unpruned(args.settings, seeds, job.task, job.finished, job.name)

    save_initial_weights(args.initial, seeds, initial)
    job.write([cycle])


if __name__ == "__main__":
    with exit_on_user_error():
        main()
