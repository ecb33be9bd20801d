"""Opening an artifact: what identifies it, what is inferred, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phi4bench.artifacts import Artifact, open_artifact, unique_ids
from phi4bench.artifacts import hashing as hashing_module
from phi4bench.artifacts.hashing import file_sha256
from phi4bench.artifacts.onnxfile import read_onnx
from phi4bench.artifacts.protobuf import WireError
from phi4bench.datasets import schemas_dir
from phi4bench.dialects import dialect_named
from phi4bench.errors import ArtifactError, DialectError

onnx = pytest.importorskip("onnx", reason="builds small ONNX files: needs phi4bench[dev]")
np = pytest.importorskip("numpy")

VOCABULARY = 64
DECODER_INPUTS = ("input_ids", "attention_mask", "past_key_values.0.key", "past_key_values.0.value")


def onnx_model(
    inputs: tuple[str, ...] = DECODER_INPUTS,
    outputs: tuple[str, ...] = ("logits", "present.0.key"),
    bits: tuple[int, ...] = (),
    operators: tuple[str, ...] = (),
    weights: str = "float32",
    inside_if: bool = False,
) -> object:
    """A model that no runtime would run, with the structure that matters here."""
    helper, kinds = onnx.helper, onnx.TensorProto
    floats = [helper.make_tensor_value_info(name, kinds.FLOAT, ["batch", "seq", VOCABULARY]) for name in outputs]
    nodes = [helper.make_node("MatMul", ["a", "w"], ["b"])]
    nodes += [helper.make_node("MatMulNBits", ["a"], ["b"], domain="com.microsoft", bits=n, K=8, N=8) for n in bits]
    nodes += [helper.make_node(operator, ["a"], ["b"]) for operator in operators]
    weight = onnx.numpy_helper.from_array(np.arange(4096, dtype=weights), "w")
    initializers = [weight]
    if inside_if:
        branch = helper.make_graph([], "branch", [], [floats[0]], [weight])
        nodes.append(helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch))
        initializers = []
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info(name, kinds.INT64, ["batch", "seq"]) for name in inputs],
        floats,
        initializers,
    )
    return helper.make_model(graph, producer_name="test")


def tokenizer_json(size: int = 60, added: tuple[str, ...] = ()) -> str:
    vocabulary = {f"t{number}": number for number in range(size)}
    tokens = [
        {"id": size + at, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for at, text in enumerate(added)
    ]  # fmt: skip
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"}
    return json.dumps({"version": "1.0", "added_tokens": tokens, "model": model})


def folder_of(
    path: Path,
    model: object | None = None,
    *,
    external: bool = True,
    tokenizer: str | None = None,
    template: str = "",
    manifest: dict[str, object] | None = None,
) -> Path:
    """A folder as the model builder lays it out."""
    path.mkdir(parents=True, exist_ok=True)
    onnx.save(
        onnx_model() if model is None else model,
        str(path / "model.onnx"),
        save_as_external_data=external,
        location="model.onnx.data",
        size_threshold=0,
    )
    (path / "genai_config.json").write_text(json.dumps({"model": {"eos_token_id": [1, 2], "vocab_size": VOCABULARY}}))
    (path / "tokenizer.json").write_text(tokenizer_json() if tokenizer is None else tokenizer)
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    if manifest is not None:
        (path / "phi4bench.json").write_text(json.dumps({"schema": "phi4bench.artifact/1"} | manifest))
    return path


def fake(path: Path, **manifest: object) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    whole = {"schema": "phi4bench.artifact/1", "format": "fake", "behaviour": "silent"} | manifest
    (path / "phi4bench.json").write_text(json.dumps(whole))
    return path


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


def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    monkeypatch.setattr(hashing_module.time, "time", lambda: time.time_ns() / 1e9 + 60)
    reads: list[Path] = []
    read = hashing_module._read
    monkeypatch.setattr(hashing_module, "_read", lambda path: reads.append(path) or read(path))
    large = tmp_path / "weights"
    large.write_bytes(b"aaaaaaaa")
    first = file_sha256(large, tmp_path / "cache")
    assert file_sha256(large, tmp_path / "cache") == first
    assert len(reads) == 1
    times = large.stat()
    large.write_bytes(b"aaaabaaa")
    os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))  # the clock put back: the change is still seen
    assert file_sha256(large, tmp_path / "cache") != first
    assert len(reads) == 2


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    (tmp_path / "weights").write_bytes(b"aaaaaaaa")
    file_sha256(tmp_path / "weights", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"\xff{\n", b'{"key": 1}\n'], ids=["empty", "broken", "foreign"])
def test_a_damaged_memory_of_digests_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    monkeypatch.setattr(hashing_module, "ALWAYS_READ_BYTES", 4)
    (tmp_path / "sha256.jsonl").write_bytes(damage)
    (tmp_path / "weights").write_bytes(b"abc" * 9)
    # sha256sum of nine times "abc"
    assert (
        file_sha256(tmp_path / "weights", tmp_path)
        == subprocess.run(
            ["sha256sum", tmp_path / "weights"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    )


# --- what is inferred ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "precision", "source"),
    [
        pytest.param({"bits": (4, 4)}, "int4", "MatMulNBits (2 of 4 bits)", id="int4"),
        pytest.param({"bits": (8,)}, "int8", "MatMulNBits (1 of 8 bits)", id="int8"),
        pytest.param({"bits": (4, 8)}, "int4", "MatMulNBits (1 of 4 bits and 1 of 8 bits)", id="mixed"),
        pytest.param({"operators": ("DynamicQuantizeLinear", "MatMulInteger")}, "int8", "MatMulInteger", id="dynamic"),
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


# --- what is refused ----------------------------------------------------------------------------------------------

Damage = Callable[[Path], object]


def cut(name: str, keep: float = 0.5) -> Damage:
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * keep))


def text(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content)


def gone(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def model(**parts: object) -> Damage:
    return lambda folder: folder_of(folder, onnx_model(**parts))  # type: ignore[arg-type]


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
    pytest.param(text("tokenizer.json", tokenizer_json(100)), "is another model's: it has token 99", id="too-many"),
    pytest.param(text("tokenizer.json", tokenizer_json(9)), "another model's: it knows 9 tokens", id="too-few"),
    pytest.param(
        text("genai_config.json", '{"model": {"eos_token_id": 63}}'), "genai_config.json has eos_token_id=63", id="eos"
    ),
    pytest.param(text("phi4bench.json", "{"), "the manifest cannot be read", id="manifest-broken"),
    pytest.param(text("phi4bench.json", "[]"), "schema='list', but should be", id="manifest-a-list"),
    pytest.param(
        text("phi4bench.json", '{"schema": "phi4bench.artifact/1", "precision": "int3"}'),
        "precision='int3', but should be one of fp32",
        id="manifest-precision",
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


def test_every_cut_of_a_model_is_seen(tmp_path: Path) -> None:
    whole = folder_of(tmp_path / "x", onnx_model(bits=(4,)), external=False) / "model.onnx"
    data = whole.read_bytes()
    for size in range(0, len(data), 97):
        whole.write_bytes(data[:size])
        with pytest.raises(WireError):
            read_onnx(whole)


def test_the_structure_agrees_with_the_onnx_package(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", onnx_model(bits=(4, 8), inside_if=True)) / "model.onnx"
    ours, theirs = read_onnx(path), onnx.load(str(path), load_external_data=False)
    assert list(ours.inputs) == [one.name for one in theirs.graph.input]
    assert ours.outputs["logits"] == (None, None, VOCABULARY)
    assert sum(ours.operators.values()) == len(theirs.graph.node)
    assert ours.bits == {4: 1, 8: 1}
    assert ours.producer == "test"


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


def test_a_mistyped_model_suggests_the_near_name(tmp_path: Path) -> None:
    folder_of(tmp_path / "nano-int8")
    with pytest.raises(ArtifactError, match=r"is not there; did you mean '.*nano-int8'"):
        open_artifact(str(tmp_path / "nano_int8"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").write_text("GGUF")
    with pytest.raises(ArtifactError, match=r"is no \.onnx file; judged now: an \.onnx file or its folder"):
        open_artifact(str(tmp_path / "weights.gguf"))


# --- fakes and ids ------------------------------------------------------------------------------------------------


def test_a_fake_is_its_manifest_and_its_answers(tmp_path: Path) -> None:
    folder = fake(tmp_path / "right", behaviour="always_right", answers="answers.jsonl", precision="int8")
    (folder / "answers.jsonl").write_text("one")
    artifact = open_artifact(str(folder))
    assert (artifact.id, artifact.format, artifact.behaviour) == ("right", "fake", "always_right")
    assert artifact.answers == folder / "answers.jsonl"
    assert (artifact.dialect.name, artifact.quantized) == ("tool_use", True)
    (folder / "answers.jsonl").write_text("two")
    assert open_artifact(str(folder)).sha256 != artifact.sha256


def test_a_fake_without_its_answers_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="'answers' names a case file"):
        open_artifact(str(fake(tmp_path / "x", answers="nope.jsonl")))


def artifacts(tmp_path: Path, *names: str) -> tuple[Artifact, ...]:
    return unique_ids([open_artifact(str(fake(tmp_path / name))) for name in names])


def test_ids_of_one_name_take_the_folder_above(tmp_path: Path) -> None:
    found = artifacts(tmp_path, "run1/int8", "run2/int8", "run2/int4")
    assert [one.id for one in found] == ["run1-int8", "run2-int8", "int4"]


def test_ids_stay_distinct_whatever_the_folders_are_called(tmp_path: Path) -> None:
    one = open_artifact(str(fake(tmp_path / "a" / "x")))
    ids = [artifact.id for artifact in unique_ids([one, one, replace(one, id="X"), replace(one, id="a-x")])]
    assert len({name.lower() for name in ids}) == 4


@pytest.mark.parametrize(("name", "shown"), [("a b/ü", "artifact"), ("..x..", "x"), ("a b", "a-b")])
def test_an_id_is_fit_for_a_file_name(tmp_path: Path, name: str, shown: str) -> None:
    assert open_artifact(str(fake(tmp_path / name))).id == shown


def test_the_published_schema_accepts_a_manifest(tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((schemas_dir() / "artifact.schema.json").read_text())
    manifest = json.loads((fake(tmp_path) / "phi4bench.json").read_text())
    Draft202012Validator(schema).validate(manifest)
    assert not Draft202012Validator(schema).is_valid(manifest | {"precision": "int3"})


def test_a_constant_is_told_where_it_is_one_number_and_many_are_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phi4bench.artifacts import onnxfile

    helper, kinds = onnx.helper, onnx.TensorProto
    raw = onnx.numpy_helper.from_array(np.array([4096], np.int64))
    spelt = helper.make_tensor("", kinds.INT64, [1], [4096])
    many = helper.make_tensor("", kinds.INT64, [300], [4096] * 300)
    held = {"raw": raw, "spelt": spelt, "many": many}
    nodes = [helper.make_node("Constant", [], [name], value=tensor) for name, tensor in held.items()]
    (tmp_path / "model.onnx").write_bytes(helper.make_model(helper.make_graph(nodes, "g", [], [])).SerializeToString())
    longest = 0

    def measured(value: int | memoryview) -> Iterator[int]:
        nonlocal longest
        longest = max(longest, 0 if isinstance(value, int) else len(value))
        return packed(value)

    packed = onnxfile.packed
    monkeypatch.setattr(onnxfile, "packed", measured)
    assert onnxfile.read_onnx(tmp_path / "model.onnx").constants == {"raw": 4096, "spelt": 4096}
    assert longest <= 10
