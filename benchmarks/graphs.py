"""The forest of graphs of known architectures, as a ratio to sorting their weights.

    python benchmarks/graphs.py [networks | vectors | dense | flagser ...]

Random weights of He's variance, one thread; prints Markdown tables, all unless said: of known
architectures, with one forward pass of torch beside; of the same and GPT-2 from a file to the
diagram and three vectors, in a process without torch; of dense layers; of small residual networks
whose listed graph flagser finishes. Other programs disturb seconds of the processor less than
those by the wall; the second table has both.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import common
import numpy as np

STARTED = time.perf_counter()


def initialised(module: Any) -> Any:
    """Give the weights of a torch module He's variance, and batch norms random statistics."""
    import torch

    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                torch.nn.init.normal_(part.bias, std=0.01)
        elif isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, std=0.1)
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 1.5)
    return module.eval()


class Walk:
    """Follows modules of torchvision."""

    def __init__(self) -> None:
        from netkin.graph.builder import Builder

        self.builder = Builder()
        self.number = 0

    def parameter(self, tensor: Any) -> Any:
        """Return a tensor as a parameter."""
        from netkin.graph.builder import Parameter

        self.number += 1
        return Parameter(tensor.detach().numpy(), (f"{self.number}",))

    def optional(self, tensor: Any) -> Any:
        """Return a tensor as a parameter, or None."""
        return None if tensor is None else self.parameter(tensor)

    def convolution(self, x: Any, layer: Any, norm: Any = None) -> Any:
        """Follow a convolution, and the batch norm behind it."""
        x = self.builder.convolution(
            x,
            self.parameter(layer.weight),
            self.optional(layer.bias),
            name=f"convolution {self.number}",
            stride=layer.stride,
            padding=[(p, p) for p in layer.padding],
            dilation=layer.dilation,
            groups=layer.groups,
        )
        if norm is None:
            return x
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * scale
        shape = (1, -1, 1, 1)
        return self.builder.affine(
            x,
            self.parameter(scale.reshape(shape)),
            self.parameter(shift.reshape(shape)),
            "norm",
            sole=True,
        )

    def relu(self, x: Any) -> Any:
        """Follow a ReLU."""
        return self.builder.activation(x, "relu", "relu")

    def dense(self, x: Any, weight: Any, bias: Any) -> Any:
        """Follow a fully connected layer."""
        name = f"dense {self.number}"
        return self.builder.linear(x, self.parameter(weight), self.parameter(bias), name=name)


def resnet(module: Any, side: int) -> Any:
    """Return the graph of a ResNet of torchvision for images of side x side."""
    walk = Walk()
    x = walk.builder.input("image", (1, 3, side, side))
    x = walk.relu(walk.convolution(x, module.conv1, module.bn1))
    x = walk.builder.pool(
        x,
        name="pool",
        kernel=(3, 3),
        stride=(2, 2),
        padding=((1, 1), (1, 1)),
        dilation=(1, 1),
        kind="max",
    )
    for stage in (module.layer1, module.layer2, module.layer3, module.layer4):
        for block in stage:
            skip = x
            if block.downsample is not None:
                skip = walk.convolution(x, block.downsample[0], block.downsample[1])
            x = walk.convolution(x, block.conv1, block.bn1)
            x = walk.convolution(walk.relu(x), block.conv2, block.bn2)
            if hasattr(block, "conv3"):
                x = walk.convolution(walk.relu(x), block.conv3, block.bn3)
            x = walk.relu(walk.builder.add([x, skip], "add"))
    x = walk.builder.units_of(walk.builder.mean(x, (2, 3), name="mean", keepdims=False), "mean")
    walk.dense(x, module.fc.weight, module.fc.bias)
    return walk.builder.finish()


