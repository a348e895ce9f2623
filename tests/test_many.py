"""Many networks: all pairs at once, matrices in blocks, clusters, the share of one more."""

import math
from contextlib import nullcontext
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from netkin.bundle import MOST_MEMBERS, parts_of
from netkin.config.file import read_config_file
from netkin.distance import MEASURES
from netkin.distance.compute import compute_block, compute_distances, join_distances
from netkin.distance.file import read_distances
from netkin.distance.matrix import distance_matrices
from netkin.distance.reasons import Reasons
from netkin.distance.tensors import Tensors
from netkin.distance.vector import vector_distance, vector_distances
from netkin.errors import Absent, NetkinError
from netkin.graph.graph import graph_from_weights
from netkin.network.format.model import Tensor
from netkin.network.imported import import_networks, stamps_of
from netkin.recipe import Recipes
from netkin.storage import address
from netkin.study import Study
from netkin.table.clusters import cluster, nearest
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector
from tests.conftest import ROOT

SAMPLING = Sampling(0.0, 1.0, 12)


def images(seed, count, scale=1.0):
    """Return vectors of four dimensions: of one much smaller than another, and of two without."""
    rng = np.random.default_rng(seed)
    empty = np.zeros((12, 12))
    return [
        Vector(
            (
                scale * rng.normal(size=(12, 12)),
                1e-3 * scale * rng.normal(5, 1, (12, 12)),
                empty,
                empty,
            ),
            SAMPLING,
            axes=2,
            kind="heat",
        )
        for _ in range(count)
    ]


def near(vector, seed, share=1e-9):
    rng = np.random.default_rng(seed)
    arrays = tuple(a * (1 + share * rng.normal(size=a.shape)) for a in vector.arrays)
    return Vector(arrays, vector.sampling, vector.axes, vector.kind)


@pytest.mark.parametrize("p", [1, 2, 3, 2.5, math.inf])
@pytest.mark.parametrize("scale", [1.0, 1e140, 1e-140])
def test_all_pairs_are_as_far_apart_as_each_pair(p, scale):
    rows = images(0, 7, scale)
    # a copy, and one nearly so
    rows += [rows[0], near(rows[1], 1)]
    for columns in (rows, images(2, 4, scale)):
        found, reasons = vector_distances(rows, columns, p=p)
        wanted = np.array([[vector_distance(a, b, p=p) for b in columns] for a in rows])
        assert reasons is None
        # the copy that was disturbed
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        np.testing.assert_allclose(found[:8, :8], wanted[:8, :8], rtol=1e-9)
        if columns is rows:
            np.testing.assert_array_equal(found, found.T)
            assert found[0, 7] == 0 < found[1, 8]


