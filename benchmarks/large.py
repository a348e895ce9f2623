"""Diagrams of networks that memory does not hold: dense float32, and a transformer of 16 bits.

    python benchmarks/large.py [dense | halves] [--parameters N ...] [--folder F] [--checkout C]

Both with 1e8 parameters unless said. ``dense`` writes random weights into a temporary folder (4 GB
for 1e9) and prints the time for each edge from that file to a diagram file, its size and the
memory, beside numpy that reads and sorts them all; with a checkout of commit 3379e22 also the time
of its `vectorise_layers`, which had no diagram of that size. ``halves`` writes a transformer in
bfloat16 in four files and prints the time for each parameter beyond a sum of all bytes. Every
figure is of a process of its own; one thread.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import common
import numpy as np
from checkpoints import put_safetensors

DENSE = (25_000, 22_000, 20_000, 500)
"""Units of the layers that have 1e9 weights."""
EACH = 0.01
"""Seconds from one look at the memory to the next."""


def layers_of(parameters: int) -> list[int]:
    """Return units of layers that have about so many weights."""
    return [max(1, round(n * (parameters / 1e9) ** 0.5)) for n in DENSE]


def write_dense(path: Path, sizes: list[int]) -> None:
    """Write a network of normal weights of He's variance."""
    rng = np.random.default_rng(0)
    shapes = {
        f"{layer}.weight": (n_out, n_in)
        for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes))
    }

    def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.float32(np.sqrt(2 / shape[1])) * rng.standard_normal(shape, dtype=np.float32)

    put_safetensors(path, shapes, "F32", numbers)


def llama(layers: int, width: int = 2048) -> tuple[dict, dict]:
    """Return config.json and the shapes of a model of the family of Llama."""
    hidden, pairs, vocabulary = 4 * width, width // 4, 8000
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": pairs // 64,
        "vocab_size": vocabulary,
        "max_position_embeddings": 2048,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
    }
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, width)}
    for layer in range(layers):
        name = f"model.layers.{layer}"
        shapes |= {
            f"{name}.input_layernorm.weight": (width,),
            f"{name}.self_attn.q_proj.weight": (width, width),
            f"{name}.self_attn.k_proj.weight": (pairs, width),
            f"{name}.self_attn.v_proj.weight": (pairs, width),
            f"{name}.self_attn.o_proj.weight": (width, width),
            f"{name}.post_attention_layernorm.weight": (width,),
            f"{name}.mlp.gate_proj.weight": (hidden, width),
            f"{name}.mlp.up_proj.weight": (hidden, width),
            f"{name}.mlp.down_proj.weight": (width, hidden),
        }
    shapes["model.norm.weight"] = (width,)
    shapes["lm_head.weight"] = (vocabulary, width)
    return config, shapes


