# Of figures.smk: what is written on a figure.


def face(scale, figure):
    """What a figure says beside its curves (the fields of dropnet.figures.curves.Face)."""
    model = config["experiments"][figure.experiment]["model"]
    return {
        "title": figure.title,
        "scale": scale,
        "reductions": plan.at(scale).reductions(figure.experiment),
        "note": plan.at(scale).note,
        "shows": figure.shows,
        "unit": "nodes" if model == "FC" else "filters",
    }
