"""Config files and the command line are read strictly."""

import os
import time
from pathlib import Path

import pytest

from netkin.config.file import MOST_BYTES, read_command_line, read_config_file
from netkin.errors import NetkinError
from tests.stress.configs import LAUGHS

ROOT = Path(__file__).resolve().parent.parent


def file_of(tmp_path, content):
    path = tmp_path / "my.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


DEEP = "".join(f"{' ' * level}a:\n" for level in range(1000))
UNREADABLE = {
    "tab": ("a: 1\n\tb: 2\n", ", line 2: found a tab."),
    "tab below a section": ("a:\n\tb: 2\n", ", line 2: found a tab."),
    "brace": ("a: {b: 1\nc:\n  d: 3\n", ", line 2: not valid YAML; the { of line 1 is not closed"),
    "bracket": ("x: 1\na: [b, c\n", ", line 3: not valid YAML; the [ of line 2 is not closed"),
    "brace at the end": ("a: 1\nb: {", ", line 3: not valid YAML; the file ends before an opening"),
    "quote": ("a: 'b\nc: 1\n", "; the quote that opens in line 1 is not closed."),
    "colon": ("a: b: c\n", ", line 1: not valid YAML; mapping values are not allowed"),
    "indentation": ("a:\n  b: 1\n c: 2\n", ", line 3: not valid YAML;"),
    "key twice": ("a:\n  b: 1\n  b: 2\n", ", line 3: the key b is there already, in line 2."),
    "section twice": ("a:\n  b: 1\nc: 1\na:\n  d: 1\n", ", line 4: the key a is there already"),
    "key twice in a list": ("a:\n- b: 1\n  b: 2\n", ", line 3: the key b is there already"),
    "key twice in JSON": ('{"a": 1,\n"a": 2}', ", line 2: the key a is there already, in line 1."),
    "no": (
        "a:\n  no: 1\n",
        ', line 2: YAML reads the key no as false, not as text; quote it: "no"',
    ),
    "yes": ("yes: 1\n", ', line 1: YAML reads the key yes as true, not as text; quote it: "yes"'),
    "On": ("On: 1\n", ' reads the key On as true, not as text; quote it: "On".'),
    "number as key": ("1: 1\n", ' reads the key 1 as a number, not as text; quote it: "1".'),
    "date as key": ("2020-01-01: 1\n", ' as a date, not as text; quote it: "2020-01-01".'),
    "null as key": ("~: 1\n", ' reads the key ~ as nothing, not as text; quote it: "~".'),
    "list as key": ("? [a]\n: 1\n", ", line 1: found a list or section as a key."),
    "list": ("- a\n- b\n", ", line 1: found a list."),
    "value": ("abc\n", ", line 1: found a single value."),
    "empty": ("", " is empty. Allowed: sections with keys, as in"),
    "comment": ("# nothing\n", " is empty."),
    "two documents": ("a: 1\n---\nb: 2\n", ", line 2: not valid YAML; found another document"),
    "binary": (b"a: 1\nb: \x00\x01\n", ", line 2: found the character U+0000, which is no text."),
    "not UTF-8": ("a: 1\nb: \xe9\n".encode("latin-1"), ", line 2: not UTF-8 (byte 0xe9)."),
    "UTF-16": ("a: 1\n".encode("utf-16"), ", line 1: not UTF-8 (byte 0xff)."),
    "recursive": ("a:\n  b: &x\n    c: *x\n", ", line 2: the anchor here holds an alias of itself"),
    "recursive list": ("a: &x [*x]\n", ", line 1: the anchor here holds an alias of itself"),
    "deep list": ("a: " + "[" * 3000 + "]" * 3000, ", line 1: sections and lists are nested more"),
    "deep sections": (DEEP, ", line 21: sections and lists are nested more than 20 levels deep."),
    "deep JSON": ('{"a":' * 3000 + "1" + "}" * 3000, " are nested more than 20 levels deep."),
    "deep JSON that Python reads": (
        '{"a":' * 300 + "1" + "}" * 300,
        "20 sections and lists inside",
    ),
    "deep by aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)),
        ", line 21: with its aliases written out this is 22 values in 21 levels.",
    ),
    "billion laughs": (LAUGHS, ", line 5: with its aliases written out this is"),
    "alias of nothing": ("a: *b\n", ", line 1: not valid YAML; found undefined alias"),
    "code": ("a: !!python/object/apply:os.system [ls]\n", ", line 1: found the tag"),
    "template": ("__use_yte__: true\n", ": found the key __use_yte__; no code is run"),
    "no such day": ("a: 2020-02-31\n", ", line 1: found '2020-02-31', which YAML takes for a date"),
    "digits": (f"x: 1\na: {'9' * 5000}\n", ", line 2: found '999"),
    "merge of a number": ("a:\n  <<: 3\n", ", line 2: not valid YAML; expected a mapping"),
    "half a character": ('{"a": "\\ud800"}', ": a: found the character U+D800, which is no text."),
    "50 MB": ("study:\n  seeds: [" + "1," * 25_000_000 + "]", f": more than {MOST_BYTES:,} bytes."),
    "many values": ("a: [" + "1," * 60_000 + "]", ", line 1: more than 50,000 keys and values."),
}
"""What is wrong with a file -> its content, and words of the sentence."""


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_a_file_that_is_no_config_is_one_sentence_with_its_line(tmp_path, wrong):
    content, words = UNREADABLE[wrong]
    path = file_of(tmp_path, content)
    begun = time.process_time()
    with pytest.raises(NetkinError) as error:
        read_config_file(path, "my.yaml")
    message = str(error.value)
    assert time.process_time() - begun < 1
    assert message.startswith("my.yaml")
    assert words in message
    assert "\n" not in message
    assert len(message) < 300


