"""Work out what the whole paper protocol costs, and how its wall time falls with more cores.

Reads published/benchmarks/scaling.json, or measures it anew with --measure; asks Snakemake for the
jobs of scale `paper`; writes what follows to scaling.json, docs/scaling.md and docs/scaling.svg.
"""

import argparse
from pathlib import Path

from benchmarks.bench import DATA
from benchmarks.processes import REPOSITORY
from benchmarks.scaling.findings import work_out
from benchmarks.scaling.measure import measure
from benchmarks.scaling.page import DOCUMENT, FIGURE, document, draw
from benchmarks.scaling.published import RECORD, with_published
from dropnet.config.check import load
from dropnet.errors import exit_on_user_error
from dropnet.files.artifacts import read_json, write_json, write_text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="time all networks and scripts anew")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    with exit_on_user_error():
        plan = with_published(load(REPOSITORY / "config.yaml"))
        measured = measure(plan, options.data) if options.measure else read_json(RECORD)
        record = {**measured, "results": work_out(plan, measured)}
        write_json(RECORD, record)
        record = read_json(RECORD)  # as the tests read it
        write_text(DOCUMENT, document(record))
        draw(record["results"], FIGURE)


if __name__ == "__main__":
    main()
