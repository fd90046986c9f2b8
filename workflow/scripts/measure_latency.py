"""Measure how long exported networks of an experiment take beside the unpruned one, in turns."""

import argparse
import time

from dropnet.errors import exit_on_user_error
from dropnet.export.latency import ROUNDS, WARM_UP
from dropnet.export.speed_rows import BATCHES, calls_of, read_card, speed_rows
from dropnet.files.artifacts import write_json
from dropnet.files.csv_rows import write_rows
from dropnet.files.provenance import Moment, collect, cpu_model
from dropnet.tables.columns import SPEED


def main() -> None:
    """Load, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unpruned", required=True, help="its ONNX file")
    parser.add_argument("--pruned", nargs="+", required=True, help="the ONNX files of the others")
    parser.add_argument("--output", required=True)
    parser.add_argument("--provenance", required=True)
    args = parser.parse_args()

    networks = [args.unpruned, *args.pruned]
    protocol = {"threads": 1, "batches": BATCHES, "rounds": ROUNDS, "warm_up": WARM_UP}
    started = Moment.now()
    cards = [read_card(path) for path in networks]
    rows = speed_rows(cards, calls_of(networks, cards), cpu_model(), time.perf_counter)
    write_rows(args.output, SPEED, rows)
    write_json(args.provenance, collect(protocol, networks, started))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