def test_what_is_no_file_is_one_sentence(tmp_path):
    (tmp_path / "my.yaml").write_text("a: 1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "mi.yaml": "there is no such file. Did you mean 'my.yaml'?",
        "folder": "is a folder. Allowed: a config file",
        "nothing": "is a link to a file that is missing (nowhere).",
        "loop": "cannot be read (Too many levels of symbolic links).",
        "pipe": "is no regular file",
        "nowhere/my.yaml": "there is no folder",
        "my.yaml/x": "cannot be read (Not a directory).",
    }.items():
        with pytest.raises(NetkinError) as error:
            read_config_file(tmp_path / name)
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 1\nb: {c: [x, 1.5, null]}\n", {"a": 1, "b": {"c": ["x", 1.5, None]}}),
        ("\ufeffa: 1\r\nb: true\r\n", {"a": 1, "b": True}),
        ('{"a": 1e-6,\n\t"no": [1]}', {"a": 1e-6, "no": [1]}),
        ('"no": 1\n', {"no": 1}),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_what_is_right_is_read_as_snakemake_reads_it(tmp_path, text, content):
    assert read_config_file(file_of(tmp_path, text)).content == content


def test_reading_strictly_costs_milliseconds():
    begun = time.process_time()
    for _ in range(5):
        read_config_file(ROOT / "config" / "config.yaml")
    assert (time.process_time() - begun) / 5 < 0.05


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("study.seeds=1", "found the key 'study.seeds'. Allowed: a key of the top level"),
        ("study={a: [", "study, line 2: not valid YAML"),
        ("study={no: 1}", "quote it"),
        ("study={a: 1, a: 2}", "the key a is there already"),
        ("study=&a [*a]", "holds an alias of itself"),
        ("study", "Allowed: KEY=VALUE"),
    ],
)
def test_a_wrong_entry_of_the_command_line_is_one_sentence(entry, words):
    with pytest.raises(NetkinError) as error:
        read_command_line(["data_folder=x", entry])
    assert str(error.value).startswith("the command line (--config): ")
    assert words in str(error.value)
