"""Columns of the tables that follow from runs, and how their cells are read; runs.csv: see `runs`.

Each column is written here and nowhere else.
"""

from dropnet.files.csv_rows import COUNT, FRACTION, LOSS, MARGIN, NUMBER, TEXT, TRUTH, WORDS, Reader

#: What a figure may show, a column of the runs -> the curve's split and the name of its values.
#: Epochs are those run on the training split.
QUANTITIES = {
    "train_accuracy": ("train", "accuracy"),
    "val_accuracy": ("val", "accuracy"),
    "test_accuracy": ("test", "accuracy"),
    "train_loss": ("train", "loss"),
    "val_loss": ("val", "loss"),
    "test_loss": ("test", "loss"),
    "epochs": ("train", "epochs"),
}

_POINT: dict[str, Reader] = {
    "figure": TEXT,
    "experiment": TEXT,
    "dataset": TEXT,
    "split": TEXT,
    "method": TEXT,
    "fraction_remaining": FRACTION,
}


def curve_columns(quantity: str) -> dict[str, Reader]:
    """Return those of the curves of one figure, which show accuracy, loss or epochs."""
    return {**_POINT, quantity: LOSS, "ci95": MARGIN, "runs": COUNT, "diverged": COUNT}


#: curves.csv: the curves of all figures that show an accuracy.
CURVES: dict[str, Reader] = {**_POINT, "accuracy": LOSS, "ci95": MARGIN, "runs": COUNT}

#: agreement.csv: how far each network's masks are those of the oracle.
AGREEMENT: dict[str, Reader] = {
    "experiment": TEXT,
    "method": TEXT,
    "seed": COUNT,
    "fraction_remaining": FRACTION,
    "agreement": FRACTION,
    "chance": FRACTION,
}

#: sizes.csv: what is left of each network.
SIZES: dict[str, Reader] = {
    "experiment": TEXT,
    "method": TEXT,
    "seed": COUNT,
    "cycle": COUNT,
    "parameters": COUNT,
    "multiply_adds": COUNT,
}

#: removable.csv: how much can go by each method of an experiment, at a loss of `margin`.
REMOVABLE: dict[str, Reader] = {
    "experiment": TEXT,
    "method": TEXT,
    "margin": FRACTION,
    "seeds": COUNT,
    "unpruned": FRACTION,
    "at_chance": TRUTH,
    "removable": NUMBER,
    "crossed": TRUTH,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "accuracy": NUMBER,
    "parameters": NUMBER,
    "parameters_share": NUMBER,
    "multiply_adds": NUMBER,
    "multiply_adds_share": NUMBER,
}

#: criteria.csv: each criterion beside its references, see `criteria.contrasts`.
CRITERIA: dict[str, Reader] = {
    "scale": TEXT,
    "reduced": WORDS,
    "experiment": TEXT,
    "criterion": TEXT,
    "reference": TEXT,
    "low": FRACTION,
    "high": FRACTION,
    "reached": NUMBER,
    "seeds": COUNT,
    "accuracy": NUMBER,
    "reference_accuracy": NUMBER,
    "effect": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "p": NUMBER,
    "p_holm": NUMBER,
    "verdict": TEXT,
    "level": NUMBER,
    "detectable": MARGIN,
    "p_ranks": NUMBER,
    "p_ranks_holm": NUMBER,
    "ranks": WORDS,
    "reason": WORDS,
}

#: ranks.csv: the place of each method among all of an experiment, 1 for the most accurate.
RANKS: dict[str, Reader] = {
    "experiment": TEXT,
    "method": TEXT,
    "fraction_remaining": FRACTION,
    "rank": MARGIN,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "accuracy": FRACTION,
    "seeds": COUNT,
    "methods": COUNT,
    "at_chance": TRUTH,
}

#: layers.csv: the share of each layer that a method keeps, over the seeds.
LAYERS: dict[str, Reader] = {
    "experiment": TEXT,
    "method": TEXT,
    "cycle": COUNT,
    "fraction_remaining": FRACTION,
    "layer": COUNT,
    "width": COUNT,
    "kept": FRACTION,
    "least": FRACTION,
    "most": FRACTION,
    "seeds": COUNT,
}

#: speed.csv: how long exported networks take beside the unpruned one, exactly as large as they are
#: (a rounding of 1) or with their widths rounded up. Times are measured: no two runs have the same.
SPEED: dict[str, Reader] = {
    "experiment": TEXT,
    "method": TEXT,
    "seed": COUNT,
    "cycle": COUNT,
    "rounding": COUNT,
    "batch": COUNT,
    "fraction_remaining": FRACTION,
    "accuracy": FRACTION,
    "unpruned_accuracy": FRACTION,
    "at_chance": TRUTH,
    "parameters": COUNT,
    "multiply_adds": COUNT,
    "multiply_adds_share": MARGIN,
    "bytes": COUNT,
    "latency_ms": MARGIN,
    "latency_low": MARGIN,
    "latency_high": MARGIN,
    "speedup": MARGIN,
    "speedup_low": MARGIN,
    "speedup_high": MARGIN,
    "cpu": TEXT,
}
