"""config.yaml: refused in one line if anything in it is wrong."""

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError, best_match

from dropnet.config.methods import Method, parse, run_of
from dropnet.config.metric_files import check_metrics
from dropnet.config.plan import Config, Plan
from dropnet.criteria.names import pairs
from dropnet.data import sources
from dropnet.errors import UserError, nearest
from dropnet.files.code_files import WORKFLOW
from dropnet.files.yaml_files import read, strict_validator
from dropnet.metrics import METRICS
from dropnet.networks.models import MODELS, Layer, check_pools, convolves, is_chain
from dropnet.paper import protocol
from dropnet.tables.columns import QUANTITIES

SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"
#: What the schema's types are called in YAML.
TYPES = {
    "array": "a list, as in [40, 40]",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a finite number",
    "object": "keys with values",
    "string": "text",
}


def load(path: str | Path) -> dict[str, Any]:
    """Read and check a configuration file; for programs outside the workflow.

    Raises UserError as `yaml_files.read` and `check` do.
    """
    config = read(path)
    check(config)
    return config


def check(config: Config) -> None:
    """Check the whole configuration.

    Raises:
        UserError: on the first mistake; one line with the key, its value, what is allowed and, for
            a name, the nearest valid one. Likewise on a file of a metric that cannot be one.
    """
    check_metrics()
    error = best_match(strict_validator(SCHEMA).iter_errors(config))
    if error is not None:
        raise UserError(f"config: {_explain(error)}")
    _known("scale", config["scale"], config["scales"], "a scale")
    for name, scale in config["scales"].items():
        for key in ("experiments", "also"):
            for experiment in scale.get(key, []):
                _known(f"scales.{name}.{key}", experiment, config["experiments"], "an experiment")
    for name, dataset in config["datasets"].items():
        _check_dataset_name(name)
        sources.parse(dataset["sources"], f"config: datasets.{name}.sources")
    for name, experiment in config["experiments"].items():
        _check_experiment(f"experiments.{name}", experiment, config)
    for name, figure in config["figures"].items():
        _check_figure_name(name)
        _check_figure(f"figures.{name}", figure, config)
    if config["device"] == "cpu":
        _check_precisions(config)


def check_images(config: Config, counts: Mapping[str, tuple[int, int]]) -> None:
    """Refuse more images than a data set has, before the results of fewer are given up for them.

    Args:
        config: that `check` has let through.
        counts: of training and of test images, of the data sets that are there.

    Raises:
        UserError: on the first experiment that asks for more.
    """
    plan = Plan(config)
    for scale in config["scales"]:
        for name, experiment in config["experiments"].items():
            dataset = experiment["dataset"]
            if dataset not in counts:
                continue
            values = plan.at(scale).protocol(name)
            for key, most in zip(("train_images", "test_images"), counts[dataset], strict=True):
                if (values[key] or 0) > most:
                    raise UserError(
                        f"config: {key}: {values[key]} (of {name} at scale {scale}) is not allowed,"
                        f" {dataset} has {most}; allowed: null for all, 1 to {most}"
                    )


def _check_dataset_name(name: str) -> None:
    """Refuse the name that the file of another data set's split would have."""
    if re.search(r"_split_(all|[0-9]+)$", name):
        raise UserError(
            f"config: datasets: the name {name!r} is not allowed, as files of splits end so;"
            " allowed: any without _split_ and a number, or _split_all, at its end"
        )


def _check_figure_name(name: str) -> None:
    """Refuse the names that pictures of the comparison of criteria have."""
    if name.startswith("criteria"):
        raise UserError(
            f"config: figures: the name {name!r} is not allowed, as figures of criteria begin so;"
            " allowed: any that does not begin with criteria"
        )


def _check_precisions(config: Config) -> None:
    """Refuse a precision that only a GPU has where nothing is trained on one."""
    plan = Plan(config)
    for scale in config["scales"]:
        for name in plan.at(scale).experiments:
            if plan.at(scale).protocol(name)["precision"] == "tf32":
                raise UserError(
                    f"config: precision: 'tf32' (of {name} at scale {scale}) is a GPU's, and"
                    " device is 'cpu'; allowed: float32, bfloat16"
                )


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
    if experiment.get("criteria") and not pairs(experiment["methods"]):
        raise UserError(
            f"config: {key}.criteria: true needs something to compare, such as 'minimum' and"
            " 'random', or 'minimum_layer' and 'random_layer', among the methods"
        )
    for scale, values in experiment.get("scales", {}).items():
        if "widths" in values:
            _check_widths(f"{key}.scales.{scale}", experiment, values["widths"], config)
        if "prune_fraction" in values:
            _check_no_variants(f"{key}.scales.{scale}.prune_fraction", experiment, values)
    if not convolves(MODELS[experiment["model"]](experiment["widths"], classes=2)):
        _check_not_augmented(key, experiment, config)


