"""How far a job is: lines in its log, and a live line where a person watches a terminal."""

import logging
import sys
import time
from datetime import timedelta
from types import TracebackType

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dropnet.networks.cycle import Cycle
from dropnet.training.train import Epoch

logger = logging.getLogger("dropnet")
SECONDS_BETWEEN_LINES = 10


class Progress:
    """Reports cycle, epoch rate and time left of one job.

    Use as a context manager; `epoch` and `cycle` are told what happened.
    """

    def __init__(self, name: str, fractions: list[float], max_epochs: int) -> None:
        """Start a job of len(fractions) cycles, each at its fraction remaining."""
        logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
        logger.setLevel(logging.INFO)
        self.name, self.fractions, self.max_epochs = name, fractions, max_epochs
        self.finished = 0  # cycles, those of an earlier session included
        self.durations: list[float] = []  # of these cycles, in seconds
        self.cycle_started = self.last_line = time.monotonic()
        self.epochs = 0  # of the current cycle, trained in this session
        self.bar = tqdm(total=len(fractions), unit="cycle", desc=name, disable=None, leave=False)

    def __enter__(self) -> "Progress":
        """Let log lines and the live line share the terminal."""
        self._redirect = logging_redirect_tqdm([logging.getLogger()])
        self._redirect.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the live line."""
        self.bar.close()
        self._redirect.__exit__(kind, error, trace)

    def epoch(self, epoch: Epoch) -> None:
        """An epoch of the current cycle has ended."""
        now = time.monotonic()
        self.epochs += 1
        seconds = (now - self.cycle_started) / self.epochs
        line = (
            f"epoch {epoch.number} of {self.max_epochs} at most, {epoch.training} networks, "
            f"{1 / seconds:.2f} epochs/s, {self._time_left(epoch.number, seconds)}"
        )
        self.bar.set_postfix_str(line)
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            logger.info("%s, %s", self._where(), line)

    def cycle(self, cycle: Cycle, seconds: float, resumed: bool) -> None:
        """A cycle has ended, or was found finished by an earlier session.

        Args:
            cycle: it.
            seconds: that it took, those of earlier sessions included.
            resumed: it was found finished.
        """
        where = self._where()
        self.finished += 1
        self.bar.update()
        epochs = [network.results.epochs for network in cycle.networks]
        accuracy = sum(n.results.test_accuracy for n in cycle.networks) / len(cycle.networks)
        outcome = "already finished" if resumed else f"finished in {seconds:.1f} s"
        self.durations.append(seconds)
        logger.info(
            "%s, %s: %d to %d epochs, mean test accuracy %.4f",
            where, outcome, min(epochs), max(epochs), accuracy,
        )  # fmt: skip
        self.cycle_started = self.last_line = time.monotonic()
        self.epochs = 0
        for network in cycle.networks:
            if network.results.diverged:
                logger.warning(
                    "warning: seed %d diverged in cycle %d: its loss is not a finite number",
                    network.seed, cycle.number,
                )  # fmt: skip

    def _where(self) -> str:
        cycle = self.finished + 1
        fraction = self.fractions[self.finished]
        return f"{self.name}: cycle {cycle} of {len(self.fractions)} ({fraction:.3f} remaining)"

    def _time_left(self, epoch: int, seconds: float) -> str:
        """From the mean time of the cycles finished; before the first, from the upper bound.

        Args:
            epoch: of the current cycle that has ended; an earlier session may have begun it.
            seconds: that one of its epochs takes.
        """
        cycles_left = len(self.fractions) - self.finished
        if self.durations:
            mean = sum(self.durations) / len(self.durations)
            return f"about {_clock(max(0.0, cycles_left * mean - epoch * seconds))} left"
        return f"at most {_clock((self.max_epochs * cycles_left - epoch) * seconds)} left"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
