import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin import storage
from netkin.errors import NetkinError
from netkin.failure import cannot_be_closed
from netkin.job import run_each
from netkin.storage import (
    _writer,
    check_inputs,
    create,
    forget,
    lineage,
    open_layout,
    read_attributes,
    read_origin,
    read_parameters,
    recipe,
    restore,
    whole_file,
)

SOURCE = Path(__file__).resolve().parent.parent / "src"


def write_vector(path, values=(1.0, 2.0), **kwargs):
    with create(path, "vector", **{"parameters": {"n_bins": 2}, **kwargs}) as file:
        file["H0"] = np.array(values)


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
        file["H0"] = [3.0]
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
    "a layout of another type": lambda file: file.attrs.__setitem__("layout", [1, 2]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_sentence(tmp_path, damage):
    write_vector(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
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
        pytest.raises(NetkinError, match="'diagram/3', but its layout is 'vector/2'"),
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
        assert said == "vector/2\n"
    else:
        assert "another process has it open to write into it" in said
        assert "HDF5_USE_FILE_LOCKING" in said
        assert "Delete" not in said
    # the other process has changed nothing
    assert read_attributes(path)["layout"] == "vector/2"


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
    write_vector(source, (1.0, 2.0))
    write_vector(one, code="1" * 16, inputs=[source])
    write_vector(other, code="e" * 16, inputs=[source])
    planned = {path: read_origin(path).recipe for path in (one, other)}
    check_inputs(planned)
    write_vector(source, (1.0, 3.0))
    write_vector(other, code="e" * 16, inputs=[source])
    with pytest.raises(NetkinError, match=r"other\.h5 and .*one\.h5 do not fit together"):
        check_inputs(planned)


def test_a_digest_does_not_depend_on_how_numbers_are_printed(tmp_path):
    digests = set()
    for value in (0.1, np.float64(0.1)):
        with create(tmp_path / "a.h5", "vector", parameters={"a": value}) as file:
            file.attrs["start"] = value
            file["H0"] = [1.0]
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


def made_by(**changes):
    return {"parameters": {"n_bins": 2}, "code": "a" * 16, **changes}


def test_a_deleted_file_is_put_back_if_it_would_be_made_the_same(tmp_path):
    path = tmp_path / "a.h5"
    assert not restore(path, "vector", **made_by())
    write_vector(path, keep=True, code="a" * 16)
    inode = path.stat().st_ino
    for _ in range(2):  # also when it was not deleted
        path.unlink(missing_ok=True)
        assert restore(path, "vector", **made_by())
        assert restore(path, "vector", **made_by())
        assert path.stat().st_ino == inode
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.h5.kept", "a.h5"]


def test_a_forgotten_file_is_not_put_back(tmp_path):
    path = tmp_path / "a.h5"
    write_vector(path, keep=True, code="a" * 16)
    forget(path)
    forget(path)  # nothing is left to forget
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    path.unlink()
    assert not restore(path, "vector", **made_by())


def test_a_job_forgets_when_all_networks_are_done(tmp_path):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]

    def make(*, path, fails):
        write_vector(path, keep=True)
        if fails:
            raise NetkinError("no")

    def run(*fails):
        script = {"log_path": str(tmp_path / "log" / "l"), "forget": paths}
        run_each(make, each={"path": paths, "fails": fails}, **script)

    with pytest.raises(SystemExit):
        run(False, True)
    # the next attempt puts back what is done
    assert (tmp_path / ".a.h5.kept").exists()
    run(False, False)
    assert sorted(p.name for p in tmp_path.glob("*.h5*")) == ["a.h5", "b.h5"]
    assert not list(tmp_path.glob(".*"))


def test_what_would_be_made_otherwise_is_not_put_back(tmp_path):
    path = tmp_path / "a.h5"
    write_vector(path, keep=True, code="a" * 16)
    write_vector(tmp_path / "input.h5")
    path.unlink()
    for change in (
        {"code": "e" * 16},
        {"parameters": {"n_bins": 3}},
        {"inputs": [tmp_path / "input.h5"]},
    ):
        assert not restore(path, "vector", **made_by(**change))
    assert not restore(path, "graph", **made_by())
    assert not path.exists()
    assert not restore(path, "vector", **made_by(code=""))


@pytest.mark.parametrize(
    "damage",
    ["truncated", "empty", "an array gone", "a value changed", "a folder", "a pipe", "a loop"],
)
def test_a_damaged_file_is_not_put_back(tmp_path, damage):
    path, kept = tmp_path / "a.h5", tmp_path / ".a.h5.kept"
    write_vector(path, keep=True, code="a" * 16)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:50])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage[:2] == "a " and damage != "a value changed":
        kept.unlink()
        if damage == "a folder":
            kept.mkdir()
        elif damage == "a pipe":
            os.mkfifo(kept)
        else:
            kept.symlink_to(kept)
    else:
        with h5py.File(path, "r+") as file:
            if damage == "an array gone":
                del file["H0"]
            else:
                file["H0"][0] = 5.0
    path.unlink()
    assert not restore(path, "vector", **made_by())
    assert not path.exists()
    write_vector(path, keep=True, code="a" * 16)
    # a folder of that name is not netkin's to remove
    assert restore(path, "vector", **made_by()) == (damage != "a folder")


def test_other_content_of_an_input_counts_also_when_it_was_made_the_same_way(tmp_path):
    source, path = tmp_path / "input.h5", tmp_path / "a.h5"
    write_vector(source, (1.0, 2.0))
    write_vector(path, keep=True, code="a" * 16, inputs=[source])
    assert restore(path, "vector", **made_by(inputs=[source]))
    write_vector(source, (1.0, 3.0))  # same code and parameters, another machine say
    assert not restore(path, "vector", **made_by(inputs=[source]))


def test_without_hard_links_nothing_is_put_back_and_nothing_fails(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no hard links here")

    path = tmp_path / "a.h5"
    write_vector(path, keep=True, code="a" * 16)
    monkeypatch.setattr(os, "link", refuse)
    assert not restore(path, "vector", **made_by())
    write_vector(path, keep=True, code="a" * 16)
    assert path.is_file()


def test_a_file_that_cannot_be_put_back_now_is_not_lost(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    path = tmp_path / "a.h5"
    write_vector(path, keep=True, code="a" * 16)
    path.unlink()
    with monkeypatch.context() as full:
        full.setattr(os, "link", refuse)
        assert not restore(path, "vector", **made_by())
    assert restore(path, "vector", **made_by())


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


def test_only_the_last_version_is_kept(tmp_path):
    path = tmp_path / "a.h5"
    write_vector(path, keep=True, code="0" * 16)
    write_vector(path, keep=True, code="a" * 16)
    path.unlink()
    assert not restore(path, "vector", **made_by(code="0" * 16))
    assert restore(path, "vector", **made_by())
