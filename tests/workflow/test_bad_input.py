"""Bad input by the hundred: every broken configuration and every broken data file is refused.

Each in one line, without a traceback, and without leaving a file behind. What is generated is
broken by construction: a mistake is drawn, and then the place where it is made.
"""

import copy
import gzip
import struct
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from dropnet.config import check as checking
from dropnet.data.dataset import from_arrays
from dropnet.data.formats import FORMATS
from dropnet.data.prepare import prepare
from dropnet.errors import UserError
from helpers.data_files import (
    cifar_bin_files,
    cifar_png_files,
    compressed,
    idx_files,
    image_folder_files,
    make_arrays,
    png,
    tiny_imagenet_files,
    tree,
    write_files,
    zipped,
)
from helpers.project import ROOT, copy_project, snakemake

HUNDREDS = settings(
    max_examples=500,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())
FREE_NAMES = ("datasets", "scales", "experiments", "figures")  # mappings with names of one's own


def one_line(error):
    """A message that can be shown as it is."""
    message = str(error.value)
    assert message
    assert message.isprintable(), message
    return message


# Configurations ----------------------------------------------------------------------------------


def places(place, path=()):
    """All places of a configuration, with what is there."""
    for key, value in place.items() if isinstance(place, dict) else enumerate(place):
        yield (*path, key), value
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


PLACES = list(places(SHIPPED))


def at(config, path):
    for part in path:
        config = config[part]
    return config


def put(config, path, value):
    at(config, path[:-1])[path[-1]] = value


def mappings(closed):
    """The paths of the mappings whose keys are fixed, or of those with names of one's own."""
    for path, value in [((), SHIPPED), *PLACES]:
        own_names = path[-1:] and path[-1] in FREE_NAMES and len(path) in (1, 3)
        if isinstance(value, dict) and bool(own_names) != closed:
            yield path


WRONG_TYPES = {  # what cannot stand where such a value is right
    str: st.sampled_from([[], {}, 7, 1.5, True]),
    bool: st.sampled_from(["yes", "false", 0, 1, None, [], {}]),
    int: st.sampled_from(["3", "1e3", 2.5, True, [], {}, float("nan"), float("inf")]),
    float: st.sampled_from(["0.2", "1e-3", True, None, [], {}, float("nan"), float("-inf")]),
    type(None): st.sampled_from(["all", "", True, [], {}, 1.5, -3]),
    list: st.sampled_from(["a, b", 3, None, True, {}]),
    dict: st.sampled_from(["x", 3, None, True, []]),
}
OUT_OF_RANGE = {
    "seeds": [0, -1, 10**5, 10**40],
    "seeds_per_job": [0, -15, 10**9],
    "train_images": [0, -1],
    "test_images": [0, -10000],
    "batch_size": [0, -32, 10**12],
    "learning_rate": [0, -0.1, 1e300, 10**400],
    "max_epochs": [0, -100, 10**30],
    "patience": [0, -5, 10**30],
    "prune_fraction": [-0.2, 1.0001, 20],
    "stop_fraction": [-0.01, 1, 1.5, 5],
    "classes": [0, 1, 257, -10],
    "image": [[28, 28], [1, 28, 28, 28], [0, 28, 28], [1, 28, -28], [1, 10**6, 28]],
    "widths": [[0], [-4], [10**9], [4.0, 4], ["40"], [[40]], [None], [True]],
    "precision": ["float16", "bf16", "FLOAT32"],
    "selection": ["exakt", "Exact", "notebooks"],
    "augmentation": ["afine", "yes", "None"],
    "device": ["gpu", "cuda:-1", "cuda:01", "CPU", "cuda:0; true", "auto\n"],
    "methods": [[], ["minimum", "minimum"], ["minimun"], ["minimum "], ["random(p=0.3)"]],
    "sha256": ["", "abc", "0x12", "F" * 64, "0" * 63, "0" * 65],
    "sources": [[], [{}], ["npm"], [{"url": "x"}], [{"folder": "a"}], [{"npm": "$(id)"}]],
}
BAD_NAMES = st.sampled_from(
    ["", ".", "..", "../x", "a/b", "-rf", "a b", "x\n", "ü", "$(id)", "`id`", "a;b", "{scale}"]
) | st.text("/\\ \n\t*?{}$&|<>'\"é", min_size=1, max_size=8)
CLOSED, OPEN = list(mappings(closed=True)), list(mappings(closed=False))
RANGED = [path for path, _ in PLACES if path[-1] in OUT_OF_RANGE]
CONVOLVING = [n for n, e in SHIPPED["experiments"].items() if e["model"] != "FC"]
RESIDUAL = [n for n in SHIPPED["experiments"] if n.startswith(("ResNet18", "VGG19"))]
KEYS = {  # that each of these has to have
    "datasets": ("classes", "image", "sha256", "sources"),
    "experiments": ("dataset", "model", "widths", "prune_fraction", "stop_fraction", "methods"),
    "figures": ("experiment", "shows", "title"),
}
NEEDED = [
    *((key,) for key in SHIPPED),
    *(("protocol", key) for key in SHIPPED["protocol"]),
    *((part, name, key) for part, keys in KEYS.items() for name in SHIPPED[part] for key in keys),
]
NAMED = [  # a name that has to be one of others
    ("scale",),
    *(path for path, _ in PLACES if len(path) == 3 and path[-1] in ("dataset", "model", "shows")),
    *(path for path, _ in PLACES if len(path) == 3 and path[-1] == "experiment"),
    *(path for path, value in PLACES if path[-2:-1] == ("methods",) and value in ("minimum",)),
    *(path for path, _ in PLACES if path[-2:-1] == ("experiments",) and isinstance(path[-1], int)),
]


