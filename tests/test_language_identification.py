import gzip
import os
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import yaml

from netkin.dataset.language_identification import (
    CAPITALS,
    LANGUAGES,
    LETTERS,
    SMALL_ALPHABET,
    count,
    cut,
    files_of_language_identification,
    load_language_identification,
)
from netkin.dataset.prepare import prepare_dataset
from netkin.errors import NetkinError
from netkin.recipe import Recipes
from netkin.storage import read_origin
from netkin.study import Study
from tests.conftest import ROOT

TEXTS = {
    "en": "The quick brown fox jumps over the lazy dog! \n",
    "es": "¿Dónde está el niño pequeño?\n¡Aquí está!\n",
    "de": "Über den Flüssen fließt große Güte.\n",
}
SMALL = {"languages": list(TEXTS), "samples_per_language": 10, "sample_length": 20}
ALPHABET = SMALL_ALPHABET + CAPITALS


@pytest.fixture
def corpus(tmp_path):
    """Files of both forms; returns the function that writes one."""

    def put(name, content, compress=False):
        folder = tmp_path / "language_identification"
        folder.mkdir(exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        path = folder / (f"{name}.txt.gz" if compress else f"{name}.txt")
        path.write_bytes(gzip.compress(data) if compress else data)
        return path

    for name, text in TEXTS.items():
        put(name, text * 20, compress=name == "de")
    return put


def load(folder, **options):
    arrays = load_language_identification(folder, **{**SMALL, **options})
    arrays.validate("language_identification")
    return arrays


# --- samples and features -------------------------------------------------------------


def test_samples_are_cut_at_word_borders_without_overlap():
    words = ["a" * (3 + number % 7) for number in range(200)]
    samples = cut(" ".join(words), 25)
    together = " ".join(samples).split()
    assert together == words[: len(together)]
    assert all(len(sample) <= 25 for sample in samples)
    assert min(len(sample) for sample in samples) > 25 - 10
    assert len(words) - len(together) < 9


def test_samples_at_the_edges():
    assert cut("abcd efgh", 4) == ["abcd", "efgh"]
    assert cut("abcd efgh i", 9) == ["abcd efgh"]
    assert cut("abcd", 5) == []
    assert cut("", 5) == []
    # a word longer than a sample is one
    assert cut("abcdefgh ij kl", 5) == ["abcdefgh", "ij kl"]
    assert cut("ab abcdefgh", 5) == ["ab", "abcdefgh"]


def test_alphabet_is_that_of_the_seven_languages():
    assert len(set(ALPHABET)) == len(ALPHABET) == 65 + 5 + 65
    assert list(LETTERS) == sorted(LETTERS)
    assert LETTERS.islower()
    assert CAPITALS.isupper()
    assert CAPITALS.lower() == LETTERS
    assert unicodedata.is_normalized("NFC", ALPHABET)


def test_small_letters_are_counted_without_case_and_capitals_with_it():
    counts = dict(zip(ALPHABET, count(["", "Éé e¿ŻżЖ"])[1], strict=True))
    expected = {"é": 2, "e": 1, " ": 1, "¿": 1, "É": 1}
    assert {letter: number for letter, number in counts.items() if number} == expected
    assert count([""]).sum() == 0


def test_features_are_standardised_by_the_training_rows(corpus, tmp_path):
    arrays = load(tmp_path)
    assert arrays.train_inputs.shape == (24, len(ALPHABET))
    assert arrays.test_inputs.shape == (6, len(ALPHABET))
    np.testing.assert_allclose(arrays.train_inputs.mean(axis=0), 0, atol=1e-6)
    deviation = arrays.train_inputs.std(axis=0, dtype=np.float64)
    varies = deviation > 0
    np.testing.assert_allclose(deviation[varies], 1, atol=1e-6)
    # no text has a w with a capital: constant, hence 0 in both parts
    column = ALPHABET.index("W")
    assert not varies[column]
    assert not arrays.test_inputs[:, ~varies].any()
    # undo it for the test rows: whole numbers come back by the training rows' mean
    samples = {}
    for label, path in enumerate(
        files_of_language_identification(tmp_path, languages=sorted(TEXTS))
    ):
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        found = cut(" ".join(text.split()), 20)[:10]
        samples |= {10 * label + number: sample for number, sample in enumerate(found)}
    train = count([samples[row] for row in arrays.train_rows])
    test = count([samples[row] for row in arrays.test_rows])
    expected = (test - train.mean(axis=0))[:, varies] / train.std(axis=0)[varies]
    np.testing.assert_allclose(arrays.test_inputs[:, varies], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(arrays.train_labels, arrays.train_rows // 10)


def test_labels_are_the_sorted_languages_however_they_stand(corpus, tmp_path):
    first, other = (load(tmp_path, languages=names) for names in (["es", "de"], ["de", "es"]))
    assert first.label_names == other.label_names == ("de", "es")
    np.testing.assert_array_equal(first.train_inputs, other.train_inputs)


def test_split_depends_on_its_seed_only(corpus, tmp_path):
    first, again, other = (load(tmp_path, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train_rows, again.train_rows)
    assert set(first.test_rows) != set(other.test_rows)


def test_marks_at_the_start_and_decomposed_letters_are_read_as_others(corpus, tmp_path):
    before = load(tmp_path)
    decomposed = unicodedata.normalize("NFD", TEXTS["es"] * 20)
    assert decomposed != TEXTS["es"] * 20
    corpus("es", b"\xef\xbb\xbf" + decomposed.encode())
    np.testing.assert_array_equal(load(tmp_path).train_inputs, before.train_inputs)


def test_the_users_own_languages_are_read(corpus, tmp_path):
    corpus("pl", "Zażółć gęślą jaźń, proszę bardzo.\n" * 20)
    assert load(tmp_path, languages=["pl", "en"]).label_names == ("en", "pl")


# --- a user's mistakes ----------------------------------------------------------------


def test_missing_files_are_named_together_with_what_there_is(corpus, tmp_path):
    with pytest.raises(NetkinError) as caught:
        load(tmp_path, languages=["en", "ess", "fr"])
    text = str(caught.value)
    assert text.startswith("ess.txt.gz, fr.txt.gz (or .txt) missing in ")
    assert f"{tmp_path / 'language_identification'}; that folder has de, en, es. " in text
    assert text.endswith("Did you mean 'es'?")
    assert "\n" not in text


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(NetkinError, match=r"missing in .*; there is none\. .*'data_folder'"):
        load(tmp_path)


WRONG = {
    "languages: found 'en' more than once": {"languages": ["en", "es", "en"]},
    r"languages: found \['en'\]; a classifier needs at least 2": {"languages": ["en"]},
    r"de\.txt\.gz: the text is shorter than one sample of 5000 characters": {"sample_length": 5000},
    r"samples_per_language is 45, but 'de' gives 39, 'es' gives 40 of 20 .*allowed is 10 to 39": {
        "samples_per_language": 45
    },
    r"'es' gives 8 of 100 characters; at least 10 are needed: bring more": {"sample_length": 100},
    r"test_share 0\.001 of 30 rows": {"test_share": 0.001},
}


@pytest.mark.parametrize("message", WRONG)
def test_options_that_do_not_suit_the_texts_are_named(corpus, tmp_path, message):
    with pytest.raises(NetkinError, match=message) as caught:
        load(tmp_path, **WRONG[message])
    assert "\n" not in str(caught.value)


def test_text_that_is_not_utf_8_is_named(corpus, tmp_path):
    corpus("es", "niño".encode("latin-1"))
    with pytest.raises(NetkinError, match=r"es\.txt: not UTF-8 at byte 2 \(0xf1\)"):
        load(tmp_path)


def test_empty_text_is_named(corpus, tmp_path):
    corpus("es", "\n \n")
    with pytest.raises(NetkinError, match=r"es\.txt: the file is empty"):
        load(tmp_path)


def test_a_pile_of_marks_is_named_at_once(corpus, tmp_path):
    corpus("es", "niño a" + "\u0316\u0301" * 60_000)
    started = time.monotonic()
    with pytest.raises(NetkinError, match=r"es\.txt: more than 30 marks on one letter, at .* 6;"):
        load(tmp_path)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"no gzip"])
def test_damaged_archive_is_named(corpus, tmp_path, damage):
    path = tmp_path / "language_identification" / "de.txt.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(NetkinError, match=r"de\.txt\.gz: not a readable gzip file"):
        load(tmp_path)


# --- the workflow ---------------------------------------------------------------------


@pytest.mark.workflow
def test_a_changed_text_makes_the_data_set_anew(fresh):
    fresh.set("study.datasets", ["language_identification"])
    fresh.set("study.variants", ["labels_2"])
    fresh.set("data_folder", "data")
    fresh.set(
        "dataset.language_identification",
        {**SMALL, "labels": [2], "batch_size": 8, "epochs": 1},
    )
    target = "results/dataset/language_identification.h5"
    output = fresh.run(target, check=False)
    assert "netkin: de.txt.gz, en.txt.gz, es.txt.gz (or .txt) missing in data/" in output
    assert "Traceback" not in output
    folder = fresh.folder / "data" / "language_identification"
    folder.mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text * 20)
    fresh.run(target)
    assert "Nothing to be done" in fresh.run(target)
    before = (fresh.folder / target).read_bytes()
    (folder / "es.txt").write_text("Otro texto en la misma lengua.\n" * 20)
    fresh.run(target)
    assert (fresh.folder / target).read_bytes() != before


# --- the real texts -------------------------------------------------------------------


def test_real_languages_are_told_apart_by_their_letters():
    folder = os.environ.get("NETKIN_DATA")
    if not folder or not (Path(folder) / "language_identification").is_dir():
        pytest.skip("set NETKIN_DATA to a folder that holds language_identification")
    from sklearn.linear_model import LogisticRegression

    arrays = load_language_identification(Path(folder), samples_per_language=1500)
    arrays.validate("language_identification")
    assert arrays.train_inputs.shape == (8400, len(ALPHABET))
    assert arrays.label_names == tuple(sorted(LANGUAGES))
    model = LogisticRegression(solver="newton-cg", tol=0.01).fit(
        arrays.train_inputs, arrays.train_labels
    )
    assert model.score(arrays.test_inputs, arrays.test_labels) > 0.95


def test_what_is_in_the_files_determines_the_data_set_whatever_their_dates(corpus, tmp_path):
    config = {
        **yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")),
        "data_folder": str(tmp_path),
    }
    config["study"]["datasets"] = ["language_identification"]
    config["dataset"]["language_identification"] |= {**SMALL, "labels": [2]}
    path = "results/dataset/language_identification.h5"

    def recipe():
        return Recipes(Study(config)).of(path)

    first = recipe()
    assert list(first.parameters["files"]) == [
        f"language_identification/{name}" for name in ("de.txt.gz", "en.txt", "es.txt")
    ]
    made = tmp_path / "made.h5"
    options = first.parameters["options"]
    prepare_dataset(
        kind="language_identification",
        data_folder=str(tmp_path),
        options=options,
        dataset_path=str(made),
        code=first.code,
    )
    assert read_origin(made).recipe == first.digest
    text = tmp_path / "language_identification" / "en.txt"
    dated = text.stat()
    text.write_text(text.read_text().replace("fox", "cat"))
    os.utime(text, ns=(dated.st_atime_ns, dated.st_mtime_ns))
    assert recipe().digest != first.digest
    text.unlink()
    assert recipe().parameters["files"] == {}
