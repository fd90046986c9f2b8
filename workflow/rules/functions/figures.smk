# Of figures.smk: what is written on a figure.


def face(scale, figure):
    """What a figure says beside its curves (the fields of dropnet.figures.curves.Face)."""
    return {
        "title": figure.title,
        "scale": scale,
        "reductions": plan.at(scale).reductions(figure.experiment),
        "note": plan.at(scale).note,
        "shows": figure.shows,
        "unit": unit(figure.experiment),
        "classes": plan.at(scale).settings(figure.experiment).classes,
        "better": published_picture(scale, figure.name),
    }


def unit(experiment):
    """What is dropped."""
    return unit_of(config["experiments"][experiment]["model"])


def published_beside(scale):
    """The scales of which larger runs may be published: the configured ones first, then older ones.

    A run with fewer seeds than its scale has may have larger ones of the same scale beside it.
    """
    older = [folder.name for folder in record.folders("published")]
    scales = dict.fromkeys([*config["scales"], *older])
    return [other for other in scales if other != scale or config["seeds"]]


def published_picture(scale, figure):
    """The picture of a figure that is published of another scale, the first that has one; or ""."""
    pictures = [
        f"published/{other}/figures/{figure}.png" for other in published_beside(scale)
    ]
    return next(filter(os.path.exists, pictures), "")


def table_of_compared(table, scale, experiment):
    """A table of the criteria of a scale, for a figure of one experiment in it."""
    if experiment not in plan.at(scale).criteria:
        refuse(
            f"{experiment} is not among the experiments whose criteria are compared at scale {scale};"
            f" allowed: {', '.join(plan.at(scale).criteria) or 'none'}"
        )
    return f"results/{scale}/{table}.csv"
