from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netkin.freshness import describe, examine, files_in
from netkin.recipe import Recipe
from netkin.storage import create, member

PARAMETERS = {"options": {"zeta": 0.1, "names": ["a"]}, "seed": 0}


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Three files, each made from the one before, and how they are to be made."""
    monkeypatch.chdir(tmp_path)
    graph = Recipe("results/graph/g.h5", "graph", "1" * 16, PARAMETERS)
    diagram = Recipe("results/diagram/d.h5", "diagram", "2" * 16, {}, (graph,))
    vector = Recipe("results/vector/v.h5", "vector", "3" * 16, {}, (diagram,))
    recipes = [graph, diagram, vector]
    for one in recipes:
        write(one)
    return recipes


def write(one, value=1.0):
    """Write a file as it is expected, with something more in its parameters."""
    made_by = {"parameters": one.parameters, "determined": {"device": "cpu"}, "code": one.code}
    inputs = [other.path for other in one.inputs]
    with create(one.path, one.layout, inputs=inputs, **made_by) as file:
        name = {"graph": "value", "diagram": "H0", "vector": "H0"}[one.layout]
        group = file if one.layout == "graph" else member(file)
        group[name] = np.full((3, 2) if one.layout == "diagram" else 3, value)


def reasons(expected):
    return examine(expected, files_in("results")).stale


def changed(recipe, *upstream, **how):
    """Return a recipe with another one before it, or made otherwise itself."""
    return replace(recipe, inputs=upstream or recipe.inputs, **how)


def test_files_as_they_would_be_made_are_fresh(chain):
    result = examine(chain, files_in("results"))
    assert result.fresh == [one.path for one in chain]
    assert not (result.stale or result.missing)
    assert describe(result).startswith("3 results are as today's code and config make them, 0 are")


def test_other_code_is_named_and_what_is_made_from_it(chain):
    graph, diagram, vector = chain
    graph = changed(graph, code="9" * 16)
    diagram = changed(diagram, graph)
    found = reasons([graph, diagram, changed(vector, diagram)])
    assert found[graph.path] == ["other code"]
    assert found[diagram.path] == [f"made from {graph.path}, which would be made otherwise"]
    assert found[vector.path] == [f"made from {diagram.path}, which would be made otherwise"]


def test_other_parameters_are_named_with_both_values(chain):
    graph = chain[0]
    parameters = {"options": {"zeta": 0.2, "names": ("a",)}, "seed": 0, "rate": 1}
    found = reasons([changed(graph, parameters=parameters)])
    assert found[graph.path] == ["options.zeta was 0.1, now 0.2", "rate was null, now 1"]


def test_a_chosen_device_counts_and_auto_takes_what_is_there(chain):
    graph = chain[0]
    assert reasons([changed(graph, device="cpu")]) == {}
    assert reasons([changed(graph, device="cuda")])[graph.path] == ['device was "cpu", now "cuda"']


def test_another_content_of_an_input_is_seen(chain):
    graph, diagram, vector = chain
    write(graph, value=2.0)
    assert reasons(chain)[diagram.path] == [f"made from another content of {graph.path}"]
    # also where what lies between is gone
    Path(diagram.path).unlink()
    assert reasons(chain) == {vector.path: [f"made from another content of {graph.path}"]}


def test_an_edit_is_seen_through_files_that_are_gone(chain):
    graph, diagram, vector = chain
    Path(graph.path).unlink()
    Path(diagram.path).unlink()
    result = examine(chain, files_in("results"))
    assert (result.fresh, result.stale) == ([vector.path], {})
    assert result.missing == [graph.path, diagram.path]
    graph = changed(graph, parameters={"zeta": 0.2})
    diagram = changed(diagram, graph)
    found = reasons([graph, diagram, changed(vector, diagram)])
    assert found == {vector.path: [f"made from {diagram.path}, made otherwise then"]}


def test_foreign_and_damaged_files_are_listed(chain, tmp_path):
    graph, diagram, vector = chain
    (tmp_path / diagram.path).write_bytes(b"no HDF5")
    result = examine([diagram], files_in("results"))
    assert result.foreign == [graph.path, vector.path]
    assert "not a file of this version of netkin" in result.stale[diagram.path][0]
    text = describe(result)
    assert f"not of this study:\n  {graph.path}" in text
    assert text.endswith(
        "0 results are as today's code and config make them, 1 are not, 0 are not there, "
        "2 are not of this study."
    )
