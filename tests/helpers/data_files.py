"""Small data sets and the files of every format, made by the tests themselves."""

import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

FIXTURE = Path(__file__).parents[1] / "fixtures" / "mnist_small"
FIXTURE_SHA256 = "49032938e60417c5d14f13fa294baedf4023ae24fd8c6c052f5fe84de4ea8174"

CIFAR_BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def make_arrays(train=7, test=3, shape=(1, 2, 3), classes=10, seed=0):
    """Random images and labels, as the decoders return them."""
    random = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        arrays[f"{part}_images"] = random.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"{part}_labels"] = random.integers(0, classes, count, dtype=np.uint8)
    return arrays


def assert_same(arrays, expected):
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].dtype == np.uint8
        np.testing.assert_array_equal(arrays[name], array)


def tree(folder):
    """The content of every file below a folder."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def idx(array, value_type=0x08):
    """The bytes of an IDX file."""
    header = struct.pack(">HBB", 0, value_type, array.ndim)
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_files(arrays):
    """The four IDX files by name; images of one channel have no channel dimension, as MNIST's."""
    files = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = arrays[f"{part}_images"]
        images = images[:, 0] if images.shape[1] == 1 else images
        files[f"{prefix}-images-idx3-ubyte"] = idx(images)
        files[f"{prefix}-labels-idx1-ubyte"] = idx(arrays[f"{part}_labels"])
    return files


def compressed(files):
    """The same files, each gzip-compressed."""
    return {f"{name}.gz": gzip.compress(content, 9, mtime=0) for name, content in files.items()}


def batches(arrays):
    """CIFAR-10's six batches: name -> (images, labels), the training images dealt out in order."""
    images = [*np.array_split(arrays["train_images"], 5), arrays["test_images"]]
    labels = [*np.array_split(arrays["train_labels"], 5), arrays["test_labels"]]
    return dict(zip(CIFAR_BATCHES, zip(images, labels, strict=True), strict=True))


def cifar_bin_files(arrays):
    return {
        f"{name}.bin": np.hstack([labels[:, None], images.reshape(len(images), -1)]).tobytes()
        for name, (images, labels) in batches(arrays).items()
    }


def cifar_py_files(arrays):
    return {
        name: pickle.dumps({"data": images.reshape(len(images), -1), "labels": labels.tolist()})
        for name, (images, labels) in batches(arrays).items()
    }


def cifar_png_files(arrays):
    files = {
        f"{name}.png": png(images.reshape(len(images), 3, 1024).transpose(0, 2, 1))
        for name, (images, _) in batches(arrays).items()
    }
    for part in ("train", "test"):
        files[f"{part}_lables.json"] = json.dumps(arrays[f"{part}_labels"].tolist()).encode()
    return files


def png(pixels):
    """The bytes of a PNG picture of uint8 [height, width] or [height, width, 3]."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return stream.getvalue()


def jpeg(pixels):
    """The bytes of a JPEG image of uint8 [height, width] or [height, width, 3]."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def tiny_imagenet_files(classes=3, train=4, test=3, seed=0):
    """A miniature of tiny-imagenet-200 by name; each class has a colour, and some images are grey.

    Class labels are not in alphabetical order, nor do test images come class by class.
    """
    random = np.random.default_rng(seed)
    wnids = [f"n{9000 - label:05d}" for label in range(classes)]
    colours = random.integers(40, 216, (classes, 3))

    def image(label, grey):
        noise = random.integers(-30, 31, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
        pixels = (colours[label] + noise).astype(np.uint8)
        return jpeg(pixels[..., 0] if grey else pixels)

    files = {"wnids.txt": "".join(f"{wnid}\n" for wnid in wnids).encode(), "words.txt": b"n0\tx\n"}
    for label, wnid in enumerate(wnids):
        names = [f"{wnid}_{number}.JPEG" for number in range(train)]
        boxes = "".join(f"{name}\t0\t1\t62\t63\n" for name in names)
        files[f"train/{wnid}/{wnid}_boxes.txt"] = boxes.encode()
        for number, name in enumerate(names):
            files[f"train/{wnid}/images/{name}"] = image(label, grey=number == 1)
    lines = []
    for number in range(test):
        label = (2 * number + 1) % classes
        files[f"val/images/val_{number}.JPEG"] = image(label, grey=number == 2)
        lines.append(f"val_{number}.JPEG\t{wnids[label]}\t3\t4\t50\t60\n")
    files["val/val_annotations.txt"] = "".join(lines).encode()
    files["test/images/test_0.JPEG"] = b"has no label, and is not looked at"
    return files


def image_folder_files(classes=("ant", "bee", "cat"), train=4, test=2, shape=(6, 5), seed=0):
    """Pictures in folders by name: PNGs, coloured and grey, and of each class a JPEG."""
    random = np.random.default_rng(seed)
    files = {}
    for part, count in (("train", train), ("test", test)):
        for name in classes:
            for number in range(count):
                pixels = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
                if number == 1:
                    files[f"{part}/{name}/{number}.png"] = png(pixels[..., 0])
                elif number == 2:
                    files[f"{part}/{name}/{number}.JPG"] = jpeg(pixels)
                else:
                    files[f"{part}/{name}/{number}.png"] = png(pixels)
    return files


def zipped(files, folder="tiny-imagenet-200/"):
    """The bytes of a .zip of these files, in a folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return stream.getvalue()


def write_files(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def package(files, prefix="package/"):
    """The bytes of an npm package (.tgz) with these files."""
    members = []
    for name, content in files.items():
        member = tarfile.TarInfo(prefix + name)
        member.size = len(content)
        members.append((member, content))
    return archive(members)


def archive(members):
    """The bytes of a .tgz of (TarInfo, content)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
