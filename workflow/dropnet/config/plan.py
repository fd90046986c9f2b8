"""config.yaml: refused in one line if anything in it is wrong, and resolved for each experiment."""

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema.exceptions import ValidationError, best_match

from dropnet.config.methods import Method, methods_of, parse, run_of
from dropnet.data import sources
from dropnet.errors import UserError, nearest
from dropnet.files.code_files import WORKFLOW
from dropnet.files.yaml_files import read, strict_validator
from dropnet.metrics import FOR_CHAINS
from dropnet.networks.models import MODELS, Layer, check_pools, convolves, is_chain
from dropnet.settings import Settings
from dropnet.tables.columns import BASELINE, QUANTITIES

SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"
#: What makes an experiment the one that it is, and no scale changes; and its widths.
IDENTITY = ("dataset", "model", "prune_fraction", "stop_fraction")
PAPER_PROTOCOL = WORKFLOW / "reference" / "protocol.yaml"
Config = Mapping[str, Any]


# ------------------------------------------------------------------------------------- checks


def check(config: Config) -> None:
    """Check the whole configuration.

    Raises:
        UserError: on the first mistake; one line with the key, its value, what is allowed and, for
            a name, the nearest valid one.
    """
    error = best_match(strict_validator(SCHEMA).iter_errors(config))
    if error is not None:
        raise UserError(f"config: {_explain(error)}")
    _known("scale", config["scale"], config["scales"], "a scale")
    for name, scale in config["scales"].items():
        for experiment in scale.get("experiments", []):
            key = f"scales.{name}.experiments"
            _known(key, experiment, config["experiments"], "an experiment")
    for name, dataset in config["datasets"].items():
        sources.parse(dataset["sources"], f"config: datasets.{name}.sources")
    for name, experiment in config["experiments"].items():
        _check_experiment(f"experiments.{name}", experiment, config)
    for name, figure in config["figures"].items():
        _check_figure(f"figures.{name}", figure, config)


def _known(key: str, name: str, allowed: Iterable[str], what: str) -> None:
    """Refuse a name that is not among the allowed ones."""
    if name not in allowed:
        raise UserError(
            f"config: {key}: {name!r} is not {what}{nearest(name, allowed)};"
            f" allowed: {', '.join(allowed)}"
        )


def _check_experiment(key: str, experiment: Config, config: Config) -> None:
    _known(f"{key}.dataset", experiment["dataset"], config["datasets"], "a data set")
    _known(f"{key}.model", experiment["model"], MODELS, "a model")
    for scale in experiment.get("scales", {}):
        _known(f"{key}.scales", scale, config["scales"], "a scale")
    layers = _check_widths(key, experiment, experiment["widths"], config)
    _check_methods(f"{key}.methods", experiment, layers)
    for scale, values in experiment.get("scales", {}).items():
        if "widths" in values:
            _check_widths(f"{key}.scales.{scale}", experiment, values["widths"], config)
    if not convolves(MODELS[experiment["model"]](experiment["widths"], classes=2)):
        _check_not_augmented(key, experiment, config)


def _check_not_augmented(key: str, experiment: Config, config: Config) -> None:
    """Refuse augmentation where nothing convolves; that engine trains on images as they are."""
    name = key.removeprefix("experiments.")
    for scale in config["scales"]:
        value = _protocol(config, scale, name)["augmentation"]
        own = {**experiment, **experiment.get("scales", {}).get(scale, {})}
        asked_for = "augmentation" in own or name in experiments(config, scale)
        if value != "none" and asked_for:
            raise UserError(
                f"config: {key}: augmentation: {value!r} (at scale {scale}) is not allowed with"
                f" model {experiment['model']}, which has no convolutions; allowed: none"
            )


def _check_methods(key: str, experiment: Config, layers: Sequence[Layer]) -> None:
    for name in experiment["methods"]:
        method = _parsed(key, parse, name)
        if method.prune_fraction == experiment["prune_fraction"]:
            raise UserError(
                f"config: {key}: {name!r} has the p that the experiment has; allowed:"
                f" {method.metric!r}, or another p"
            )
        if method.random_init and method.metric not in experiment["methods"]:
            raise UserError(
                f"config: {key}: {name!r} needs the masks of {method.metric!r}, which is not among"
                " the methods; allowed: add it"
            )
        if method.metric in FOR_CHAINS and not is_chain(layers):
            raise UserError(
                f"config: {key}: {name!r} is not for model {experiment['model']}; allowed: models"
                " without residual blocks and batch normalisation"
            )


