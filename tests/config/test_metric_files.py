"""A file of a metric that cannot be one is refused in one line, before the first job."""

import pytest

from dropnet.config import metric_files
from dropnet.errors import UserError
from dropnet.metrics import FOLDER, METRICS

MINIMUM = (FOLDER / "minimum.py").read_text()
PLAIN = "def importance(statistics):\n    return list(statistics['mean_activation'])\n"  # no torch
WRONG = [
    ("baseline", MINIMUM, "'baseline' is not allowed as the name of a metric; allowed: small"),
    ("minimum_layer", MINIMUM, "'minimum_layer' is not allowed"),
    ("minimum_random_init", MINIMUM, "'minimum_random_init' is not allowed"),
    ("minimum_p1", MINIMUM, "'minimum_p1' is not allowed"),
    ("my-metric", MINIMUM, "'my-metric' is not allowed"),
    ("Mine", MINIMUM, "'Mine' is not allowed"),
    ("mine", "", "has no function `importance`; needed: one that takes the statistics"),
    ("mine", MINIMUM.replace("importance", "importanec"), "has no function `importance`"),
    (
        "mine",
        "def score(statistics):\n    importance = list(statistics)\n    return importance\n",
        "has no function `importance`",
    ),
    ("mine", "class Mine:\n    importance = 3\n", "has no function `importance`"),
    ("mine", MINIMUM + "\ndef f(:\n", r"mine\.py, line \d+: no Python \(.*\)"),
    ("mine", "\0", r"no Python \("),
    ("mine", f"import troch\n{PLAIN}", "cannot be imported: .*No module named 'troch'"),
    ("mine", f"from dropnet.errors import User\n{PLAIN}", "cannot import name 'User'"),
    ("mine", PLAIN.replace("):", ") -> trch.Tensor:"), "NameError: name 'trch'"),
    ("mine", f"{PLAIN}\nSHARE = 1 / 0\n", "cannot be imported: ZeroDivisionError"),
    ("mine", f"{PLAIN}\nimportance = 3\n", "TypeError: its `importance` is no function"),
    ("mine", f"{PLAIN}\ndel importance\n", "AttributeError: .*'importance'"),
    ("mine", f"{PLAIN}\ngather = 3\n", "TypeError: its `gather` is no function"),
    ("mine", f"measure = {{}}\n{PLAIN}", "TypeError: its `measure` is no function"),
    ("mine", PLAIN.replace("(statistics)", "()"), "`importance` does not take one argument: too"),
    ("mine", PLAIN.replace("ce(s", "ce(a, s"), "one argument: missing a required argument: 's"),
    (
        "mine",
        PLAIN.replace("ce(s", "ce(a, *, s"),
        "one argument: missing a required .*argument: 's",
    ),
    ("mine", f"def gather():\n    return {{}}\n{PLAIN}", "its `gather` does not take one argument"),
    ("mine", f"GRADIENTS = 'label'\n{PLAIN}", "GRADIENTS: 'label' is not allowed; allowed: 'label"),
    ("mine", f"GRADIENTS = True\n{PLAIN}", "GRADIENTS: True is not allowed"),
    ("mine", f"GRADIENTS = ['labels']\n{PLAIN}", r"GRADIENTS: \['labels'\] is not allowed"),
    ("mine", f"NETWORKS = 'chain'\n{PLAIN}", "NETWORKS: 'chain' is not allowed; allowed: 'chains'"),
    ("mine", f"NETWORKS: str = ['chains']\n{PLAIN}", r"NETWORKS: \['chains'\] is not allowed"),
    *(
        ("mine", f"{code}\n{PLAIN}", "NETWORKS: wanted is one line NETWORKS = ..., on its own")
        for code in (
            "OF = NETWORKS = 'chains'",
            "if True:\n    NETWORKS = 'chains'",
            "NETWORKS: str",
            "NETWORKS = 'chains'\nNETWORKS = 'nope'",
            "NETWORK = 'chains'",
        )
    ),
    ("mine", f"{PLAIN}\nraise SystemExit\n", "cannot be imported: SystemExit"),
]


@pytest.mark.parametrize(
    ("name", "code", "message"),
    WRONG,
    ids=[f"{place}: {m}" for place, (_, _, m) in enumerate(WRONG)],
)
def test_a_file_that_is_no_metric_is_refused_in_one_line(tmp_path, name, code, message):
    (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(UserError, match=message) as error:
        metric_files.check_metrics(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path / f"{name}.py") in str(error.value)


def test_what_only_has_the_name_of_a_file_is_refused(tmp_path):
    (tmp_path / "mine.py").symlink_to(tmp_path / "gone.py")
    with pytest.raises(UserError, match=r"mine\.py: cannot be read \(No such file.*needed: a file"):
        metric_files.check_metrics(tmp_path)
    (tmp_path / "mine.py").unlink()
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(UserError, match=r"mine\.py: cannot be read \(Is a directory\)"):
        metric_files.check_metrics(tmp_path)


def test_metrics_are_taken_and_only_tried_if_reading_them_does_not_do(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(metric_files, "_try", tried.append)
    for file in FOLDER.glob("[a-z]*.py"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "_helper.py").write_text("what other files use is no metric")
    metric_files.check_metrics(tmp_path)
    assert not tried, "a start would take a second more"


def test_a_metric_that_does_more_when_it_is_imported_is_tried_and_taken(tmp_path):
    (tmp_path / "mine.py").write_text("import math\nSHARE = math.log(3)\n" + PLAIN)
    metric_files.check_metrics(tmp_path)


def test_a_metric_says_which_networks_it_is_for(tmp_path):
    (tmp_path / "mine.py").write_text(f"NETWORKS = 'chains'\n{PLAIN}")
    metric_files.check_metrics(tmp_path)
    of = {name: metric.networks for name, metric in METRICS.items()}
    assert of["lasso_channels_layer"] == of["oracle"] == "chains"
    assert of["least_squares"] == "fully connected"
    assert of["minimum"] is None


@pytest.mark.parametrize("asked", ["'labels'", "'predictions'", "None"])
def test_gradients_that_there_are_may_be_asked_for(tmp_path, asked):
    (tmp_path / "mine.py").write_text(f"GRADIENTS = {asked}\n{PLAIN}")
    metric_files.check_metrics(tmp_path)
