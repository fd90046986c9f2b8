"""What the paper's figures are drawn from: which runs, and how far they follow its protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dropnet.paper import protocol


@dataclass(frozen=True)
class Drawn:
    """What a figure is drawn from.

    Attributes:
        experiment: its name.
        methods: the names of the curves, and those of the runs.
        reductions: how the runs differ from the paper's protocol but for the number of seeds, in
            words, or "": fewer seeds make an interval wider, anything else is another experiment.
        classes: of the data set.
        stop_fraction: of the experiment: a run that has not reached it was cut off. With 1, all
            runs count as whole.
        alike: experiments that are trained by the same settings, and may have other methods: the
            runs of these are what its own would be.
    """

    experiment: str
    methods: Mapping[str, str]
    reductions: str
    classes: int
    stop_fraction: float = 1.0
    alike: Sequence[str] = ()

    @classmethod
    def of(
        cls, experiment: str, methods: Mapping[str, str], settings: Mapping[str, protocol.Values]
    ) -> "Drawn":
        """Return what a figure of the paper is drawn from.

        Args:
            experiment: its name.
            methods: the names of the curves, and those of the runs.
            settings: that experiments are or were trained with, by name (`Settings.to_json`).
        """
        own = settings[experiment]
        return cls(
            experiment,
            methods,
            protocol.reductions_of(own),
            own["classes"],
            own["stop_fraction"],
            protocol.trained_alike(experiment, settings),
        )

    def runs_in(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return the runs that it can be drawn from, all by the name of its experiment.

        They are those of the experiment, and of each seed that it lacks of a method the run of the
        first experiment in `alike` that has it. One more column, `of`, is where they were run.

        Args:
            runs: of any experiments, as in runs.csv.
        """
        found = runs[runs["experiment"] == self.experiment]
        for other in self.alike:
            had = set(zip(found["method"], found["seed"], strict=True))
            of_other = runs[runs["experiment"] == other]
            pairs = zip(of_other["method"], of_other["seed"], strict=True)
            found = pd.concat([found, of_other[[pair not in had for pair in pairs]]])
        return found.assign(of=found["experiment"], experiment=self.experiment)