def _check_widths(
    key: str, experiment: Config, widths: list[int], config: Config
) -> Sequence[Layer]:
    dataset = config["datasets"][experiment["dataset"]]
    try:
        layers = MODELS[experiment["model"]](widths, dataset["classes"])
        check_pools(layers, *dataset["image"][1:])
        return layers
    except UserError as error:
        raise UserError(f"config: {key}: {error}") from None


def _check_figure(key: str, figure: Config, config: Config) -> None:
    _known(f"{key}.experiment", figure["experiment"], config["experiments"], "an experiment")
    _known(f"{key}.shows", figure["shows"], QUANTITIES, "a quantity of runs.csv")
    if "paper" in figure:
        _check_comparable(f"{key}.paper", figure, config)
    experiment = config["experiments"][figure["experiment"]]
    stop = figure.get("stop_fraction", experiment["stop_fraction"])
    if stop < experiment["stop_fraction"]:
        raise UserError(
            f"config: {key}.stop_fraction: {stop} is not allowed, as {figure['experiment']} stops"
            f" at {experiment['stop_fraction']}; allowed: that or more"
        )
    shown: dict[str, str] = {}
    for name in figure.get("methods", []):
        where = f"{key}.methods"
        run = _parsed(where, run_of, name, experiment["prune_fraction"])
        _known(where, run.name, experiment["methods"], f"a method of {figure['experiment']}")
        if run.name in shown:
            raise UserError(
                f"config: {where}: {name!r} is the run of {shown[run.name]!r} once more;"
                " allowed: each run once"
            )
        shown[run.name] = name


def _check_comparable(key: str, figure: Config, config: Config) -> None:
    """Refuse to draw curves of the paper behind those of other data, or of another quantity."""
    name = figure["paper"]
    _known(key, name, _paper()["figures"], "a figure of the paper")
    ours = figure["shows"], config["experiments"][figure["experiment"]]["dataset"]
    if _shown_by_paper(name) != ours:
        alike = [other for other in _paper()["figures"] if _shown_by_paper(other) == ours]
        raise UserError(
            f"config: {key}: {name!r} shows {' on '.join(_shown_by_paper(name))}, and this figure"
            f" {' on '.join(ours)}; allowed: {', '.join(alike) or 'no such key'}"
        )


def _shown_by_paper(figure: str) -> tuple[str, str]:
    """The quantity and the data set of a figure of the paper."""
    pinned = _paper()["figures"][figure]
    return pinned["shows"], _paper()["experiments"][pinned["experiment"]]["dataset"]


def _parsed(key: str, read: Callable[..., Method], *words: Any) -> Method:
    try:
        return read(*words)
    except UserError as error:
        raise UserError(f"config: {key}: {error}") from None


def _explain(error: ValidationError) -> str:
    """Say in one line what the schema refuses: key, value, what is allowed, the nearest name."""
    key = ".".join(map(_printable, error.absolute_path)) or "the whole file"
    value, limit = error.instance, error.validator_value
    shown = _shown(value)
    match error.validator:
        case "additionalProperties":
            allowed = list(error.schema["properties"])
            unknown = next(name for name in value if name not in allowed)
            unknown = _printable(unknown)
            where = f"{key}.{unknown}" if error.absolute_path else unknown
            hint = nearest(unknown, allowed)
            return f"{where}: unknown key{hint}; allowed: {', '.join(allowed)}"
        case "required":
            missing = next(name for name in limit if name not in value)
            return f"{key}: the key {missing!r} is missing; needed: {', '.join(limit)}"
        case "type":
            allowed = limit if isinstance(limit, str) else " or ".join(limit)
            hint = ""
            if allowed.startswith(("number", "integer")) and isinstance(value, str):
                hint = " (YAML reads 1e-3 as text; write 1.0e-3)"
            return f"{key}: {shown} is not allowed; allowed: {allowed}{hint}"
        case "pattern" if "sha256" in error.absolute_path:
            return f"{key}: {shown} is not allowed; allowed: 64 hexadecimal digits, or null"
        case "pattern" if key == "device":
            return f"{key}: {shown} is not allowed; allowed: auto, cpu, cuda, cuda:N"
        case "pattern" if key == "data_dir" or key.endswith((".note", ".title")):
            return f"{key}: {shown} is not allowed; allowed: text without control characters"
        case "pattern":
            return f"{key}: the name {shown} is not allowed; allowed: letters, digits, . _ -"
        case "enum":
            hint = nearest(value, limit)
            return f"{key}: {shown} is not allowed{hint}; allowed: {', '.join(limit)}"
        case "not":
            taken = ", ".join(limit["enum"])
            return f"{key}: the name {shown} is not allowed; allowed: any but {taken}"
    bounds = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "minItems": "at least {} of them",
        "maxItems": "at most {} of them",
        "minProperties": "at least {} of them",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "uniqueItems": "each only once",
    }
    return f"{key}: {shown} is not allowed; allowed: {bounds[error.validator].format(limit)}"


