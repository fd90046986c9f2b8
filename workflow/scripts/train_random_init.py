"""Train what a method left of the networks, cycle by cycle, from a fresh initialisation."""

from dropnet.errors import exit_on_user_error
from dropnet.run import retrain
from dropnet.store import load_cycles, save_cycles
from dropnet.tables import write_runs
from dropnet.training_job import TrainingJob, arguments


def main() -> None:
    """Train, and write the networks of all cycles, the table and the provenance."""
    parser = arguments(__doc__, ["pruned"])
    parser.add_argument("--method", required=True, help="as the tables name it")
    args = parser.parse_args()

    pruned, _ = load_cycles(args.pruned)
    seeds = [network.seed for network in pruned[0].networks]
    job = TrainingJob(__file__, args, [args.pruned], method=args.method, seeds=seeds)
    name = f"{args.settings.experiment} {args.method}, seeds {seeds[0]}-{seeds[-1]}"
    cycles = retrain(args.settings, job.task, pruned, job.finished, name)

    save_cycles(args.networks, cycles)
    job.write_provenance()
    write_runs(args.runs, args.settings, args.method, cycles)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
