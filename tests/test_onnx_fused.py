"""What one node of ONNX does is the graph of the many nodes that do the same."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from netkin.diagram.network import graph_diagram
from netkin.network.format import open_model
from netkin.network.format.input_shape import InputShape

pytestmark = pytest.mark.budget("onnx")

RNG = np.random.default_rng(0)
NUMBERS = {
    name: RNG.normal(size=shape).astype(np.float32)
    for name, shape in {
        **dict.fromkeys(("wq", "wk", "wv", "wo"), (8, 8)),
        **dict.fromkeys(("bq", "bk", "bv", "bo", "g", "be"), 8),
        **dict.fromkeys(("few_k", "few_v"), (8, 4)),
        "conv": (3, 4, 2, 2),
        **dict.fromkeys(("g4", "b4"), 4),
    }.items()
} | {
    "heads": np.array([1, 5, 2, 4]),
    "one_head": np.array([1, 5, 1, 4]),
    "flat": np.array([1, 5, 8]),
    "groups": np.array([1, 2, -1]),
    "image": np.array([1, 4, 3, 3]),
    "wide": np.array([4, 1, 1]),
    "last": np.array([-1]),
    "thirds": np.array([8, 8, 8]),
    "twice": np.array([1, 1, 2, 1]),
    "half": np.float32(0.5),
    "eps": np.float32(1e-5),
    "ones2": np.ones(2, np.float32),
    "zeros2": np.zeros(2, np.float32),
    "qw": RNG.integers(-9, 9, (8, 8)).astype(np.int8),
    "qconv": RNG.integers(-9, 9, (3, 4, 2, 2)).astype(np.int8),
    "qbias": RNG.integers(-90, 90, 3).astype(np.int32),
    "sx": np.float32(0.05),
    "sw": np.float32(0.1),
    "sy": np.float32(0.2),
    "sb": np.float32(0.05) * np.float32(0.1),
    "each": np.array([0.1, 0.2, 0.3], np.float32),
    "zx": np.int8(2),
    "zw": np.int8(3),
    "z32": np.int32(0),
    "z3": np.zeros(3, np.int8),
}
NUMBERS |= {
    "w": np.concatenate([NUMBERS["wq"], NUMBERS["wk"], NUMBERS["wv"]], axis=1),
    "b": np.concatenate([NUMBERS["bq"], NUMBERS["bk"], NUMBERS["bv"]]),
}
MICROSOFT, OWN = "com.microsoft", "own.functions"
PROJECTED = "q = MatMul (x, wq) k = MatMul (x, wk) v = MatMul (x, wv)"
GROUPED = "q = MatMul (x, wq) k = MatMul (x, few_k) v = MatMul (x, few_v)"
PACKED = "p = MatMul (x, w) pb = Add (p, b) q, k, v = Split <axis = -1> (pb, thirds)"
BIASED = """
q0 = MatMul (x, wq) q = Add (q0, bq) k0 = MatMul (x, wk) k = Add (k0, bk)
v0 = MatMul (x, wv) v = Add (v0, bv)
"""
IN_HEADS = "qr = Reshape (q, heads) kr = Reshape (k, heads) vr = Reshape (v, heads)"
MIXED = """
qt = Transpose <perm = [0, 2, 1, 3]> (qr) kt = Transpose <perm = [0, 2, 3, 1]> (kr)
vt = Transpose <perm = [0, 2, 1, 3]> (vr)
s = MatMul (qt, kt) sh = Mul (s, half) c = Softmax <axis = -1> (sh) m = MatMul (c, vt)
mt = Transpose <perm = [0, 2, 1, 3]> (m) a = Reshape (mt, flat) y = MatMul (a, wo)
"""
ATTENDED = IN_HEADS + MIXED
ROOT = """
t2 = Mul (t, t) m = ReduceMean <keepdims = 1> (t2, last) me = Add (m, eps) r = Sqrt (me)
n = Div (t, r) a = Mul (n, g) y = MatMul (a, wo)
"""
NORMED = "n = LayerNormalization (t, g, be) u = MatMul (n, wk) a = Add (u, t) y = MatMul (a, wo)"
FORMS = {
    "attention": (
        PROJECTED
        + "a = Attention <q_num_heads = 2, kv_num_heads = 2> (q, k, v) y = MatMul (a, wo)",
        PROJECTED + ATTENDED,
    ),
    "attention in heads": (
        PROJECTED
        + IN_HEADS
        + """
        qt = Transpose <perm = [0, 2, 1, 3]> (qr) kt = Transpose <perm = [0, 2, 1, 3]> (kr)
        vt = Transpose <perm = [0, 2, 1, 3]> (vr) m = Attention (qt, kt, vt)
        mt = Transpose <perm = [0, 2, 1, 3]> (m) a = Reshape (mt, flat) y = MatMul (a, wo)
        """,
        PROJECTED + ATTENDED,
    ),
    "grouped attention": (
        GROUPED + "a = Attention <q_num_heads = 2, kv_num_heads = 1> (q, k, v) y = MatMul (a, wo)",
        GROUPED
        + """
        qr = Reshape (q, heads) k1 = Reshape (k, one_head) v1 = Reshape (v, one_head)
        kr = Tile (k1, twice) vr = Tile (v1, twice)
        """
        + MIXED,
    ),
    "packed attention": (
        "a = com.microsoft.Attention <num_heads = 2> (x, w, b) y = MatMul (a, wo)",
        PACKED + ATTENDED,
    ),
    "attention of onnxruntime": (
        PROJECTED
        + "a = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v, b) y = MatMul (a, wo)",
        BIASED + ATTENDED,
    ),
    "attention by einsum": (
        PROJECTED
        + IN_HEADS
        + """
        s = Einsum <equation = "bihd,bjhd->bhij"> (qr, kr) sh = Mul (s, half)
        c = Softmax <axis = -1> (sh) m = Einsum <equation = "bhij,bjhd->bihd"> (c, vr)
        a = Reshape (m, flat) y = MatMul (a, wo)
        """,
        PROJECTED + ATTENDED,
    ),
    "attention by einsum, scores last": (
        PROJECTED
        + IN_HEADS
        + """
        s = Einsum <equation = "bjhd,bihd->bhij"> (kr, qr) sh = Mul (s, half)
        c = Softmax <axis = -1> (sh) m = Einsum <equation = "bjhd,bhij->bihd"> (vr, c)
        a = Reshape (m, flat) y = MatMul (a, wo)
        """,
        PROJECTED + ATTENDED,
    ),
    "norm of a sum": (
        """
        h = MatMul (x, wq) n, i1, i2, t = com.microsoft.SkipLayerNormalization (x, h, g, be, bo)
        u = MatMul (n, wk) a = Add (u, t) y = MatMul (a, wo)
        """,
        "h = MatMul (x, wq) s = Add (x, h) t = Add (s, bo)" + NORMED,
    ),
    "root mean square of a sum": (
        """
        h = MatMul (x, wq) a = com.microsoft.SkipSimplifiedLayerNormalization (x, h, g)
        y = MatMul (a, wo)
        """,
        "h = MatMul (x, wq) t = Add (x, h)" + ROOT,
    ),
    "root mean square of onnxruntime": (
        "t = MatMul (x, wq) a = SimplifiedLayerNormalization <axis = -1> (t, g) y = MatMul (a, wo)",
        "t = MatMul (x, wq)" + ROOT,
    ),
    "root mean square": (
        "t = MatMul (x, wq) a = RMSNormalization (t, g) y = MatMul (a, wo)",
        "t = MatMul (x, wq)" + ROOT,
    ),
    "biased function": (
        "h = MatMul (x, wq) a = com.microsoft.BiasGelu (h, bq) y = MatMul (a, wo)",
        "h = MatMul (x, wq) hb = Add (h, bq) a = Gelu (hb) y = MatMul (a, wo)",
    ),
    "fast function": (
        "h = MatMul (x, wq) a = com.microsoft.FastGelu (h, bq) y = MatMul (a, wo)",
        """
        h = MatMul (x, wq) hb = Add (h, bq) a = Gelu <approximate = "tanh"> (hb)
        y = MatMul (a, wo)
        """,
    ),
    "quick function": (
        "h = MatMul (x, wq) a = com.microsoft.QuickGelu <alpha = 1.0> (h) y = MatMul (a, wo)",
        "h = MatMul (x, wq) s = Sigmoid (h) a = Mul (h, s) y = MatMul (a, wo)",
    ),
    "function of onnxruntime": (
        "h = MatMul (x, wq) a = com.microsoft.Gelu (h) y = MatMul (a, wo)",
        "h = MatMul (x, wq) a = Gelu (h) y = MatMul (a, wo)",
    ),
    "group norm": (
        "n = GroupNormalization <num_groups = 2> (i, g4, b4) y = Conv (n, conv)",
        """
        r = Reshape (i, groups) m = InstanceNormalization (r, ones2, zeros2) h = Reshape (m, image)
        gw = Reshape (g4, wide) bw = Reshape (b4, wide) hg = Mul (h, gw) n = Add (hg, bw)
        y = Conv (n, conv)
        """,
    ),
    "integer product": (
        """
        xq, xs, xz = DynamicQuantizeLinear (x) p = MatMulInteger (xq, qw, xz, zw)
        f = Cast <to = 1> (p) s = Mul (xs, sw) y = Mul (f, s)
        """,
        "wf = DequantizeLinear (qw, sw, zw) y = MatMul (x, wf)",
    ),
    "product of eight bits": (
        """
        xq = QuantizeLinear (x, sx, zx) p = QLinearMatMul (xq, sx, zx, qw, sw, zw, sy, zx)
        y = DequantizeLinear (p, sy, zx)
        """,
        "wf = DequantizeLinear (qw, sw, zw) y = MatMul (x, wf)",
    ),
    "integer convolution": (
        """
        iq, is, iz = DynamicQuantizeLinear (i) p = ConvInteger (iq, qconv, iz)
        f = Cast <to = 1> (p) s = Mul (is, sw) y = Mul (f, s)
        """,
        "wf = DequantizeLinear (qconv, sw) y = Conv (i, wf)",
    ),
    "convolution of eight bits": (
        """
        iq = QuantizeLinear (i, sx, zx)
        p = QLinearConv (iq, sx, zx, qconv, sw, zw, sy, zx, qbias)
        y = DequantizeLinear (p, sy, zx)
        """,
        """
        wf = DequantizeLinear (qconv, sw, zw) bf = DequantizeLinear (qbias, sb, z32)
        y = Conv (i, wf, bf)
        """,
    ),
    "rounded units": (
        """
        iq = QuantizeLinear (i, sx, zx) if = DequantizeLinear (iq, sx, zx)
        wf = DequantizeLinear <axis = 0> (qconv, each, z3) p = Conv (if, wf)
        pq = QuantizeLinear (p, sy, zx) y = DequantizeLinear (pq, sy, zx)
        """,
        "wf = DequantizeLinear <axis = 0> (qconv, each, z3) y = Conv (i, wf)",
    ),
}
"""One form and the other; x is a sequence of five tokens, i an image of four channels."""


def written(path, body, functions=""):
    """Write a network whose body, and whose functions, are in ONNX's own notation."""
    given = "float[1,4,3,3] i" if "(i" in body else "float[1,5,8] x"
    others = [each for each in (MICROSOFT, OWN) if each in body]
    domains = "".join(f', "{each}": 1' for each in others)
    model = parser.parse_model(
        f'<ir_version: 11, opset_import: ["": 23{domains}]> '
        f"network ({given}) => (float[n] y) {{ {body} }} {functions}"
    )
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    read = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name)
        for name, array in NUMBERS.items()
        if name in read
    )
    onnx.save_model(model, path)


