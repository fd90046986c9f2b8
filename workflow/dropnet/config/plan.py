"""What a checked configuration asks for: `Plan(config)`, and `.at(scale)` for what depends on that.

A plan is asked by name, and answers for all that is configured, also for experiments that a scale
does not run by default.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dropnet.config.methods import Method, methods_of, run_of
from dropnet.networks.models import MODELS, convolves
from dropnet.paper import protocol
from dropnet.settings import Settings
from dropnet.tables.runs import BASELINE

Config = Mapping[str, Any]


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


@dataclass(frozen=True)
class Figure:
    """What a figure shows.

    Attributes:
        name: e.g. "fig03".
        title: on its face.
        experiment: that it is drawn from.
        shows: the quantity, a key of `tables.columns.QUANTITIES`.
        methods: the names of its curves, and the method of each.
        stop_fraction: where its curves end; 0 where the runs do.
        of_paper: whether it shows what the paper's figure of that name does.
        behind: the paper's figure whose curves are drawn behind its own; None for none. It is the
            one that is configured (`paper`), else the one that it replicates.
    """

    name: str
    title: str
    experiment: str
    shows: str
    methods: Mapping[str, Method]
    stop_fraction: float
    of_paper: bool
    behind: str | None

    @property
    def runs(self) -> dict[str, str]:
        """The names of its curves, and the method's name in the runs of each."""
        return {label: method.name for label, method in self.methods.items()}


class Plan:
    """All that is asked for at any scale.

    Attributes:
        config: the checked configuration.
    """

    def __init__(self, config: Config) -> None:
        """Read a configuration that `check.check` has let through."""
        self.config = config

    @cached_property
    def experiments(self) -> dict[str, list[Method]]:
        """The methods of each experiment."""
        return {name: methods_of(chosen) for name, chosen in self.config["experiments"].items()}

    @property
    def criteria(self) -> list[str]:
        """The experiments that compare criteria."""
        every = self.config["experiments"].items()
        return [name for name, chosen in every if chosen.get("criteria", False)]

    def has_oracle(self, experiment: str) -> bool:
        """Say whether an experiment has an oracle for others to be compared with."""
        return any(method.name == "oracle" for method in self.experiments[experiment])

    def pictures_of(self, experiments: Sequence[str]) -> list[str]:
        """The names of the pictures that compare the criteria of some experiments."""
        names = ["criteria"] if experiments else []
        for experiment in experiments:
            kinds = ["families", "ranks", "layers"]
            if self.has_oracle(experiment):
                kinds.append("agreement")
            names += [f"criteria_{kind}_{experiment}" for kind in kinds]
        return names

    @cached_property
    def methods(self) -> dict[str, Method]:
        """Those of all experiments, by the part of a path that stands for each."""
        return {m.folder: m for methods in self.experiments.values() for m in methods}

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """All figures, by name."""
        return {name: self._figure(name) for name in self.config["figures"]}

    def _figure(self, name: str) -> Figure:
        chosen = self.config["figures"][name]
        experiment = self.config["experiments"][chosen["experiment"]]
        shown = chosen.get("methods", experiment["methods"])
        of_paper = protocol.shows_figure(name, chosen["experiment"], chosen["shows"])
        behind = chosen.get("paper", name if of_paper else None)
        return Figure(
            name=name,
            title=chosen["title"],
            experiment=chosen["experiment"],
            shows=chosen["shows"],
            methods={label: run_of(label, experiment["prune_fraction"]) for label in shown},
            stop_fraction=chosen.get("stop_fraction", 0),
            of_paper=of_paper,
            behind=behind if self.config["overlay"] else None,
        )

    def at(self, scale: str) -> "ScalePlan":
        """Return what is asked for at a scale."""
        return ScalePlan(self, scale)


