"""Tiny ImageNet: folder and .zip give the same arrays, in order, or one clear line."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from dropnet.data import tiny_imagenet
from dropnet.data.formats import FORMATS
from dropnet.data.prepare import checksum, prepare
from dropnet.errors import UserError
from helpers.data_files import jpeg, tiny_imagenet_files, tree, write_files, zipped

ROOT = Path(__file__).parents[2]
SETTINGS = yaml.safe_load((ROOT / "config.yaml").read_text())["datasets"]["Tiny-ImageNet"]
NAME = tiny_imagenet.FOLDER
FILES = tiny_imagenet_files()
WNIDS = FILES["wnids.txt"].decode().split()
BOXES = f"train/{WNIDS[1]}/{WNIDS[1]}_boxes.txt"
IMAGE = f"train/{WNIDS[1]}/images/{WNIDS[1]}_2.JPEG"


def as_folder(place, files):
    write_files(place / NAME, files)


def as_zip(place, files):
    write_files(place, {f"{NAME}.zip": zipped(files)})


BOTH = pytest.mark.parametrize("store", [as_folder, as_zip])


def decode(place):
    return FORMATS["tiny_imagenet"].decode(place)[0]


def refused(place, **settings):
    """The one line with which the data stage refuses what lies in a folder."""
    with pytest.raises(UserError) as caught:
        prepare("Tiny", {**SETTINGS, "classes": 3, **settings}, place, lambda line: None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(**files):
    """The miniature with some files changed, by name with / as __; None removes one."""
    content = FILES | {name.replace("__", "/"): value for name, value in files.items()}
    return {name: value for name, value in content.items() if value is not None}


# --- what comes back -----------------------------------------------------------------------------


@BOTH
def test_images_come_one_of_each_class_in_turn(tmp_path, store):
    """Decoded here file by file, by another way through Pillow."""
    store(tmp_path, FILES)
    arrays = decode(tmp_path)
    names = [f"train/{w}/images/{w}_{number}.JPEG" for number in range(4) for w in WNIDS]
    names += [f"val/images/val_{number}.JPEG" for number in range(3)]
    images = np.concatenate([arrays["train_images"], arrays["test_images"]])
    assert images.shape == (15, 3, 64, 64)
    for image, name in zip(images, names, strict=True):
        picture = Image.open(io.BytesIO(FILES[name]))
        bands = picture.split() * (3 if picture.mode == "L" else 1)
        for channel, band in zip(image, bands, strict=True):
            np.testing.assert_array_equal(channel, np.asarray(band))
    grey = [name for name in names if Image.open(io.BytesIO(FILES[name])).mode == "L"]
    assert len(grey) == 4
    assert arrays["train_labels"].tolist() == [0, 1, 2] * 4
    assert arrays["test_labels"].tolist() == [1, 0, 2]
    assert {a.dtype for name, a in arrays.items() if name != "classes"} == {np.dtype(np.uint8)}
    assert arrays["classes"].tolist() == WNIDS


def test_folder_and_archive_give_the_same_and_nothing_is_unpacked(tmp_path):
    as_folder(tmp_path / "a", FILES)
    as_zip(tmp_path / "b", FILES)
    before = tree(tmp_path)
    one, other = decode(tmp_path / "a"), decode(tmp_path / "b")
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    assert tree(tmp_path) == before


@BOTH
def test_classes_of_unequal_size_and_images_with_several_boxes(tmp_path, store):
    second = WNIDS[1]
    lines = [f"{second}_{n}.JPEG\t0\t0\t9\t9" for n in (2, 2, 0)]
    boxes = {BOXES.replace("/", "__"): "\r\n".join(lines).encode()}
    store(tmp_path, changed(**boxes))
    arrays = decode(tmp_path)
    assert arrays["train_labels"].tolist() == [0, 1, 2, 0, 1, 2, 0, 2, 0, 2]
    expected = Image.open(io.BytesIO(FILES[f"train/{second}/images/{second}_2.JPEG"]))
    np.testing.assert_array_equal(
        arrays["train_images"][1], np.asarray(expected.convert("RGB")).transpose(2, 0, 1)
    )


# --- the checksum is pinned, or not --------------------------------------------------------------


def test_what_is_not_pinned_is_taken_and_its_sum_recorded(tmp_path):
    as_zip(tmp_path, FILES)
    settings = {**SETTINGS, "classes": 3}
    assert settings["sha256"] is None
    log = []
    dataset, record = prepare("Tiny", settings, tmp_path, log.append)
    total = dataset.checksum()
    assert (record["sha256"], record["pinned"]) == (total, False)
    assert set(record["files"]) == {f"{NAME}.zip"}
    assert log == [f"Tiny: taken from folder ., SHA-256 {total}, not pinned"]
    assert checksum("Tiny", settings, tmp_path, log.append) == total
    _, record = prepare("Tiny", {**settings, "sha256": total}, tmp_path, log.append)
    assert (record["sha256"], record["pinned"]) == (total, True)
    assert "wrong checksum" in refused(tmp_path, sha256="0" * 64)


# --- what is refused -----------------------------------------------------------------------------


def test_without_the_data_one_line_says_what_to_put_where(tmp_path):
    for place, reason in ((tmp_path, "holds no file"), (tmp_path / "data", "there is no folder")):
        line = refused(place)
        assert reason in line
        assert f"put {NAME}.zip, or the folder {NAME} that it holds, into {place}" in line
        assert line.endswith("; it is not fetched by itself")
        assert "npm" not in line


@BOTH
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"val__val_annotations.txt": None}, ["val/val_annotations.txt: missing in tiny-imagenet"]),
        ({"wnids.txt": b"\n"}, ["wnids.txt: empty"]),
        ({"wnids.txt": b"n1\nn2\nn1\n"}, ["wnids.txt: 'n1' is listed twice", "each class once"]),
        ({"wnids.txt": b"".join(b"n%d\n" % n for n in range(257))}, ["257 classes", "most 256"]),
        ({"wnids.txt": b"../../etc\n"}, ["wnids.txt: the line '../../etc'", "letters, digits"]),
        ({"wnids.txt": b"n\xff\n"}, ["wnids.txt: the line 'n\ufffd'", "letters, digits"]),
        ({"wnids.txt": b"x" * (2**22 + 1)}, ["wnids.txt: more than the 4194304 bytes"]),
        ({"wnids.txt": f"{WNIDS[0]}\n{WNIDS[1]}\n".encode()}, [f"of the class '{WNIDS[2]}'"]),
        ({"wnids.txt": FILES["wnids.txt"] + b"n77\n"}, ["train/n77/n77_boxes.txt: missing"]),
        ({BOXES: None}, [f"{BOXES}: missing"]),
        ({BOXES: b""}, [f"{BOXES}: empty", "one or more lines"]),
        ({BOXES: b"../x.JPEG\t1\n"}, [f"{BOXES}: the line '../x.JPEG'", "letters, digits"]),
        ({BOXES: b"/etc/passwd\t1\n"}, [f"{BOXES}: the line '/etc/passwd'"]),
        ({IMAGE: None}, [f"{IMAGE}: missing"]),
        ({IMAGE: b""}, [f"{IMAGE}: not a whole JPEG image"]),
        ({IMAGE: FILES[IMAGE][:-200]}, [f"{IMAGE}: not a whole JPEG image", "truncated"]),
        ({IMAGE: b"\x89PNG\r\n\x1a\n"}, [f"{IMAGE}: not a whole JPEG image"]),
        ({IMAGE: b"x" * (2**18 + 1)}, [f"{IMAGE}: more than the 262144 bytes"]),
        (
            {IMAGE: jpeg(np.zeros((64, 32, 3), np.uint8))},
            [f"{IMAGE}: is 32 x 64 pixels, allowed: 64 x 64"],
        ),
        (
            {"val__val_annotations.txt": b"val_0.JPEG\tn1\n"},
            ["val/val_annotations.txt: val_0.JPEG is of the class 'n1'", "the 3 of wnids.txt"],
        ),
        ({"val__val_annotations.txt": b"val_0.JPEG\n"}, ["annotations.txt: the line 'val_0.JPEG'"]),
        (
            {
                "val__val_annotations.txt": "".join(
                    f"val_0.JPEG\t{wnid}\n" for wnid in WNIDS
                ).encode()
            },
            ["val_0.JPEG is of two classes, allowed: one"],
        ),
        ({"val__images__val_1.JPEG": None}, ["val/images/val_1.JPEG: missing"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else None,
)
def test_every_flaw_is_one_line_that_names_the_file(tmp_path, store, files, words):
    store(tmp_path, changed(**{name.replace("/", "__"): value for name, value in files.items()}))
    line = refused(tmp_path)
    for word in words:
        assert word in line
    assert line.startswith("Tiny: folder .: ")


@BOTH
def test_other_numbers_of_classes_or_sizes_than_configured_are_refused(tmp_path, store):
    store(tmp_path, FILES)
    for classes in (2, 4):
        line = refused(tmp_path, classes=classes)
        assert f"classes: {classes} is not that of " in line
        assert "allowed: 3" in line
        assert "wnids.txt" in line or f"{NAME}.zip" in line
    assert "image: [3, 32, 32] is not that of the files" in refused(tmp_path, image=[3, 32, 32])


def test_a_picture_that_is_a_bomb_is_refused_by_its_header(tmp_path):
    content = bytearray(FILES[IMAGE])
    sizes = content.index(b"\xff\xc0") + 5  # height and width of the frame
    content[sizes : sizes + 4] = struct.pack(">2H", 9000, 9000)
    as_folder(tmp_path, changed(**{IMAGE.replace("/", "__"): bytes(content)}))
    assert f"{IMAGE}: is 9000 x 9000 pixels" in refused(tmp_path)


# --- archives ------------------------------------------------------------------------------------


def test_members_that_point_elsewhere_are_harmless(tmp_path):
    place = tmp_path / "deep" / "place"
    names = ["../../escaped", "/escaped", f"{NAME}/../../../escaped", f"{NAME}/val/../../escaped"]
    content = zipped(
        {**{f"{NAME}/{n}": c for n, c in FILES.items()}, **dict.fromkeys(names, b"")}, ""
    )
    write_files(place, {f"{NAME}.zip": content})
    arrays = decode(place)
    assert len(arrays["train_images"]) == 12
    assert list(tree(tmp_path)) == [place / f"{NAME}.zip"]


@pytest.mark.parametrize("cut", [0, 100, -100, -1])
def test_an_archive_cut_short_is_refused(tmp_path, cut):
    write_files(tmp_path, {f"{NAME}.zip": zipped(FILES)[:cut]})
    assert f"{NAME}.zip: truncated or corrupt archive" in refused(tmp_path)


def test_a_damaged_member_is_refused(tmp_path):
    content = bytearray(zipped(FILES))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.getinfo(f"{NAME}/{IMAGE}").header_offset
    content[start + 30 + len(f"{NAME}/{IMAGE}") + 700] ^= 1
    write_files(tmp_path, {f"{NAME}.zip": bytes(content)})
    assert f"{NAME}.zip: {IMAGE}: truncated or corrupt archive" in refused(tmp_path)


def test_a_bomb_is_refused_whatever_it_announces(tmp_path, monkeypatch):
    bomb = changed(**{IMAGE.replace("/", "__"): bytes(2**26)})
    as_zip(tmp_path, bomb)
    assert f"{IMAGE}: more than the 262144 bytes" in refused(tmp_path)
    monkeypatch.setattr(tiny_imagenet, "LARGEST_DATA", 15 * 64 * 64 * 3)  # the images, and no more
    monkeypatch.setattr(tiny_imagenet, "LARGEST_TEXT", 10**6)
    as_zip(tmp_path, changed(**{"wnids.txt": FILES["wnids.txt"] + b"\n" * 200_000}))
    assert f"{NAME}.zip: unpacks to more than 184320 bytes" in refused(tmp_path)
    monkeypatch.setattr(tiny_imagenet, "LARGEST_DATA", 14 * 64 * 64 * 3)
    as_zip(tmp_path, FILES)
    assert "list 15 images, allowed: 14" in refused(tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path):
    as_zip(tmp_path, FILES)
    with zipfile.ZipFile(tmp_path / f"{NAME}.zip", "a") as archive:
        archive.writestr(f"{NAME}/wnids.txt", "n1")
    assert f"holds '{NAME}/wnids.txt' more than once" in refused(tmp_path)


def test_an_archive_without_the_folder_is_refused(tmp_path):
    write_files(tmp_path, {f"{NAME}.zip": zipped(FILES, "")})
    assert f"wnids.txt: missing in {NAME}.zip" in refused(tmp_path)
