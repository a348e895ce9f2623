"""What people take for a file of weights and is none: one sentence each."""

import re
import zipfile
from pathlib import Path

KINDS = (
    (b"\x1f\x8b", "packed by gzip; unpack it (gunzip) and name what comes out"),
    (b"\xfd7zXZ\0", "packed by xz; unpack it (unxz) and name what comes out"),
    (b"BZh", "packed by bzip2; unpack it (bunzip2) and name what comes out"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it (unzstd) and name what comes out"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, which stands for the file; fetch the file itself (git lfs pull)",
    ),
    (
        b"\x93NUMPY",
        "a single array of NumPy (.npy), which is no network; save all weights by their names "
        "(numpy.savez)",
    ),
    (b"GGUF", "GGUF, which netkin does not read; name the model that it was made from"),
)
"""How a file begins -> what it is and what to do."""
PICKLE = re.compile(rb"\x80[\x02-\x05]")
"""How a pickle begins of a protocol in use."""
PAGE = re.compile(rb"\s*<(!doctype html|html|head|\?xml)", re.IGNORECASE)
HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""What the name of a model on a hub is like."""
OTHERS = (".npy", ".tar", ".gz", ".json")
"""How names of other files end, which are no names of models on a hub either."""


def told(head: bytes, path: Path | None = None) -> str:
    """Return what a file of no format that netkin reads is, in one clause; "" where it is unknown.

    Parameters
    ----------
    head : bytes
        Its beginning.
    path : path, optional
        The file; without it, an archive without its end is not told.
    """
    for start, what in KINDS:
        if head.startswith(start):
            return what
    if head.startswith(b"PK\3\4") and path is not None and not zipfile.is_zipfile(path):
        return "an archive that is cut short; fetch or copy it again"
    if head[4:8] == b"TFL3":
        return "TensorFlow Lite, which netkin does not read; name the model that it was made from"
    if PICKLE.match(head):
        return (
            "a pickle, and reading it would run what is in it; save the weights as arrays "
            "(numpy.savez, or safetensors)"
        )
    if PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return (
            "a page of HTML or XML, as a download leaves that asked for a password or failed; "
            "download the file again"
        )
    if head[257:262] == b"ustar":
        return (
            "a tar archive; unpack it (tar -xf) and name the file of weights in it, or, where it "
            "is of torch before 0.4, load it there and save it anew"
        )
    return ""


def is_of_hub(path: str) -> bool:
    """Tell whether a path may be the name of a model on a hub."""
    from netkin.network.format import ENDINGS

    return HUB.fullmatch(path) is not None and not path.lower().endswith((*ENDINGS, *OTHERS))


def missing(path: str | Path) -> str:
    """Return what is said of a path at which nothing is, after "no such file"."""
    if is_of_hub(str(path)):
        return (
            "; if it is the name of a model of a hub: netkin downloads nothing, so download the "
            "model first and name its folder"
        )
    return ""
