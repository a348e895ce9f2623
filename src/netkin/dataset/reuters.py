"""Reuters newswires of 46 topics, from Reuters-21578 or from Keras' file of them."""

import hashlib
import html
import logging
import pickle
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray

from netkin.dataset.arrays import Arrays
from netkin.dataset.source import find, reading
from netkin.errors import NetkinError, require_choice, shown

logger = logging.getLogger(__name__)

# fmt: off
TOPICS = (
    "cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply",
    "coffee", "sugar", "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi",
    "money-fx", "interest", "gnp", "meal-feed", "alum", "oilseed", "gold", "tin", "strategic-metal",
    "livestock", "retail", "ipi", "iron-steel", "rubber", "heat", "jobs", "lei", "bop", "zinc",
    "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog", "lead",
)
# fmt: on
"""The topics in the order of Keras' labels: the first k are those of a variant labels_k."""

N_DOCUMENTS = 11228
LEAST_DOCUMENTS = 14
"""A topic with fewer documents is left out."""
MOST_DIGITS = 9
"""Digits of a NEWID, at most; the last one is 21578."""
MOST_BYTES = 2**28
"""Bytes of the SGML files together, at most, ten times what they have."""

SGML_SHA256 = "3764d62c6c42ea64f88199a398af03059fb823de62120deefa5cc71f2502a3b3"
"""Of the 22 SGML files one after the other: an archive packed anew holds the same."""
KERAS_SHA256 = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
"""Of reuters.npz, as Keras lists it."""

KERAS_OTHERWISE = (
    "not a readable reuters.npz of Keras",
    "Put the published file there, or delete it to read reuters21578.tar.gz.",
)

# what Keras' Tokenizer takes for word borders, besides the space
FILTER = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Document(NamedTuple):
    """A newswire: its number in the collection (NEWID), its first topic and its text."""

    number: int
    topic: str
    text: str


KERAS = "reuters/reuters.npz"
ARCHIVE = "reuters21578/reuters21578.tar.gz"


def files_of_reuters(data_folder: Path, *, features: str = "words", **options: Any) -> list[Path]:
    """Return the file that `load_reuters` reads, as of which it takes more than one version."""
    names = [KERAS, ARCHIVE] if features == "words" else [ARCHIVE]
    found = find([data_folder / name for name in names])
    return [found] if found else []


def load_reuters(
    data_folder: Path,
    *,
    features: Literal["words", "characters"] = "words",
    n_words: Annotated[int, Ge(1), Le(1_000_000)] = 10000,
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.2,
    split_seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0,
) -> Arrays:
    """Load the 11,228 newswires of the 46 topics that have at least 14 of them.

    A newswire has the first of its topics; its text is title and body, or the whole
    text where these are not marked.

    Parameters
    ----------
    data_folder : Path
        Folder that holds ``reuters/reuters.npz``, which Keras publishes, or
        ``reuters21578/reuters21578.tar.gz``, the original. Where both are there, words
        are read from the first; it has no characters. Nothing is downloaded.
    features : {"words", "characters"}
        What the features are, see Returns.
    n_words : int
        How many of the most frequent words are features; not used for characters.
    test_share : float
        Share of the rows of each topic that become test rows.
    split_seed : int
        Seed of the split and of the order of the rows.

    Returns
    -------
    Arrays
        Words: 1 for each of the most frequent words that occurs in the newswire, else
        0, the most frequent word first; words of equal frequency in alphabetical order.
        Frequencies are those in all newswires, test rows included, as in Keras' file.
        Characters: how often a to z and 0 to 9 occur in the lower-cased text, divided by
        the length of the text. Row numbers are the NEWID of the collection, or count
        through Keras' file.

    Raises
    ------
    NetkinError
        When no file is there, when it is damaged or not this collection, and when
        `n_words` or `test_share` does not suit it.
    """
    from sklearn.model_selection import train_test_split

    require_choice("features", features, ("words", "characters"))
    keras, archive = (data_folder / name for name in (KERAS, ARCHIVE))
    words_ranked = find([keras]) if features == "words" else None
    # the archive is looked at only where it is needed
    documented = None if words_ranked else find([archive])
    if words_ranked:
        ranks, labels = read_keras(keras)
        rows = np.arange(len(labels))
        inputs: NDArray[Any] = _multi_hot(ranks, n_words)
    elif documented:
        documents = read_documents(archive)
        labels = np.array([TOPICS.index(document.topic) for document in documents])
        rows = np.array([document.number for document in documents])
        texts = [document.text for document in documents]
        if features == "words":
            inputs = _multi_hot(_word_ranks(texts), n_words)
        else:
            inputs = _character_frequencies(texts)
    else:
        raise NetkinError(
            f"reuters: no data file; put the archive of Reuters-21578 at {archive}"
            + (f" or Keras' file at {keras}" if features == "words" else "")
            + ", or set the config key 'data_folder' to the folder that holds "
            f"{archive.relative_to(data_folder)}."
        )
    logger.info("read %s", words_ranked or documented)
    try:
        train, test = train_test_split(
            np.arange(len(labels)), test_size=test_share, random_state=split_seed, stratify=labels
        )
    except ValueError:
        raise NetkinError(
            f"reuters: test_share {test_share} of {len(labels)} rows is not allowed, the training "
            f"and the test part need {len(TOPICS)} rows or more each; try 0.2."
        ) from None
    return Arrays(
        train_inputs=inputs[train].astype(np.float32),
        train_labels=labels[train].astype(np.int64),
        train_rows=rows[train].astype(np.int64),
        test_inputs=inputs[test].astype(np.float32),
        test_labels=labels[test].astype(np.int64),
        test_rows=rows[test].astype(np.int64),
        label_names=TOPICS,
    )