def _shown(value: object) -> str:
    """A value as Python writes it, cut short in the middle where it is long."""
    shortening = reprlib.Repr()
    shortening.maxstring = shortening.maxother = shortening.maxlong = 100
    return shortening.repr(value)


def _printable(part: object) -> str:
    """A part of a key as it stands in the file, unless that would break the line."""
    return str(part) if str(part).isprintable() else repr(part)


# ------------------------------------------------------------------------------------ resolved


def settings(config: Config, scale: str, experiment: str, method: Method | None = None) -> Settings:
    """Return the settings of an experiment at a scale; of one of its methods, if one is given."""
    chosen = config["experiments"][experiment]
    own = method.prune_fraction if method else None
    values = _protocol(config, scale, experiment)
    return Settings(
        experiment=experiment,
        scale=scale,
        dataset=chosen["dataset"],
        classes=config["datasets"][chosen["dataset"]]["classes"],
        model=chosen["model"],
        widths=tuple(values["widths"]),
        prune_fraction=chosen["prune_fraction"] if own is None else own,
        stop_fraction=chosen["stop_fraction"],
        **{key: values[key] for key in config["protocol"] if not key.startswith("seeds")},
    )


def _protocol(config: Config, scale: str, experiment: str) -> dict[str, Any]:
    """The protocol's values, overridden by the experiment, by the scale, by both together."""
    chosen = config["experiments"][experiment]
    resolved = dict(config["protocol"]) | {"widths": chosen["widths"]}
    resolved |= {key: value for key, value in chosen.items() if key in resolved}
    resolved |= {k: v for k, v in config["scales"][scale].items() if k in resolved}
    resolved |= chosen.get("scales", {}).get(scale, {})
    model = MODELS[chosen["model"]](resolved["widths"], classes=2)
    if not convolves(model):
        resolved["precision"] = "float32"  # it is that of convolutions
    return resolved


def experiments(config: Config, scale: str) -> list[str]:
    """Return the names of the experiments that a scale has: those it lists, else all.

    All but those with `default: false`: they run if a scale lists them, or a file of theirs is
    asked for.
    """
    every = (name for name, chosen in config["experiments"].items() if chosen.get("default", True))
    listed = config["scales"][scale].get("experiments", list(every))
    return [name for name in config["experiments"] if name in listed]


def figures(config: Config, scale: str) -> list[str]:
    """Return the names of the figures of a scale's experiments."""
    present = experiments(config, scale)
    return [name for name, f in config["figures"].items() if f["experiment"] in present]


def seed_blocks(config: Config, scale: str, experiment: str) -> list[str]:
    """Return the blocks of seeds that are trained together, each as "first-last"."""
    values = _protocol(config, scale, experiment)
    seeds, size = values["seeds"], values["seeds_per_job"]
    return [f"{first}-{min(first + size, seeds) - 1}" for first in range(0, seeds, size)]


def is_of_paper(config: Config, figure: str) -> bool:
    """Say whether a figure shows what the paper's figure of that name does."""
    pinned = _paper()["figures"].get(figure)
    chosen = config["figures"][figure]
    return pinned == {key: chosen[key] for key in ("experiment", "shows")}


def paper_figure(config: Config, figure: str) -> str | None:
    """Return the paper's figure whose curves lie behind a figure; None for none.

    It is the one that the figure names (`paper`), else the one that it replicates.
    """
    own = figure if is_of_paper(config, figure) else None
    return config["figures"][figure].get("paper", own) if config["overlay"] else None


def figure_methods(config: Config, figure: str) -> dict[str, Method]:
    """Return what a figure shows: the names of its curves, and the method of each."""
    chosen = config["figures"][figure]
    experiment = config["experiments"][chosen["experiment"]]
    names = chosen.get("methods", experiment["methods"])
    return {name: run_of(name, experiment["prune_fraction"]) for name in names}


