"""The snippets of docs/own_networks.md, run on small files; also from the wheel, by tests/wheel.py.

python tests/snippets.py PAGE FOLDER
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

ISOLATED = ["-I"] * sys.flags.isolated


def layers(seed, sizes):
    """Return weights and biases."""
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    return weights, [rng.normal(size=shape[0]).astype(np.float32) for shape in shapes]


def write_safetensors(path, tensors):
    """Write float32 arrays as safetensors, whose library netkin does not need."""
    header, place = {}, 0
    for name, array in tensors.items():
        ends = [place, place + array.nbytes]
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": ends}
        place = ends[1]
    text = json.dumps(header).encode()
    arrays = b"".join(np.ascontiguousarray(array).tobytes() for array in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + arrays)


def make_files(folder):
    """Write the files that the snippets name, and the results of a run of one measure."""
    from netkin.distance.compute import compute_distances
    from netkin.network.file import Network, write_network

    networks = []
    for seed, name in enumerate("abc"):
        weights, biases = layers(seed, [6, 5, 4, 3])
        tensors = {}
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            tensors |= {f"{k}.weight": weight, f"{k}.bias": bias}
        write_safetensors(folder / f"{name}.safetensors", tensors)
        networks.append(str(folder / f"{name}.h5"))
        write_network(networks[-1], Network(tuple(weights), tuple(biases)), parameters={})
    (enc, dec), _ = layers(3, [6, 4, 6])
    np.savez(folder / "c.npz", **{"enc.weight": enc, "dec.weight": dec})
    compute_distances(
        measures=["norm_1", "frobenius"],
        input_paths=networks,
        networks=list("abc"),
        distance_path=str(folder / "results" / "distance" / "digits" / "graph" / "seed_0.h5"),
        options={},
        reading={"bias_vertices": "per_neuron", "zeta": 1e-6},
    )


def blocks(page, language):
    """Return the code blocks of a page."""
    text = Path(page).read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


def commands(page):
    """Return the arguments of each command of a page."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("netkin ")]


def run_python(page):
    """Run the snippets, each by itself, in the working folder."""
    found = []
    for block in blocks(page, "python"):
        names = {}
        exec(block, names)
        found.append(names)
    return found


def main(page, folder):
    """Run all snippets in an empty folder, with the netkin that is installed."""
    import os

    page = Path(page).resolve()
    make_files(Path(folder))
    os.chdir(folder)
    assert len(run_python(page)) >= 5
    for arguments in commands(page):
        done = subprocess.run([sys.executable, *ISOLATED, "-m", "netkin", *arguments], text=True)
        # 1 where the networks differ in shape, so that some measures have no value
        assert done.returncode == ("c.npz" in " ".join(arguments)), arguments
    print("the snippets of", Path(page).name, "run")


if __name__ == "__main__":
    main(*sys.argv[1:])