def _check_not_augmented(key: str, experiment: Config, config: Config) -> None:
    """Refuse augmentation where nothing convolves; that engine trains on images as they are."""
    name = key.removeprefix("experiments.")
    plan = Plan(config)
    for scale in config["scales"]:
        value = plan.at(scale).protocol(name)["augmentation"]
        own = {**experiment, **experiment.get("scales", {}).get(scale, {})}
        asked_for = "augmentation" in own or name in plan.at(scale).experiments
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
        if method.parent and method.parent not in experiment["methods"]:
            raise UserError(
                f"config: {key}: {name!r} needs the masks of {method.parent!r}, which is not among"
                " the methods; allowed: add it"
            )
        networks = METRICS[method.metric].networks
        if networks == "chains" and not is_chain(layers):
            raise UserError(
                f"config: {key}: {name!r} is not for model {experiment['model']}; allowed: models"
                " without residual blocks and batch normalisation"
            )
        if networks == "fully connected" and convolves(layers):
            raise UserError(
                f"config: {key}: {name!r} is not for model {experiment['model']}; allowed: models"
                " without convolutions"
            )


def _check_no_variants(key: str, experiment: Config, values: Config) -> None:
    """Refuse a scale's own p where figures compare methods with different ones."""
    for name in experiment["methods"]:
        if parse(name).prune_fraction is not None:
            raise UserError(
                f"config: {key}: {values['prune_fraction']} is not allowed beside the method"
                f" {name!r}, which has a p of its own; allowed: no such key"
            )


def _check_widths(
    key: str, experiment: Config, widths: list[int], config: Config
) -> Sequence[Layer]:
    dataset = config["datasets"][experiment["dataset"]]
    if len(widths) != len(experiment["widths"]):
        raise UserError(
            f"config: {key}.widths: {widths} is not allowed, as the experiment has"
            f" {len(experiment['widths'])} widths; allowed: as many"
        )
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
    name, papers = figure["paper"], protocol.figures()
    _known(key, name, papers, "a figure of the paper")
    ours = figure["shows"], config["experiments"][figure["experiment"]]["dataset"]
    if papers[name] != ours:
        alike = [other for other, shown in papers.items() if shown == ours]
        raise UserError(
            f"config: {key}: {name!r} shows {' on '.join(papers[name])}, and this figure"
            f" {' on '.join(ours)}; allowed: {', '.join(alike) or 'no such key'}"
        )


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
            types = [limit] if isinstance(limit, str) else limit
            allowed_types = " or ".join(TYPES[name] for name in types)
            hint = _meant(key, value, types) if isinstance(value, str) else ""
            what = "the name " if "propertyNames" in error.absolute_schema_path else ""
            return f"{key}: {what}{shown} is not allowed; allowed: {allowed_types}{hint}"
        case "pattern" if "sha256" in error.absolute_path:
            return f"{key}: {shown} is not allowed; allowed: 64 of 0-9 and a-f, or null"
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


def _meant(key: str, text: str, types: Sequence[str]) -> str:
    """Say how to write what is text and was meant to be something else; "" if none of that is."""
    numbers = {"number", "integer"} & set(types)
    if re.fullmatch(r"(?i)true|false", text) and "boolean" in types:
        alone = f"{key}={text.title()}"
    elif re.fullmatch(r"(?i)none|null|~", text) and "null" in types:
        alone = f"{key}="
    elif re.fullmatch(r"[+-]?[\d.]+", text) and numbers:
        alone = f"{key}={text}"
    else:
        power = re.fullmatch(r"(?i)[+-]?[\d.]+e[+-]?\d+", text)
        return " (YAML reads 1e-3 as text; write 1.0e-3)" if numbers and power else ""
    if "." in key:
        return (
            " (in a file without quotes; --config makes text of what is nested: use --configfile)"
        )
    return f" (in a file without quotes; after --config: {alone})"


def _shown(value: object) -> str:
    """A value as Python writes it, cut short in the middle where it is long."""
    shortening = reprlib.Repr()
    shortening.maxstring = shortening.maxother = shortening.maxlong = 100
    return shortening.repr(value)


def _printable(part: object) -> str:
    """A part of a key as it stands in the file, unless that would break the line."""
    return str(part) if str(part).isprintable() else repr(part)