def read_documents(archive: Path) -> list[Document]:
    """Read the newswires of the topics in `TOPICS` from the original archive.

    Parameters
    ----------
    archive : Path
        A tar file, compressed or not, with the files reut2-000.sgm to reut2-021.sgm.

    Raises
    ------
    NetkinError
        When the archive is damaged, or does not give these topics and their number of
        documents.
    """
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    with (
        reading(archive, "not a readable tar archive", "Put the published file there."),
        tarfile.open(archive) as tar,
    ):
        for member in tar:
            name = Path(member.name).name
            content = tar.extractfile(member) if name.endswith(".sgm") else None
            if content is not None:
                files[name] = content.read(left + 1)  # however much it unpacks to
                left -= len(files[name])
            if left < 0:
                raise NetkinError(
                    f"{archive}: its SGML files have more than {MOST_BYTES:,} bytes; put the "
                    "published file there."
                )
    sgml = b"".join(files[name] for name in sorted(files))
    _warn_of_other_content(archive, hashlib.sha256(sgml).hexdigest(), SGML_SHA256)
    # the collection is a mix of encodings; latin-1 reads every byte
    sources = _elements(sgml.decode("latin-1"))
    documents = [found for source in sources if (found := _parse(archive, source)) is not None]
    sizes = Counter(document.topic for document in documents)
    frequent = {topic for topic, size in sizes.items() if size >= LEAST_DOCUMENTS}
    kept = [document for document in documents if document.topic in frequent]
    _check_size(archive, len(kept), len(frequent))
    if frequent != set(TOPICS):
        other = shown(min(frequent - set(TOPICS)))
        raise NetkinError(
            f"{archive}: it has the topic {other}, which is none of the "
            f"{len(TOPICS)} that occur {LEAST_DOCUMENTS} times or more in Reuters-21578."
        )
    return kept


def _elements(sgml: str) -> Iterator[str]:
    """Yield the REUTERS elements, from tag to tag.

    Here as below each search goes on where the last one ended: a regular expression would try a
    damaged file anew from every tag.
    """
    place = 0
    while (start := sgml.find("<REUTERS ", place)) >= 0:
        end = sgml.find("</REUTERS>", start)
        if end < 0:
            return
        place = end + len("</REUTERS>")
        yield sgml[start:place]


def _parse(archive: Path, source: str) -> Document | None:
    """Return the newswire of a REUTERS element; None when it has no topic."""
    number = re.search(r'NEWID="(\d+)"', source)
    topic = _between(source, "<TOPICS><D>", "</D>")
    text = _text(source)
    if number is None or topic is None or text is None:
        return None
    if len(number[1]) > MOST_DIGITS:
        raise NetkinError(
            f"{archive}: a newswire has a NEWID of {len(number[1]):,} digits; allowed are "
            f"{MOST_DIGITS}. Put the published file there."
        )
    # a few dozen newswires of tables come without marks inside
    plain = "\n".join(_parts(text)) or text
    # numeric entities are control characters such as &#3;, the end of the text
    plain = re.sub(r"&#\d+;|&#\d{8,}", " ", plain)
    return Document(int(number[1]), topic, html.unescape(plain).strip())


def _between(source: str, opening: str, closing: str) -> str | None:
    """Return what stands between the first of one tag and the next of another, in one line."""
    start = source.find(opening)
    end = source.find(closing, start + len(opening))
    found = source[start + len(opening) : end]
    return None if min(start, end) < 0 or "\n" in found else found