def transformer(module: Any, side: int) -> Any:
    """Return the graph of a vision transformer of torchvision for images of side x side."""
    walk = Walk()
    x = walk.builder.input("image", (1, 3, side, side))
    x = walk.convolution(x, module.conv_proj)
    width = x.shape[1]
    x = walk.builder.moved(x, lambda array: array.reshape(1, width, -1).transpose(0, 2, 1))
    x = walk.builder.concatenate([walk.parameter(module.class_token), x], 1, "tokens")
    place = walk.parameter(module.encoder.pos_embedding)
    x = walk.builder.affine(x, None, place, "places", sole=True)
    for block in module.encoder.layers:
        attention = block.self_attention
        normed = norm(walk, x, block.ln_1)
        weights = attention.in_proj_weight.chunk(3)
        biases = attention.in_proj_bias.chunk(3)
        query, key, value = (
            heads(walk, walk.dense(normed, *each), attention.num_heads)
            for each in zip(weights, biases, strict=True)
        )
        key = walk.builder.moved(key, lambda array: np.swapaxes(array, -1, -2))
        out = walk.builder.attended(walk.builder.scores(query, key), value, "attention")
        out = walk.builder.moved(
            out, lambda array: array.transpose(0, 2, 1, 3).reshape(1, -1, width)
        )
        out = walk.dense(out, attention.out_proj.weight, attention.out_proj.bias)
        x = walk.builder.add([x, out], "add")
        hidden = walk.dense(norm(walk, x, block.ln_2), block.mlp[0].weight, block.mlp[0].bias)
        hidden = walk.builder.activation(hidden, "gelu", "gelu")
        x = walk.builder.add([x, walk.dense(hidden, block.mlp[3].weight, block.mlp[3].bias)], "add")
    x = walk.builder.moved(norm(walk, x, module.encoder.ln), lambda array: array[:, 0])
    walk.dense(x, module.heads.head.weight, module.heads.head.bias)
    return walk.builder.finish()


def norm(walk: Walk, x: Any, layer: Any) -> Any:
    """Follow a layer norm."""
    scale, shift = walk.parameter(layer.weight), walk.parameter(layer.bias)
    return walk.builder.normalised(x, scale, shift, "norm", centred=-1)


def heads(walk: Walk, x: Any, n: int) -> Any:
    """Take channels apart by heads."""
    return walk.builder.moved(
        x, lambda array: array.reshape(*array.shape[:2], n, -1).transpose(0, 2, 1, 3)
    )


def made(name: str) -> Any:
    """Return a module of torchvision and the graph of it."""
    from netkin.torchvision_compat import import_torchvision

    torchvision = import_torchvision()

    kind, _, side = name.partition("@")
    module = initialised(
        getattr(torchvision.models, kind)(image_size=int(side))
        if "vit" in kind
        else getattr(torchvision.models, kind)()
    )
    return module, (transformer if "vit" in kind else resnet)(module, int(side))


def route(name: str) -> dict:
    """Time the forest of a network and its diagram, sorting its weights, and a forward pass."""
    import torch

    from netkin.diagram.block_forest import block_forest
    from netkin.diagram.exact import exact_diagram
    from netkin.graph.reading import BlockEdges

    torch.set_num_threads(1)
    module, graph = made(name)
    forward = passed(module, int(name.partition("@")[2]))
    del module
    sort, n_weights = sorting(graph)
    edges = BlockEdges(graph)
    block_forest(edges)  # loads what is compiled
    return {
        "weights": n_weights,
        "vertices": edges.n_vertices,
        "edges": edges.n_edges,
        "forward": forward,
        "sort": sort,
        "reading": fastest(lambda: BlockEdges(graph)),
        "forest": fastest(lambda: block_forest(edges)),
        "diagram": fastest(lambda: exact_diagram(edges, max_dimension=3), 2),
    }


def dense_route(name: str) -> dict:
    """Time the forest of dense layers as blocks, and as `netkin.diagram.forest` has it."""
    from netkin.diagram.block_forest import block_forest
    from netkin.diagram.forest import minimum_spanning_forest
    from netkin.graph.blocks import dense_graph
    from netkin.graph.dense import DenseEdges
    from netkin.graph.reading import BlockEdges

    weights, biases = common.random_network([int(n) for n in name.split("-")])
    graph = dense_graph(weights, biases)
    edges, layers = BlockEdges(graph), DenseEdges(weights, biases)
    sort, n_weights = sorting(graph)
    block_forest(edges)
    return {
        "weights": n_weights,
        "sort": sort,
        "forest": fastest(lambda: block_forest(edges)),
        "numpy": fastest(
            lambda: minimum_spanning_forest(
                layers.blocks, layers.n_vertices, layers.n_edges, layers.sample()
            )
        ),
    }


