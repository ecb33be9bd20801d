"""What a token reads, counted from the graph, and prompts of the length that the benchmark states."""

from __future__ import annotations

import numpy as np
import pytest
from kit import ROOT

pytest.importorskip("onnx", reason="needs the `train` extra")
pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

import math
from itertools import pairwise
from types import SimpleNamespace

from benchmarks import roofline, rows, shapes
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
        pytest.param(shapes, ["--layers", "0"], 2, "'0', but should be at least 1", id="no-layers"),
        pytest.param(
            roofline,
            ["--model", str(ROOT / "fixtures" / "models" / "nano-hf")],
            4,
            "is of the format 'hf', but should be an ONNX file",
            id="no-onnx-file",
        ),
        pytest.param(roofline, ["--rounds", "0"], 2, "'0', but should be at least 1", id="no-rounds"),
    ],
)
def test_what_stops_a_command_is_told_in_a_line(command, arguments, code, says, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == code
    assert says in capsys.readouterr().err


def test_matrices_stand_beside_the_bandwidth_of_their_own_round(monkeypatch):
    # The machine is half as fast in the second round, and so is the step: the share stays 90%.
    speeds = iter([(100e6, 1.0), (50e6, 2.0), (100e6, 1.0)])
    now = {}

    def bandwidth(_):
        now["speed"] = next(speeds)
        return now["speed"][0]

    def profile(*_):
        return {
            part: share * 1e6 * now["speed"][1]
            for part, share in (("matrices", 0.8), ("attention", 0.1), ("rest", 0.1))
        }

    monkeypatch.setattr(shapes, "Machine", lambda _: SimpleNamespace(bandwidth=lambda: bandwidth(None)))
    monkeypatch.setattr(shapes, "profile", profile)
    _, line = shapes.in_the_way([SimpleNamespace(label="fp32", weight_bytes=72e6)], 2)
    assert line.split() == ["fp32", "80%", "10%", "10%", "90%"]


def test_nothing_is_measured_beside_threads_of_what_ran_before(monkeypatch):
    log = []
    monkeypatch.setattr("time.sleep", lambda seconds: log.append("pause" if seconds >= 0.1 else "short"))
    monkeypatch.setattr(roofline, "ARRAY_BYTES", 4)
    monkeypatch.setattr(roofline, "_product", lambda kind, threads: lambda: log.append(kind))
    monkeypatch.setattr(roofline.Machine, "_read", lambda _: log.append("read") or 1.0)
    roofline.Machine(2).limits()
    subject = roofline.Subject.__new__(roofline.Subject)
    subject._rows = SimpleNamespace(
        enter=lambda *_: log.append("prompt") or np.zeros(2), step=lambda _: log.append("token") or np.zeros((1, 2))
    )
    subject._ids = subject._bytes = subject._weights = 1
    subject.run()
    answering = SimpleNamespace(
        generate=lambda asked, _: [log.append("cases")] and enumerate([SimpleNamespace(token_ids=())] * len(asked))
    )
    shapes.cases_per_s({"alone": answering}, shapes.ALONE)
    begun = [(before, one) for before, one in pairwise(log) if one not in ("pause", before) and one != "token"]
    assert begun == [("pause", one) for one in ("fp32", "int8", "read", "prompt", "cases")]


def test_sharing_waits_as_it_is_told(monkeypatch):
    asked = []
    backend = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(shapes, "open_artifact", lambda _: None)
    monkeypatch.setattr(shapes, "open_backend", lambda _, **options: asked.append(options["spin"]) or backend)
    monkeypatch.setattr(shapes, "cases_per_s", lambda *_: (1.0, [()] * shapes.CASES[shapes.ALONE]))
    shapes.sharing(ROOT, 2, 1, "no")
    assert asked == ["no"] * 2 * len(shapes.PRECISIONS)


def test_columns_of_a_large_model_stand_apart():
    one = SimpleNamespace(label="large", artifact=SimpleNamespace(precision="int4"), weight_bytes=28e9)
    timed = roofline.Timed(prompt_s=1.0, token_s=0.5, read_bytes=28e9, weights=14_000_000_000)
    limits = roofline.Limits(100e9, {"fp32": 1e12, "int8": 2e12})
    row = roofline.table([one], [(limits, {"large": timed})], 2)[-1]
    # 56 GB/s of 100; 128 tokens of 14 G multiply-adds in a second of 2,000 G a second
    assert row.split() == ["large", "2.0", "t/s", "28,000.0", "MB", "56.0", "GB/s", "56%", "128", "t/s", "90%"]


def test_a_shape_is_told_as_one():
    kinds = {"mini": True, "trained": False, "phi-4": True}
    artifacts = {name: SimpleNamespace(random_weights=random) for name, random in kinds.items()}
    said = "mini, phi-4: random weights: speed and memory are real, accuracy is not"
    assert roofline.untrained(artifacts) == ["", said]
    assert roofline.untrained({"trained": artifacts["trained"]}) == []


def test_artifacts_of_one_name_are_told_apart_by_their_folders():
    lie = (("a", "runs/mini/int4"), ("b", "runs/x"), ("a", "runs/large/int4"))
    artifacts = [SimpleNamespace(id=name, path=ROOT / folder) for name, folder in lie]
    assert roofline.labels(artifacts) == ["mini/a", "b", "large/a"]


def test_what_a_lanes_rows_give_is_their_rate_over_one_rows() -> None:
    best = {"fp32": {count: 1e9 * count for count in rows.ROWS}, "int8 b32": dict.fromkeys(rows.ROWS, 5e9)}
    lines = rows.table(best)
    assert lines[0].split() == ["rows", "fp32", "int8", "b32"]
    assert lines[1].split() == ["1", "1", "G", "5", "G"]
    assert lines[-1].split() == ["32", "rows", "over", "1", "32.0x", "1.0x"]


def test_each_kind_of_product_runs_on_any_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "RUNS_S", 0.002)
    monkeypatch.setattr(rows, "PAIRS", 1)
    monkeypatch.setattr(rows, "ROWS", (1, 3))
    found = rows.measure(1)
    assert list(found) == list(rows.KINDS)
    assert all(0 < rate < math.inf for kind in found.values() for rate in kind.values())
