"""Which members stand in one file, and such a file."""

import hashlib
import itertools
import random

import numpy as np
import pytest

from netkin import storage
from netkin.activation.compute import compute_activations
from netkin.activation.read import read_activation
from netkin.adopt import adopt
from netkin.bundle import MOST_MEMBERS, MOST_SECONDS, SECONDS_OF_EDGE, WHOLE, bundles_of
from netkin.diagram.compute import compute_diagrams
from netkin.diagram.diagram import read_diagram
from netkin.distance.compute import compute_block, compute_distances
from netkin.distance.file import read_block, read_distances
from netkin.errors import NetkinError
from netkin.member import Member, Size
from netkin.network.file import read_network
from netkin.network.imported import import_networks, stamps_of
from netkin.prediction.compute import compute_predictions
from netkin.prediction.prediction import read_prediction
from netkin.storage import BEFORE, BUNDLES, address, read_ids
from netkin.structure import ID
from netkin.vector.compute import vectorise_diagrams
from netkin.vector.vector import read_vector
from tests.conftest import ROOT
from tests.stress.files import plain
from tests.test_adopt import OLDER, recipes
from tests.test_estimate import study

SECOND = round(1 / SECONDS_OF_EDGE)
"""Edges that take a stage a second."""


# --- which members are in one bundle ----------------------------------------------------------


def member(id, edges=1000):
    return Member(id=id, name=id, replicate="seed_0", size=Size(parameters=edges))


def members(n, edges=1000):
    return [member(f"digits/width_{width}/seed_0", edges) for width in range(n)]


def seconds(found):
    return SECONDS_OF_EDGE * sum(one.size.edges for one in found)


def fit(found):
    """Tell whether these may be in one bundle."""
    found = list(found)
    few = len(found) <= MOST_MEMBERS and seconds(found) <= MOST_SECONDS
    return few or len(found) == 1


def digest(one):
    """Return the SHA-256 of an id as bits."""
    return "".join(f"{byte:08b}" for byte in hashlib.sha256(one.id.encode()).digest())


def bits_of(id, folder="f"):
    """Return what the digests of a bundle's members begin with."""
    assert id.startswith(f"{folder}/")
    return id.removeprefix(f"{folder}/").removesuffix(WHOLE)