def flagser_route(name: str) -> dict:
    """Time the diagram of a small residual network beside flagser on all its edges."""
    from netkin.diagram.exact import exact_diagram
    from netkin.diagram.flagser import flagser_diagram
    from netkin.graph.reading import BlockEdges

    channels, side = (int(n) for n in name.split("x"))
    edges = BlockEdges(small(channels, side), bias_vertices="none")
    exact_diagram(edges, max_dimension=1)
    return {
        "edges": edges.n_edges,
        "diagram": fastest(lambda: exact_diagram(edges, max_dimension=1)),
        "flagser": fastest(lambda: flagser_diagram(edges, max_dimension=1), 1),
    }


def vectors_route(name: str, folder: str) -> dict:
    """Time a network from its file to three vectors; beside it reading and sorting its weights."""
    from netkin.diagram.network import graph_diagram
    from netkin.diagram.policy import apply_policy
    from netkin.network.layers import open_network_graph
    from netkin.vector import VECTORISERS
    from netkin.vector.sampling import N_BINS, RANGE, Sampling

    def vectors() -> float:
        shape = "" if name.startswith("GPT") else "3x224x224"
        with open_network_graph(folder, "", shape) as graph:
            diagram = graph_diagram(graph, max_dimension=1).diagram
        taken = time.process_time()
        diagram = apply_policy(diagram)
        for kind in ("landscape", "silhouette", "heat"):
            VECTORISERS[kind].arrays(diagram, Sampling(*RANGE, N_BINS))
        return taken

    # of the process since it began, with all that it loads
    taken = vectors()
    found = {
        "diagram": taken,
        "vectors": time.process_time(),
        "wall": time.perf_counter() - STARTED,
        "peak_mib": common.peak_mib(),
    }
    assert "torch" not in sys.modules
    again = time.process_time()
    vectors()
    found["again"] = time.process_time() - again
    path = Path(folder) / "model.safetensors"
    started = time.process_time()
    weights = np.fromfile(path, np.float32, offset=path.stat().st_size % 4)
    found["read"] = time.process_time() - started
    found["sort"] = fastest(lambda: np.sort(weights), clock=time.process_time)
    found["sort_wall"] = fastest(lambda: np.sort(weights))
    return {**found, "weights": len(weights)}


def write_route(name: str, folder: str) -> dict:
    """Write the file of a network."""
    from checkpoints import write_checkpoint

    write_checkpoint(Path(folder), name)
    return {}


def small(channels: int, side: int) -> Any:
    """Return the graph of one residual block of two convolutions behind another one."""
    import torch

    walk = Walk()

    def layer(n_in: int) -> Any:
        return initialised(torch.nn.Conv2d(n_in, channels, 3, padding=1))

    x = walk.convolution(walk.builder.input("image", (1, 3, side, side)), layer(3))
    y = walk.convolution(walk.relu(x), layer(channels))
    y = walk.convolution(walk.relu(y), layer(channels))
    walk.builder.add([x, y], "add")
    return walk.builder.finish()


def passed(module: Any, side: int) -> float:
    """Return the seconds of a forward pass."""
    import torch

    image = torch.randn(1, 3, side, side)
    with torch.no_grad():
        return fastest(lambda: module(image))


def sorting(graph: Any) -> tuple[float, int]:
    """Return the seconds that sorting all weights takes, and how many they are."""
    weights = np.concatenate(
        [np.asarray(b.weight[0 : b.n_out]).ravel() for b in graph.blocks if b.kind == "weight"]
    )
    return fastest(lambda: np.sort(weights)), len(weights)