def _text(source: str) -> str | None:
    """Return what stands in the TEXT element, whose tag may have attributes."""
    start = source.find("<TEXT")
    inside = source.find(">", start) + 1
    end = source.rfind("</TEXT>", inside)
    return None if start < 0 or not inside or end < 0 else source[inside:end]


def _parts(text: str) -> Iterator[str]:
    """Yield what stands in TITLE and BODY elements."""
    place, never_closed = 0, set()
    for opening in re.finditer("<(TITLE|BODY)>", text):
        tag = opening[1]
        if opening.start() < place or tag in never_closed:
            continue
        end = text.find(f"</{tag}>", opening.end())
        if end < 0:
            never_closed.add(tag)
            continue
        place = end + len(f"</{tag}>")
        yield text[opening.end() : end]


def _word_ranks(texts: list[str]) -> list[NDArray[np.int64]]:
    """Return for each text the ranks of its words, 1 for the most frequent word of all."""
    words = [text.lower().translate(FILTER).split() for text in texts]
    counts = Counter(word for row in words for word in row)
    ranking = sorted(counts, key=lambda word: (-counts[word], word))
    rank_of = {word: rank for rank, word in enumerate(ranking, start=1)}
    return [np.array([rank_of[word] for word in row], dtype=np.int64) for row in words]


def _multi_hot(ranks: list[NDArray[np.int64]], n_words: int) -> NDArray[np.uint8]:
    """Return one row a text, with 1 in column r - 1 for a word of rank r."""
    n_known = max(int(row.max(initial=0)) for row in ranks)
    if n_words > n_known:
        raise NetkinError(
            f"reuters: n_words is {n_words}, but there are {n_known} words; "
            + (f"allowed is 1 to {n_known}." if n_known else "bring the published file.")
        )
    # as bytes, a quarter of what both parts need as float32
    inputs = np.zeros((len(ranks), n_words), dtype=np.uint8)
    for row, found in zip(inputs, ranks, strict=True):
        row[found[found <= n_words] - 1] = 1
    return inputs


def _character_frequencies(texts: list[str]) -> NDArray[np.float64]:
    rows = []
    for text in texts:
        lower = text.lower()
        rows.append([lower.count(character) / max(len(lower), 1) for character in CHARACTERS])
    return np.array(rows)


def read_keras(path: Path) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Read Keras' file: for each newswire the ranks of its words, and its label.

    The ranks stand in the file as a pickle, which may run any code when it is loaded.
    Here it is taken apart without running any.

    Raises
    ------
    NetkinError
        When the file is damaged, holds anything but lists of numbers, or is of another
        size.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _warn_of_other_content(path, digest, KERAS_SHA256)
    npy: Any = np.lib.format
    with reading(path, *KERAS_OTHERWISE):
        with zipfile.ZipFile(path) as members:
            with members.open("y.npy") as array:
                labels = npy.read_array(array, allow_pickle=False).astype(np.int64)
            with members.open("x.npy") as array:
                npy.read_magic(array)
                npy.read_array_header_1_0(array)
                items = _Inert(array, encoding="latin1").load().state[-1]
        ranks = [np.array(item, dtype=np.int64).reshape(-1) for item in items]
    if len(ranks) != len(labels) or min((row.min(initial=1) for row in ranks), default=0) < 1:
        raise NetkinError(
            f"{path}: {len(ranks)} newswires and {len(labels)} labels; allowed are as many of both "
            "and words numbered from 1."
        )
    _check_size(path, len(labels), len(np.unique(labels)))
    return ranks, labels


class _Placeholder:
    """Stands for every object of a pickle that is no list or number; only keeps its state."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Inert(pickle.Unpickler):
    """Reads a pickled array of lists without calling what the pickle names."""

    ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype", "encode"})

    def find_class(self, module: str, name: str) -> Any:
        """Return a placeholder, whatever the function or class is."""
        if name not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _Placeholder


def _warn_of_other_content(path: Path, found: str, expected: str) -> None:
    if found != expected:
        logger.warning(
            "%s: its content has the sha256 %s, but that of the known collection is %s; "
            "it is used if it has as many newswires and topics",
            path,
            found,
            expected,
        )


def _check_size(path: Path, n_documents: int, n_topics: int) -> None:
    if (n_documents, n_topics) != (N_DOCUMENTS, len(TOPICS)):
        raise NetkinError(
            f"{path}: {n_documents} newswires in {n_topics} topics, but the collection has "
            f"{N_DOCUMENTS} in {len(TOPICS)}; the file is incomplete or another one. "
            "Put the published file there."
        )
