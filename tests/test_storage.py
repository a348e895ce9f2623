import errno
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin import storage
from netkin.distance.layers import read_layers
from netkin.errors import NetkinError
from netkin.failure import cannot_be_closed
from netkin.source import SOURCES
from netkin.storage import (
    _writer,
    check_inputs,
    create,
    lineage,
    member,
    open_layout,
    read_attributes,
    read_ids,
    read_origin,
    read_parameters,
    recipe,
    whole_file,
)
from netkin.structure import MOST_PARTS, TEXT_BYTES
from tests.altered import altered, opened
from tests.stress.files import make_files
from tests.test_estimate import study

SOURCE = Path(__file__).resolve().parent.parent / "src"


def write_vector(path, values=(1.0, 2.0), **kwargs):
    with create(path, "vector", **{"parameters": {"n_bins": 2}, **kwargs}) as file:
        member(file)["H0"] = np.array(values)


def test_what_is_written_is_read(tmp_path):
    write_vector(tmp_path / "deep" / "a.h5", code="a" * 16)
    with open_layout(tmp_path / "deep" / "a.h5", "vector") as file:
        assert file["H0"][:].tolist() == [1.0, 2.0]
    assert read_parameters(tmp_path / "deep" / "a.h5") == {"n_bins": 2}
    assert read_attributes(tmp_path / "deep" / "a.h5")["code"] == "a" * 16


