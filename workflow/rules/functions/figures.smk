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
        "classes": plan.at(scale).settings(figure.experiment).classes,
        "better": published_picture(scale, figure.name),
    }


def published_picture(scale, figure):
    """The picture of a figure that was published of another scale, the first configured; or ""."""
    pictures = [
        f"published/{other}/figures/{figure}.png"
        for other in config["scales"]
        if other != scale
    ]
    return next(filter(os.path.exists, pictures), "")
