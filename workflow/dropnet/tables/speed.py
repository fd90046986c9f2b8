"""What speed.csv says in words: which pruned networks are faster than unpruned, which slower."""

import pandas as pd

from dropnet.tables.runs import BASELINE

FASTER, SLOWER, OPEN = "faster", "slower", "not told apart"


def pruned(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of networks that are measured against the unpruned ones."""
    return table[table["method"] != BASELINE]


def judged(table: pd.DataFrame) -> list[str]:
    """Return for each row whether its network is faster or slower than the unpruned one.

    It is if three of four measurements, each beside one of the unpruned network, say so.
    """
    pairs = zip(table["speedup_low"], table["speedup_high"], strict=True)
    return [FASTER if low > 1 else SLOWER if high < 1 else OPEN for low, high in pairs]


def in_words(table: pd.DataFrame) -> str:
    """Say how many pruned networks are faster at their exact size, and name those that are slower.

    Networks near chance are named, too: they are faster for having nothing to lose.

    Args:
        table: with columns `SPEED`.
    """
    exact = pruned(table)
    exact = exact[exact["rounding"] == 1]
    exact = exact.assign(verdict=judged(exact))
    sentences = []
    for batch, rows in exact.groupby("batch"):
        images = "one image" if batch == 1 else f"{batch} images"
        faster = rows[rows["verdict"] == FASTER]
        slower = rows[rows["verdict"] == SLOWER]
        says = f"With {images} at a time, pruning makes {len(faster)} of {len(rows)} faster"
        if slower.empty:
            says += " and none slower"
        else:
            named = ", ".join(
                f"{name} ({speedup:.2f} times as fast)"
                for name, speedup in zip(slower["experiment"], slower["speedup"], strict=True)
            )
            says += f" and {len(slower)} SLOWER: {named}"
        others = len(rows) - len(faster) - len(slower)
        sentences.append(f"{says}; {others} not told apart." if others else f"{says}.")
    at_chance = list(dict.fromkeys(exact[exact["at_chance"]]["experiment"]))
    if at_chance:
        sentences.append(
            f"Near chance, so that the smallest network loses nothing: {', '.join(at_chance)}."
        )
    return " ".join(sentences)