def test_same_content_gives_the_same_bytes(tmp_path):
    write_vector(tmp_path / "a.h5")
    write_vector(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    write_vector(tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()
    with (
        pytest.raises(RuntimeError),
        create(tmp_path / "a.h5", "vector", parameters={}) as file,
    ):
        member(file)["H0"] = [3.0]
        raise RuntimeError
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_killed_writer_never_shows_a_half_file_and_the_next_cleans_up(tmp_path):
    script = (
        "import sys, time; from netkin.storage import whole_file\n"
        "with whole_file(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); print('written', flush=True); time.sleep(60)\n"
    )
    target = tmp_path / "a.txt"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(target)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as process:
        assert process.stdout.readline() == b"written\n"
        process.kill()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # nobody has taken note of its end
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    names = [
        ".a.elsewhere-1.part.txt",  # may still have a writer
        ".a.elsewhere-2.part.txt",
        f".a.{_writer()}.part.txt".replace(str(os.getpid()), str(os.getppid())),  # has one
        ".a.b.elsewhere-1.part.txt",  # of another file
        f".a.{_writer()}.part.txt".replace(str(os.getpid()), str(dead.pid)),
    ]
    for name in names:
        (tmp_path / name).write_text("half")
    for name in (names[1], names[3]):
        os.utime(tmp_path / name, (0, 0))
    with whole_file(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", names[0], names[2], names[3]}
    dead.wait()


def test_two_writers_of_a_file_do_not_meet(tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    with whole_file(target) as early:
        early.write_text("early")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with whole_file(target) as late:
            late.write_text("late")
            assert early.read_text() == "early"
        assert target.read_text() == "late"
        monkeypatch.undo()
    assert target.read_text() == "early"
    assert list(tmp_path.iterdir()) == [target]


DAMAGES = {
    "a group for an array": lambda file: (file.__delitem__("H0"), file.create_group("H0")),
    "a missing array": lambda file: file.__delitem__("H0"),
    "a scalar": lambda file: (file.__delitem__("H0"), file.create_dataset("H0", data=1.0)),
    "a layout of another type": lambda file: file.file.attrs.__setitem__("layout", [1, 2]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_sentence(tmp_path, damage):
    write_vector(tmp_path / "a.h5")
    with opened(tmp_path / "a.h5", "r+") as file:
        DAMAGES[damage](file)
    with (
        pytest.raises(NetkinError, match=r"a\.h5: .*Delete it and run the workflow again"),
        open_layout(tmp_path / "a.h5", "vector") as file,
    ):
        file["H0"][0:1]


def test_missing_file_is_named(tmp_path):
    with (
        pytest.raises(NetkinError, match=r"none\.h5: no such file"),
        open_layout(tmp_path / "none.h5", "graph"),
    ):
        pass


def test_truncated_file_is_named_in_one_sentence(tmp_path):
    write_vector(tmp_path / "a.h5", np.arange(1000.0))
    data = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data[: len(data) // 2])
    with (
        pytest.raises(
            NetkinError, match=r"a\.h5: damaged, it has \d+ bytes where \d+ were"
        ) as error,
        open_layout(tmp_path / "a.h5", "vector"),
    ):
        pass
    assert "\n" not in str(error.value)


def test_foreign_hdf5_is_named_in_one_sentence(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1]
    with (
        pytest.raises(NetkinError, match=r"foreign\.h5: not a file of this version of netkin"),
        open_layout(tmp_path / "foreign.h5", "graph"),
    ):
        pass


def test_file_of_another_stage_is_named(tmp_path):
    write_vector(tmp_path / "a.h5")
    with (
        pytest.raises(NetkinError, match="'diagram/4', but its layout is 'vector/3'"),
        open_layout(tmp_path / "a.h5", "diagram"),
    ):
        pass


def mutations(data):
    """Yield an id and the bytes of a damaged file: everywhere, by little and by much."""
    rng = np.random.default_rng(0)
    for place in [*range(100), *rng.integers(0, len(data), 200)]:
        yield f"bit {place}", data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    for start in rng.integers(0, len(data) - 600, 20):
        if any(data[start : start + 600]):
            yield f"zeros {start}", data[:start] + bytes(600) + data[start + 600 :]
    yield "longer", data + b"\0"
    yield "shorter", data[:-1]
    yield "inserted", data[:700] + b"\0" + data[700:]
    yield "no header", data[512:]
    yield "header alone", data[:512]
    yield "empty", b""


def test_every_damage_is_found_before_hdf5_reads_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    write_vector(path, np.arange(500.0))
    data = path.read_bytes()
    opened = []
    monkeypatch.setattr(storage, "_hdf5", lambda *_: opened.append(1))
    for name, damaged in mutations(data):
        path.write_bytes(damaged)
        with pytest.raises(NetkinError, match=r"a\.h5: .*Delete it and run the workflow again"):
            read_attributes(path)
        assert not opened, name


def test_a_file_that_changes_after_it_was_read_is_checked_again(tmp_path):
    path = tmp_path / "a.h5"
    write_vector(path, np.arange(500.0))
    read_attributes(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(NetkinError, match="damaged"):
        read_attributes(path)


HOLD = (
    "import sys, h5py\n"
    "file = h5py.File(*sys.argv[1:]); print('open', flush=True); sys.stdin.read()\n"
)
READ = (
    "import sys; from netkin.storage import read_attributes\n"
    "try: print(read_attributes(sys.argv[1])['layout'])\n"
    "except Exception as error: print(type(error).__name__, error)\n"
)


@pytest.mark.parametrize("locking", ["", "TRUE"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_file_that_another_process_holds_open_is_not_called_damaged(tmp_path, mode, locking):
    path = tmp_path / "a.h5"
    write_vector(path)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as holder:
        assert holder.stdout.readline() == b"open\n"
        if locking:
            environment["HDF5_USE_FILE_LOCKING"] = locking
        command = [sys.executable, "-c", READ, str(path)]
        said = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
        holder.communicate()
    if mode == "r":
        assert said == "vector/3\n"
    else:
        assert "another process has it open to write into it" in said
        assert "HDF5_USE_FILE_LOCKING" in said
        assert "Delete" not in said
    # the other process has changed nothing
    assert read_attributes(path)["layout"] == "vector/3"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("unable to lock file, errno = 37, error message = 'No locks'"), "_LOCKING to F"),
        (BlockingIOError(errno.EAGAIN, "unable to lock file"), "_LOCKING to F"),
        (PermissionError(errno.EACCES, "Permission denied"), r"cannot be read \(Permission den"),
        (OSError(errno.EIO, "Input/output error"), r"cannot be read \(Input/output error\)"),
        (OSError(errno.EMFILE, "Too many open files"), r"cannot be read \(Too many open files\)"),
    ],
)
def test_what_the_system_refuses_is_not_called_damaged(tmp_path, monkeypatch, error, sentence):
    def refuse(*_):
        raise error

    write_vector(tmp_path / "a.h5")
    monkeypatch.setattr(storage, "_hdf5", refuse)
    with pytest.raises(NetkinError, match=sentence) as raised:
        read_attributes(tmp_path / "a.h5")
    assert "Delete" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "dangling"])
def test_what_is_no_file_is_named(tmp_path, kind):
    path = tmp_path / "a.h5"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "none")
    with pytest.raises(NetkinError, match=r"a\.h5: (no such|not a) file"):
        read_attributes(path)


def test_a_file_records_all_that_it_was_made_from(tmp_path):
    a, b, c = (tmp_path / f"{name}.h5" for name in "abc")
    write_vector(a)
    write_vector(b, code="b" * 16, inputs=[a])
    write_vector(c, code="c" * 16, inputs=[b])
    first, second, third = map(read_origin, (a, b, c))
    assert not first.ancestors
    assert third.ancestors == {(first.recipe, first.content), (second.recipe, second.content)}
    parameters = read_parameters(c)
    assert third.recipe == recipe("vector", "c" * 16, parameters, [second.recipe])
    assert second.recipe == recipe("vector", "b" * 16, parameters, [first.recipe])


def test_inputs_made_by_another_recipe_are_refused(tmp_path):
    path = str(tmp_path / "a.h5")
    write_vector(path)
    check_inputs({path: read_origin(path).recipe})
    with pytest.raises(NetkinError, match=r"a\.h5: made by other code or another config"):
        check_inputs({path: "0123456789abcdef"})


def test_inputs_that_go_back_to_two_contents_of_a_file_are_refused(tmp_path):
    source, one, other = (str(tmp_path / f"{name}.h5") for name in ("s", "one", "other"))
    write_vector(source, (1.0, 2.0), code="5" * 16)
    write_vector(one, code="1" * 16, inputs=[source])
    write_vector(other, code="e" * 16, inputs=[source])
    planned = {path: read_origin(path).recipe for path in (one, other)}
    check_inputs(planned)
    write_vector(source, (1.0, 3.0), code="5" * 16)
    write_vector(other, code="e" * 16, inputs=[source])
    with pytest.raises(NetkinError, match=r"other\.h5 and .*one\.h5 do not fit together"):
        check_inputs(planned)


def test_what_nobody_knows_how_to_make_goes_by_its_content(tmp_path):
    one, other = (str(tmp_path / f"{name}.h5") for name in ("one", "other"))
    write_vector(one, (1.0, 2.0))
    write_vector(other, (1.0, 3.0))
    origins = [read_origin(path) for path in (one, other)]
    assert [origin.recipe for origin in origins] == [origin.content for origin in origins]
    assert origins[0].recipe != origins[1].recipe
    check_inputs({origin.path: origin.recipe for origin in origins})


def test_a_digest_does_not_depend_on_how_numbers_are_printed(tmp_path):
    digests = set()
    for value in (0.1, np.float64(0.1)):
        with create(tmp_path / "a.h5", "vector", parameters={"a": value}) as file:
            member(file).attrs["start"] = value
            member(file)["H0"] = [1.0]
        digests.add(read_attributes(tmp_path / "a.h5")["content"])
    assert len(digests) == 1


def test_lineage_follows_code_parameters_and_inputs(tmp_path):
    write_vector(tmp_path / "a.h5")
    write_vector(tmp_path / "b.h5", code="e" * 16)
    one, other = (read_attributes(tmp_path / name)["lineage"] for name in ("a.h5", "b.h5"))
    assert one != other
    write_vector(tmp_path / "c.h5", inputs=[tmp_path / "a.h5"])
    write_vector(tmp_path / "d.h5", inputs=[tmp_path / "b.h5"])
    made = {read_attributes(tmp_path / name)["lineage"] for name in ("c.h5", "d.h5")}
    assert len(made | {one, other}) == 4
    assert lineage("x", {"a": 1, "b": 2}, []) == lineage("x", {"b": 2, "a": 1}, [])


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "no space left on device"), True),
        (OSError(errno.EDQUOT, "quota exceeded"), True),
        (RuntimeError("Can't flush (file write failed: errno = 28, error message = ...)"), True),
        (OSError(errno.EACCES, "permission denied"), False),
        (RuntimeError("errno = 281, of something else"), False),
        (ValueError("errno = 28, in a text"), False),
    ],
)
def test_a_full_disk_is_recognised(error, full):
    def write(**_):
        try:
            raise error
        except type(error) as first:
            raise KeyError("while that was handled") from first

    try:
        write()
    except KeyError as last:
        assert cannot_be_closed(last) == full


