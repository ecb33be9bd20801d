"""Artifacts that are refused: one clear line for everything that is wrong with a folder, a file or a name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx_folders import folder_of, onnx_model, tokenizer_json

from phi4bench.artifacts import open_artifact
from phi4bench.errors import ArtifactError

onnx = pytest.importorskip("onnx", reason="builds small ONNX files: needs phi4bench[train]")

Damage = Callable[[Path], object]
LONG = f"{'n' * 300}.toml"
"""No file system has a name of that length: to ask for it is an error of its own."""


def cut(name: str, keep: float = 0.5) -> Damage:
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * keep))


def text(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content)


def manifest(**says: str) -> Damage:
    return text("phi4bench.json", json.dumps({"schema": "phi4bench.artifact/1", **says}))


def panicking() -> str:
    """A tokenizer over which the library panics: what its Rust raises then is no `Exception`."""
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}
    return json.dumps({"version": "1.0", "model": model | {"continuing_subword_prefix": "###"}})


def gone(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def model(**parts: object) -> Damage:
    return lambda folder: folder_of(folder, onnx_model(**parts))  # type: ignore[arg-type]


def quantized_but_said_to_be(precision: str, bits: int = 4) -> Damage:
    return lambda folder: folder_of(folder, onnx_model(bits=(bits,)), manifest={"precision": precision})


REFUSED = [
    pytest.param(cut("model.onnx"), "is truncated or no ONNX model", id="model-truncated"),
    pytest.param(cut("model.onnx", 0), "the file is empty", id="model-empty"),
    pytest.param(text("model.onnx", "<html>not found</html>"), "is truncated or no ONNX model", id="model-a-web-page"),
    pytest.param(text("model.onnx", "version https://git-lfs"), "truncated or no ONNX", id="model-an-lfs-pointer"),
    pytest.param(gone("model.onnx.data"), "model.onnx keeps weights in it; copy it too", id="external-missing"),
    pytest.param(cut("model.onnx.data"), "but model.onnx reads 16384", id="external-truncated"),
    pytest.param(model(inputs=("pixels",)), "it lacks input_ids, past_key_values.* (it has pixels", id="no-decoder"),
    pytest.param(model(inputs=("input_ids",)), "it lacks past_key_values.*", id="no-cache"),
    pytest.param(model(outputs=("hidden",)), "it lacks logits", id="no-logits"),
    pytest.param(gone("genai_config.json"), "has no genai_config.json", id="no-genai-config"),
    pytest.param(gone("tokenizer.json"), "has no tokenizer.json", id="no-tokenizer"),
    pytest.param(text("genai_config.json", "{"), "genai_config.json' is broken", id="genai-config-broken"),
    pytest.param(text("genai_config.json", "[]"), "genai_config.json' is broken", id="genai-config-a-list"),
    pytest.param(text("tokenizer.json", "{}"), "tokenizer.json' cannot be loaded", id="tokenizer-broken"),
    pytest.param(text("tokenizer.json", panicking()), "tokenizer.json' cannot be loaded (range", id="tokenizer-panics"),
    pytest.param(text("tokenizer.json", tokenizer_json(100)), "is another model's: it has token 99", id="too-many"),
    pytest.param(text("tokenizer.json", tokenizer_json(9)), "another model's: it knows 9 tokens", id="too-few"),
    pytest.param(
        text("genai_config.json", '{"model": {"eos_token_id": 63}}'), "genai_config.json has eos_token_id=63", id="eos"
    ),
    pytest.param(
        text("genai_config.json", '{"model": {"decoder": {"filename": "int4.onnx"}}}'),
        "names 'int4.onnx', but the folder's model is model.onnx; correct it",
        id="genai-runs-another-file",
    ),
    pytest.param(text("phi4bench.json", "{"), "the manifest cannot be read", id="manifest-broken"),
    pytest.param(text("phi4bench.json", "[]"), "schema='list', but should be", id="manifest-a-list"),
    pytest.param(
        text("phi4bench.json", '{"schema": "phi4bench.artifact/1", "precision": "int3"}'),
        "precision='int3', but should be one of fp32",
        id="manifest-precision",
    ),
    pytest.param(
        quantized_but_said_to_be("fp32"), "precision='fp32', but its graph is int4: MatMulNBits", id="manifest-not-int4"
    ),
    pytest.param(
        quantized_but_said_to_be("int4", bits=8), "precision='int4', but its graph is int8: MatMulNBits", id="no-4-bits"
    ),
    pytest.param(
        text("phi4bench.json", '{"schema": "phi4bench.artifact/1", "dialect": "latin"}'),
        "dialect='latin', but should be one of tool_use",
        id="manifest-dialect",
    ),
    pytest.param(
        text("phi4bench.json", '{"schema": "phi4bench.artifact/1", "turns": "left"}'),
        "turns='left', but should be one of",
        id="manifest-turns",
    ),
    pytest.param(manifest(dialect=LONG), "cannot be read: File name too long", id="manifest-dialect-too-long"),
    pytest.param(manifest(adapter=LONG), "cannot be read: File name too long", id="manifest-adapter-too-long"),
]


@pytest.mark.parametrize(("damage", "says"), REFUSED)
def test_a_fault_of_the_folder_is_one_line(tmp_path: Path, damage: Damage, says: str) -> None:
    folder = folder_of(tmp_path / "x")
    assert open_artifact(str(folder))
    damage(folder)
    with pytest.raises(ArtifactError) as caught:
        open_artifact(str(folder))
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x")
    loaded = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    loaded.graph.initializer[0].external_data[0].value = "../../secret"
    (folder / "model.onnx").write_bytes(loaded.SerializeToString())
    with pytest.raises(ArtifactError, match=r"keeps weights at '\.\./\.\./secret', outside its folder"):
        open_artifact(str(folder))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda path: None, "is an empty folder", id="empty"),
        pytest.param(lambda path: (path / "a.txt").write_text(""), "holds no .onnx file", id="no-model"),
        pytest.param(
            lambda path: [(path / name).write_text("") for name in ("a.onnx", "b.onnx")],
            "holds several models: a.onnx, b.onnx; name the one to judge",
            id="several",
        ),
        pytest.param(lambda path: (path / "config.json").write_text("{}"), "is a Hugging Face folder", id="hf"),
        pytest.param(lambda path: (path / "adapter_config.json").write_text(""), "is a PEFT adapter", id="peft"),
        pytest.param(lambda path: folder_of(path / "in"), "did you mean one of in/model.onnx?", id="one-below"),
    ],
)
def test_a_folder_without_a_model_says_what_it_is(tmp_path: Path, make: Damage, says: str) -> None:
    make(tmp_path)
    with pytest.raises(ArtifactError) as caught:
        open_artifact(str(tmp_path))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param("hf:Phi-4-mini-instruct", "should be hf:organisation/name@revision", id="hf"),
        pytest.param("https://host/v1#phi", "names a server", id="server"),
        pytest.param("", "'' is no path", id="empty"),
        pytest.param("a\0b", "is no path", id="nul"),
        pytest.param("x" * 5000, "is not there", id="too-long"),
        pytest.param("\x1b[2J/model.onnx", "is not there", id="escape"),
    ],
)
def test_a_spec_that_is_no_path_is_one_printable_line(spec: str, says: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        open_artifact(spec)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url", ["https://me:s3cret@host:8000/v1#m", "https://host:8000?key=s3cret", "https://a@s3cret@host:8000/v1"]
)
def test_of_a_server_no_secret_is_told(url: str) -> None:
    with pytest.raises(ArtifactError, match=r"^'https://host:8000(/v1)?' names a server") as error:
        open_artifact(url)
    assert "s3cret" not in str(error.value)


def test_a_mistyped_model_suggests_the_near_name(tmp_path: Path) -> None:
    folder_of(tmp_path / "nano-int8")
    with pytest.raises(ArtifactError, match=r"is not there; did you mean '.*nano-int8'"):
        open_artifact(str(tmp_path / "nano_int8"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").write_text("GGUF")
    with pytest.raises(ArtifactError, match=r"is no \.onnx file; judged now: an \.onnx file or its folder"):
        open_artifact(str(tmp_path / "weights.gguf"))
