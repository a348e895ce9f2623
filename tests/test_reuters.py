import gzip
import io
import logging
import os
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from netkin.dataset import CLASSES, reuters
from netkin.dataset.reuters import load_reuters, read_documents
from netkin.errors import NetkinError

ELEMENT = (
    '<REUTERS TOPICS="YES" NEWID="{number}">\n<TOPICS>{topics}</TOPICS>\n'
    "<PLACES><D>usa</D></PLACES>\n<UNKNOWN>&#5;&#5;\nC T</UNKNOWN>\n"
    "<TEXT{kind}>&#2;\n{text}&#3;</TEXT>\n</REUTERS>\n"
)


def element(number, topics, title="", body="", kind="", text=""):
    marked = f"<TITLE>{title}</TITLE>" * bool(title) + f"<BODY>{body}</BODY>" * bool(body)
    return ELEMENT.format(
        number=number,
        topics="".join(f"<D>{topic}</D>" for topic in topics),
        kind=kind,
        text=marked or text,
    )


WIRES = [
    element(1, ["grain"], "WHEAT, wheat", "Corn &lt;and&gt; wheat&#22;up"),
    element(2, ["cocoa", "grain"], "Cocoa's up"),
    element(3, [], "no topic"),
    element(4, ["grain"], text="Corn table\n", kind=' TYPE="UNPROC"'),
    element(5, ["rare"], "a topic of one"),
    element(6, ["cocoa"], "\xfcber cocoa", "cocoa"),
    element(7, ["grain"], "z"),
    element(8, ["cocoa"], "A1b2"),
]


def write_archive(folder, wires=WIRES):
    """Write the elements as two files of a tar archive, in the wrong order."""
    path = folder / "reuters21578" / "reuters21578.tar.gz"
    path.parent.mkdir(exist_ok=True)
    parts = {"reut2-001.sgm": wires[4:], "reut2-000.sgm": wires[:4], "README.txt": ["<REUTERS"]}
    with tarfile.open(path, "w:gz") as tar:
        for name, elements in parts.items():
            content = ("<!DOCTYPE lewis>\n" + "".join(elements)).encode("latin-1")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def small(monkeypatch):
    """Let the collection be that of `WIRES`."""
    monkeypatch.setattr(reuters, "TOPICS", ("cocoa", "grain"))
    monkeypatch.setattr(reuters, "N_DOCUMENTS", 6)
    monkeypatch.setattr(reuters, "LEAST_DOCUMENTS", 2)


@pytest.fixture
def archive(small, tmp_path):
    return write_archive(tmp_path)


def rows_of(arrays):
    """Return {row number: (label, inputs)} of both parts."""
    arrays.validate("reuters")
    found = {}
    for part in ("train", "test"):
        columns = (getattr(arrays, f"{part}_{what}") for what in ("rows", "labels", "inputs"))
        found |= {
            int(row): (int(label), x.tolist()) for row, label, x in zip(*columns, strict=True)
        }
    return found


# --- the archive ----------------------------------------------------------------------


def test_documents_have_their_first_topic_and_their_text(archive):
    assert [tuple(document) for document in read_documents(archive)] == [
        (1, "grain", "WHEAT, wheat\nCorn <and> wheat up"),
        (2, "cocoa", "Cocoa's up"),
        (4, "grain", "Corn table"),
        (6, "cocoa", "über cocoa\ncocoa"),
        (7, "grain", "z"),
        (8, "cocoa", "A1b2"),
    ]


def test_words_are_ranked_by_frequency_then_alphabet(archive, tmp_path):
    # wheat 3; cocoa, corn and up 2 (cocoa's is another word); then a1b2, and, ...
    arrays = load_reuters(tmp_path, n_words=5, test_share=0.4)
    assert arrays.label_names == ("cocoa", "grain")
    assert rows_of(arrays) == {
        1: (1, [1, 0, 1, 1, 0]),
        2: (0, [0, 0, 0, 1, 0]),
        4: (1, [0, 0, 1, 0, 0]),
        6: (0, [0, 1, 0, 0, 0]),
        7: (1, [0, 0, 0, 0, 0]),
        8: (0, [0, 0, 0, 0, 1]),
    }