IDS = ["digits/width_8/seed_0", "digits/width_8/seed_1", "b"]


def write_bundle(path, ids=IDS, **kwargs):
    with create(path, "vector", parameters={}, ids=ids, **kwargs) as file:
        for number, id in enumerate(ids):
            member(file, id)["H0"] = np.array([float(number)])


def test_a_member_of_a_bundle_is_read_by_its_id(tmp_path):
    path = tmp_path / "a.h5"
    write_bundle(path)
    assert read_ids(path, "vector") == IDS
    for number, id in enumerate(IDS):
        with open_layout(storage.address(path, id), "vector") as group:
            assert group["H0"][:].tolist() == [number]
    # one file, whichever member was used
    write_vector(tmp_path / "b.h5", inputs=[f"{path}::{IDS[0]}", f"{path}::{IDS[2]}"])
    assert read_origin(tmp_path / "b.h5").ancestors == {
        (read_origin(path).recipe, read_origin(path).content)
    }


def test_a_member_that_must_be_named_or_is_not_there_is_one_sentence(tmp_path):
    path = tmp_path / "a.h5"
    write_bundle(path)
    for address, says in (
        (path, r"a\.h5: it holds 3 members, name one: .*a\.h5::digits/width_8/seed_0 \(or"),
        (f"{path}::digits/width_8", r"a\.h5: it has no member 'digits/width_8'\. Did you mean"),
    ):
        with pytest.raises(NetkinError, match=says) as caught, open_layout(address, "vector"):
            pass
        assert "\n" not in str(caught.value)


