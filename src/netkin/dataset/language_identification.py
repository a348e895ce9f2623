"""Language identification: which language a piece of text is in, by its letters."""

import gzip
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from numpy.typing import NDArray

from netkin.dataset.arrays import Arrays
from netkin.dataset.source import find, reading
from netkin.errors import NetkinError, did_you_mean

LANGUAGES = ["en", "fr", "es", "it", "de", "sk", "cs"]
"""The languages of the paper."""

LETTERS = "abcdefghijklmnopqrstuvwxyzßàáâäæçèéêëìíîïñòóôöùúûüýÿčďěĺľňœŕřšťůž"
"""All lower-case letters of the seven `LANGUAGES`, in the order of Unicode."""

SYMBOLS = " !?¿¡"

SMALL_ALPHABET = LETTERS + SYMBOLS
"""What is counted in the lower-cased text: the first features. The alphabet stays that of
the seven languages when a study brings others: more letters are more features, and
data sets of unlike width could not be compared."""

CAPITALS = LETTERS.replace("ß", "ẞ").upper()
"""What is counted in the text as it is: the features after those."""

MOST_MARKS = 30
"""Accents and the like on one letter, at most, as in Unicode's stream-safe text (UAX 15): their
order is made canonical in a time that grows with the square of their number."""
CHARACTERS_AT_ONCE = 1 << 20
LEAST_SAMPLES = 10
"""Samples of a language, at least."""


def load_language_identification(
    data_folder: Path,
    *,
    languages: Annotated[
        list[Annotated[str, MinLen(1), MaxLen(100)]], MinLen(2), MaxLen(1000)
    ] = LANGUAGES,
    samples_per_language: Annotated[int, Ge(LEAST_SAMPLES), Le(10_000_000)] = 12000,
    sample_length: Annotated[int, Ge(10), Le(1_000_000)] = 140,
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.2,
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0,
) -> Arrays:
    """Cut a text of each language into samples and count their letters.

    The lines of a file are joined and cut one after the other into samples of at most
    `sample_length` characters that begin and end at word borders (a longer word is a
    sample by itself). The first ones are taken.

    Parameters
    ----------
    data_folder : Path
        Folder that holds ``language_identification/en.txt.gz`` or ``en.txt`` and so on:
        UTF-8, one sentence a line, in any order. Nothing is downloaded.
    languages : list of str
        Names of the files. The labels are their sorted order, however they stand here.
    samples_per_language : int
        How many samples of each language, training and test together.
    sample_length : int
        Length of a sample in characters.
    test_share : float
        Share of all samples that become test rows.
    seed : int
        Seed of the split and of the order of the rows.

    Returns
    -------
    Arrays
        Counts of each character of `SMALL_ALPHABET` in the lower-cased sample, then of
        each of `CAPITALS` in the sample as it is; other characters are ignored. Each
        feature has the mean 0 and the standard deviation 1 in the training rows; one
        that is constant there is 0. Row numbers count through the samples, language
        by language.

    Raises
    ------
    NetkinError
        When a file is missing, damaged or too short, and when a language is named twice
        or alone.
    """
    names = sorted(languages)
    paths = files_of_language_identification(data_folder, languages=languages)
    samples = [cut(_read(path), sample_length) for path in paths]
    for path, found in zip(paths, samples, strict=True):
        if not found:
            raise NetkinError(
                f"{path}: the text is shorter than one sample of {sample_length} characters; "
                "bring more text or set a smaller sample_length."
            )
    too_few = {
        name: len(found)
        for name, found in zip(names, samples, strict=True)
        if len(found) < samples_per_language
    }
    if too_few:
        listed = ", ".join(f"'{name}' gives {number}" for name, number in too_few.items())
        raise NetkinError(
            f"language_identification: samples_per_language is {samples_per_language}, but "
            f"{listed} of {sample_length} characters; {_most(min(too_few.values()))}"
        )
    counts = np.concatenate([count(found[:samples_per_language]) for found in samples])
    labels = np.repeat(np.arange(len(names), dtype=np.int64), samples_per_language)
    order = np.random.default_rng(seed).permutation(len(labels))
    n_test = round(test_share * len(labels))
    if not len(names) <= n_test <= len(labels) - len(names):
        raise NetkinError(
            f"language_identification: test_share {test_share} of {len(labels)} rows is not "
            f"allowed, the training and the test part need {len(names)} rows or more each; try 0.2."
        )
    train, test = order[n_test:], order[:n_test]
    return Arrays(
        train_inputs=_standardise(counts[train], counts[train]),
        train_labels=labels[train],
        train_rows=train.astype(np.int64),
        test_inputs=_standardise(counts[test], counts[train]),
        test_labels=labels[test],
        test_rows=test.astype(np.int64),
        label_names=tuple(names),
    )


def _most(available: int) -> str:
    """Return what may be done where a text gives only so many samples."""
    if available < LEAST_SAMPLES:
        return (
            f"at least {LEAST_SAMPLES} are needed: bring more text or set a smaller sample_length."
        )
    return f"allowed is {LEAST_SAMPLES} to {available}, or bring more text."