def graph_of(path):
    with open_model(path) as model:
        return model.wired(InputShape())


@pytest.mark.parametrize("name", FORMS)
def test_both_forms_are_one_graph(name, tmp_path):
    found = []
    for number, body in enumerate(FORMS[name]):
        path = tmp_path / f"{number}.onnx"
        written(path, body)
        graph = graph_of(path)
        found.append((graph, graph_diagram(graph).diagram))
    (one, diagram), (other, wanted) = found
    trained = [sum(b.n_edges for b in each.blocks if b.is_trained) for each in (one, other)]
    assert trained[0] == trained[1] > 0
    assert len(one.heads) == len(other.heads)
    for mine, theirs in zip(diagram.expanded(), wanted.expanded(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2**-23)


def test_functions_of_a_file_are_followed(tmp_path):
    """Also one that calls another, with an attribute of its own."""
    functions = f"""
    <domain: "{OWN}", opset_import: ["": 23, "{OWN}": 1]>
    layer <side> (t, m, shift) => (r) {{
        p = MatMul (t, m) r = {OWN}.shifted <side: int = @side> (p, shift)
    }}
    <domain: "{OWN}", opset_import: ["": 23]>
    shifted <side> (t, shift) => (r) {{ s = Add (t, shift) r = Softmax <axis: int = @side> (s) }}
    """
    calls = f"h = {OWN}.layer <side = 1> (x, wq, bq) y = {OWN}.layer <side = -1> (h, wk, bk)"
    plain = """
    a = MatMul (x, wq) c = Add (a, bq) h = Softmax <axis = 1> (c)
    d = MatMul (h, wk) e = Add (d, bk) y = Softmax <axis = -1> (e)
    """
    written(tmp_path / "functions.onnx", calls, functions)
    written(tmp_path / "plain.onnx", plain)
    one, other = (graph_of(tmp_path / f"{name}.onnx") for name in ("functions", "plain"))
    assert [block.made_of for block in one.blocks] == [block.made_of for block in other.blocks]
    for mine, theirs in zip(one.blocks, other.blocks, strict=True):
        np.testing.assert_array_equal(mine.weight, theirs.weight)
