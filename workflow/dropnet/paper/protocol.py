"""The paper's protocol, and in words how runs differ from it.

The paper's values are those of workflow/reference/protocol.yaml, whatever is configured.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from dropnet.files.code_files import WORKFLOW
from dropnet.files.yaml_files import read

PROTOCOL = WORKFLOW / "reference" / "protocol.yaml"
#: What makes an experiment the one that it is; and its widths.
IDENTITY = ("dataset", "model", "prune_fraction", "stop_fraction")
#: The two metrics that are DropNet (Section 3.1).
DROPNET = ("minimum", "minimum_layer")
_FEWER_SEEDS = "{1} of {0} seeds"
#: How a value ({1}) that is not the paper's ({0}) is told, if not as in "patience 10 instead of 5";
#: one that is larger in its own words, if there are two. In the order in which they are told.
WORDS = {
    "dataset": ("{1} instead of {0}",),
    "data": ("data that are not pinned to the paper's sum",),
    "model": ("model {1} instead of {0}",),
    "prune_fraction": ("p = {1} instead of {0}",),
    "stop_fraction": ("down to {1} instead of {0}",),
    "seeds": (_FEWER_SEEDS, "{1} instead of {0} seeds"),
    "widths": ("widths {1} instead of {0}",),
    "train_images": ("the first {1:,} training images",),
    "test_images": ("the first {1:,} test images",),
    "batch_size": ("batches of {1} instead of {0}",),
    "learning_rate": ("learning rate {1} instead of {0}",),
    "max_epochs": (
        "at most {1} of {0} epochs a cycle",
        "at most {1} instead of {0} epochs a cycle",
    ),
    "patience": ("patience {1} instead of {0}",),
    "selection": ("{1} instead of {0} selection",),
    "precision": ("convolutions in {1} instead of {0}",),
    "augmentation": ("{1} instead of {0} augmentation",),
}
Values = Mapping[str, Any]


class Span(NamedTuple):
    """The least and the most of some numbers, such as those of each method's seeds."""

    least: float
    most: float

    def __format__(self, form: str) -> str:
        """As it is told, each number in a form; one of them if that makes them alike."""
        least, most = (format(number, form) for number in self)
        return most if least == most else f"{least} to {most}"

    def __str__(self) -> str:
        """As it is told."""
        return format(self)


def shows_figure(name: str, experiment: str, shows: str) -> bool:
    """Say whether a figure shows what the paper's figure of that name does."""
    return _paper()["figures"].get(name) == {"experiment": experiment, "shows": shows}


def figures() -> dict[str, tuple[str, str]]:
    """Return the paper's figures by name, each as the quantity that it shows and the data set."""
    experiments = _paper()["experiments"]
    return {
        name: (pinned["shows"], experiments[pinned["experiment"]]["dataset"])
        for name, pinned in _paper()["figures"].items()
    }


def trained_alike(name: str, settings: Mapping[str, Values]) -> list[str]:
    """Return the other experiments that have all settings of the named one.

    Args:
        name: of an experiment.
        settings: of each experiment, by its name.
    """
    own = {**complete(settings[name]), "experiment": ""}
    return [
        other
        for other, values in settings.items()
        if other != name and {**complete(values), "experiment": ""} == own
    ]


def reductions(experiment: str, values: Values, own: Values, ignore: Iterable[str] = ()) -> str:
    """Return in words how an experiment differs from the paper's protocol, or "".

    Args:
        experiment: its name.
        values: of all that the protocol fixes, its `IDENTITY` and widths, and the sum of its data.
        own: what an experiment that the paper does not have is compared with: its own identity,
            widths and sum.
        ignore: keys that may differ.
    """
    named = dict(_paper()["experiments"].get(experiment, own))
    # a data set that has a name of the paper's has its images, too, if there is a sum to tell
    named["data"] = _paper()["data"].get(named["dataset"]) or values["data"]
    return _differences(values, named, ignore)


def reductions_of(settings: Values, counts: Iterable[int] = ()) -> str:
    """The same of recorded settings (`Settings.to_json`), which lack the number of seeds.

    Args:
        settings: of an experiment; a key that older ones lack had the paper's value.
        counts: how many seeds each method has; none to say nothing of them.
    """
    own = {key: settings[key] for key in (*IDENTITY, "widths")}
    told = sorted(counts)
    values = {**complete(settings), "seeds": Span(told[0], told[-1]) if told else None}
    return reductions(settings["experiment"], values, own, [] if told else ["seeds"])


def seeds() -> int:
    """Return the paper's number of seeds."""
    return int(_paper()["protocol"]["seeds"])


def complete(settings: Values) -> Values:
    """Return recorded settings with the keys that older ones lack: these had the paper's values."""
    protocol = {key: value for key, value in _paper()["protocol"].items() if key != "seeds"}
    return protocol | {"data": _paper()["data"].get(settings["dataset"])} | dict(settings)


def fewer_seeds_alone(reductions: str) -> bool:
    """Say whether nothing is reduced but the number of seeds, given all reductions in words."""
    fewer = _FEWER_SEEDS.format(r"\d+", r"\d+( to \d+)?")
    return re.fullmatch(fewer, reductions) is not None


def caption(scale: str, reductions: Mapping[str, str], note: str) -> str:
    """Return what a picture of experiments says of their scale: "" for the paper's.

    That of one says how it is reduced. Of those that lack nothing but seeds, the picture says how
    many they have.

    Args:
        scale: its name.
        reductions: of each experiment, in words, or "". Where some have none, the others are named.
        note: what is said of results that are not by the paper's protocol.
    """
    reduced = [
        experiment
        for experiment, words in reductions.items()
        if words and not fewer_seeds_alone(words)
    ]
    if not reduced:
        return ""
    if len(reductions) == 1:
        return f"Scale {scale}: {reductions[reduced[0]]}. {note}."
    named = "" if len(reduced) == len(reductions) else f": {', '.join(reduced)}"
    return f"Scale {scale}. {note}{named}."


def _differences(values: Values, named: Values, ignore: Iterable[str]) -> str:
    """Say in words which values differ from the paper's, those that it names an experiment with."""
    paper = _paper()["protocol"] | named
    said = []
    for key in [*WORDS, *(key for key in paper if key not in WORDS)]:
        less, *more = WORDS.get(key, (f"{key.replace('_', ' ')} {{1}} instead of {{0}}",))
        if key in ignore:
            continue
        pair = paper[key], values[key]
        # of several numbers of seeds the lowest counts
        number = pair[1].least if isinstance(pair[1], Span) else pair[1]
        if pair[0] != number:
            shown = ["-".join(map(str, v)) if isinstance(v, list) else v for v in pair]
            said.append((more[0] if more and number > pair[0] else less).format(*shown))
    return ", ".join(said)


@cache
def _paper() -> Values:
    return read(PROTOCOL)
