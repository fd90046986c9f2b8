"""Latencies by a clock that the networks themselves move: worked by hand."""

import math

import numpy as np
import pytest

from dropnet.export.latency import ROUNDS, WARM_UP, measure, spread
from dropnet.export.speed_rows import speed_rows
from dropnet.tables.columns import SPEED


class FakeClock:
    """A clock, and networks that take as long as they are told."""

    def __init__(self):
        self.now = 0.0
        self.called = []

    def __call__(self):
        return self.now

    def network(self, name, seconds):
        """One that takes these seconds at its first, second, ... call, the last for ever."""

        def call():
            number = self.called.count(name)
            self.called.append(name)
            self.now += seconds[min(number, len(seconds) - 1)]

        return call


def test_networks_are_measured_in_turns_after_a_warm_up():
    clock = FakeClock()
    slow_at_first = [0.5] * WARM_UP + [0.01]
    calls = {"a": clock.network("a", slow_at_first), "b": clock.network("b", [0.02])}
    seconds = measure(calls, rounds=3, clock=clock)
    assert clock.called == ["a"] * WARM_UP + ["b"] * WARM_UP + ["a", "b", "b", "a", "a", "b"]
    assert seconds["a"].tolist() == pytest.approx([0.01] * 3)
    assert seconds["b"].tolist() == pytest.approx([0.02] * 3)


def test_a_short_call_is_repeated_until_the_clock_can_tell():
    clock = FakeClock()
    seconds = measure({"a": clock.network("a", [0.0003])}, rounds=2, clock=clock)
    assert len(clock.called) == WARM_UP + 2 * math.ceil(0.002 / 0.0003)
    assert seconds["a"].tolist() == pytest.approx([0.0003] * 2)


def test_quartiles_worked_by_hand():
    found = spread(np.array([5.0, 1.0, 2.0, 4.0, 3.0]))
    assert (found.median, found.low, found.high) == (3, 2, 4)


def card(method, multiply_adds, **fields):
    return {
        **{"experiment": "FC8-FC6", "method": method, "seed": 0, "cycle": 3, "rounding": 1},
        **{"fraction_remaining": 0.5, "accuracy": 0.9, "unpruned_accuracy": 0.91},
        "output": {"shape": ["batch", 10]},
        **{"parameters": 10, "multiply_adds": multiply_adds, "bytes": 100},
        **fields,
    }


def test_a_row_says_how_many_times_as_fast_a_network_is_than_the_unpruned_one():
    """Of 40 rounds, each network takes twice as long in the second half: pairs do not see it."""
    clock = FakeClock()

    def halves(seconds):
        return [seconds] * (WARM_UP + ROUNDS // 2) + [2 * seconds]

    calls = {
        batch: [clock.network(f"u{batch}", halves(0.006 * batch))]
        + [clock.network(f"p{batch}", halves(0.004 * batch))]
        + [clock.network(f"s{batch}", halves(0.012 * batch))]
        for batch in (1, 32)
    }
    cards = [card("baseline", 80), card("minimum", 20), card("minimum", 40, rounding=8)]
    rows = list(speed_rows(cards, calls, "A processor", clock))
    assert all(row.keys() == SPEED.keys() for row in rows)
    assert [(row["batch"], row["method"], row["rounding"]) for row in rows] == [
        (batch, method, rounding)
        for batch in (1, 32)
        for method, rounding in (("baseline", 1), ("minimum", 1), ("minimum", 8))
    ]
    assert [row["multiply_adds_share"] for row in rows] == [1, 0.25, 0.5] * 2
    assert [row["speedup"] for row in rows] == pytest.approx([1, 1.5, 0.5] * 2)
    assert [row["speedup_low"] for row in rows] == pytest.approx([1, 1.5, 0.5] * 2)
    # half of the rounds at 4 ms, half at 8 ms
    assert rows[1]["latency_ms"] == pytest.approx(6)
    assert (rows[1]["latency_low"], rows[1]["latency_high"]) == pytest.approx((4, 8))
    assert rows[4]["latency_ms"] == pytest.approx(32 * 6)
