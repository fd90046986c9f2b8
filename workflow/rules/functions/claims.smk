# Of claims.smk: what verdicts rest on.

from dropnet.paper import protocol


def drawn_from(scale, figures):
    """What those of the paper among figures are drawn from at a scale (the fields of judging.Drawn)."""
    settings = {
        experiment: json.loads(plan.at(scale).settings(experiment).to_json())
        for experiment in plan.experiments
    }
    return {
        name: {
            "experiment": figure.experiment,
            "methods": figure.runs,
            # fewer seeds make an interval wider; anything else would judge another experiment
            "reductions": plan.at(scale).reductions(
                figure.experiment, ignore=["seeds"]
            ),
            "classes": plan.at(scale).settings(figure.experiment).classes,
            "stop_fraction": plan.at(scale).settings(figure.experiment).stop_fraction,
            "alike": protocol.trained_alike(figure.experiment, settings),
        }
        for name, figure in figures.items()
        if figure.of_paper
    }
