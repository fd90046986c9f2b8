"""How far a training job is, read from the files that it has left so far."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Status:
    """How far one job is.

    Attributes:
        finished: pruning cycles that are on disk.
        cycles: pruning cycles in all.
        complete: whether its table is written.
        last_line: of its log, or "".
    """

    finished: int
    cycles: int
    complete: bool
    last_line: str


def status_of(folder: str | Path, seeds: str, cycles: int) -> Status:
    """Look into the folder of a job.

    Args:
        folder: results/<scale>/<experiment>/<method>.
        seeds: its block of seeds, as "first-last".
        cycles: that it trains in all.
    """
    folder = Path(folder)
    complete = (folder / f"runs_seeds{seeds}.csv").exists()
    kept = len(list(folder.glob(f"cycles_seeds{seeds}/cycle*.safetensors")))
    log = folder / f"log_seeds{seeds}.txt"
    # whatever a program of the job has written there, or is writing
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    return Status(
        finished=cycles if complete else min(kept, cycles),
        cycles=cycles,
        complete=complete,
        last_line=lines[-1] if lines else "",
    )