def mixed(n, seed=0):
    """Return members of very different sizes, some of which are too dear for company."""
    rng = random.Random(seed)
    kinds = [10, 1000, SECOND // 10, 3 * SECOND, 20 * SECOND, 31 * SECOND]
    return [member(f"n/{seed}/{i}", rng.choice(kinds)) for i in range(n)]


CASES = {
    "one": members(1),
    "few": members(20),
    "as many as may be": members(MOST_MEMBERS),
    "one too many": members(MOST_MEMBERS + 1),
    "thousands": members(2000),
    "dear ones": members(40, 40 * SECOND),
    "seven seconds each": members(60, 7 * SECOND),
    "mixed": mixed(300),
}


@pytest.mark.parametrize("case", CASES)
def test_the_digests_alone_say_who_is_with_whom(case):
    found = bundles_of("f", CASES[case])
    together = [one for each in found for one in each.members]
    assert sorted(one.id for one in together) == sorted(one.id for one in CASES[case])
    assert len({each.id for each in found}) == len(found)
    for each in found:
        assert each.members
        assert fit(each.members)
        assert list(each.members) == sorted(each.members, key=lambda one: one.id)
        bits = bits_of(each.id)
        with_bits = [one for one in CASES[case] if digest(one).startswith(bits)]
        assert sorted(with_bits, key=lambda one: one.id) == list(each.members)
        # and with one bit less there would be too many
        if bits:
            assert not fit(one for one in CASES[case] if digest(one).startswith(bits[:-1]))


def test_as_many_as_may_be_are_one_bundle_and_one_more_splits_it():
    most = members(MOST_MEMBERS)
    (whole,) = bundles_of("digits/seed_0", most)
    assert whole.id == "digits/seed_0/all"
    assert len(whole.members) == 256
    halves = bundles_of("digits/seed_0", [*most, member("one/more")])
    assert [half.id for half in halves] == ["digits/seed_0/0", "digits/seed_0/1"]


def test_thirty_seconds_are_one_bundle_and_more_are_not():
    assert MOST_SECONDS == 30
    most = int(MOST_SECONDS / SECONDS_OF_EDGE)
    three = [*members(2, most // 3), member("the/rest", most - 2 * (most // 3))]
    assert seconds(three) == pytest.approx(30)
    assert len(bundles_of("f", three)) == 1
    assert len(bundles_of("f", [*three, member("one/more", SECOND)])) > 1


def test_a_dear_member_is_alone():
    dear = [member(f"dear/{number}", 31 * SECOND) for number in range(3)]
    found = bundles_of("f", [*members(200), *dear])
    with_dear = [each.members for each in found if any(one in dear for one in each.members)]
    assert len(with_dear) == 3
    assert all(len(each) == 1 for each in with_dear)
    # and one that is the only member needs no split
    assert [each.id for each in bundles_of("f", dear[:1])] == ["f/all"]


def test_thousands_of_small_members_make_few_files():
    assert 2000 / MOST_MEMBERS <= len(bundles_of("f", members(2000))) <= 20


@pytest.mark.parametrize("case", CASES)
def test_no_order_matters(case):
    found = bundles_of("f", CASES[case])
    shuffled = random.Random(0).sample(CASES[case], len(CASES[case]))
    assert bundles_of("f", shuffled) == found
    assert bundles_of("f", reversed(CASES[case])) == found
    assert bundles_of("f", iter(CASES[case])) == found


def differences(before, after):
    """Return the bundles of each that are not in the other as they are."""
    first, second = ({each.id: each.members for each in found} for found in (before, after))
    return [
        {id: found for id, found in one.items() if other.get(id) != found}
        for one, other in ((first, second), (second, first))
    ]


def check_one_more(before, after, one):
    """Check that one member was put into one bundle, or split it; return what happened."""
    gone, new = differences(before, after)
    assert len(gone) <= 1
    old = [*itertools.chain(*gone.values())]
    assert sorted(m.id for m in itertools.chain(*new.values())) == sorted(
        [one.id, *(m.id for m in old)]
    )
    if not gone:  # into a half of the trie that was empty
        assert [*new.values()] == [(one,)]
        return "new"
    bits = bits_of(next(iter(gone)))
    assert all(bits_of(id).startswith(bits) for id in new)
    if len(new) == 1:
        assert new.keys() == gone.keys()
        return "changed"
    return "split"


@pytest.mark.parametrize(
    ("many", "expected"),
    [
        (members(700), {"changed", "split"}),
        (members(80, 7 * SECOND), {"changed", "split", "new"}),
        (mixed(200, seed=1), {"changed", "split", "new"}),
        (mixed(200, seed=2), {"changed", "split", "new"}),
    ],
    ids=["small ones", "seven seconds each", "mixed", "others mixed"],
)
def test_one_more_member_changes_one_bundle_or_splits_it(many, expected):
    many = random.Random(3).sample(many, len(many))
    before, happened = bundles_of("f", many[:1]), set()
    for n in range(1, len(many)):
        after = bundles_of("f", many[: n + 1])
        happened.add(check_one_more(before, after, many[n]))
        before = after
    assert happened == expected


def test_one_more_member_of_thousands_leaves_the_others_where_they_are():
    many = members(2000)
    before = bundles_of("f", many)
    for number in range(20):
        one = member(f"digits/layers_{number}/seed_0")
        check_one_more(before, bundles_of("f", [*many, one]), one)
    # and one less
    for one in many[::100]:
        check_one_more(bundles_of("f", [m for m in many if m != one]), before, one)


def test_what_is_known_of_a_member_besides_its_id_and_size_moves_nothing():
    many = members(600)
    other = [
        Member(one.id, "x", "seed_0", one.size, "mnist", "y", {"trained": False}) for one in many
    ]
    ids = [
        [(each.id, [one.id for one in each.members]) for each in bundles_of("f", m)]
        for m in (many, other)
    ]
    assert ids[0] == ids[1]


STUDIES = {
    "default": {},
    "untrained": {"study": {"datasets": ["digits", "fashion_mnist"], "untrained": True}},
    "many": {
        "study": {"seeds": 3},
        "network": {
            "variants": {"width": [*range(1, 300)], "layers": [2], "input_order": 1},
        },
    },
    "large": {"network": {"width": 4000}},
}


@pytest.mark.parametrize("name", STUDIES)
def test_the_ids_of_a_study_are_parts_of_paths(name):
    found = study(**STUDIES[name])
    for id in (*found.members, *found.bundles):
        assert ID.fullmatch(id), id
        assert not {".", ".."} & set(id.split("/"))
    for ids in (found.members, found.bundles):
        # one is neither another, where capitals are not told from others, nor the folder of one
        assert len({id.lower() for id in ids}) == len(ids)
        folders = {id.rpartition("/")[0] for id in ids}
        assert not folders & set(ids)


@pytest.mark.parametrize("name", STUDIES)
def test_every_member_of_a_study_is_in_the_bundle_that_its_files_name(name):
    found = study(**STUDIES[name])
    places = {
        one.id: address(f"results/diagram/{each.id}.h5", one.id)
        for each in found.bundles.values()
        for one in each.members
    }
    assert sum(len(each.members) for each in found.bundles.values()) == len(found.members)
    assert places == {id: found.file_of("diagram", one) for id, one in found.members.items()}
    for id, each in found.bundles.items():
        assert each.id == id
        assert fit(each.members)
        # one data set is read for all of them, and a replicate more moves nothing
        assert {(one.probe, one.replicate) for one in each.members} == {tuple(id.split("/")[:2])}
    if name == "many":
        assert len(found.bundles) > len(found.replicates)


def test_another_variant_moves_no_other_bundle_of_a_study():
    before = study()
    widths = [*before.config.network.variants.width, 77]
    variants = before.config.network.variants.model_dump() | {"width": widths}
    after = study(network={"variants": variants})
    gone, new = differences(before.bundles.values(), after.bundles.values())
    assert gone.keys() == new.keys() == {f"digits/{seed}/all" for seed in before.replicates}
    more = study(study={"seeds": 3})
    gone, new = differences(before.bundles.values(), more.bundles.values())
    assert not gone
    assert all(id.startswith("digits/seed_2/") for id in new)


# --- a file of several members ------------------------------------------------------------------

IDS = [
    "digits/width_8/seed_0",
    "digits/labels_2/seed_0",
    "digits/untrained/width_8/seed_0",
    "digits/untrained/labels_2/seed_0",
]
MEASURES = ["cka", "orthogonal_procrustes"]
OF_BLOCKS = ["neural_persistence", "weight_matching"]
READERS = {
    "networks": read_network,
    "diagram": read_diagram,
    "vector": read_vector,
    "activation": read_activation,
    "prediction": read_prediction,
    "distance": read_distances,
    "distance_block": read_block,
}
"""Layout -> what reads a member of it."""
STAGES = sorted(BUNDLES)
OLD = ROOT / "tests" / "before"
"""Files of the layouts before."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The networks of `OLDER` and their data set, in a folder of results."""
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert not adopt(recipes(), OLDER).left
    return folder / "results"


def make(results, folder, ids):
    """Run all stages that make bundles for some networks; return the file of each layout."""
    folder.mkdir()
    files = {layout: str(folder / f"{layout}.h5") for layout in STAGES}
    paths = [str(results / f"network/{id}.h5") for id in ids]
    own = {"path": "x.h5", "wiring": ""}
    import_networks(
        file_paths=paths,
        networks={
            id: own | {"files": stamps_of(path)} for id, path in zip(ids, paths, strict=True)
        },
        networks_path=files["networks"],
    )
    rows, columns = paths[:2], paths[2:] or paths
    compute_block(
        groups=[{"measures": OF_BLOCKS, "input_paths": rows, "other_paths": columns}],
        networks=ids[:2],
        others=ids[2:] or ids,
        block_path=files["distance_block"],
        options={},
    )
    dataset = str(results / "dataset/digits.h5")
    trained_with = [
        {"input_order": None, "order_seed": 0, "n_labels": 2 if "labels_2" in id else None}
        for id in ids
    ]
    compute_diagrams(
        network_paths=paths,
        ids=ids,
        diagram_path=files["diagram"],
        bias_vertices="per_neuron",
        zeta=1e-6,
        engine="exact",
        max_dimension=3,
    )
    vectorise_diagrams(
        diagram_path=files["diagram"],
        vector_path=files["vector"],
        vector="heat",
        range=[0.0, 1.0],
        n_bins=20,
        options={"sigma": 0.1},
        policy=study().policy(),
    )
    compute_activations(
        network_paths=paths,
        ids=ids,
        dataset_path=dataset,
        activation_path=files["activation"],
        probe_rows=60,
        layers="all",
        trained_with=trained_with,
    )
    compute_predictions(
        network_paths=paths,
        ids=ids,
        dataset_path=dataset,
        prediction_path=files["prediction"],
        trained_with=trained_with,
    )
    compare(files["distance"], MEASURES, [address(files["activation"], id) for id in ids], ids)
    return files


def compare(path, measures, inputs, networks):
    compute_distances(
        measures=measures,
        input_paths=inputs,
        networks=networks,
        distance_path=str(path),
        options={},
        device="cpu",
    )


@pytest.fixture(scope="module")
def together(results, tmp_path_factory):
    """The bundle of each layout, of all networks."""
    return make(results, tmp_path_factory.mktemp("together") / "all", IDS)


@pytest.fixture(scope="module")
def alone(results, tmp_path_factory):
    """The same of each network alone."""
    folder = tmp_path_factory.mktemp("alone")
    return {id: make(results, folder / str(number), [id]) for number, id in enumerate(IDS)}


def members_of(stage):
    return {"distance": MEASURES, "distance_block": OF_BLOCKS}.get(stage, IDS)


def arrays_of(path, layout):
    """Return what a member, or a file of one, has of arrays and attributes, as it is stored."""
    found = {}
    with storage.open_layout(path, layout) as group:
        found |= dict(group.attrs)
        group.visititems(lambda name, item: found.update({f"{name} of": dict(item.attrs)}))
        for name in [name.removesuffix(" of") for name in found if name.endswith(" of")]:
            if hasattr(group[name], "dtype"):
                found[name] = group[name][()]
    return found


def test_every_layout_of_bundles_is_tried_here():
    assert set(STAGES) == set(READERS) >= set(BEFORE)


@pytest.mark.parametrize("stage", STAGES)
def test_a_bundle_names_its_members_in_their_order(together, stage):
    assert read_ids(together[stage], stage) == members_of(stage)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if members_of(stage) == IDS])
def test_a_member_is_what_it_is_alone(together, alone, stage):
    for id in IDS:
        assert read_ids(alone[id][stage], stage) == [id]
        # of one member the file itself says enough
        of_one = plain(READERS[stage](alone[id][stage]))
        assert plain(READERS[stage](address(alone[id][stage], id))) == of_one
        assert plain(READERS[stage](address(together[stage], id))) == of_one


def test_members_of_a_bundle_are_compared_like_files(together, alone, tmp_path):
    compare(tmp_path / "of_files.h5", MEASURES, [alone[id]["activation"] for id in IDS], IDS)
    for measure in MEASURES:
        found, files = (
            read_distances(address(path, measure))
            for path in (together["distance"], tmp_path / "of_files.h5")
        )
        assert found.measure == files.measure == measure
        assert found.networks == tuple(IDS)
        np.testing.assert_array_equal(found.matrix, files.matrix)
        assert found.matrix[0, 1] > 0
    # from one file, whichever of its members were compared
    origin = storage.read_origin(together["activation"])
    assert storage.read_origin(together["distance"]).ancestors == {
        *origin.ancestors,
        (origin.recipe, origin.content),
    }
    made = storage.read_attributes(together["distance"])["recipe"]
    parameters = storage.read_parameters(together["distance"])
    assert made == storage.recipe("distance", "", parameters, [origin.recipe])


@pytest.mark.parametrize("stage", STAGES)
def test_an_unknown_member_is_one_sentence(together, stage):
    id = members_of(stage)[0]
    for wrong, says in (
        (f"{id}0", f"it has no member '{id}0'. Did you mean '{id}'? Allowed: {id}, "),
        (id.rpartition("/")[0] or "cka/x", "it has no member '"),
        ("../ids", "it has no member '../ids'. "),
        ("/ids", "it has no member '/ids'. "),
        ("network", "it has no member 'network'. "),
    ):
        with pytest.raises(NetkinError) as caught:
            READERS[stage](address(together[stage], wrong))
        assert str(caught.value).startswith(f"{together[stage]}: {says}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stage", STAGES)
def test_of_several_members_one_must_be_named(together, stage):
    ids = members_of(stage)
    with pytest.raises(NetkinError) as caught:
        READERS[stage](together[stage])
    path = together[stage]
    assert str(caught.value) == (
        f"{path}: it holds {len(ids)} members, name one: {path}::{ids[0]} (or another of "
        f"{', '.join(ids)})."
    )


def test_a_bundle_of_another_stage_and_a_missing_one_are_named_as_files(together, tmp_path):
    for path, says in (
        (together["vector"], "expected a file with layout 'diagram/"),
        (tmp_path / "none.h5", "no such file"),
    ):
        with pytest.raises(NetkinError) as caught:
            read_diagram(address(path, IDS[0]))
        assert str(caught.value).startswith(f"{path}: {says}")


@pytest.mark.parametrize("stage", sorted(BEFORE))
def test_the_layout_before_is_read_as_one(together, stage, tmp_path):
    """Files of the commit before bundles hold what the same networks give today."""
    path, one = OLD / f"{stage}.h5", address(together[stage], IDS[0])
    if stage == "distance":
        one = str(tmp_path / "heat.h5")
        compare(one, ["heat"], [address(together["vector"], id) for id in IDS], IDS)
    assert storage.read_attributes(path)["layout"] == BEFORE[stage] != storage.LAYOUTS[stage]
    assert read_ids(path, stage) == [storage.ONE]
    assert plain(READERS[stage](path)) == plain(READERS[stage](address(path, storage.ONE)))
    before, now = arrays_of(path, stage), arrays_of(one, stage)
    assert now.keys() - {"theorem"} <= before.keys()
    for name, values in now.items():
        if name in ("seconds", "peak_mib", "theorem"):
            continue
        if getattr(values, "dtype", np.dtype("O")).kind == "f":
            np.testing.assert_allclose(before[name], values, rtol=1e-5, atol=1e-7, err_msg=name)
        else:
            assert np.array_equal(before[name], values), name
    with pytest.raises(NetkinError, match=f"{stage}.h5: it holds one .*, and none is called 'x/y'"):
        READERS[stage](address(path, "x/y"))


def test_files_of_the_layout_before_are_compared_beside_members(together, tmp_path):
    inputs = [str(OLD / "activation.h5"), address(together["activation"], IDS[2])]
    compare(tmp_path / "a.h5", ["cka"], inputs, [IDS[0], IDS[2]])
    found = read_distances(tmp_path / "a.h5").matrix
    expected = read_distances(address(together["distance"], "cka")).matrix[::2, ::2]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