@st.composite
def broken_configs(draw):
    """The shipped configuration with one to three mistakes, and what they are."""
    config, made = copy.deepcopy(SHIPPED), []
    for mistake in draw(st.lists(st.sampled_from(MISTAKES), min_size=1, max_size=3)):
        made.append(mistake(draw, config))
    return config, made


def wrong_type(draw, config):
    path, value = draw(st.sampled_from(PLACES))
    return placed(config, path, draw(WRONG_TYPES[type(value)]))


def out_of_range(draw, config):
    path = draw(st.sampled_from(RANGED))
    return placed(config, path, draw(st.sampled_from(OUT_OF_RANGE[path[-1]])))


def unknown_key(draw, config):
    path = draw(st.sampled_from(CLOSED))
    key = draw(st.sampled_from(["seedz", "Seeds", "", "max-epochs", "learning rate", "x\ny", 3]))
    return placed(config, (*path, key), draw(st.sampled_from([1, None, "x", {}])))


def missing_key(draw, config):
    path = draw(st.sampled_from(NEEDED))
    if isinstance(place := reached(config, path[:-1]), dict):
        place.pop(path[-1], None)
    return path, ...


def bad_name(draw, config):
    path = draw(st.sampled_from(OPEN))
    return placed(config, (*path, draw(BAD_NAMES)), draw(st.sampled_from([{}, None, 3])))


def unknown_name(draw, config):
    path = draw(st.sampled_from(NAMED))
    name = at(SHIPPED, path)
    slips = [name[:-1], name + "x", name.swapcase(), name[1:], " " + name, name * 2, "../" + name]
    allowed = {"FC", "Conv", "VGG19", *SHIPPED["scales"], *SHIPPED["experiments"]}
    slip = draw(st.sampled_from([s for s in slips if s != name and s not in allowed and s]))
    return placed(config, path, slip)


def contradiction(draw, config):
    """Values that are allowed one by one, but not together."""
    some = draw(st.sampled_from(sorted(SHIPPED["experiments"])))
    chosen = SHIPPED["experiments"][some]
    path = ("experiments", some)
    own_p = chosen["prune_fraction"]
    ways = [
        ((*path, "methods"), ["minimum_layer", "minimum (random_init)"]),
        (("experiments", draw(st.sampled_from(RESIDUAL)), "methods"), ["oracle"]),
        (("experiments", "FC40-FC40", "augmentation"), "affine"),
        (("experiments", "FC20-FC20", "scales"), {"paper": {"augmentation": "affine"}}),
        (("experiments", "ResNet18", "widths"), [8, 16, 16, 16, 16]),
        (("experiments", "VGG19", "widths"), [8] * draw(st.sampled_from([1, 4, 6]))),
        (("experiments", "VGG19", "dataset"), "MNIST"),  # more pools than the image has room for
        (("experiments", draw(st.sampled_from(["Conv20-Conv20"])), "widths"), [4] * 7),
        (("figures", "fig03", "methods"), ["oracle"]),
        (("figures", "fig18", "methods"), ["minimum", "minimum (p=0.2)"]),
        (("datasets", "CIFAR-10", "image"), [3, 2, 2]),
    ]
    if own_p:
        ways.append(((*path, "methods"), [f"minimum (p={own_p:g})"]))
    return placed(config, *draw(st.sampled_from(ways)))


MISTAKES = [
    wrong_type, out_of_range, unknown_key, missing_key, bad_name, unknown_name, contradiction,
]  # fmt: skip


def reached(config, path):
    """What is at a path, or None if an earlier mistake has taken it away."""
    try:
        return at(config, path)
    except (KeyError, IndexError, TypeError):
        return None