def write_llama(folder: Path, parameters: int) -> None:
    """Write a model of about so many parameters in four shards, in bfloat16."""
    rng = np.random.default_rng(0)
    width = 1024 if parameters < 5e8 else 2048
    of_layer = 2.5 * width**2 + 12 * width**2
    config, shapes = llama(max(1, round((parameters - 16_000 * width) / of_layer)), width)

    def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
        drawn = rng.standard_normal(shape, dtype=np.float32)
        drawn = 1 + drawn / 10 if name.endswith("norm.weight") else 0.02 * drawn
        return (drawn.view(np.uint32) >> 16).astype(np.uint16)

    names = list(shapes)
    files = {}
    for shard in range(4):
        file = f"model-{shard + 1:05}-of-00004.safetensors"
        part = names[shard * len(names) // 4 : (shard + 1) * len(names) // 4]
        put_safetensors(folder / file, {name: shapes[name] for name in part}, "BF16", numbers)
        files |= dict.fromkeys(part, file)
    (folder / "config.json").write_text(json.dumps(config))
    index = {"metadata": {}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def anonymous_mib() -> float:
    """Return the memory of its own that this process has now, in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def timed(work) -> dict:
    """Return seconds by the wall and of the processor, the most memory, and what `work` returns."""
    most, ended = [anonymous_mib()], threading.Event()

    def watch() -> None:
        while not ended.wait(EACH):
            most.append(max(most.pop(), anonymous_mib()))

    watching = threading.Thread(target=watch)
    watching.start()
    started, of_processor = time.perf_counter(), time.process_time()
    try:
        found = work()
    finally:
        ended.set()
        watching.join()
    return {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - of_processor,
        "own_mib": most[0],
        "peak_mib": common.peak_mib(),
        "found": found,
    }


def dense(path: str) -> dict:
    """Time from a file of dense layers to a diagram file."""
    from netkin.diagram.diagram import write_diagram
    from netkin.diagram.network_file import network_file_diagram

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "diagram.h5"

        def work() -> int:
            diagram, engine = network_file_diagram(path, max_dimension=1)
            write_diagram(target, diagram, engine=engine)
            return target.stat().st_size

        return timed(work)


def sorting(path: str) -> dict:
    """Time numpy on a file of dense layers: reading all weights and sorting them."""

    def work() -> int:
        weights = np.fromfile(path, np.float32, offset=Path(path).stat().st_size % 4)
        weights.sort()
        return len(weights)

    return timed(work)


def former(checkout: str, path: str, parameters: str) -> dict:
    """Time the route of another checkout from a file of dense layers to three vectors."""
    sys.path[:0] = [f"{checkout}/src", f"{checkout}/benchmarks"]
    del sys.modules["common"]
    import scale

    scale.write_network(path, layers_of(int(parameters)), seed=0)
    try:
        return timed(lambda: scale.stream(path))
    finally:
        Path(path).unlink()


def halves(folder: str) -> dict:
    """Time a sum of all bytes of a sharded model, and its diagram."""
    from netkin.diagram.network import graph_diagram
    from netkin.network.format import open_model

    def all_bytes() -> int:
        total = 0
        for path in Path(folder).glob("*.safetensors"):
            with path.open("rb") as file:
                while part := file.read(1 << 23):
                    total += int(np.frombuffer(part, np.uint8).sum(dtype=np.uint64))
        return total

    def work() -> tuple[int, tuple[int, ...]]:
        with open_model(folder) as model:
            graph = model.graph()
            found = graph_diagram(graph, max_dimension=1)
            return graph.parameters, found.diagram.n_classes()

    return {"bytes": timed(all_bytes), **timed(work)}


ROUTES = {"dense": dense, "sorting": sorting, "former": former, "halves": halves}


def print_dense(folder: Path, parameters: int, checkout: str | None) -> None:
    """Print the figures of dense weights."""
    path = folder / "dense.safetensors"
    sizes = layers_of(parameters)
    write_dense(path, sizes)
    n_edges = sum(a * b for a, b in itertools.pairwise(sizes))
    try:
        # the first loads what is compiled
        found = [common.in_own_process(__file__, "--route", "dense", str(path)) for _ in "ab"][1]
        peer = common.in_own_process(__file__, "--route", "sorting", str(path))
    finally:
        path.unlink()
    rows = [
        ("netkin, to a diagram", found, f"{found['found'] / 1e6:.1f} MB"),
        ("numpy: read and sort", peer, "-"),
    ]
    if checkout:
        h5 = str(folder / "dense.h5")
        found = common.in_own_process(__file__, "--route", "former", checkout, h5, str(parameters))
        rows.append(("3379e22, to three vectors", found, "-"))
    cells = [
        [
            name,
            f"{each['seconds'] / n_edges * 1e9:.1f} ns",
            f"{each['processor'] / n_edges * 1e9:.1f} ns",
            size,
            f"{each['own_mib']:.0f} MiB",
            f"{each['peak_mib']:.0f} MiB",
        ]
        for name, each, size in rows
    ]
    head = ["an edge", "of the processor", "diagram file", "own memory", "resident"]
    print(common.table([f"{n_edges:,} edges", *head], cells))
    print()


def print_halves(folder: Path, sizes: list[int]) -> None:
    """Print the figures of transformers in bfloat16."""
    cells = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as model:
            write_llama(Path(model), size)
            # the first loads what is compiled
            found = [common.in_own_process(__file__, "--route", "halves", model) for _ in "ab"][1]
        n = found["found"][0]
        beyond = {
            key: (found[key] - found["bytes"][key]) / n * 1e9 for key in ("seconds", "processor")
        }
        cells.append(
            [
                f"{n:,}",
                f"{found['seconds']:.2f} s",
                f"{found['bytes']['seconds']:.2f} s",
                f"{beyond['seconds']:.1f} ns",
                f"{beyond['processor']:.1f} ns",
                f"{found['own_mib']:.0f} MiB",
            ]
        )
    head = [
        "parameters",
        "diagram",
        "sum of bytes",
        "beyond, each",
        "of the processor",
        "own memory",
    ]
    print(common.table(head, cells))
    print()


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="*", default=["dense", "halves"])
    parser.add_argument("--parameters", nargs="+", type=float, default=[1e8])
    parser.add_argument("--folder", help="where the files are written")
    parser.add_argument("--checkout", help="of commit 3379e22")
    options = parser.parse_args()
    sizes = [int(n) for n in options.parameters]
    print(f"Machine: {common.machine()}\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if "dense" in options.table:
            for size in sizes:
                print_dense(Path(folder), size, options.checkout)
        if "halves" in options.table:
            print_halves(Path(folder), sizes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--route"]:
        print(json.dumps(ROUTES[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
