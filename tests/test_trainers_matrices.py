"""Quantized matrices: the runtime reads what was packed, and GPTQ errs less than rounding."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnx_ir", reason="needs the `train` extra")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from trainers.matrices import packed, quantized, unpacked  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of onnxruntime's quantizers


@pytest.fixture(scope="module")
def matrix():
    return np.random.default_rng(3).standard_normal((80, 24)).astype(np.float32)  # two and a half blocks of 32


def hessian_of(inputs):
    return inputs.T.astype(np.float64) @ inputs


def as_the_runtime_reads(made, matrix):
    """The product of the identity with the packed matrix, by MatMulNBits in onnxruntime."""
    rows, columns = matrix.shape
    weights = {"b": made.values, "s": made.scales} | ({} if made.zero_points is None else {"z": made.zero_points})
    node = helper.make_node(
        "MatMulNBits", ["x", *weights], ["y"], domain="com.microsoft",
        K=rows, N=columns, bits=made.bits, block_size=made.block_size,
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, columns])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.eye(rows, dtype=np.float32)})[0]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("method", "symmetric"),
    [("rtn", True), ("rtn", False), ("k-quant", False), ("hqq", False), ("gptq", True), ("gptq", False)],
)
def test_the_runtime_reads_what_was_packed(method, symmetric, bits, matrix):
    if method == "hqq" and bits == 8:
        pytest.skip("onnxruntime multiplies no 8-bit matrix with float zero points; the plan refuses it")
    if method == "hqq":
        pytest.importorskip("torch", reason="HQQ in onnxruntime needs torch")
    inputs = np.random.default_rng(4).standard_normal((200, 80))
    made = quantized(matrix, bits, 32, symmetric, method, hessian_of(inputs))
    np.testing.assert_allclose(as_the_runtime_reads(made, matrix), made.restored(), atol=2e-5)
    assert np.abs(made.restored() - matrix).max() < {4: 0.6, 8: 0.04}[bits]


def test_rounding_to_nearest_errs_by_half_a_step_at_most(matrix):
    made = quantized(matrix, 8, 16, True, "rtn")
    step = np.repeat(np.abs(made.scales), 16, axis=1)[:, : len(matrix)].T
    assert (
        np.abs(made.restored() - matrix) <= step * 1.001
    ).all()  # the extreme of the other sign may be clipped by one
    assert (np.abs(made.restored() - matrix) <= step / 2 + 1e-6).mean() > 0.99


def test_gptq_answers_its_calibration_inputs_better_than_rounding():
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((64, 48)).astype(np.float32)
    inputs = rng.standard_normal((400, 8)) @ rng.standard_normal((8, 64)) + 0.1 * rng.standard_normal((400, 64))

    def error(method):
        made = quantized(matrix, 4, 32, False, method, hessian_of(inputs)).restored()
        return np.linalg.norm(inputs @ made - inputs @ matrix)

    assert error("gptq") < 0.7 * error("rtn")


def test_packing_puts_the_first_value_into_the_low_half():
    values = np.array([[1, 2, 3]], np.uint8)
    assert packed(values, 4, filler=8).tolist() == [[0x21, 0x83]]
    assert unpacked(packed(values, 4, filler=8), 4).tolist() == [[1, 2, 3, 8]]
