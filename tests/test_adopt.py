"""Networks of an older netkin are taken over, checked, and not trained again."""

import json
import shutil

import h5py
import numpy as np
import pytest
import yaml

from netkin import storage
from netkin.adopt import adopt
from netkin.errors import NetkinError
from netkin.network.file import read_network, read_training
from netkin.recipe import Recipes
from netkin.study import Study
from tests.altered import altered
from tests.conftest import ROOT, TINY

OLDER = ROOT / "tests" / "older"
"""Results of commit 3379e22."""
NETWORKS = [f"digits/{name}/seed_0" for name in ("width_8", "labels_2")]


@pytest.fixture
def older(tmp_path):
    """A copy of the older results that a test may change."""
    return shutil.copytree(OLDER, tmp_path / "older")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def recipes(**changes):
    """Return the recipes of the study that the older results are of, but for changes."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for name, section in {**TINY, **changes}.items():
        config[name] = {**config[name], **section}
    config["study"] |= {"variants": ["width_8", "labels_2"], "untrained": True}
    return Recipes(Study(config))


def test_networks_are_taken_bit_for_bit_with_their_history(older):
    result = adopt(recipes(), older)
    assert not result.left
    assert len(result.taken) == 5
    for name in [*NETWORKS, "digits/untrained/width_8/seed_0"]:
        path = f"results/network/{name}.h5"
        network = read_network(path)
        with h5py.File(OLDER / f"network/{name.replace('/untrained', '_untrained')}.h5") as file:
            for k, weight in enumerate(network.weights):
                np.testing.assert_array_equal(weight, file[f"layers/{k}/weight"])
                np.testing.assert_array_equal(network.biases[k], file[f"layers/{k}/bias"])
            for key, values in read_training(path).history.items():
                np.testing.assert_array_equal(values, file[f"history/{key}"])
            assert network.test_accuracy == file.attrs["test_accuracy"]
        assert storage.read_parameters(path)["adopted"]["layout"] == "network/1"
        assert storage.read_origin(path).recipe == recipes().of(path).digest


def test_what_is_there_already_is_left_as_it_is(older):
    adopt(recipes(), older)
    again = adopt(recipes(), older)
    assert not again.taken
    assert not again.left
    assert len(again.there) == 5


def test_a_lost_network_is_taken_beside_a_data_set_that_is_there(older, tmp_path):
    adopt(recipes(), older)
    lost = tmp_path / "here/results/network/digits/width_8/seed_0.h5"
    lost.unlink()
    assert list(adopt(recipes(), older).taken) == ["results/network/digits/width_8/seed_0.h5"]
    assert lost.is_file()


def test_what_was_made_otherwise_is_left_and_told(older):
    other = {"digits": {**TINY["dataset"]["digits"], "epochs": 7}}
    result = adopt(recipes(dataset=other), older)
    said = result.left["results/network/digits/width_8/seed_0.h5"]
    assert "epochs was 1, now 7" in said
    # untrained ones know no epochs
    assert "results/network/digits/untrained/width_8/seed_0.h5" in result.taken


def test_a_changed_weight_is_damage(older):
    with h5py.File(older / "network/digits/width_8/seed_0.h5", "r+") as file:
        file["layers/0/weight"][0, 0] += 1
    result = adopt(recipes(), older)
    assert "damaged" in result.left["results/network/digits/width_8/seed_0.h5"]
    assert len(result.left) == 1


def test_a_truncated_file_is_damage(older):
    path = older / "network/digits/labels_2/seed_0.h5"
    path.write_bytes(path.read_bytes()[:5000])
    said = adopt(recipes(), older).left["results/network/digits/labels_2/seed_0.h5"]
    assert "damaged" in said


def test_networks_without_their_data_set_are_left(older):
    (older / "dataset/digits.h5").unlink()
    result = adopt(recipes(), older)
    assert not result.taken
    assert "was not taken" in result.left["results/network/digits/width_8/seed_0.h5"]


def test_a_network_of_another_data_set_is_left(older):
    adopt(recipes(), older)
    path = older / "dataset/digits.h5"
    # another data set in the place of the one it was trained on
    config = {"digits": {**TINY["dataset"]["digits"], "split_seed": 3}}
    result = adopt(recipes(dataset=config), older)
    assert path.is_file()
    assert "split_seed was 0, now 3" in result.left["results/dataset/digits.h5"]
    assert "was not taken" in result.left["results/network/digits/width_8/seed_0.h5"]


def test_results_of_the_layout_of_today_are_taken_too(older, tmp_path):
    adopt(recipes(), older)
    # as after an edit of the training: nothing of it is as today's code makes it
    for path in tmp_path.glob("here/results/network/**/*.h5"):
        with altered(path) as file:
            file.attrs["code"] = "0" * 16
            file.attrs["recipe"] = "1" * 16
            said = json.loads(file.attrs["parameters"])
            with h5py.File("results/dataset/digits.h5") as dataset:
                contents = [dataset.attrs["content"]]
            file.attrs["lineage"] = storage.lineage("0" * 16, said, contents)
    result = adopt(recipes(), tmp_path / "here/results")
    assert not result.left
    assert len(result.taken) == 4


def test_results_are_taken_over_where_they_lie(older, tmp_path):
    here = shutil.copytree(older, tmp_path / "here/results")
    result = adopt(recipes(), here)
    assert not result.left
    assert len(result.taken) == 5
    # and again: a second call finds all as it is to be
    assert len(adopt(recipes(), here).there) == 5
    # one lost is there in the older place alone, beside a data set that was taken over
    (here / "network/digits/width_8/seed_0.h5").unlink()
    assert list(adopt(recipes(), older).taken) == ["results/network/digits/width_8/seed_0.h5"]


@pytest.mark.parametrize("how", ["external", "virtual", "link", "unknown"])
def test_what_netkin_cannot_have_written_is_not_taken(older, how):
    path = older / "network/digits/width_8/seed_0.h5"
    with h5py.File(path, "r+") as file:
        shape = file["layers/0/bias"].shape
        if how == "unknown":
            file["more"] = np.zeros(3)
        else:
            del file["layers/0/bias"]
        if how == "external":
            where = [("/dev/zero", 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("layers/0/bias", shape, np.float32, external=where)
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape, np.float32)
            layout[...] = h5py.VirtualSource("/dev/zero", "x", shape)
            file.create_virtual_dataset("layers/0/bias", layout)
        elif how == "link":
            file["layers/0/bias"] = h5py.ExternalLink("/dev/zero", "/x")
    said = adopt(recipes(), older).left["results/network/digits/width_8/seed_0.h5"]
    assert ("/more is an entry" if how == "unknown" else "/layers/0/bias is") in said
    assert "Delete" not in said


def test_a_folder_without_networks_is_refused(tmp_path):
    with pytest.raises(NetkinError, match="name a results folder"):
        adopt(recipes(), tmp_path)


def test_an_older_file_is_met_with_the_command():
    with pytest.raises(NetkinError, match="make adopt FROM=FOLDER"):
        read_network(OLDER / "network/digits/width_8/seed_0.h5")


@pytest.mark.workflow
def test_the_command_takes_them_and_the_run_trains_nothing(fresh):
    fresh.set("study.variants", ["width_8", "labels_2"])
    fresh.set("study.untrained", True)
    done = fresh.ask("adopt", str(OLDER))
    assert done.returncode == 0, done.stderr
    assert "5 taken over, 0 were there already, 0 left." in done.stdout
    planned = fresh.planned()
    assert not {"train_network", "prepare_dataset"} & set(planned)
    assert planned["compute_diagrams"] == 2
    assert "name the folder" in fresh.ask("adopt").stderr
