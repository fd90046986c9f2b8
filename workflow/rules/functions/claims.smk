# Of claims.smk: what verdicts rest on.

from dataclasses import asdict

from dropnet.paper.drawn import Drawn


def drawn_from(scale, figures):
    """What those of the paper among figures are drawn from at a scale (the fields of Drawn)."""
    settings = {
        experiment: json.loads(plan.at(scale).settings(experiment).to_json())
        for experiment in plan.experiments
    }
    return {
        name: asdict(Drawn.of(figure.experiment, figure.runs, settings))
        for name, figure in figures.items()
        if figure.of_paper
    }