def test_characters_are_shares_of_the_text(archive, tmp_path):
    rows = rows_of(load_reuters(tmp_path, features="characters", test_share=0.4))
    a1b2 = np.zeros(36)
    a1b2[[0, 1, 26 + 1, 26 + 2]] = 0.25
    assert rows[8][1] == a1b2.tolist()
    assert sum(rows[2][1]) == pytest.approx(0.8)  # Cocoa's up: an apostrophe and a space


def test_split_depends_on_its_seed_only(archive, tmp_path):
    first, again, other = (load_reuters(tmp_path, n_words=3, split_seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.train_rows, again.train_rows)
    np.testing.assert_array_equal(first.train_inputs, again.train_inputs)
    assert first.train_rows.tolist() != other.train_rows.tolist()


def test_other_content_of_the_right_size_is_used_with_a_warning(archive, caplog):
    with caplog.at_level(logging.WARNING):
        read_documents(archive)
    (record,) = caplog.records
    assert "reuters21578.tar.gz: its content has the sha256 " in record.getMessage()


def test_known_content_is_known_however_it_is_packed(archive, monkeypatch, caplog):
    read_documents(archive)
    monkeypatch.setattr(reuters, "SGML_SHA256", caplog.records[0].args[1])
    caplog.clear()
    archive.write_bytes(gzip.decompress(archive.read_bytes()))
    assert len(read_documents(archive)) == 6
    assert not caplog.records


BOMBS = {
    "elements that do not end": "<REUTERS " * 60_000,
    "elements in one element": "<REUTERS " * 60_000 + "</REUTERS>",
    "texts without a tag": element(1, ["grain"], text="<TEXT" * 60_000),
    "titles that do not end": element(1, ["grain"], text="<TITLE><BODY>" * 60_000),
    "topics that do not end": '<REUTERS NEWID="1">' + "<TOPICS><D>" * 60_000 + "</REUTERS>",
    "an entity without end": element(1, ["grain"], text="&#" + "1" * 6000 + "&#" * 60_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_damaged_archive_takes_no_time(small, tmp_path, bomb):
    archive = write_archive(tmp_path, [*WIRES[:4], BOMBS[bomb]])
    started = time.process_time()
    with pytest.raises(NetkinError, match="newswires in "):
        read_documents(archive)
    assert time.process_time() - started < 1


def test_a_number_of_thousands_of_digits_is_one_sentence(small, tmp_path):
    archive = write_archive(tmp_path, [element("1" * 6000, ["grain"], "a")])
    with pytest.raises(NetkinError, match=r"tar\.gz: a newswire has a NEWID of 6,000 digits"):
        read_documents(archive)


def test_an_archive_that_unpacks_to_too_much_is_one_sentence(small, tmp_path, monkeypatch):
    monkeypatch.setattr(reuters, "MOST_BYTES", 100)
    with pytest.raises(NetkinError, match="have more than 100 bytes"):
        read_documents(write_archive(tmp_path))


def test_no_file_is_one_sentence_that_says_which_and_where(tmp_path):
    for features, other in (("words", "npz"), ("characters", "")):
        with pytest.raises(NetkinError) as caught:
            load_reuters(tmp_path, features=features)
        text = str(caught.value)
        assert str(tmp_path / "reuters21578" / "reuters21578.tar.gz") in text
        assert (str(tmp_path / "reuters" / "reuters.npz") in text) is bool(other)
        assert "'data_folder'" in text
        assert "\n" not in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: b"no archive" * 99])
def test_damaged_archive_is_named(archive, damage):
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(NetkinError, match=r"reuters21578\.tar\.gz: not a readable tar archive"):
        read_documents(archive)


def test_incomplete_collection_is_named(small, tmp_path):
    with pytest.raises(NetkinError, match="5 newswires in 2 topics, but the collection has 6 in 2"):
        load_reuters(write_archive(tmp_path, WIRES[1:]).parent.parent)


def test_collection_with_other_topics_is_named(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(reuters, "TOPICS", ("cocoa", "wheat"))
    with pytest.raises(NetkinError, match="it has the topic 'grain', which is none of the 2"):
        load_reuters(tmp_path)


def test_more_words_than_there_are_is_named(archive, tmp_path):
    with pytest.raises(NetkinError, match=r"n_words is 99, but there are 10 words; .* 1 to 10"):
        load_reuters(tmp_path, n_words=99)


def test_share_that_leaves_out_classes_is_named(archive, tmp_path):
    with pytest.raises(NetkinError, match=r"reuters: test_share 0\.01 of 6 rows .*2 rows or more"):
        load_reuters(tmp_path, n_words=3, test_share=0.01)


# --- Keras' file ----------------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def write_keras(folder, items, labels=(0, 1, 0, 1, 0, 1)):
    path = folder / "reuters" / "reuters.npz"
    path.parent.mkdir(exist_ok=True)
    x = np.empty(len(items), dtype=object)
    x[:] = items
    np.savez(path, x=x, y=np.array(labels))
    return path


RANKS = [[1, 2, 1], [3], [2, 9], [4, 4], [1], [3, 2]]


def test_file_of_keras_is_read_without_unpickling_and_comes_first(archive, tmp_path):
    write_keras(tmp_path, RANKS)
    assert rows_of(load_reuters(tmp_path, n_words=3, test_share=0.4)) == {
        0: (0, [1, 1, 0]),
        1: (1, [0, 0, 1]),
        2: (0, [0, 1, 0]),
        3: (1, [0, 0, 0]),
        4: (0, [1, 0, 0]),
        5: (1, [0, 1, 1]),
    }
    # it has no characters: these are read from the archive
    assert 8 in rows_of(load_reuters(tmp_path, features="characters", test_share=0.4))


BROKEN = {
    "UnpicklingError": ([*RANKS[:5], Evil()], (0, 1) * 3),
    "ValueError": ([*RANKS[:5], ["a"]], (0, 1) * 3),
    "6 newswires and 4 labels": (RANKS, (0, 1) * 2),
    "words numbered from 1": ([*RANKS[:5], [0]], (0, 1) * 3),
    "4 newswires in 2 topics": (RANKS[:4], (0, 1) * 2),
}


@pytest.mark.parametrize("message", BROKEN)
def test_broken_file_of_keras_is_named_and_runs_nothing(small, tmp_path, monkeypatch, message):
    monkeypatch.chdir(tmp_path)
    write_keras(tmp_path, *BROKEN[message])
    with pytest.raises(NetkinError, match=rf"reuters\.npz: .*{message}"):
        load_reuters(tmp_path, n_words=3)
    assert not Path("executed").exists()


def test_truncated_file_of_keras_is_named(small, tmp_path):
    path = write_keras(tmp_path, RANKS)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(NetkinError, match=r"reuters\.npz: not a readable reuters\.npz of Keras"):
        load_reuters(tmp_path, n_words=3)


# --- the real collection --------------------------------------------------------------


def test_real_reuters_has_its_known_topics_and_sizes(caplog):
    folder = os.environ.get("NETKIN_DATA")
    if not folder or not (Path(folder) / "reuters21578").is_dir():
        pytest.skip("set NETKIN_DATA to a folder that holds reuters21578")
    documents = read_documents(Path(folder) / "reuters21578" / "reuters21578.tar.gz")
    assert not caplog.records
    assert len(documents) == 11228
    topics = [document.topic for document in documents]
    assert len(set(topics)) == len(reuters.TOPICS) == CLASSES["reuters"]
    counts = {topic: topics.count(topic) for topic in ("earn", "acq", "money-fx", "crude")}
    assert counts == {"earn": 3972, "acq": 2423, "money-fx": 682, "crude": 543}
    assert min(len(document.text) for document in documents) > 0
    arrays = load_reuters(Path(folder), features="words", n_words=100)
    arrays.validate("reuters")
    assert arrays.train_inputs.shape == (8982, 100)
    assert arrays.test_inputs.shape == (2246, 100)
    assert set(np.unique(arrays.train_inputs)) == {0, 1}
    # the most frequent word of all is in most newswires; tables of figures are without
    assert 0.6 < arrays.train_inputs[:, 0].mean() < 0.7
    assert arrays.label_names[:2] == ("cocoa", "grain")
