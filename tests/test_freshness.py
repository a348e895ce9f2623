import numpy as np
import pytest

from netkin.freshness import Expected, describe, examine, files_in
from netkin.storage import create

PARAMETERS = {"options": {"zeta": 0.1, "names": ["a"]}, "seed": 0}


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Two files, the second made from the first, and how they are expected."""
    monkeypatch.chdir(tmp_path)
    expected = [
        Expected("results/graph/g.h5", "c1", PARAMETERS, ()),
        Expected("results/diagram/d.h5", "c2", {}, ("results/graph/g.h5",)),
    ]
    for one in expected:
        write(one)
    return expected


def write(one, value=1.0):
    """Write a file as it is expected, with something more in its parameters."""
    made_by = {"parameters": {**one.parameters, "device": "cpu"}, "code": one.code}
    layout = one.path.split("/")[1]
    with create(one.path, layout, inputs=one.inputs, keep=True, **made_by) as file:
        file["value"] = np.full(3, value)


def reasons(expected):
    return examine(expected, files_in("results")).stale


def test_files_as_they_would_be_made_are_fresh(chain):
    result = examine(chain, files_in("results"))
    assert result.fresh == ["results/graph/g.h5", "results/diagram/d.h5"]
    assert not (result.partly or result.stale or result.missing)
    assert describe(result).startswith("2 results are as today's code and config make them, 0 are")


def test_other_code_is_named_and_what_is_made_from_it(chain):
    graph, diagram = chain
    found = reasons([Expected(graph.path, "c9", graph.parameters, ()), diagram])
    assert found[graph.path] == ["other code"]
    assert found[diagram.path] == [f"made from {graph.path}, which would be made otherwise"]


def test_other_parameters_are_named_with_both_values(chain):
    graph, diagram = chain
    changed = {"options": {"zeta": 0.2, "names": ("a",)}, "seed": 0, "rate": 1}
    found = reasons([Expected(graph.path, graph.code, changed, ()), diagram])
    assert found[graph.path] == ["options.zeta was 0.1, now 0.2", "rate was null, now 1"]


def test_another_content_of_an_input_is_seen(chain):
    graph, diagram = chain
    write(graph, value=2.0)
    assert reasons(chain) == {diagram.path: [f"made from another content of {graph.path}"]}


def test_an_input_that_is_not_kept_leaves_the_rest_to_be_told(chain, tmp_path):
    graph, diagram = chain
    (tmp_path / graph.path).unlink()
    result = examine(chain, files_in("results"))
    assert (result.partly, result.missing, result.stale) == ([diagram.path], [graph.path], {})
    assert "1 as far as can be told" in describe(result)
    changed = Expected(diagram.path, "c9", {}, diagram.inputs)
    assert reasons([graph, changed]) == {diagram.path: ["other code"]}


def test_foreign_and_damaged_files_are_listed(chain, tmp_path):
    graph, diagram = chain
    (tmp_path / diagram.path).write_bytes(b"no HDF5")
    result = examine([diagram], files_in("results"))
    assert result.foreign == [graph.path]
    assert "not a readable HDF5 file" in result.stale[diagram.path][0]
    text = describe(result)
    assert f"not of this study:\n  {graph.path}" in text
    assert text.endswith(
        "0 results are as today's code and config make them, 1 are not, 0 are not there, "
        "1 are not of this study."
    )
