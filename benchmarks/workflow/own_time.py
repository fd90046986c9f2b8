"""Run Snakemake, and write the processor seconds of its own process, without its jobs, to a file.

Usage: python -m benchmarks.workflow.own_time FILE [words of Snakemake's command line]
"""

import atexit
import resource
import sys
from pathlib import Path

from snakemake.cli import main


def own_seconds() -> float:
    """Of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    _, file, *words = sys.argv
    atexit.register(lambda: Path(file).write_text(f"{own_seconds()}\n", encoding="utf-8"))
    main(words)
