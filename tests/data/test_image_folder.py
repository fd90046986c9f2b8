"""Pictures in folders: read as torchvision reads them, or refused in one line."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
import torchvision
from PIL import Image

from dropnet.data import formats, image_folder
from dropnet.data.formats import FORMATS
from dropnet.data.prepare import checksum, prepare
from dropnet.data.sources import sum_of_folders
from dropnet.errors import UserError
from helpers.data_files import image_folder_files, jpeg, png, tree, write_files

FILES = image_folder_files()
PICTURE = "train/bee/0.png"
SETTINGS = {
    "classes": 3,
    "image": [3, 6, 5],
    "sha256": None,
    "sources": [{"folder": ".", "format": "image_folder"}],
}


def prepared(place, **settings):
    return prepare("Mine", {**SETTINGS, **settings}, place, lambda line: None)


def refused(place, **settings):
    """The one line with which the data stage refuses what lies in a folder."""
    with pytest.raises(UserError) as caught:
        prepared(place, **settings)
    line = str(caught.value)
    assert line.isprintable()
    return line


def changed(files):
    """The pictures with some files changed; None removes one."""
    return {name: content for name, content in (FILES | files).items() if content is not None}


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
@pytest.mark.parametrize("test", ["test", "val"])
def test_pictures_are_those_of_torchvision_one_of_each_class_in_turn(
    tmp_path, channels, mode, test
):
    write_files(tmp_path, {name.replace("test/", f"{test}/"): c for name, c in FILES.items()})
    dataset, record = prepared(tmp_path, image=[channels, 6, 5])
    assert set(record["files"]) == {"train", test}
    for part, folder in (("train", "train"), ("test", test)):
        theirs = torchvision.datasets.ImageFolder(tmp_path / folder)
        order = sorted(
            range(len(theirs)), key=lambda i: (i % (len(theirs) // 3), theirs.targets[i])
        )
        images, labels = dataset.tensors[f"{part}_images"], dataset.tensors[f"{part}_labels"]
        assert labels.tolist() == [theirs.targets[i] for i in order]
        assert labels.tolist()[:4] == [0, 1, 2, 0]
        for image, i in zip(images.numpy(), order, strict=True):
            expected = np.asarray(Image.open(theirs.samples[i][0]).convert(mode))
            np.testing.assert_array_equal(image.transpose(1, 2, 0).squeeze(), expected)
    assert theirs.classes == FORMATS["image_folder"].decode(tmp_path)[0]["classes"].tolist()


def test_test_comes_before_val(tmp_path):
    write_files(tmp_path, FILES | {"val/other/x.png": b"not looked at"})
    assert len(prepared(tmp_path)[0].test_images) == 6


def test_classes_may_be_of_unequal_size(tmp_path):
    write_files(tmp_path, changed({"train/ant/1.png": None, "train/ant/2.JPG": None}))
    dataset, _ = prepared(tmp_path)
    assert dataset.train_labels.tolist() == [0, 1, 2, 0, 1, 2, 1, 2, 1, 2]


def test_the_sum_is_one_of_the_pixels_and_what_makes_stale_one_of_the_files(tmp_path):
    write_files(tmp_path, FILES)
    before = tree(tmp_path)
    total = checksum("Mine", SETTINGS, tmp_path, lambda line: None)
    found = sum_of_folders(SETTINGS["sources"], tmp_path)
    assert prepared(tmp_path, sha256=total)[1]["pinned"]
    assert tree(tmp_path) == before
    stream = io.BytesIO()
    Image.open(io.BytesIO(FILES[PICTURE])).save(stream, "PNG", compress_level=0)
    write_files(tmp_path, {PICTURE: stream.getvalue()})
    assert checksum("Mine", SETTINGS, tmp_path, lambda line: None) == total
    assert sum_of_folders(SETTINGS["sources"], tmp_path) not in (found, None)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_any_eight_bits_are_read(tmp_path, mode):
    stream = io.BytesIO()
    content = "JPEG" if mode == "CMYK" else "PNG"
    Image.open(io.BytesIO(FILES[PICTURE])).convert(mode).save(stream, content)
    write_files(tmp_path, changed({PICTURE: stream.getvalue()}))
    image = prepared(tmp_path)[0].train_images[1].numpy()  # bee's first, after ant's
    expected = Image.open(io.BytesIO(stream.getvalue())).convert("RGB")
    np.testing.assert_array_equal(image.transpose(1, 2, 0), np.asarray(expected))


# --- what is refused -----------------------------------------------------------------------------


def header_of(content, size):
    """A PNG that says it has another size."""
    header = b"IHDR" + struct.pack(">2I", *size) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def deep():
    stream = io.BytesIO()
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(stream, "PNG")
    return stream.getvalue()


def deep_in_colour():
    """A PNG of 16 bits a channel: red, green and blue. Pillow would not say so."""

    def chunk(kind, content):
        total = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + total

    header = struct.pack(">2I5B", 5, 6, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(range(30))) * 6)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({PICTURE: b""}, [f"{PICTURE}: empty; allowed: a picture of PNG or JPEG"]),
        ({PICTURE: b"GIF89a" + bytes(40)}, [f"{PICTURE}: neither PNG nor JPEG"]),
        ({PICTURE: FILES[PICTURE][:-30]}, [f"{PICTURE}: not a whole picture"]),
        ({"train/bee/2.JPG": FILES["train/bee/2.JPG"][:-99]}, ["bee/2.JPG: not a whole picture"]),
        ({PICTURE: FILES[PICTURE][:50] + b"\0" + FILES[PICTURE][51:]}, ["not a whole picture"]),
        ({PICTURE: header_of(FILES[PICTURE], (9000, 9900))}, ["is 9000 x 9900 pixels", "5 x 6"]),
        ({PICTURE: header_of(FILES[PICTURE], (10**9, 10**9))}, ["not a whole picture"]),
        (
            {PICTURE: png(np.zeros((5, 6, 3), np.uint8))},
            [f"{PICTURE}: is 6 x 5 pixels, allowed: 5 x 6, as `image` says"],
        ),
        ({PICTURE: deep()}, [f"{PICTURE}: has pixels of 16 bits a channel, allowed: of 8 bits"]),
        ({PICTURE: deep_in_colour()}, [f"{PICTURE}: has pixels of 16 bits a channel"]),
        ({"train/bee/x.gif": b"GIF89a"}, ["train/bee/x.gif: not the name", ".png, .jpg, .jpeg"]),
        ({"train/bee/x/1.png": FILES[PICTURE]}, ["train/bee/x: not the name of a picture"]),
        ({"train/bee/.DS_Store": b"x"}, ["train/bee/.DS_Store: hidden; allowed: classes and"]),
        ({"test/.cache/1.png": b"x"}, ["test/.cache: hidden"]),
        (
            {"train/readme.txt": b"x"},
            ["train/readme.txt: not a folder; allowed: a folder for each"],
        ),
        ({"train/bee/a\nb.txt": b"x"}, ["'train/bee/a\\nb.txt': not the name of a picture"]),
        (
            {"test/cat/0.png": None, "test/cat/1.png": None},
            ["test/cat: missing; allowed: the classes of train"],
        ),
        ({"test/dog/0.png": FILES[PICTURE]}, ["test/dog: no class of train; allowed: the classes"]),
        ({n: None for n in FILES if n.startswith("test")}, ["test: missing"]),
        ({n: None for n in FILES if "ant" in n or "bee" in n}, ["train: holds 1 folders", "2 to"]),
    ],
)
def test_every_flaw_is_one_line_that_names_the_file(tmp_path, files, words):
    write_files(tmp_path, changed(files))
    line = refused(tmp_path)
    assert line.startswith("Mine: folder .: ")
    assert all(word in line for word in words), line


def test_folders_without_pictures_are_refused(tmp_path):
    write_files(tmp_path, FILES)
    (tmp_path / "train" / "dog").mkdir()
    (tmp_path / "test" / "dog").mkdir()
    assert "train/dog: empty; allowed: one or more pictures" in refused(tmp_path)
    assert "put the folders train and test (or val)" in refused(tmp_path / "train")


def test_links_and_what_is_no_file_are_refused(tmp_path):
    place = write_files(tmp_path / "data", FILES)
    outside = write_files(tmp_path, {"outside.png": FILES[PICTURE]}) / "outside.png"
    for link, target in ((PICTURE, outside), ("train/bee/9.png", "nowhere"), ("train/x", "ant")):
        path = place / link
        kept = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        assert f"{link}: a link; allowed: what it leads to, itself" in refused(place)
        path.unlink()
        if kept:
            path.write_bytes(kept)
    os.mkfifo(place / "train/bee/9.png")
    assert "train/bee/9.png: not the name of a picture" in refused(place)
    (place / "train/bee/9.png").unlink()
    prepared(place)


@pytest.mark.parametrize("image", [[2, 6, 5], [3, 6], "3x6x5", [3, 0, 5], [3.0, 6, 5]])
def test_a_shape_that_no_picture_has_is_refused(tmp_path, image):
    write_files(tmp_path, FILES)
    line = refused(tmp_path, image=image)
    assert f"image: {image} is not allowed for pictures; allowed: [1, height, width]" in line


def test_another_number_of_classes_than_configured_is_refused(tmp_path):
    write_files(tmp_path, FILES)
    assert "classes: 4 is not that of train, test; allowed: 3" in refused(tmp_path, classes=4)


def test_no_more_is_held_in_memory_than_is_allowed(tmp_path, monkeypatch):
    write_files(tmp_path, FILES)
    monkeypatch.setattr(formats, "LARGEST_FILE", 11 * 90)
    assert "train: holds 12 pictures, allowed of this size: 11" in refused(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(image_folder, "LARGEST_PICTURE", 100)
    large = jpeg(np.zeros((6, 5, 3), np.uint8))
    write_files(tmp_path, {"train/ant/0.jpg": large})
    assert "more than the 100 bytes that are allowed" in refused(tmp_path)