def test_what_all_have_in_common_takes_no_digits():
    rng = np.random.default_rng(0)
    common = 1e6 * rng.random((12, 12))
    rows = [
        Vector((common + rng.normal(size=(12, 12)),), SAMPLING, axes=2, kind="heat")
        for _ in range(20)
    ]
    found, _ = vector_distances(rows, rows)
    wanted = np.array([[vector_distance(a, b) for b in rows] for a in rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("away", [1e6, 1e12, 1e20])
def test_one_far_away_takes_no_digits_of_the_others(away):
    rows = [*images(0, 8), images(1, 1, away)[0]]
    found, _ = vector_distances(rows, rows)
    wanted = np.array([[vector_distance(a, b) for b in rows] for a in rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_vectors_that_do_not_fit_are_named():
    other = Vector((np.zeros((12, 12)),), SAMPLING, axes=2, kind="persistence_image")
    with pytest.raises(NetkinError, match="differ in kind, heat and persistence_image"):
        vector_distances(images(0, 2), [other])
    broken = images(0, 1)[0]
    broken.arrays[0][0, 0] = np.nan
    with pytest.raises(NetkinError, match="NaN or infinite"):
        vector_distances([broken], [broken])


def weights(units, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    shapes = zip(units[1:], units[:-1], strict=True)
    return [np.float32(scale) * rng.normal(size=shape).astype(np.float32) for shape in shapes]


NETS = [
    weights((6, 5, 4), 0),
    weights((6, 5, 4), 1),
    weights((6, 5, 3), 2),
    weights((6, 5, 4), 0),
    [w * np.float32(1 + 1e-6) for w in weights((6, 5, 4), 0)],
    weights((6, 5, 4), 5, 1e-20),
    weights((6, 5, 3), 6),
]
"""Of two shapes, in mixed order; one twice, one nearly twice, one far smaller."""


def tensors():
    found = [Tensors.of({f"layer{k}": w for k, w in enumerate(net)}) for net in NETS]
    found += [
        Tensors.of({"other": np.ones(3)}),
        Tensors.of({"layer0": np.full((5, 6), np.nan)}),
        Tensors.of({"layer0": np.zeros((5, 6)), "more": np.ones(2)}),
    ]
    return [*found[:4], Absent("not there"), *found[4:], Absent("nor this")]


def graphs():
    found = [
        graph_from_weights(net, [None] * len(net), bias_vertices="none", zeta=1e-6) for net in NETS
    ]
    # an edge less, as in a graph of somebody's own
    whole = found[0]
    kept = slice(1, None)
    found.append(
        replace(
            whole,
            source=whole.source[kept],
            target=whole.target[kept],
            value=whole.value[kept],
        )
    )
    return [*found[:3], Absent("not there"), *found[3:]]


ITEMS = {"tensor_cosine": tensors, "tensor_difference": tensors, "frobenius": graphs}


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("square", [True, False])
def test_measures_of_weights_at_once_are_those_of_each_pair(name, square):
    items = ITEMS[name]()
    others = None if square else [*items[:1], *reversed(items[2:])]
    entry = MEASURES[name]
    one_by_one = distance_matrices(items, {name: entry.function}, others=others)[name]
    at_once = distance_matrices(
        items, {name: entry.function}, others=others, all_pairs={name: entry.all_pairs}
    )[name]
    np.testing.assert_allclose(at_once.values, one_by_one.values, rtol=1e-9, atol=1e-15)
    assert dict(at_once.reasons) == dict(one_by_one.reasons)
    assert len(at_once.reasons) == np.isnan(at_once.values).sum() > 0
    if square:
        np.testing.assert_array_equal(at_once.values, at_once.values.T)
        if name != "tensor_cosine":
            twice = [i for i, one in enumerate(items) if not isinstance(one, Absent)]
            assert at_once.values[twice[0], twice[3]] == 0


def test_copies_are_as_like_as_can_be():
    """Whatever product rounds, and in whatever part a copy stands."""
    copies = [Tensors.of({f"layer{k}": w for k, w in enumerate(NETS[0])}) for _ in range(9)]
    for items, others in ((copies, None), (copies[:4], copies[4:])):
        at_once = distance_matrices(
            items,
            {name: MEASURES[name].function for name in ITEMS if name.startswith("tensor")},
            others=others,
            all_pairs={n: MEASURES[n].all_pairs for n in ITEMS if n.startswith("tensor")},
        )
        assert (at_once["tensor_cosine"].values == 1).all()
        assert not at_once["tensor_difference"].values.any()


def test_networks_that_take_too_much_memory_are_read_pair_by_pair(monkeypatch):
    """In whatever order their tensors stand: the matrix is symmetric, bit by bit."""
    rng = np.random.default_rng(0)
    arrays = [{str(k): rng.normal(size=(7, 5)) for k in range(6)} for _ in range(5)]
    items = [
        Tensors.of(dict(reversed(each.items())) if i % 2 else each) for i, each in enumerate(arrays)
    ]
    wanted, _ = MEASURES["tensor_cosine"].all_pairs(items, items)
    monkeypatch.setattr("netkin.distance.tensors.MOST_BYTES", 100)
    again = [Tensors(one.opened) for one in items]
    for name in ("tensor_cosine", "tensor_difference"):
        found, reasons = MEASURES[name].all_pairs(again, again)
        np.testing.assert_array_equal(found, found.T)
        assert not reasons
        if name == "tensor_cosine":
            np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_tied_tensor_with_nan_is_a_reason():
    def tied():
        broken = Tensor("a", (3,), "float64", np.full(3, np.nan).__getitem__)
        other = replace(broken, name="b", same_as="a")
        return Tensors(lambda: nullcontext({"a": broken, "b": other}))

    plain = Tensors.of({"b": np.ones(3)})
    values, reasons = MEASURES["tensor_cosine"].all_pairs([tied(), plain], [plain])
    assert np.isnan(values[0, 0])
    assert "NaN or infinite" in reasons[0, 0]
    assert values[1, 0] == 1


def test_every_measure_of_all_pairs_is_symmetric():
    found = {name for name, entry in MEASURES.items() if entry.all_pairs is not None}
    assert found >= {"landscape", "silhouette", "heat", *ITEMS}
    assert all(MEASURES[name].symmetric for name in found)


# --- reasons ----------------------------------------------------------------------------------


def test_reasons_are_a_mapping():
    found = Reasons((2, 3))
    assert not found
    found[0, 1] = "far"
    found[1, 2] = "near"
    found[1, 0] = "far"
    assert dict(found) == {(0, 1): "far", (1, 0): "far", (1, 2): "near"}
    assert found.texts == ["far", "near"]
    del found[1, 2]
    assert len(found) == 2
    with pytest.raises(KeyError):
        found[1, 2]
    turned = found.turned()
    assert dict(turned) == {(1, 0): "far", (0, 1): "far"}
    whole = Reasons((3, 3))
    whole[0, 0] = "before"
    whole.put(np.array([2, 0]), np.array([0, 1, 2]), found)
    assert dict(whole) == {(2, 1): "far", (0, 0): "far"}
    with pytest.raises(ValueError, match="codes of reasons from 0 to 3"):
        Reasons.of_codes(np.array([[0, 3]]), ["a", "b"])


# --- parts and blocks -----------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 256, 257, 2000, 5000, 12000])
def test_parts_hold_each_network_once_and_are_not_many(count):
    ids = [f"networks/n{k}/once" for k in range(count)]
    parts = parts_of(ids)
    assert sorted(place for part in parts.values() for place in part) == list(range(count))
    assert all(part == sorted(part) for part in parts.values())
    assert max(map(len, parts.values())) <= max(MOST_MEMBERS, 2 ** math.ceil(math.log2(count / 10)))
    assert len(parts) <= 32
    # the names are those of paths, and no order matters
    turned = parts_of(ids[::-1])
    assert {name: {ids[i] for i in part} for name, part in parts.items()} == {
        name: {ids[::-1][i] for i in part} for name, part in turned.items()
    }


def test_one_more_network_changes_one_part():
    ids = [f"networks/n{k}/once" for k in range(2000)]
    before = parts_of(ids)
    changed = []
    for k in range(50):
        after = parts_of([*ids, f"networks/new{k}/once"])
        changed.append(sum(before.get(name) != part for name, part in after.items()))
    # two where a part is divided
    assert set(changed) <= {1, 2}
    assert np.mean(changed) < 1.2


def written(folder, count):
    """Write a bundle of networks of two shapes, one without known layers, and return addresses."""
    networks, paths = {}, []
    for k in range(count):
        path = folder / f"n{k}.safetensors"
        units = (6, 5, 4) if k % 2 else (6, 5, 3)
        layers = enumerate(weights(units, k))
        save_file(
            {f"{j if k else 'name' * (j + 1)}.weight": layer for j, layer in layers}, str(path)
        )
        networks[f"n{k}"] = {"path": path.name, "wiring": "", "files": stamps_of(path)}
        paths.append(str(path))
    out = folder / "networks.h5"
    import_networks(file_paths=paths, networks=networks, networks_path=str(out))
    return [address(out, id) for id in networks]


@pytest.mark.parametrize(
    ("measures", "reading"),
    [
        (["frobenius", "norm_1"], {"bias_vertices": "none", "zeta": 1e-6}),
        (["tensor_cosine", "tensor_difference"], {}),
    ],
)
def test_blocks_together_are_the_whole_matrix(tmp_path, measures, reading):
    paths = [*written(tmp_path, 9), ""]
    names = [f"n{k}" for k in range(10)]
    given = {"measures": measures, "options": {}, "reading": reading}
    whole, joined = str(tmp_path / "whole.h5"), str(tmp_path / "joined.h5")
    compute_distances(input_paths=paths, networks=names, distance_path=whole, **given)
    parts = [[0, 4, 5, 9], [1, 2, 8], [3, 6, 7]]
    blocks = []
    for a, b in combinations_with_replacement(parts, 2):
        blocks.append(str(tmp_path / f"block{len(blocks)}.h5"))
        compute_block(
            groups=[
                {
                    "measures": [measure],
                    "input_paths": [paths[i] for i in a],
                    "other_paths": [paths[i] for i in b],
                }
                for measure in measures
            ],
            networks=[names[i] for i in a],
            others=[names[i] for i in b],
            block_path=blocks[-1],
            options={},
            reading=reading,
        )
    join_distances(measures=measures, block_paths=blocks, networks=names, distance_path=joined)
    for measure in measures:
        one, other = (read_distances(address(path, measure)) for path in (whole, joined))
        np.testing.assert_allclose(other.matrix, one.matrix, rtol=1e-9, atol=1e-15)
        assert dict(other.reasons) == dict(one.reasons)
        assert other.networks == one.networks
        assert np.isfinite(other.matrix).sum() > 20
    with pytest.raises(NetkinError, match="no block holds n0 and n3"):
        join_distances(
            measures=measures, block_paths=blocks[:2], networks=names, distance_path=joined
        )
    with pytest.raises(NetkinError, match="holds a network 'n9', which is none here"):
        join_distances(
            measures=measures, block_paths=blocks, networks=names[:9], distance_path=joined
        )


# --- clusters ---------------------------------------------------------------------------------


def apart(counts, seed=0):
    """Return the distances of points in well separated heaps, in mixed order, and their heaps."""
    rng = np.random.default_rng(seed)
    heap = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    points = 100 * heap[:, None] ** 1.5 + rng.normal(size=(len(heap), 1))
    return np.abs(points - points.T), heap


@pytest.mark.parametrize("counts", [(4, 9), (5, 1, 7), (3, 3, 3, 3, 20)])
def test_clusters_are_the_heaps(counts):
    distances, heap = apart(counts)
    found = cluster(distances)
    assert len(set(zip(found.labels.tolist(), heap.tolist(), strict=True))) == len(counts)
    assert sorted(found.order.tolist()) == list(range(len(heap)))
    # each heap in one piece, numbered as it comes
    in_order = found.labels[found.order]
    assert in_order.tolist() == sorted(in_order.tolist())


def test_networks_without_values_come_last():
    distances, _ = apart((3, 3))
    distances[2, :] = distances[:, 2] = np.nan
    found = cluster(distances)
    assert found.order[-1] == 2
    assert found.labels[2] == 0 < found.labels[[0, 1, 3, 4, 5]].min()
    assert nearest(distances, 3)[2].tolist() == [-1, -1, -1]
    assert cluster(np.full((3, 3), np.nan)).labels.max() == 0
    assert cluster(np.zeros((1, 1))).labels.tolist() == [1]
    assert set(cluster(np.ones((4, 4)) - np.eye(4)).labels.tolist()) == {1}


def test_neighbours_are_the_nearest_others():
    distances, _ = apart((6, 5))
    found = nearest(distances, 3)
    for i, places in enumerate(found):
        others = sorted((d, j) for j, d in enumerate(distances[i]) if j != i)
        assert places.tolist() == [j for _, j in others[:3]]
    assert nearest(np.zeros((2, 2)), 3).tolist() == [[1], [0]]


# --- a study ----------------------------------------------------------------------------------


def study_of(folder, count):
    """Return the study of a sheet of so many files, which need not be networks."""
    for k in range(count):
        path = folder / f"n{k}.npz"
        if not path.exists():
            path.write_bytes(b"PK\3\4" + bytes(20_000))
    lines = ["network\tpath", *(f"n{k}\tn{k}.npz" for k in range(count))]
    (folder / "networks.tsv").write_text("\n".join(lines) + "\n")
    config = read_config_file(ROOT / "config/config.yaml").content
    config["study"] |= {"datasets": [], "paper": False}
    config["source"] = {"sheet": str(folder / "networks.tsv"), "group": "group"}
    config["distance"] |= {"measures": ["landscape", "heat", "frobenius"]}
    return Study(config)


def test_one_more_network_makes_a_share_anew(tmp_path):
    """At 2,000 networks at most a fifth of what takes time, and of files fewer than two hundred."""
    digests = []
    for count in (2000, 2001):
        study = study_of(tmp_path, count)
        recipes = Recipes(study)
        digests.append({path: recipes.of(path).digest for path in study.results()})
    before, after = digests
    assert len(after) < 250
    by_stage = pd.DataFrame(
        {
            "stage": [path.split("/")[1] for path in after],
            "is_block": [path.count("-") > 0 for path in after],
            "changed": [before.get(path) != digest for path, digest in after.items()],
        }
    )
    bundles = by_stage[by_stage["stage"].isin(["network", "diagram", "vector"])]
    assert 0 < bundles["changed"].mean() <= 0.2
    blocks = by_stage[by_stage["is_block"]]
    assert len(blocks) > 100
    assert 0 < blocks["changed"].mean() <= 0.2
