"""What a token reads, counted from the graph, and prompts of the length that the benchmark states."""

from __future__ import annotations

import pytest
from kit import ROOT

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from benchmarks import roofline, shapes
from benchmarks.shapes import PREFIX, REQUEST, prompts
from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.artifacts.parts import read_a_token
from phi4bench.backends.tokens import PromptTokenizer
from trainers.decoder import Shape
from trainers.shape import Packing, make

HIDDEN, VOCABULARY = 64, 1100
# Two layers of (64 x (4 + 2 + 2) x 16) + (64 x 64) + 3 x (64 x 96), and a head of 64 x 1100.
MULTIPLIED = 2 * (64 * 128 + 64 * 64 + 3 * 64 * 96) + 64 * 1100
NORMS = 5 * 64


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
@pytest.mark.parametrize("embeddings", [False, True])
def test_a_token_reads_the_head_and_no_table(tied, precision, embeddings, tmp_path):
    shape = Shape(HIDDEN, 96, 2, 4, 2, VOCABULARY, tied=tied, context=32)
    (folder,) = make(shape, [precision], tmp_path, Packing(block_size=32, embeddings=embeddings))
    size = MULTIPLIED * {"fp32": 4, "int8": 1, "int4": 0.5}[precision]
    scales = 0 if precision == "fp32" else MULTIPLIED // 32 * 4
    assert read_a_token(read_onnx(folder / "model.onnx")) == (size + scales + 4 * NORMS, MULTIPLIED)


def test_prompts_are_as_long_as_the_benchmark_says():
    tokenizer = PromptTokenizer.from_folder(ROOT / "fixtures" / "models" / "nano-fp32")
    for shared in (True, False):
        for one in prompts(5, shared):
            ids, common = tokenizer.encode(one)
            assert len(ids) == PREFIX + REQUEST
            assert common == (PREFIX if shared else 0)


@pytest.mark.parametrize(
    ("command", "arguments", "code", "says"),
    [
        pytest.param(roofline, ["--model", "no/such"], 4, "'no/such' is not there", id="no-such-model"),
        pytest.param(shapes, ["--preset", "phi-9"], 4, "preset='phi-9', but should be one of", id="no-such-preset"),
        pytest.param(roofline, ["--rounds", "0"], 2, "'0', but should be at least 1", id="no-rounds"),
    ],
)
def test_what_stops_a_command_is_told_in_a_line(command, arguments, code, says, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == code
    assert says in capsys.readouterr().err
