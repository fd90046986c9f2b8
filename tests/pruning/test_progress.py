"""What the log says of rate and time left, also where an earlier session has done a part."""

import logging

import pytest

from dropnet.networks.cycle import Cycle, Network, Results
from dropnet.networks.masks import Masks
from dropnet.pruning import progress
from dropnet.pruning.progress import Progress
from dropnet.training.train import Epoch


@pytest.fixture
def clock(monkeypatch):
    """Return a function that lets seconds pass on the clock of the log."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def tick(seconds):
        now[0] += seconds

    return tick


@pytest.fixture
def said(caplog):
    """Return a function that gives the last line said, without what comes before a phrase."""
    caplog.set_level(logging.INFO, "dropnet")
    return lambda: caplog.records[-1].getMessage()


def cycle(number):
    results = Results(0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 7)
    return Cycle(number, [Network(0, Masks.full([4]), {}, {}, results)])


def test_a_cycle_that_an_earlier_session_began(clock, said):
    """60 of at most 100 epochs are done; this session takes 20 seconds for the next."""
    with Progress("job", [1.0, 0.8], 100) as told:
        clock(20)
        told.epoch(Epoch(61, 3))
        # 39 epochs of this cycle and 100 of the next one, 20 seconds each
        assert said().endswith(
            "epoch 61 of 100 at most, 3 networks, 0.05 epochs/s, at most 0:46:20 left"
        )
        clock(20)
        told.epoch(Epoch(62, 3))
        assert "0.05 epochs/s, at most 0:46:00 left" in said()
        told.cycle(cycle(0), 1240.0, resumed=False)
        assert "finished in 1240.0 s" in said()
        clock(20)
        told.epoch(Epoch(1, 3))
        assert "0.05 epochs/s, about 0:20:20 left" in said()


def test_cycles_that_an_earlier_session_finished(clock, said):
    """Two took 100 and 200 seconds: the third of three takes about 150."""
    with Progress("job", [1.0, 0.8, 0.64], 100) as told:
        told.cycle(cycle(0), 100.0, resumed=True)
        assert "already finished" in said()
        told.cycle(cycle(1), 200.0, resumed=True)
        clock(30)
        told.epoch(Epoch(3, 1))
        # the first two of its epochs were trained before, and took as long as this one
        assert said().endswith("0.03 epochs/s, about 0:01:00 left")