def figure_runs(config: Config, figure: str) -> dict[str, str]:
    """The same, with the methods' names: those of the runs."""
    return {label: method.name for label, method in figure_methods(config, figure).items()}


@dataclass(frozen=True)
class Job:
    """One job that trains: a method, or the baseline, of an experiment for a block of seeds.

    Attributes:
        experiment: its name.
        method: None for the baseline.
        seeds: the block, as "first-last".
    """

    experiment: str
    method: Method | None
    seeds: str

    @property
    def name(self) -> str:
        """The method's name, or "baseline"."""
        return self.method.name if self.method else BASELINE

    @property
    def seed_numbers(self) -> range:
        """The seeds of the block."""
        first, last = map(int, self.seeds.split("-"))
        return range(first, last + 1)

    @property
    def folder(self) -> Path:
        """Where its files are, in results/<scale>/."""
        return Path(self.experiment, self.method.folder if self.method else BASELINE)


def jobs(config: Config, scale: str, experiment: str) -> Iterator[Job]:
    """Yield the training jobs of an experiment at a scale, the baseline's first."""
    blocks = seed_blocks(config, scale, experiment)
    for method in [None, *methods_of(config["experiments"][experiment])]:
        for seeds in blocks:
            yield Job(experiment, method, seeds)


def all_jobs(config: Config, scale: str) -> Iterator[Job]:
    """Yield the training jobs of all experiments of a scale."""
    for experiment in experiments(config, scale):
        yield from jobs(config, scale, experiment)


def reductions(config: Config, scale: str, experiment: str, ignore: Iterable[str] = ()) -> str:
    """Return in words how an experiment at a scale differs from the paper's protocol, or ''.

    The paper's values are those of workflow/reference/protocol.yaml, whatever is configured.

    Args:
        config: the configuration.
        scale: name of the scale.
        experiment: name of the experiment.
        ignore: keys of the protocol that may differ.
    """
    chosen = config["experiments"][experiment]
    values = _protocol(config, scale, experiment)
    own = {key: chosen[key] for key in IDENTITY} | {"widths": values["widths"]}
    if experiment not in _paper()["experiments"]:  # its own values are what it is compared with
        return _differences(values | own, own | {"widths": chosen["widths"]}, ignore)
    return _differences(values | own, _paper()["experiments"][experiment], ignore)


def reductions_of(settings: Mapping[str, Any]) -> str:
    """The same of recorded settings (`Settings.to_json`), which lack the number of seeds.

    A key that older settings lack had the paper's value.
    """
    own = {key: settings[key] for key in (*IDENTITY, "widths")}
    named = _paper()["experiments"].get(settings["experiment"], own)
    return _differences(_paper()["protocol"] | dict(settings), named, ["seeds"])


def _differences(values: Mapping[str, Any], named: Mapping[str, Any], ignore: Iterable[str]) -> str:
    """Say in words which values differ from the paper's, an experiment's own ones included."""
    paper = _paper()["protocol"] | named
    words = {
        "dataset": ("{1} instead of {0}",),
        "model": ("model {1} instead of {0}",),
        "prune_fraction": ("p = {1} instead of {0}",),
        "stop_fraction": ("down to {1} instead of {0}",),
        "seeds": ("{1} of {0} seeds", "{1} instead of {0} seeds"),
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
    said = []
    for key, (less, *more) in words.items():
        if key in ignore:
            continue
        pair = paper[key], values[key]
        if pair[0] != pair[1]:
            shown = ["-".join(map(str, v)) if isinstance(v, list) else v for v in pair]
            said.append((more[0] if more and pair[1] > pair[0] else less).format(*shown))
    return ", ".join(said)


def note(config: Config, scale: str) -> str:
    """Return what is said of a scale's results where they are not by the paper's protocol."""
    return config["scales"][scale].get("note", "Not the paper's protocol")


def scale_note(scale: str, reductions: Iterable[str], note: str) -> str:
    """Return what a picture of several experiments says of their scale: "" for the paper's."""
    return f"Scale {scale}. {note}." if any(reductions) else ""


@cache
def _paper() -> Config:
    return yaml.safe_load(PAPER_PROTOCOL.read_text(encoding="utf-8"))


def load(path: str | Path) -> dict[str, Any]:
    """Read and check a configuration file; for programs outside the workflow.

    Raises UserError as `read` and `check` do.
    """
    config = read(path)
    check(config)
    return config
