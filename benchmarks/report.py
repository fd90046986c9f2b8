"""Numbers, tables and progress of the benchmarks."""

import sys
from collections.abc import Iterable, Sequence
from statistics import median


def walls(samples: Iterable[dict[str, float]]) -> list[float]:
    """The wall time of each."""
    return [sample["wall_s"] for sample in samples]


def cpu_per_wall(samples: Iterable[dict[str, float]]) -> float:
    """CPU time / wall time: below 1 where a side waits, for itself or for others on the core."""
    listed = list(samples)
    return sum(sample["cpu_s"] for sample in listed) / sum(walls(listed))


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, smallest and largest of `values`, and how many there are."""
    listed = list(values)
    return {"median": median(listed), "min": min(listed), "max": max(listed), "n": len(listed)}


def show(value: dict[str, float], scale: float = 1) -> str:
    """A spread as text, to three digits."""
    middle, low, high = (three_digits(value[key] * scale) for key in ("median", "min", "max"))
    return middle if value["n"] == 1 else f"{middle} ({low}-{high})"


def three_digits(value: float) -> str:
    """`value` to three significant digits, without an exponent.

    >>> three_digits(1234.5), three_digits(0.01234)
    ('1,234', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest entry.

    >>> print(table(("side", "s"), [("ours", "1"), ("keras", "90.5")]))
      side   s
      ours   1
      keras  90.5
    """
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (
        "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(f"  {line}".rstrip() for line in padded)


def tell(message: str) -> None:
    """Progress, on standard error."""
    print(message, file=sys.stderr, flush=True)


def announce(message: str, count: int) -> Iterable[int]:
    """Count to `count`, telling each step."""
    for number in range(count):
        tell(f"{message} {number + 1} of {count}")
        yield number
