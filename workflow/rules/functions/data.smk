# Of data.smk: what a data set is. With a pinned sum it is that, and no code that decodes it can change
# it; without one it is what is found.

from dropnet.data import sources


def content_of(dataset):
    """What stands for the content of a data set; `sha256` is None if it is not pinned."""
    return [config["datasets"][dataset][key] for key in ("classes", "image", "sha256")]


def is_pinned(dataset):
    """Whether its content is known before it is read."""
    return config["datasets"][dataset]["sha256"] is not None


def code_behind(dataset):
    """The code that decides what is in the file: none of it, if the content is known."""
    if is_pinned(dataset):
        return []
    formats = sources.modules_of(config["datasets"][dataset]["sources"])
    return [script_of("prepare_dataset"), *code_of("prepare_dataset", *formats)]


def found_for(dataset):
    """What else decides it: nothing, or where it is looked for, what is there, what decodes it."""
    if is_pinned(dataset):
        return None
    entries = config["datasets"][dataset]["sources"]
    files = sources.sum_of_folders(entries, Path(config["data_dir"]))
    return [json.dumps(entries, sort_keys=True), files, versions_of("data")]