def fastest(
    work: Callable[[], Any], repeat: int = 3, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the fewest seconds of some calls."""
    seconds = []
    for _ in range(repeat):
        started = clock()
        work()
        seconds.append(clock() - started)
    return min(seconds)


ROUTES = {
    "network": route,
    "vectors": vectors_route,
    "write": write_route,
    "dense": dense_route,
    "flagser": flagser_route,
}
NETWORKS = ("resnet18@224", "resnet50@224", "vit_b_16@224")
FILES = ("ResNet-18", "ResNet-50", "ViT-B/16", "GPT-2 small")
DENSE = ("2500-2200-2000-10", "8000-7000-6200-10")
LISTED = ("16x16", "16x32")


def print_networks() -> None:
    """Print the forests of known architectures."""
    rows = []
    for name in NETWORKS:
        found = common.in_own_process(__file__, "--route", "network", name)
        rows.append(
            [
                name,
                f"{found['weights'] / 1e6:.1f} M",
                f"{found['edges'] / 1e9:.2f} G",
                f"{found['forward']:.2f} s",
                f"{found['sort']:.2f} s",
                *(
                    f"{found[what] / found['sort']:.2f}"
                    for what in ("reading", "forest", "diagram")
                ),
            ]
        )
    head = ["network", "weights", "edges", "forward pass", "sort", "reading", "forest", "diagram"]
    print(common.table(head, rows))


def print_vectors() -> None:
    """Print what files take to the diagram and to three vectors, in seconds of the processor."""
    rows = []
    for name in FILES:
        with tempfile.TemporaryDirectory() as folder:
            common.in_own_process(__file__, "--route", "write", name, folder)
            # the first compiles what was never run on this machine
            found = [
                common.in_own_process(__file__, "--route", "vectors", name, folder) for _ in "ab"
            ][1]
        sort, read = found["sort"], found["read"]
        rows.append(
            [
                name,
                f"{found['weights'] / 1e6:.1f} M",
                f"{read:.2f} s",
                f"{sort:.2f} s",
                f"{found['diagram']:.2f} s",
                f"{found['vectors']:.2f} s",
                f"{found['again']:.2f} s",
                f"{found['diagram'] / (read + sort):.1f}",
                f"{found['vectors'] / sort:.1f}",
                f"{found['again'] / sort:.1f}",
                f"{found['wall'] / found['sort_wall']:.1f}",
                f"{found['peak_mib']:.0f} MiB",
            ]
        )
    head = ["file", "weights", "numpy: read", "sort", "diagram", "three vectors", "again"]
    ratios = ["diagram / (read + sort)", "vectors / sort", "again / sort", "vectors / sort, wall"]
    print(common.table([*head, *ratios, "peak memory"], rows))


def print_dense() -> None:
    """Print the forests of dense layers."""
    rows = []
    for name in DENSE:
        found = common.in_own_process(__file__, "--route", "dense", name)
        each = (
            f"{found[what] / found['weights'] * 1e9:.2f}" for what in ("sort", "forest", "numpy")
        )
        rows.append([name, f"{found['weights'] / 1e6:.0f} M", *each])
    print(common.table(["layers", "weights", "sort, ns", "blocks, ns", "dense, ns"], rows))


def print_flagser() -> None:
    """Print the diagrams of small residual networks beside flagser."""
    rows = []
    for name in LISTED:
        found = common.in_own_process(__file__, "--route", "flagser", name)
        times = f"{found['diagram']:.3f} s", f"{found['flagser']:.1f} s"
        ratio = f"{found['flagser'] / found['diagram']:.0f}"
        rows.append([name, f"{found['edges']:,}", *times, ratio])
    print(common.table(["channels x side", "edges", "exact", "flagser", "ratio"], rows))


TABLES = {
    "networks": print_networks,
    "vectors": print_vectors,
    "dense": print_dense,
    "flagser": print_flagser,
}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="*", default=list(TABLES))
    print(common.machine())
    for name in parser.parse_args().table:
        print()
        TABLES[name]()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--route"]:
        print(json.dumps(ROUTES[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