def test_the_layout_before_is_read_as_one_network(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with monkeypatch.context() as older:
        older.setattr(storage, "LAYOUTS", storage.LAYOUTS | {"vector": storage.BEFORE["vector"]})
        older.setattr(storage, "BUNDLES", frozenset())
        with create(path, "vector", parameters={"n_bins": 2}) as file:
            file["H0"] = np.array([1.0, 2.0])
    with open_layout(path, "vector") as group:
        assert group["H0"][:].tolist() == [1.0, 2.0]
    assert read_ids(path, "vector") == [storage.ONE]
    with (
        pytest.raises(NetkinError, match="it holds one network or measure, and none is called 'b'"),
        open_layout(f"{path}::b", "vector"),
    ):
        pass


def extra(file, name):
    file.create_group(f"members/{name}")["H0"] = [1.0]


def ids(*names):
    def change(file):
        del file["ids"]
        file.create_dataset("ids", data=list(names), dtype=h5py.string_dtype())

    return change


BUNDLE_DAMAGES = {
    "a member that is not listed": (lambda f: extra(f, "c"), "/members/c is no member"),
    "a member inside another": (lambda f: extra(f, "b/c"), "/members/b/c is an entry that"),
    "a member inside a folder": (
        lambda f: extra(f, "digits/width_8/seed_2"),
        "/members/digits/width_8/seed_2 is no member",
    ),
    "a member that is missing": (lambda f: f.__delitem__("members/b"), "/members/b is missing"),
    "no members": (lambda f: f.__delitem__("members"), "/members is missing"),
    "no ids": (lambda f: f.__delitem__("ids"), "/ids is missing"),
    "empty ids": (ids(), "/ids names nothing"),
    "an id twice": (ids(*IDS, "b"), "'b' more than once"),
    "an id above another": (ids(*IDS, "digits"), "/members/digits/width_8 is an entry that"),
    "an id that leads elsewhere": (ids("../b"), "'../b', which is no id"),
    "an id of no name": (ids("a//b"), "'a//b', which is no id"),
    "an absolute id": (ids("/b"), "'/b', which is no id"),
    "an id that is a folder": (ids("b/"), "'b/', which is no id"),
    "an id of a point": (ids("b/."), "'b/.', which is no id"),
    "an id of two lines": (ids("b\n"), r"'b\n'; allowed is text of one line"),
    "an id of too many parts": (ids("/".join("a" * (MOST_PARTS + 1))), "which is no id"),
    "an id that would take all memory": (ids("a/" * 200_000 + "a"), "which is no id"),
    "an id that is no UTF-8": (lambda f: f["ids"].__setitem__(0, b"\xff\xfe"), "can't decode"),
    "ids in a table": (
        lambda f: (
            f.__delitem__("ids"),
            f.create_dataset("ids", data=[["a"], ["b"]], dtype=h5py.string_dtype()),
        ),
        "/ids has shape (2, 1), expected (members)",
    ),
    "an id alone": (
        lambda f: (f.__delitem__("ids"), f.__setitem__("ids", "b")),
        "/ids is a single value",
    ),
    "ids of one length": (
        lambda f: (f.__delitem__("ids"), f.__setitem__("ids", np.array(IDS, "S40"))),
        "/ids holds |S40, expected names",
    ),
    "ids that are a group": (
        lambda f: (f.__delitem__("ids"), f.create_group("ids")),
        "/ids is no array",
    ),
    "ids by a link": (
        lambda f: (f.move("ids", "i"), f.__setitem__("ids", h5py.SoftLink("/i"))),
        "/i is an entry that",
    ),
    "ids that are not there": (
        lambda f: (f.__delitem__("ids"), f.create_dataset("ids", (10**9,), h5py.string_dtype())),
        "/ids declares 16000000000 bytes, but not all",
    ),
    "an attribute of the ids": (
        lambda f: f["ids"].attrs.__setitem__("more", 1),
        "/ids has 1 attributes",
    ),
    "ids that are numbers": (
        lambda f: (f.__delitem__("ids"), f.__setitem__("ids", [1, 2, 3])),
        "/ids holds int64, expected names",
    ),
    "a linked member": (
        lambda f: (
            f.__delitem__("members/b"),
            f.__setitem__("members/b", h5py.SoftLink(f"/members/{IDS[0]}")),
        ),
        "/members/b is a soft link",
    ),
    "a member of another file": (
        lambda f: (
            f.__delitem__("members/b"),
            f.__setitem__("members/b", h5py.ExternalLink("other.h5", "/members/network")),
        ),
        "/members/b is an external link",
    ),
    "a member by two ids": (
        lambda f: (
            f.__delitem__("members/b"),
            f.__setitem__("members/b", f[f"members/{IDS[0]}"]),
        ),
        "/members/b is the same entry as another",
    ),
    "a linked folder": (
        lambda f: (
            f.move("members/digits", "members/e"),
            f.__setitem__("members/digits", h5py.SoftLink("/members/e")),
        ),
        "/members/digits is a soft link",
    ),
    "a folder inside itself": (
        lambda f: f.__setitem__("members/digits/more", f["members/digits"]),
        "/members/digits is the same entry as another",
    ),
    "the members among themselves": (
        lambda f: f.__setitem__("members/digits/more", f["members"]),
        "/members is the same entry as another",
    ),
    "linked members": (
        lambda f: (f.move("members", "m"), f.__setitem__("members", h5py.SoftLink("/m"))),
        "is an entry that its layout does not know",
    ),
    "a folder of no members": (
        lambda f: f.create_group("members/digits/more"),
        "/members/digits/more is no member",
    ),
    "a group in a member": (
        lambda f: f.create_group("members/b/more"),
        "/members/b/more is an entry that its layout does not know",
    ),
    "ancestors of a member": (
        lambda f: f.__setitem__("members/b/ancestors", np.array([["a" * 16] * 2], "S16")),
        "/members/b/ancestors is an entry that its layout does not know",
    ),
    "a member that is a type": (
        lambda f: (f.__delitem__("members/b"), f.__setitem__("members/b", np.dtype("f8"))),
        "/members/b is no group",
    ),
    "an array in two members": (
        lambda f: (
            f.__delitem__("members/b/H0"),
            f.__setitem__("members/b/H0", f[f"members/{IDS[0]}/H0"]),
        ),
        "is the same entry as another",
    ),
    "a member that is an array": (
        lambda f: (f.__delitem__("members/b"), f.__setitem__("members/b", [1.0])),
        "/members/b is no group",
    ),
    "members that are an array": (
        lambda f: (f.__delitem__("members"), f.__setitem__("members", [1.0])),
        "/members is no group",
    ),
    "an attribute of a folder": (
        lambda f: f["members/digits"].attrs.__setitem__("more", 1),
        "/members/digits has an attribute",
    ),
    "an attribute of the members": (
        lambda f: f["members"].attrs.__setitem__("more", 1),
        "/members has an attribute",
    ),
    "an attribute of a member": (
        lambda f: f["members/b"].attrs.__setitem__("more", 1),
        "/members/b has an attribute 'more'",
    ),
    "an attribute of a member at the root": (
        lambda f: f.attrs.__setitem__("n_bins", 2),
        "/ has 8 attributes; its layout knows 7",
    ),
    "a layout without members": (
        lambda f: f.attrs.__setitem__("layout", "vector/2"),
        "/ids is an entry that its layout does not know",
    ),
    "an array beside the members": (
        lambda f: f.__setitem__("H0", [1.0]),
        "/H0 is an entry that its layout does not know",
    ),
    "an array of the wrong type": (
        lambda f: (f.__delitem__("members/b/H0"), f.__setitem__("members/b/H0", ["x"])),
        "/members/b/H0 holds text, expected float",
    ),
}


@pytest.mark.parametrize("damage", BUNDLE_DAMAGES)
def test_a_damaged_bundle_is_one_sentence(tmp_path, damage):
    path = tmp_path / "a.h5"
    write_bundle(path)
    # also where this process has read it before
    read_origin(path)
    change, says = BUNDLE_DAMAGES[damage]
    with altered(path) as group:
        change(group.file)
    for read in (read_origin, lambda path: read_ids(path, "vector")):
        started = time.process_time()
        with pytest.raises(NetkinError) as caught:
            read(path)
        assert time.process_time() - started < 1
        assert says in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_texts_that_all_lie_in_one_place_are_not_read(tmp_path):
    path = tmp_path / "a.h5"
    write_bundle(path)
    number, letters = 10_000, 2**22
    with h5py.File(path, "r+", locking=False) as file:
        del file["ids"]
        array = file.create_dataset("ids", (number,), h5py.string_dtype())
        array[:] = ["a" * letters] + ["b"] * (number - 1)
        place = array.id.get_offset()
    with path.open("r+b") as file:
        file.seek(place)
        first = file.read(TEXT_BYTES)
        file.seek(place)
        file.write(first * number)
    storage.seal(path)
    with pytest.raises(NetkinError, match=f"/ids declares {number * letters:,} bytes of text in"):
        read_origin(path)


def test_an_array_called_ids_makes_no_bundle(tmp_path):
    path = make_files(tmp_path)["layers"]
    with altered(path) as file:
        file["ids"] = file["cka"][()]
        file["ids"].attrs["orientation"] = file["cka"].attrs["orientation"]
    with open_layout(path, "layers") as group:
        assert "layers_a" in group
    with pytest.raises(NetkinError, match=r"/ids is of no measure|'ids'"):
        read_layers(path)


def test_another_file_of_the_same_name_is_checked_for_itself(tmp_path):
    path, other = tmp_path / "a.h5", tmp_path / "other.h5"
    write_bundle(path)
    write_bundle(other)
    with altered(other) as group:
        group.file.create_group("members/more")
    # one takes the place of the other between opening and checking
    with storage._open(path) as file:
        other.replace(path)
        storage._check_structure(path, file)
    with pytest.raises(NetkinError, match="/members/more is no member"):
        read_origin(path)


@pytest.mark.parametrize("size", ["the same", "another"])
def test_a_bundle_changed_in_place_after_it_was_checked_is_checked_again(tmp_path, size):
    path = tmp_path / "a.h5"
    write_bundle(path)
    address = storage.address(path, "b")
    with open_layout(address, "vector") as group:
        assert group["H0"][:].tolist() == [2.0]
    inode, length = path.stat().st_ino, path.stat().st_size
    with altered(path) as group:
        if size == "the same":
            group.file["ids"][2] = "c"
        else:
            group.file.create_group("members/c")["H0"] = np.zeros(10_000)
    assert path.stat().st_ino == inode
    assert (path.stat().st_size == length) == (size == "the same")
    with (
        pytest.raises(NetkinError, match=r"/members/[bc] is (no member|missing)"),
        open_layout(address, "vector"),
    ):
        pass


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("../b", "the id of a network is '../b'; allowed are up to 16 parts of letters"),
        ("a//b", "the id of a network is 'a//b'"),
        ("/".join("a" * (MOST_PARTS + 1)), "the id of a network is 'a/a"),
        ("digits/width_8", "the id 'digits/width_8' and another 'digits/width_8/seed_0'"),
        ("digits/width_8/seed_0", "two networks have the id 'digits/width_8/seed_0'"),
    ],
)
def test_a_study_has_no_ids_that_a_bundle_could_not_be_read_by(monkeypatch, id, says):
    class Grid(SOURCES["trained_grid"]):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            first = self.members[0]
            self.members = [replace(first, id="digits/width_8/seed_0"), replace(first, id=id)]

    monkeypatch.setitem(SOURCES, "trained_grid", Grid)
    with pytest.raises(NetkinError, match=says) as caught:
        study()
    assert "\n" not in str(caught.value)