def placed(config, path, value):
    """Put a value in its place, unless an earlier mistake has taken the place away."""
    place, key = reached(config, path[:-1]), path[-1]
    # where a mapping was, there may be a list by now
    in_list = isinstance(place, list) and isinstance(key, int) and key < len(place)
    if isinstance(place, dict) or in_list:
        place[key] = value
    return path, value


@pytest.mark.slow
@HUNDREDS
@given(broken_configs())
def test_broken_configurations_are_refused_in_one_line(tmp_path, monkeypatch, broken):
    config, _ = broken
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        checking.check(config)
    assert one_line(error).startswith("config: ")
    assert list(tmp_path.iterdir()) == []


def spoilt_texts():
    """The shipped file with a piece of text put in, or cut off, that makes it no checking."""
    text = (ROOT / "config.yaml").read_bytes()
    lines = text.splitlines(keepends=True)
    bad = [
        *(b"\tx: 1\n", b"x: [1\n", b"'\n", b"x: {a: 1]\n", b"\xff\xfe\n", b"\x00\n", b"&a &b x\n"),
        *(b"scale: x\nscale: x\n", b"a: b: c\n", b"*nothing\n", b"!!python/object:x {}\n"),
    ]
    inserted = st.tuples(st.integers(0, len(lines)), st.sampled_from(bad)).map(
        lambda drawn: b"".join([*lines[: drawn[0]], drawn[1], *lines[drawn[0] :]])
    )
    return inserted | st.integers(0, len(text) - 2000).map(lambda length: text[:length])


@settings(HUNDREDS, max_examples=40)
@given(spoilt_texts())
def test_a_spoilt_configuration_file_is_refused_in_one_line(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_bytes(text)
    with pytest.raises(UserError) as error:
        checking.load(file)
    assert one_line(error).startswith(("config: ", f"{file}: "))
    assert list(tmp_path.iterdir()) == [file]


def bomb_of_aliases(key):
    """Nine times nine times nine ... values, in twelve lines."""
    lines = ["x0: &x0 [1, 1]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([*lines, f"{key}: *x11"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data_dir: 2001-99-99", "month must be in 1..12"),
        (f"seeds: {'9' * 5000}", "line 1: a value of more than 3,000 characters"),
        (f"protocol: {{seeds: 0x{'f' * 2900}}}", "config: "),
        ("x: !!int abc", "not YAML"),
        ("x: !!float abc", "not YAML"),
        ("x: !!bool abc", "not YAML"),
        ("x: !!timestamp abc", "not YAML"),
        ("? [a, b]\n: 1", "not YAML"),
        ("[" * 3000, "nested too deeply"),
        (bomb_of_aliases("data_dir"), "more than 100,000 values"),
        (bomb_of_aliases("<<"), "more than 100,000 values"),
        ("x: &x [*x]", "line 1: the value contains itself"),
        ('scale: "a\\ud800b"', "line 1: 'a\\ud800b' is not text"),
        ("", "has no keys"),
        ("- scale", "has no keys"),
    ],
    ids=lambda text: text[-30:],
)
def test_what_yaml_admits_or_stumbles_over_is_refused(tmp_path, text, words):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        checking.load(tmp_path / "config.yaml")
    assert words in one_line(error)


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(UserError, match="not a file"):
        checking.load(tmp_path)


def test_aliases_are_fine_otherwise(tmp_path):
    text = (ROOT / "config.yaml").read_text()
    text = text.replace("widths: [40, 40]", "widths: &w [40, 40]", 1)
    assert "&w" in text
    (tmp_path / "config.yaml").write_text(text.replace("widths: [40, 40]", "widths: *w"))
    assert checking.load(tmp_path / "config.yaml") == SHIPPED