class ScalePlan:
    """All that is asked for at one scale.

    Attributes:
        plan: of all scales.
        scale: its name.
    """

    def __init__(self, plan: Plan, scale: str) -> None:
        """Refer to one of the plan's scales."""
        self.plan, self.scale = plan, scale
        self._config = plan.config
        self._chosen = plan.config["scales"][scale]

    @property
    def experiments(self) -> list[str]:
        """The names of the experiments that it runs: those it lists, else all; and `also` some.

        All but those with `default: false`: they run if a scale lists them, or a file of theirs is
        asked for.
        """
        every = self._config["experiments"]
        default = [name for name, chosen in every.items() if chosen.get("default", True)]
        listed = [*self._chosen.get("experiments", default), *self._chosen.get("also", [])]
        return [name for name in every if name in listed]

    @property
    def criteria(self) -> list[str]:
        """Those of these experiments that compare criteria."""
        present = self.experiments
        return [name for name in self.plan.criteria if name in present]

    @property
    def figures(self) -> dict[str, Figure]:
        """Those of these experiments, by name."""
        present = self.experiments
        figures = self.plan.figures.items()
        return {name: figure for name, figure in figures if figure.experiment in present}

    @property
    def pictures_of_criteria(self) -> list[str]:
        """The names of the pictures that compare criteria: the contrasts, then by experiment."""
        return self.plan.pictures_of(self.criteria)

    @property
    def note(self) -> str:
        """What is said of results that are not by the paper's protocol."""
        return self._chosen.get("note", "Not the paper's protocol")

    @property
    def caption(self) -> str:
        """What a picture of all experiments says of the scale; "" where nothing is reduced."""
        return self.caption_of(self.experiments)

    def caption_of(self, experiments: Iterable[str]) -> str:
        """What a picture of some of them says of it."""
        reduced = {experiment: self.reductions(experiment) for experiment in experiments}
        return protocol.caption(self.scale, reduced, self.note)

    def settings(self, experiment: str, method: Method | None = None) -> Settings:
        """Return the settings of an experiment; of one of its methods, if one is given."""
        chosen = self._config["experiments"][experiment]
        own = method.prune_fraction if method else None
        values = self.protocol(experiment)
        return Settings(
            experiment=experiment,
            scale=self.scale,
            dataset=chosen["dataset"],
            data=self._config["datasets"][chosen["dataset"]]["sha256"],
            classes=self._config["datasets"][chosen["dataset"]]["classes"],
            model=chosen["model"],
            widths=tuple(values["widths"]),
            prune_fraction=values["prune_fraction"] if own is None else own,
            stop_fraction=chosen["stop_fraction"],
            **{k: values[k] for k in self._config["protocol"] if not k.startswith("seeds")},
        )

    def protocol(self, experiment: str) -> dict[str, Any]:
        """The protocol's values, overridden by the experiment, by the scale, by both together."""
        chosen = self._config["experiments"][experiment]
        resolved = dict(self._config["protocol"])
        resolved |= {key: chosen[key] for key in ("widths", "prune_fraction")}
        resolved |= {key: value for key, value in chosen.items() if key in resolved}
        resolved |= {key: value for key, value in self._chosen.items() if key in resolved}
        resolved |= chosen.get("scales", {}).get(self.scale, {})
        for key in ("seeds", "seeds_per_job"):  # those of the whole run have the last word
            resolved[key] = self._config[key] or resolved[key]
        if not convolves(MODELS[chosen["model"]](resolved["widths"], classes=2)):
            resolved["precision"] = "float32"  # it is that of convolutions
        return resolved

    def reductions(self, experiment: str, ignore: Iterable[str] = ()) -> str:
        """Return in words how an experiment differs from the paper's protocol, or "".

        Args:
            experiment: its name.
            ignore: keys of the protocol that may differ.
        """
        chosen = self._config["experiments"][experiment]
        values = self.protocol(experiment)
        own = {key: chosen[key] for key in (*protocol.IDENTITY, "widths")}
        own["data"] = self._config["datasets"][chosen["dataset"]]["sha256"]
        return protocol.reductions(experiment, own | values, own, ignore)

    def seed_blocks(self, experiment: str) -> list[str]:
        """Return the blocks of seeds that are trained together, each as "first-last"."""
        values = self.protocol(experiment)
        seeds, size = values["seeds"], values["seeds_per_job"]
        return [f"{first}-{min(first + size, seeds) - 1}" for first in range(0, seeds, size)]

    def jobs(self, *experiments: str) -> Iterator[Job]:
        """Yield the jobs that train experiments, by default all, the baseline of each first."""
        for experiment in experiments or self.experiments:
            blocks = self.seed_blocks(experiment)
            for method in [None, *self.plan.experiments[experiment]]:
                for seeds in blocks:
                    yield Job(experiment, method, seeds)