def test_many_members_are_checked_once(tmp_path):
    path = tmp_path / "a.h5"
    many = [f"grid/n{number:04}" for number in range(2000)]
    write_bundle(path, ids=many)
    started = time.process_time()
    for id in many[:200]:
        with open_layout(f"{path}::{id}", "vector") as group:
            assert group["H0"].shape == (1,)
    # 0.2 s for the check of all, and 200 times a millisecond
    assert time.process_time() - started < 5


# --- files that are kept open -------------------------------------------------------------------


def kept_files():
    """Return the HDF5 files that this process has open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(str(entry.readlink()))
    return {path for path in found if path.endswith(".h5")}


def test_files_are_kept_open_and_closed_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "MOST_KEPT", 3)
    paths = [str(tmp_path / f"{k}.h5") for k in range(6)]
    for k, path in enumerate(paths):
        with create(path, "graph", parameters={"k": k}) as file:
            file["value"] = np.full(4, k, np.float32)
    before = kept_files()
    with storage.kept_open():
        with open_layout(paths[0], "graph") as first:
            for k, path in enumerate(paths[1:], start=1):
                with open_layout(path, "graph") as file:
                    assert file["value"][0] == k
            # asked for longest ago, but in use
            assert first["value"][0] == 0
        assert len(kept_files() - before) <= 3 + 1
        # a file that was replaced is read on as it was
        with create(paths[5], "graph", parameters={"k": 9}) as file:
            file["value"] = np.full(4, 9, np.float32)
        with open_layout(paths[5], "graph") as file:
            assert file["value"][0] == 5
    assert kept_files() == before
    with open_layout(paths[5], "graph") as file:
        assert file["value"][0] == 9


def test_members_of_a_kept_bundle_are_those_of_an_opened_one(tmp_path):
    path = str(tmp_path / "bundle.h5")
    with create(path, "vector", parameters={}, ids=["a/1", "b"]) as file:
        for id in ("a/1", "b"):
            storage.member(file, id)["H0"] = np.arange(3.0)
    with storage.kept_open():
        for _ in range(2):
            for id in ("a/1", "b"):
                with open_layout(storage.address(path, id), "vector") as group:
                    np.testing.assert_array_equal(group["H0"][:], np.arange(3))
            other = open_layout(storage.address(path, "c"), "vector")
            with pytest.raises(NetkinError, match="it has no member 'c'"), other:
                pass
        assert storage.read_ids(path, "vector") == ["a/1", "b"]


def test_long_parameters_stand_in_a_dataset(tmp_path):
    path = tmp_path / "long.h5"
    long = {"names": ["x" * 100 for _ in range(1000)]}
    with create(path, "graph", parameters=long) as file:
        file["value"] = np.zeros(1, np.float32)
    assert storage.read_parameters(path) == long
    with h5py.File(path) as file:
        assert file.attrs["parameters"] == '{"in":"/parameters"}'
