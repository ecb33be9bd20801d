"""Opening an artifact: what identifies it, and what is inferred where its manifest says nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kit import ROOT
from onnx_folders import VOCABULARY, folder_of, onnx_model, tokenizer_json

from phi4bench.artifacts import open_artifact
from phi4bench.artifacts.onnxfile import Node, OnnxFile, Tensor
from phi4bench.artifacts.parts import parts_of
from phi4bench.dialects import dialect_named
from phi4bench.errors import DialectError

# --- what is opened -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["nano-int8", "nano-int8/model.onnx", "nano-int8/"], ids=["folder", "file", "slash"])
def test_a_folder_and_its_model_are_the_same_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    folder = folder_of(tmp_path / "nano-int8", onnx_model(bits=(8,)))
    monkeypatch.chdir(tmp_path)
    artifact = open_artifact(spec)
    assert (artifact.id, artifact.format, artifact.precision) == ("nano-int8", "onnx", "int8")
    assert artifact.sha256 == open_artifact(str(folder)).sha256
    assert artifact.logits_size == VOCABULARY


def test_a_model_by_another_name_gives_its_own_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x")
    (folder / "model.onnx").rename(folder / "best.onnx")
    assert open_artifact(str(folder)).id == "best"


@pytest.mark.parametrize("named", ["model.onnx", "./model.onnx"])
def test_a_folder_may_name_its_model_for_onnxruntime_genai(tmp_path: Path, named: str) -> None:
    folder = folder_of(tmp_path / "x")
    config = json.loads((folder / "genai_config.json").read_text())
    config["model"]["decoder"] = {"filename": named}
    (folder / "genai_config.json").write_text(json.dumps(config))
    assert open_artifact(str(folder)).id == "x"


def test_the_size_is_of_the_weights_with_their_external_data(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x")
    artifact = open_artifact(str(folder))
    sizes = [(folder / name).stat().st_size for name in ("model.onnx", "model.onnx.data")]
    assert sizes[1] >= 4 * 4096
    assert artifact.bytes == sum(sizes)


def test_it_opens_without_the_onnx_package(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x")
    code = (
        "import sys; from phi4bench.artifacts import open_artifact; open_artifact(sys.argv[1]);"
        "print([name for name in ('onnx', 'onnxruntime', 'torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        pytest.param("model.onnx", b"decoder", b"decodes", True, id="graph"),
        pytest.param("model.onnx.data", b"\x00\x00\x80\x3f", b"\x01\x00\x80\x3f", True, id="external-data"),
        pytest.param("tokenizer.json", b'"t7"', b'"s7"', True, id="tokenizer"),
        pytest.param("tokenizer_config.json", b'""', b'"x"', True, id="chat-template"),
        pytest.param("genai_config.json", b"64", b"65", True, id="configuration"),
        pytest.param("README.md", b"a card", b"a cart", False, id="model-card"),
        pytest.param("phi4bench.json", b'"mine"', b'"ours"', False, id="manifest"),
    ],
)
def test_a_changed_byte_is_another_artifact(tmp_path: Path, name: str, old: bytes, new: bytes, changes: bool) -> None:
    folder = folder_of(tmp_path / "x", manifest={"name": "mine"})
    (folder / "README.md").write_text("a card")
    before = open_artifact(str(folder)).sha256
    path = folder / name
    data, times = path.read_bytes(), path.stat()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (open_artifact(str(folder)).sha256 != before) == changes


# --- what is inferred ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "precision", "source"),
    [
        pytest.param({"bits": (4, 4)}, "int4", "MatMulNBits (2 of 4 bits)", id="int4"),
        pytest.param({"bits": (8,)}, "int8", "MatMulNBits (1 of 8 bits)", id="int8"),
        pytest.param({"bits": (4, 8)}, "int4", "MatMulNBits (1 of 4 bits and 1 of 8 bits)", id="mixed"),
        pytest.param({"operators": ("DynamicQuantizeLinear", "MatMulInteger")}, "int8", "MatMulInteger", id="dynamic"),
        pytest.param({"operators": ("MatMulBnb4",)}, "int4", "MatMulBnb4 (1 of 4 bits)", id="bitsandbytes"),
        pytest.param({"operators": ("QMoE",)}, "int4", "QMoE (1 of 4 bits)", id="experts"),
        pytest.param({"operators": ("DequantizeLinear",), "weights": "int4"}, "int4", "1 Dequant", id="qdq-int4"),
        pytest.param({"operators": ("Cast", "Mul"), "weights": "int8"}, "int8", "4,096 in int8", id="cast-from-int8"),
        pytest.param({"operators": ("QGemm",), "weights": "uint8"}, "int8", "4,096 in uint8", id="other-operators"),
        pytest.param({"operators": ("Cast",), "weights": "float8_e4m3fn"}, "int8", "4,096 in fp8", id="fp8"),
        pytest.param({"weights": "float16"}, "fp16", "the type of its weights", id="fp16"),
        pytest.param({}, "fp32", "4,096 of them", id="fp32"),
        pytest.param({"weights": "float16", "inside_if": True}, "fp16", "8,192 of them", id="inside-a-branch"),
    ],
)
def test_precision_is_inferred_from_operators_and_weights(
    tmp_path: Path, model: dict[str, object], precision: str, source: str
) -> None:
    artifact = open_artifact(str(folder_of(tmp_path / "x", onnx_model(**model))))  # type: ignore[arg-type]
    assert artifact.precision == precision
    assert any(source in line for line in artifact.dialect_inferred)
    assert all(line.isprintable() for line in artifact.dialect_inferred)


@pytest.mark.parametrize(
    ("operator", "kind", "attributes", "weights"),
    [
        pytest.param("Cast", "int8", {}, 64, id="cast-from-int8"),
        pytest.param("QGemm", "uint8", {}, 64, id="other-operators"),
        pytest.param("MatMulBnb4", "uint8", {"K": 16, "N": 8}, 128, id="bitsandbytes"),
        pytest.param("QMoE", "uint8", {}, 128, id="experts"),
        pytest.param("Gather", "other", {}, 0, id="no-weights"),
    ],
)
def test_weights_of_few_bits_count_whatever_reads_them(
    operator: str, kind: str, attributes: dict[str, int], weights: int
) -> None:
    tensor = Tensor("w", kind, 64, 64)
    node = Node(operator, "/MatMul", ("x", "w"), ("y",), attributes)
    parts, _ = parts_of(OnnxFile({}, {}, {}, {}, {}, {}, 1, tensors=(tensor,), nodes=(node,)))
    assert sum(part.weights for part in parts) == weights


@pytest.mark.parametrize(
    ("added", "template", "dialect", "turns"),
    [
        pytest.param(("<tool_use>", "<|user|>", "<|assistant|>", "<|end|>"), "", "tool_use", "phi", id="tokens"),
        pytest.param((), "<|im_start|>x<|im_end|> <tool_call>", "hermes", "chatml", id="template"),
        pytest.param((), "", "openai", "plain", id="nothing-to-go-by"),
    ],
)
def test_the_dialect_is_inferred_from_tokens_and_template(
    tmp_path: Path, added: tuple[str, ...], template: str, dialect: str, turns: str
) -> None:
    size = VOCABULARY - len(added)
    artifact = open_artifact(str(folder_of(tmp_path / "x", tokenizer=tokenizer_json(size, added), template=template)))
    assert (artifact.dialect.name, artifact.dialect.turns.name) == (dialect, turns)
    assert any("dialect" in line for line in artifact.dialect_inferred)


def test_a_chat_template_in_a_file_of_its_own_is_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x")
    (folder / "chat_template.jinja").write_text("<|im_start|>user<|im_end|><tool_call>")
    assert open_artifact(str(folder)).dialect.name == "hermes"


def test_a_manifest_leaves_nothing_to_infer(tmp_path: Path) -> None:
    manifest = {"dialect": "hermes", "turns": "phi", "precision": "int8", "parent": {"path": "../fp32", "sha256": "ab"}}
    artifact = open_artifact(str(folder_of(tmp_path / "x", manifest=manifest)))
    assert (artifact.dialect.name, artifact.dialect.turns.name, artifact.precision) == ("hermes", "phi", "int8")
    assert artifact.dialect_inferred == ()
    assert artifact.parent is not None
    assert Path(artifact.parent).resolve() == tmp_path / "fp32"
    assert artifact.parent_sha256 == "ab"
    assert artifact.quantized


# --- what is asked of generating and not done ---------------------------------------------------------------------


ASKED = {"do_sample": True, "temperature": 0.6, "repetition_penalty": 1.1, "min_length": 0, "stop_strings": ["\x1b"]}


def test_settings_that_would_change_an_answer_are_told_for_a_huggingface_folder(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="runs a Hugging Face folder: needs phi4bench[hf]")
    folder = tmp_path / "x"
    shutil.copytree(ROOT / "fixtures" / "models" / "nano-hf", folder)
    plain = open_artifact(str(folder)).dialect_inferred
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | ASKED))
    asked = 'do_sample=true, repetition_penalty=1.1, stop_strings=["\\u001b"]'
    line = f"generation_config.json asks for {asked}: not applied, for decoding is greedy"
    assert open_artifact(str(folder)).dialect_inferred == (*plain, line)


def test_settings_that_would_change_an_answer_are_told_for_an_onnx_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", manifest={"dialect": "hermes", "turns": "phi", "precision": "fp32"})
    config = json.loads((folder / "genai_config.json").read_text())
    neutral = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    (folder / "genai_config.json").write_text(json.dumps(config | {"search": neutral}))
    assert open_artifact(str(folder)).dialect_inferred == ()
    (folder / "genai_config.json").write_text(json.dumps(config | {"search": neutral | {"num_beams": 4}}))
    line = "genai_config.json asks for num_beams=4: not applied, for decoding is greedy"
    assert open_artifact(str(folder)).dialect_inferred == (line,)


# --- what is said of the dialect ----------------------------------------------------------------------------------


def test_the_dialect_asked_for_goes_before_the_manifests_but_keeps_its_turns(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", manifest={"dialect": "hermes", "turns": "phi4"})
    artifact = open_artifact(str(folder), dialect="phi4-mini")
    assert (artifact.dialect.name, artifact.dialect.turns.name) == ("phi4-mini", "phi4")
    assert open_artifact(str(folder), dialect=dialect_named("jsonrpc")).dialect == dialect_named("jsonrpc")


def test_an_unknown_dialect_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DialectError, match="dialect='tool-use', but should be one of tool_use, openai"):
        open_artifact(str(folder_of(tmp_path / "x")), dialect="tool-use")


def test_a_dialect_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DialectError, match=r"dialect file '.*mine\.toml' cannot be read"):
        open_artifact(str(folder_of(tmp_path / "x")), dialect=str(tmp_path / "mine.toml"))
