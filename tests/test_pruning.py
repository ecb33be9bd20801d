"""What only the last position needs is computed for that alone, where nothing else reads it; nothing else changes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit import ROOT

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.artifacts.protobuf import entry
from phi4bench.backends import Decoding, open_backend
from phi4bench.backends.pruning import with_last_position_alone
from phi4bench.backends.session import onnxruntime, open_decoder
from phi4bench.datasets import load_cases

MODELS = ROOT / "fixtures" / "models"
WIDTH = 8


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_pruned_file_gives_the_same_tokens_and_margins(precision: str) -> None:
    artifact = open_artifact(str(MODELS / f"nano-{precision}"))
    prompts = [artifact.dialect.render(case.question()) for case in load_cases(None).cases[::50]]
    found = []
    for prune in (True, False):
        backend: Any = open_backend(artifact, threads=1, prune=prune)
        assert backend._decoder.last_logits_only == prune
        assert ("last_layer" in backend.identity()) == prune
        options = backend._decoder.session.get_session_options()
        assert options.enable_cpu_mem_arena == options.enable_mem_pattern == (not prune)
        done = dict(backend.generate(prompts, Decoding(64)))
        found.append([(done[index].token_ids, done[index].margin) for index in range(len(prompts))])
    assert found[0] == found[1]


def test_what_is_pruned_already_or_holds_no_head_stays_as_it_is(tmp_path: Path) -> None:
    file = (MODELS / "nano-int8" / "model.onnx").read_bytes()
    assert with_last_position_alone(file) is not None
    assert with_last_position_alone(file[:1000]) is None
    assert with_last_position_alone(b"") is None
    assert with_last_position_alone(file.replace(b"logits", b"logitz")) is None
    assert with_last_position_alone(entry(7, entry(1, entry(2, "logits") + entry(4, "MatMul")))) is None
    (tmp_path / "model.onnx").write_bytes(file)
    assert "logits" in read_onnx(tmp_path / "model.onnx").outputs, "the file that is judged is not touched"


def test_a_file_that_is_pruned_twice_gives_what_it_gave() -> None:
    """Its second graph field is read as a graph of its own, in which there is no head."""
    once = with_last_position_alone((MODELS / "nano-int8" / "model.onnx").read_bytes())
    assert once is not None
    assert with_last_position_alone(once.model) is None


def test_a_graph_that_cannot_be_pruned_is_run_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from phi4bench.backends import session
    from phi4bench.backends.providers import Provider
    from phi4bench.backends.pruning import Pruned

    monkeypatch.setattr(session, "with_last_position_alone", lambda _: Pruned(b"no model", "head"))
    decoder = open_decoder(
        MODELS / "nano-int8" / "model.onnx", 64, intra_op=1, spin="no", provider=Provider("cpu"), prune=True
    )
    assert not decoder.pruned
    assert not decoder.last_logits_only


def test_a_file_that_holds_its_own_weights_is_run_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from phi4bench.backends import session
    from phi4bench.backends.providers import Provider

    file = MODELS / "nano-int8" / "model.onnx"
    monkeypatch.setattr(session, "LARGEST_GRAPH", file.stat().st_size - 1)
    decoder = open_decoder(file, 64, intra_op=1, spin="no", provider=Provider("cpu"), prune=True)
    assert not decoder.pruned


def test_weights_behind_links_as_in_the_hugging_face_cache_are_read(tmp_path: Path) -> None:
    """Newer versions of onnxruntime follow such links beside a file, in no folder that they are told of."""
    from phi4bench.backends.providers import Provider

    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name in ("model.onnx", "model.onnx.data"):
        shutil.copy(MODELS / "nano-int8" / name, blobs)
        (snapshot / name).symlink_to(Path("..", "..", "blobs", name))
    decoder = open_decoder(
        snapshot / "model.onnx", 64, intra_op=1, spin="no", provider=Provider("cpu"), prune=True
    )  # fmt: skip
    assert len(decoder.cache) == 8, "four layers' keys and values"


# Layers written by hand: a norm of which keys are made at each position, and what stands between it and the logits


Node = tuple[str, list[str], list[str]]
NORM: Node = ("SkipSimplifiedLayerNormalization", ["x", "y", "ones"], ["n", "", "", "r"])
KEYS: Node = ("MatMul", ["n", "a"], ["keys"])
HEAD: Node = ("MatMul", ["sum", "d"], ["logits"])
MLP: list[Node] = [
    ("MatMul", ["n", "b"], ["up"]),
    ("Sigmoid", ["up"], ["gate"]),
    ("Mul", ["up", "gate"], ["wide"]),
    ("MatMul", ["wide", "c"], ["down"]),
    ("Add", ["r", "down"], ["sum"]),
]


def model_of(nodes: Sequence[Any], results: Sequence[str] = ("keys", "logits")) -> bytes:
    """Inputs `x`, `y` (batch, positions, width); weights `ones`, `a` to `d`."""
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = [
        node
        if isinstance(node, onnx.NodeProto)
        else helper.make_node(*node, domain="com.microsoft" if node[0] == NORM[0] else "")
        for node in nodes
    ]
    draw = np.random.default_rng(3)
    weights = {name: draw.normal(0, 1, (WIDTH, WIDTH)).astype(np.float32) for name in "abcd"}
    weights["ones"] = np.ones(WIDTH, np.float32)
    ends = [helper.make_tensor_value_info(name, kind, ["batch", "positions", WIDTH]) for name in ("x", "y")]
    told = [helper.make_tensor_value_info(name, kind, ["batch", "positions", WIDTH]) for name in results]
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(made, "layer", ends, told, tensors)
    domains = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    written: bytes = helper.make_model(graph, opset_imports=domains, ir_version=10).SerializeToString()
    return written


def outputs(model: bytes, positions: int = 5) -> dict[str, np.ndarray]:
    session = onnxruntime().InferenceSession(model, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(7)
    given = {name: draw.normal(0, 1, (1, positions, WIDTH)).astype(np.float32) for name in ("x", "y")}
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, given), strict=True))


def assert_pruned(model: bytes, what: str, positions: int = 5) -> None:
    """To `what`, and with every result as it was: logits at the last position, all others at each."""
    pruned = with_last_position_alone(model)
    assert pruned is not None
    assert pruned.what == what
    before, after = outputs(model, positions), outputs(pruned.model, positions)
    assert after["logits"].shape == (1, 1, WIDTH)
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array[:, -1:] if name == "logits" else array, rtol=1e-5, atol=1e-6)


def test_what_stands_between_the_norm_and_the_logits_is_cut() -> None:
    assert_pruned(model_of([NORM, KEYS, *MLP, HEAD]), "last_layer")


def test_the_cut_is_as_far_in_front_as_it_can_be() -> None:
    """A norm whose unused results have no name is no reader of a missing input: both are written empty."""
    keys: Node = ("Clip", ["n", "", ""], ["keys"])
    inner: Node = (NORM[0], ["r", "out", "ones"], ["m", "", "", "s"])
    mlp = [("MatMul", ["n", "b"], ["out"]), inner, ("MatMul", ["m", "c"], ["down"]), ("Add", ["s", "down"], ["sum"])]
    model = model_of([NORM, keys, *mlp, HEAD])
    assert_pruned(model, "last_layer")
    pruned = with_last_position_alone(model)
    assert pruned is not None
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    gathered = [node.input[0] for node in onnx.load_from_string(pruned.model).graph.node if node.op_type == "Gather"]
    assert sorted(gathered) == ["n", "r"]


def test_a_value_that_is_read_twice_by_one_node_is_cut_in_both_places() -> None:
    assert_pruned(
        model_of([NORM, KEYS, ("Mul", ["n", "n"], ["square"]), ("Add", ["r", "square"], ["sum"]), HEAD]), "last_layer"
    )


def test_values_that_are_read_in_turns_are_cut_in_every_place() -> None:
    mlp: list[Node] = [("MatMul", ["n", "b"], ["up"]), ("Add", ["r", "up"], ["wide"]), ("Mul", ["wide", "n"], ["sum"])]
    assert_pruned(model_of([NORM, KEYS, *mlp, HEAD]), "last_layer")


def test_a_norm_that_the_head_itself_reads_leaves_the_head_alone_to_cut() -> None:
    assert_pruned(model_of([NORM, KEYS, ("MatMul", ["n", "d"], ["logits"])]), "head")


def test_an_input_that_is_left_out_is_none_to_cut() -> None:
    """A packed product without zero points and groups, but with a bias behind them."""
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    inputs = ["n", "packed", "scales", "", "", "bias"]
    product = onnx.helper.make_node(
        "MatMulNBits", inputs, ["up"], domain="com.microsoft", K=WIDTH, N=WIDTH, bits=4, block_size=16
    )
    model = onnx.load_from_string(model_of([NORM, KEYS, product, *MLP[1:], HEAD]))
    draw = np.random.default_rng(5)
    weights = {
        "packed": draw.integers(0, 256, (WIDTH, 1, 8)).astype(np.uint8),
        "scales": draw.normal(0, 0.1, WIDTH).astype(np.float32),
        "bias": draw.normal(0, 1, WIDTH).astype(np.float32),
    }
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    assert_pruned(model.SerializeToString(), "last_layer")


def test_where_every_name_as_long_is_taken_nothing_is_cut() -> None:
    taken: list[Node] = [("Identity", ["x"], [chr(at)]) for at in range(33, 127) if chr(at) not in "abcdnrxy"]
    assert with_last_position_alone(model_of([NORM, KEYS, *taken, *MLP, HEAD])) is None
    assert_pruned(model_of([NORM, KEYS, *taken[2:], *MLP, HEAD]), "last_layer")


@pytest.mark.parametrize("result", ["up", "down", "sum"])
def test_a_value_that_is_a_result_too_is_needed_at_each_position(result: str) -> None:
    assert_pruned(model_of([NORM, KEYS, *MLP, HEAD], ["keys", result, "logits"]), "head")


def test_a_value_that_something_else_reads_too_is_needed_at_each_position() -> None:
    other: Node = ("ReduceSum", ["down"], ["total"])
    keys: Node = ("Mul", ["scaled", "total"], ["keys"])
    assert_pruned(model_of([NORM, ("MatMul", ["n", "a"], ["scaled"]), *MLP, other, keys, HEAD]), "head")


def test_a_product_of_two_values_mixes_positions() -> None:
    mixing: list[Node] = [("Transpose", ["n"], ["turned"]), ("MatMul", ["n", "turned"], ["scores"])]
    rest: list[Node] = [("MatMul", ["scores", "r"], ["mixed"]), ("Add", ["r", "mixed"], ["sum"])]
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    turned = onnx.helper.make_node(*mixing[0], perm=[0, 2, 1])
    assert_pruned(model_of([NORM, KEYS, turned, mixing[1], *rest, HEAD]), "head")


def test_an_operator_that_is_not_known_may_mix_positions() -> None:
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    over_positions = onnx.helper.make_node("Softmax", ["up"], ["gate"], axis=1)
    assert_pruned(model_of([NORM, KEYS, MLP[0], over_positions, *MLP[2:], HEAD]), "head")


def test_operators_that_other_layers_have_are_known() -> None:
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    norm: Node = ("SimplifiedLayerNormalization", ["up", "ones"], ["normed"])
    gelu = onnx.helper.make_node("QuickGelu", ["normed"], ["narrow"], domain="com.microsoft")
    cast = onnx.helper.make_node("Cast", ["narrow"], ["gate"], to=onnx.TensorProto.FLOAT)
    assert_pruned(model_of([NORM, KEYS, MLP[0], norm, gelu, cast, *MLP[2:], HEAD]), "last_layer")


def test_a_head_of_two_values_mixes_positions() -> None:
    """As many positions as the width: the logits at one are its products with all others."""
    model = model_of(
        [NORM, KEYS, *MLP, ("Mul", ["sum", "ones"], ["others"]), ("MatMul", ["sum", "others"], ["logits"])]
    )
    assert_pruned(model, "head", positions=WIDTH)


def branching(value: str, result: str, deeper: bool = False) -> list[Any]:
    """Nodes that make `result`, which is `value` where a constant says yes; `deeper`: in a branch of a branch."""
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT

    def chosen(name: str, inner: Sequence[Any]) -> Any:
        told = [helper.make_tensor_value_info(name, kind, ["batch", "positions", WIDTH])]
        branches = {branch: helper.make_graph(inner, branch, [], told) for branch in ("then_branch", "else_branch")}
        return helper.make_node("If", ["yes"], [name], **branches)

    inner = [helper.make_node("Identity", [value], ["chosen" if deeper else result])]
    always = helper.make_node("Constant", [], ["yes"], value=onnx.numpy_helper.from_array(np.array(True), "yes"))
    if deeper:
        inner = [chosen("chosen", inner), helper.make_node("Identity", ["chosen"], [result])]
    return [always, chosen(result, inner)]


@pytest.mark.parametrize("deeper", [False, True])
def test_what_a_branch_reads_is_needed_at_each_position(deeper: bool) -> None:
    """A graph inside a node reads values of the graph around it without naming them among its inputs."""
    branch = branching("down", "branched", deeper)
    assert_pruned(model_of([NORM, KEYS, *MLP, *branch, HEAD], ["keys", "branched", "logits"]), "head")


def test_a_branch_that_a_constant_chooses_is_no_constant() -> None:
    mlp = [*MLP[:4], ("Add", ["chosen_of_n", "down"], ["sum"])]
    assert_pruned(model_of([NORM, KEYS, *branching("n", "chosen_of_n"), *mlp, HEAD]), "head")


def test_what_a_node_without_inputs_holds_is_a_constant() -> None:
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    half = onnx.helper.make_node("Constant", [], ["half"], value_float=0.5)
    mlp = [*MLP[:4], ("Mul", ["down", "half"], ["less"]), ("Add", ["r", "less"], ["sum"])]
    assert_pruned(model_of([NORM, KEYS, half, *mlp, HEAD]), "last_layer")


def test_weights_that_are_computed_of_weights_are_weights() -> None:
    double: Node = ("Add", ["b", "b"], ["twice"])
    mlp = [("MatMul", ["n", "twice"], ["up"]), *MLP[1:]]
    assert_pruned(model_of([NORM, KEYS, double, *mlp, HEAD]), "last_layer")


def test_names_that_are_no_text_are_told_apart() -> None:
    """As text with what cannot be read replaced, the norm's two results would have one name."""
    mlp = [("MatMul", ["n1", "b"], ["up"]), *MLP[1:4], ("Add", ["n2", "down"], ["sum"])]
    model = model_of([(NORM[0], NORM[1], ["n1", "", "", "n2"]), ("MatMul", ["n1", "a"], ["keys"]), *mlp, HEAD])
    assert_pruned(model.replace(b"n1", b"n\xfe").replace(b"n2", b"n\xff"), "last_layer")


def test_an_operator_that_the_file_defines_may_do_anything() -> None:
    onnx = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    helper, domain = onnx.helper, "com.microsoft"
    axis = helper.make_node("Constant", [], ["axis"], value_int=1)
    sums = [axis, helper.make_node("CumSum", ["of", "axis"], ["sums"])]  # of the positions up to each
    known = [helper.make_opsetid("", 21)]
    gate = helper.make_node(*MLP[1], domain=domain)
    model = onnx.load_from_string(model_of([NORM, KEYS, MLP[0], gate, *MLP[2:], HEAD]))
    model.functions.append(helper.make_function(domain, gate.op_type, ["of"], ["sums"], sums, known))
    assert with_last_position_alone(model.SerializeToString()) is None


def test_graphs_in_graphs_without_end_are_left() -> None:
    node = b""
    for _ in range(5000):
        node = entry(4, "If") + entry(5, entry(6, entry(1, node)))
    assert with_last_position_alone(entry(7, entry(1, node))) is None