def files_of_language_identification(
    data_folder: Path, *, languages: Sequence[str] = LANGUAGES, **_: Any
) -> list[Path]:
    """Return the file of each language, in the order of their names.

    Raises
    ------
    NetkinError
        When a language has no file, or is named twice or alone.
    """
    twice = [name for name in languages if languages.count(name) > 1]
    if twice:
        raise NetkinError(f"languages: found '{twice[0]}' more than once; list each once.")
    if len(languages) < 2:
        raise NetkinError(f"languages: found {list(languages)}; a classifier needs at least 2.")
    languages = sorted(languages)
    folder = data_folder / "language_identification"
    there = {
        name: path
        for suffix in (".txt", ".txt.gz")
        for path in sorted(folder.glob(f"*{suffix}"))
        if (name := path.name.removesuffix(suffix))
    }
    missing = [name for name in languages if name not in there]
    if missing:
        hint = did_you_mean(missing[0], there)
        found = f"that folder has {', '.join(sorted(there))}" if there else "there is none"
        raise NetkinError(
            f"{', '.join(f'{name}.txt.gz' for name in missing)} (or .txt) missing in {folder}; "
            f"{found}. Put there a UTF-8 text with one sentence a line, or set the config key "
            f"'data_folder' to the folder that holds {folder.name}.{hint}"
        )
    for name in languages:
        find([there[name]])  # a file, neither a folder nor a pipe
    return [there[name] for name in languages]


def _read(path: Path) -> str:
    """Return the text of a file, its words divided by single spaces."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        with reading(path, "not a readable gzip file, truncated or another one", "Pack it anew."):
            content = gzip.decompress(content)
    try:
        text = content.decode("utf-8-sig")
        _check_marks(path, text)
        # composed letters, as the alphabet has them
        words = unicodedata.normalize("NFC", text).split()
    except UnicodeDecodeError as error:
        raise NetkinError(
            f"{path}: not UTF-8 at byte {error.start} (0x{error.object[error.start]:02x}); "
            "convert the file to UTF-8."
        ) from None
    if b"\0" in content:  # UTF-16 without its mark, or no text at all
        raise NetkinError(
            f"{path}: a byte 0 at byte {content.index(0)} is no text; convert the file to UTF-8."
        )
    if not words:
        raise NetkinError(f"{path}: the file is empty; it needs one sentence a line.")
    return " ".join(words)


def _check_marks(path: Path, text: str) -> None:
    """Refuse piles of marks, of which two that stand in two parts of the text are seen apart."""
    if text.isascii():
        return
    is_mark = np.array([unicodedata.combining(chr(code)) > 0 for code in range(0x110000)])
    for start in range(0, len(text), CHARACTERS_AT_ONCE):
        part = text[start : start + CHARACTERS_AT_ONCE]
        letters = np.flatnonzero(~is_mark[np.frombuffer(part.encode("utf-32-le"), dtype="<u4")])
        ends = np.concatenate([[-1], letters, [len(part)]])
        piled = np.flatnonzero(np.diff(ends) > MOST_MARKS + 1)
        if piled.size:
            raise NetkinError(
                f"{path}: more than {MOST_MARKS} marks on one letter, at character "
                f"{start + ends[piled[0]] + 1:,}; that is no text of a language."
            )


def cut(text: str, length: int) -> list[str]:
    """Cut a text, its words divided by single spaces, into samples; the rest is left out."""
    samples = []
    start = 0
    while start + length <= len(text):
        # a space or the end of the text stands behind the last character of a sample
        end = start + length
        if end < len(text):
            border = text.rfind(" ", start, end + 1)
            end = border if border >= 0 else text.find(" ", end)
            end = end if end >= 0 else len(text)
        samples.append(text[start:end])
        start = end + 1
    return samples


def count(samples: list[str]) -> NDArray[np.int64]:
    """Count in each sample what `SMALL_ALPHABET` and `CAPITALS` list."""
    small = _count([sample.lower() for sample in samples], SMALL_ALPHABET)
    return np.hstack([small, _count(samples, CAPITALS)])


def _count(texts: list[str], alphabet: str) -> NDArray[np.int64]:
    # the last column takes all that is not in the alphabet
    width = len(alphabet) + 1
    column = np.full(0x110000, len(alphabet), dtype=np.int64)
    column[[ord(letter) for letter in alphabet]] = np.arange(len(alphabet))
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    cells = np.bincount(rows * width + column[codes], minlength=len(texts) * width)
    return cells.reshape(len(texts), width)[:, :-1]


def _standardise(counts: NDArray[np.int64], training: NDArray[np.int64]) -> NDArray[np.float32]:
    varies = training.max(axis=0) > training.min(axis=0)
    deviation = np.where(varies, training.std(axis=0), 1.0)
    scaled = np.where(varies, (counts - training.mean(axis=0)) / deviation, 0.0)
    return scaled.astype(np.float32)
