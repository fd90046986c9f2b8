# Of report.smk: what the report shows.


def pictures(scale):
    """What the report says of each figure (the fields of dropnet.report.html.Picture)."""
    return [
        {
            "name": name,
            "title": figure.title,
            "experiment": figure.experiment,
            "reductions": plan.at(scale).reductions(figure.experiment),
            "file": f"figures/{scale}/{name}.png",
            "published": (
                published_picture(scale, name)
                if plan.at(scale).reductions(figure.experiment)
                else ""
            ),
        }
        for name, figure in plan.at(scale).figures.items()
    ]


def published_claims(scale):
    """The verdicts of every other scale that is published."""
    tables = [f"published/{other}/claims.csv" for other in published_beside(scale)]
    return list(filter(os.path.exists, tables))


def provenance_of_all(scale):
    """The provenance of every training job at a scale."""
    return [
        f"results/{scale}/{job.folder}/provenance_seeds{job.seeds}.json"
        for job in plan.at(scale).jobs()
    ]


def speed_of(scale):
    """How fast networks are, table and figure, if both are there: nobody waits for them."""
    files = [f"results/{scale}/speed.csv", f"figures/{scale}/speed.png"]
    return files if all(map(os.path.exists, files)) else []


def criteria_of(scale):
    """How criteria compare, table and figures, if the scale compares any."""
    pictures = plan.at(scale).pictures_of_criteria
    files = [f"figures/{scale}/{name}.png" for name in pictures]
    return [f"results/{scale}/criteria.csv", *files] if files else []
