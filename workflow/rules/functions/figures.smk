# Of figures.smk: what is written on a figure.


def face(scale, figure):
    """What a figure says beside its curves (the fields of dropnet.figures.curves.Face)."""
    return {
        "title": figure.title,
        "scale": scale,
        "reductions": plan.at(scale).reductions(figure.experiment),
        "note": plan.at(scale).note,
        "shows": figure.shows,
        "unit": unit_of(figure.experiment),
        "classes": plan.at(scale).settings(figure.experiment).classes,
        "better": published_picture(scale, figure.name),
    }


def unit_of(experiment):
    """What is dropped."""
    return "nodes" if config["experiments"][experiment]["model"] == "FC" else "filters"


def published_picture(scale, figure):
    """The picture of a figure that was published of another scale, the first configured; or ""."""
    pictures = [
        f"published/{other}/figures/{figure}.png"
        for other in config["scales"]
        if other != scale
    ]
    return next(filter(os.path.exists, pictures), "")