@pytest.mark.slow
@settings(HUNDREDS, max_examples=3)
@given(
    st.one_of(
        broken_configs().map(lambda broken: yaml.safe_dump(broken[0], sort_keys=False).encode()),
        spoilt_texts(),
    )
)
def test_the_command_refuses_them_before_the_first_job(tmp_path_factory, text):
    folder = copy_project(tmp_path_factory.mktemp("bad") / "project")
    (folder / "config.yaml").write_bytes(text)
    before = tree(folder)
    run = snakemake(folder)
    assert run.returncode != 0
    assert len([line for line in run.stdout.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in run.stdout
    left = {path for path in tree(folder) if not {".snakemake", "__pycache__"} & set(path.parts)}
    assert left == {path for path in before if "__pycache__" not in path.parts}


# Data files --------------------------------------------------------------------------------------

IDX = make_arrays(train=14, test=6, shape=(1, 4, 5))
CIFAR = make_arrays(train=11, test=2, shape=(3, 32, 32))
SETS = {  # a good data set in each format: classes, files, what it is to come out as
    "idx": (10, idx_files(IDX), "idx"),
    "idx, compressed": (10, compressed(idx_files(IDX)), "idx"),
    "cifar": (10, cifar_bin_files(CIFAR), "cifar"),
    "cifar_png": (10, cifar_png_files(CIFAR), "cifar_png"),
    "image_folder": (3, image_folder_files(), "image_folder"),
    "tiny_imagenet": (
        3,
        {f"tiny-imagenet-200/{n}": c for n, c in tiny_imagenet_files(train=3).items()},
        "tiny_imagenet",
    ),
    "tiny_imagenet, zipped": (
        3,
        {"tiny-imagenet-200.zip": zipped(tiny_imagenet_files(train=3))},
        "tiny_imagenet",
    ),
}


def sum_of(folder, classes, form):
    arrays, _ = FORMATS[form].decode(folder)
    return from_arrays("data", classes, arrays).checksum()


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    """The checksum of each of the good data sets."""
    return {
        name: sum_of(write_files(tmp_path_factory.mktemp("good"), files), classes, form)
        for name, (classes, files, form) in SETS.items()
    }


def truncated(draw, files, name):
    return {name: files[name][: draw(st.integers(0, max(0, len(files[name]) - 1)))]}


def lengthened(draw, files, name):
    return {name: files[name] + draw(st.binary(min_size=1, max_size=40))}


def bits_flipped(draw, files, name):
    content = bytearray(files[name])
    for position in draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=4)):
        content[position // 8] ^= 1 << position % 8
    return {name: bytes(content)}


def swapped(draw, files, name):
    other = draw(st.sampled_from(sorted(files)))
    return {name: files[other], other: files[name]}


def missing(draw, files, name):
    return {name: None}


def other_content(draw, files, name):
    return {
        name: draw(
            st.binary(max_size=200)
            | st.sampled_from(
                [
                    b"<html>404</html>\n",
                    b"\x89PNG\r\n\x1a\n",
                    b"PK\x03\x04",
                    b"\x1f\x8b\x08",
                    b"cos\nsystem\n(S'touch here'\ntR.",
                    png(CIFAR["test_images"][0, 0]),
                ]
            )
        )
    }


def other_shape(draw, files, name):
    """Images of another size, another number of them, or labels that no class has."""
    shape = draw(st.sampled_from([(1, 4, 4), (1, 5, 4), (2, 4, 5), (1, 1, 1), (3, 32, 32)]))
    arrays = make_arrays(draw(st.integers(1, 20)), draw(st.integers(1, 9)), shape, classes=10)
    for kind in ("train", "test"):
        arrays[f"{kind}_labels"][0] = draw(st.integers(0, 255))
    made = idx_files(arrays) | compressed(idx_files(arrays))
    return {name: made.get(name, made["train-images-idx3-ubyte"])}


def bomb(draw, files, name):
    """Little on the disk, much in memory."""
    zeros = bytes(3_000_000)
    header = struct.pack(">HBB3I", 0, 8, 3, *draw(st.sampled_from([(2**31, 99, 99), (14, 4, 5)])))
    return {
        name: draw(st.sampled_from([gzip.compress(header + zeros), zipped({"wnids.txt": zeros})]))
    }


DAMAGES = [
    truncated, lengthened, bits_flipped, swapped, missing, other_content, other_shape, bomb,
]  # fmt: skip


def prepare_broken(settings):
    prepare("digits", settings, Path("data"), log=lambda line: None)
    reject()  # the pinned sum says that the arrays are whole: no image was damaged


@pytest.mark.slow
@HUNDREDS
@given(data=st.data())
def test_broken_data_files_are_refused_in_one_line(tmp_path_factory, monkeypatch, sums, data):
    monkeypatch.setattr("dropnet.data.formats.LARGEST_FILE", 2_000_000)
    kind = data.draw(st.sampled_from(sorted(SETS)))
    classes, files, form = SETS[kind]
    damage, name = data.draw(st.sampled_from(DAMAGES)), data.draw(st.sampled_from(sorted(files)))
    broken = files | damage(data.draw, files, name)
    kept = {name: content for name, content in broken.items() if content is not None}
    folder = write_files(
        tmp_path_factory.mktemp("broken"), {f"data/{n}": c for n, c in kept.items()}
    )
    before = tree(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(folder))
    entry = {"folder": str(folder / "data"), "format": form}
    chosen = {"classes": classes, "sha256": sums[kind], "sources": [entry]}
    with pytest.raises(UserError) as error:
        prepare_broken(chosen)
    one_line(error)
    assert tree(folder) == before
