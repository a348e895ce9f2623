"""Wrong configs, made at random: each is a study or one sentence, soon, in little memory."""

import copy
import faulthandler
import math
import random
import re
import resource
import tempfile
import time
import warnings
from pathlib import Path

import yaml

from netkin.config.file import Source, read_config_file
from netkin.errors import NetkinError
from netkin.study import Study
from tests.stress.counts import Counts

DEFAULT = Path(__file__).resolve().parents[2] / "config" / "config.yaml"
MOST_SECONDS = 2.0
MOST_MEGABYTES = 500
LONGEST_MESSAGE = 8000
OF_THE_MACHINERY = re.compile(
    r"instance of|[Ii]nput should|pydantic|Section\b|<class|Traceback|object at 0x|NoneType"
)
"""Words of classes and libraries, which are no words for a user."""

NUMBERS = [0, -1, 1, 2, 3, 10**8, 10**18, 2**31, 2**32, 2**63, -(2**63), 10**399, 16**6000]
FLOATS = [0.0, -0.0, 1e-320, 1e-300, 1e-17, 1 - 2**-53, 1e16, 1e300, 1.7e308, -1e308]
FLOATS += [float("inf"), float("-inf"), float("nan")]
TEXTS = ["", " ", "x", "all", "none", "1e-6", "1e400", "0x1f", "1:30", "~", "~nosuchuser/x", "../x"]
TEXTS += ["a" * 300, "x" * 100_000, "\u0455tudy", "study ", "\u200b", "\ud800", "\0", "digits"]
PLAIN = [None, True, False, [], {}, [[]], {"a": {}}, [None], list(range(60_000))]
LINES = [
    "no: 1",
    "1: 2",
    "~: x",
    "2020-01-01: 2",
    "? [a]\n: 1",
    "a: &a [*a]",
    "a: *b",
    "- a",
    "\tb: 1",
]
LINES += ["<<: 3", "x: !!python/name:os.system", "---", "%YAML 9", "a: {b", "a: 'b", "=: 1", "a: ="]
LINES += ["a: 2020-02-31", "__use_yte__: true", "a: " + "[" * 3000, "x: " + "9" * 5000]
LINES += ["\n".join(" " * depth + "a:" for depth in range(200))]
LAUGHS = "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}' if level else 'x'] * 10)}]\n"
    for level in range(12)
)


def mutated_bytes(chance, text):
    """Change some bytes."""
    content = bytearray(text.encode())
    for _ in range(chance.choice((1, 1, 3, 10, 100))):
        place = chance.randrange(len(content))
        kind = chance.randrange(4)
        if kind == 0:
            content[place] = chance.randrange(256)
        elif kind == 1:
            content[place] = ord(chance.choice("{}[]:,&*!|>'\"%@`#-? \n\t"))
        elif kind == 2:
            del content[place : place + chance.choice((1, 5, 100))]
        else:
            content[place:place] = chance.randbytes(chance.choice((1, 4)))
    return bytes(content)


def mutated_lines(chance, text):
    """Take out, repeat, move or add lines."""
    lines = text.splitlines()
    for _ in range(chance.choice((1, 2, 5))):
        place = chance.randrange(len(lines))
        kind = chance.randrange(4)
        if kind == 0:
            del lines[place]
        elif kind == 1:
            lines.insert(chance.randrange(len(lines)), lines[place])
        elif kind == 2:
            lines[place] = " " * chance.randrange(9) + lines[place].lstrip()
        else:
            indent = " " * chance.choice((0, 2, 4))
            lines.insert(place, indent + chance.choice(LINES))
    return "\n".join(lines).encode()


def places(section, path=()):
    """Yield the path of every key and entry."""
    entries = section.items() if isinstance(section, dict) else enumerate(section)
    for key, value in entries:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def wrong_value(chance):
    """Return a value that few keys allow."""
    return copy.deepcopy(chance.choice(chance.choice((NUMBERS, FLOATS, TEXTS, PLAIN))))


def mutated_values(chance, text):
    """Set, take out or add keys and values."""
    config = yaml.safe_load(text)
    for _ in range(chance.choice((1, 1, 2, 4))):
        *parents, key = chance.choice(list(places(config)))
        section = config
        for parent in parents:
            section = section[parent]
        kind = chance.randrange(6)
        if kind == 0:
            del section[key]
        elif kind == 1 and isinstance(section, dict):
            section[chance.choice((f"{key}s", f"{key}.x", f"{key} ", "\u043a", 1, None, True))] = 1
        elif kind == 2:
            section[key] = [wrong_value(chance), wrong_value(chance)]
        else:
            section[key] = wrong_value(chance)
    return config


def outcome(config):
    """Build a study of bytes of a file, or of a config; return the message of a refusal."""
    try:
        if not isinstance(config, bytes):
            Study(config, source="wrong.yaml")
            return None
        with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
            file.write(config)
            file.flush()
            source = read_config_file(file.name, "wrong.yaml")
        Study(source.content, [Source("wrong.yaml", source.content)])
    except NetkinError as error:
        return str(error)
    return None


def finding_of(config):
    """Return the refusal of a config, and what is wrong with how it ended."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    finding = message = None
    try:
        message = outcome(config)
        if message is not None:
            message.encode()
    except BaseException as error:  # all that is no sentence is a finding
        if isinstance(error, KeyboardInterrupt):
            raise
        finding = f"{type(error).__name__}: {str(error)[:200]}"
    seconds = time.monotonic() - begun
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if message and OF_THE_MACHINERY.search(message):
        finding = f"words of the machinery: {message[:300]}"
    if message and len(message) > LONGEST_MESSAGE:
        finding = f"{len(message):,} letters: {message[:300]}"
    if seconds > MOST_SECONDS:
        finding = f"{seconds:.1f} s: {message and message[:200]}"
    if megabytes > MOST_MEGABYTES:
        finding = f"{megabytes:.0f} MB: {message and message[:200]}"
    return message, finding


def campaign(seed: int, seconds: float, cases: float = math.inf) -> Counts:
    """Try wrong configs for some seconds.

    Parameters
    ----------
    seed : int
        Of the mutations; the same seed gives the same ones, as many as there is time for.
    seconds, cases : float
        How long, and how many at most. A config that never ends is told of by a traceback on
        standard error after a minute.
    """
    chance = random.Random(seed)
    text = DEFAULT.read_text()
    counts = Counts()
    end = time.monotonic() + seconds
    outcome(text.encode())
    while time.monotonic() < end and counts.tried < cases:
        kind = chance.choice((mutated_bytes, mutated_lines, mutated_values, mutated_values))
        wrong = kind(chance, text)
        if chance.random() < 0.01:
            wrong = f"{text}\n{LAUGHS}".encode()
        faulthandler.dump_traceback_later(60)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                message, finding = finding_of(wrong)
        finally:
            faulthandler.cancel_dump_traceback_later()
        counts.tried += 1
        counts.refused += message is not None
        counts.unharmed += message is None and finding is None
        if finding:
            counts.findings.append(
                f"{kind.__name__} number {counts.tried} of seed {seed}: {finding}"
            )
    return counts
