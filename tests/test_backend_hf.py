"""The transformers backend on real folders: its tokens are the fp32 export's; what it refuses, it refuses in a line."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from tiny import tiny_models  # noqa: F401  (a fixture)
from tiny_runs import NEW, PROMPTS, completions, tokens
from tiny_runs import opened as opened_onnx

torch = pytest.importorskip("torch", reason="needs phi4bench[hf]")
transformers = pytest.importorskip("transformers", reason="needs phi4bench[hf]")

from phi4bench.artifacts import hf as folders  # noqa: E402
from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.artifacts.safetensors import elements_by_type  # noqa: E402
from phi4bench.backends import Provider, answering, hf, open_backend  # noqa: E402
from phi4bench.backends.base import Reference  # noqa: E402
from phi4bench.backends.padded_rows import PaddedRows, TorchLogits  # noqa: E402
from phi4bench.backends.tokens import PromptTokenizer  # noqa: E402
from phi4bench.errors import ArtifactError, BackendError, UsageError  # noqa: E402
from phi4bench.prompts import Segment  # noqa: E402


def opened(folder, **options):
    artifact = open_artifact(str(folder), dialect="tool_use")
    return open_backend(artifact, **{"threads": 1, "provider": Provider("cpu")} | options)


@pytest.fixture(scope="module")
def exported(tiny_models):  # noqa: F811
    """What the fp32 export says, one case at a time."""
    return completions(opened_onnx(tiny_models / "fp32"))


@pytest.fixture
def folder(tiny_models, tmp_path):  # noqa: F811
    shutil.copytree(tiny_models / "hf", tmp_path / "model")
    return tmp_path / "model"


# What it says


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_tokens_are_those_of_the_fp32_export(batch, tiny_models, exported):  # noqa: F811
    said = completions(opened(tiny_models / "hf", batch=batch))
    assert [one.token_ids for one in said] == [one.token_ids for one in exported]
    assert [one.text for one in said] == [one.text for one in exported]
    assert [one.finish for one in said] == [one.finish for one in exported]
    assert [one.prompt_tokens for one in said] == [one.prompt_tokens for one in exported]
    assert [one.margin for one in said] == pytest.approx([one.margin for one in exported], abs=1e-3)
    assert all(one.first_token_ms for one in said)


def test_a_prompt_has_the_key_that_it_has_for_the_export(tiny_models):  # noqa: F811
    here, there = opened(tiny_models / "hf"), opened_onnx(tiny_models / "fp32")
    assert [here.prompt_key(one) for one in PROMPTS] == [there.prompt_key(one) for one in PROMPTS]


def test_rows_of_unequal_length_leave_each_other_alone(tiny_models):  # noqa: F811
    model = hf.load(tiny_models / "hf", folders.read_hf(tiny_models / "hf"), "tiny", "fp32", "cpu")
    encode = PromptTokenizer.from_folder(tiny_models / "hf").encode
    import numpy as np

    first, second, third = (np.asarray(encode(PROMPTS[at])[0]) for at in (4, 1, 9))
    assert len({len(first), len(second), len(third)}) == 3
    rows, alone = PaddedRows(model), PaddedRows(model)
    rows.enter(0, first, 3)
    rows.enter(1, second, 3)
    rows.step([20, 21])
    rows.enter(0, third, 0)  # the second row stays where it is
    rows.leave(0)  # and moves down
    together = rows.step([22])
    alone.enter(0, second, 0)
    alone.step([21])
    np.testing.assert_allclose(together, alone.step([22]), rtol=1e-4, atol=1e-4)


def test_a_bf16_folder_runs_in_bf16(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    artifact = open_artifact(str(folder), dialect="tool_use")
    assert artifact.precision == "bf16"
    assert not artifact.quantized
    assert elements_by_type(folder / "model.safetensors").keys() == {"bf16"}
    backend = open_backend(artifact, threads=1, provider=Provider("cpu"))
    assert backend.identity()["precision"] == "bf16"
    assert {parameter.dtype for parameter in backend._model.parameters()} == {torch.bfloat16}
    with torch.inference_mode():
        ids = torch.tensor([PromptTokenizer.from_folder(folder).encode(PROMPTS[0])[0]])
        wanted = int(model.eval()(ids).logits[0, -1].argmax())
    assert completions(backend, PROMPTS[:1], 1)[0].token_ids == (wanted,)


def test_sharded_weights_are_one_artifact(folder, exported):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    artifact = open_artifact(str(folder), dialect="tool_use")
    shards = [name for name, _, _ in artifact.files if name.endswith(".safetensors")]
    assert len(shards) > 1
    assert artifact.bytes == sum((folder / name).stat().st_size for name in shards)
    assert tokens(open_backend(artifact, threads=1), PROMPTS[:3]) == [one.token_ids for one in exported[:3]]


def test_weights_and_tokenizer_make_the_identity(folder):
    before = open_artifact(str(folder), dialect="tool_use")
    config = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(config, indent=1))
    after = open_artifact(str(folder), dialect="tool_use")
    assert after.weights_sha256 == before.weights_sha256
    assert after.sha256 != before.sha256


def test_a_long_answer_that_is_read_leaves_the_others_together(tiny_models, monkeypatch):  # noqa: F811
    backend, groups = opened(tiny_models / "hf"), []
    force = answering.force_jobs
    monkeypatch.setattr(answering, "force_jobs", lambda *given: (groups.append(given[1]), force(*given))[1])
    asked = [Reference(PROMPTS[0], (Segment("again " * times),)) for times in (1, 30, 2)]
    backend._long = len(backend._tokenizer.encode(PROMPTS[0])[0]) + 40
    assert {index for index, _ in backend.score(asked)} == {0, 1, 2}
    assert groups == [16, 1]


# On a device


class Device:
    """torch as on a machine with one CUDA device, with main memory for it. `rows`: as many as decode together."""

    def __init__(self, monkeypatch):
        self.free, self.reserved, self.allocated, self.rows = 0, 5_000, 5_000, []
        load, decode = hf.load, answering.decode_jobs
        monkeypatch.setattr(hf, "load", lambda *given: load(*given[:-1], "cpu"))
        monkeypatch.setattr(answering, "decode_jobs", lambda *given: (self.rows.append(given[1]), decode(*given))[1])
        says = {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "get_device_name": lambda _: "stand-in",
            "mem_get_info": lambda _: (self.free, 1 << 50),
            "memory_reserved": lambda _: self.reserved,
            "memory_allocated": lambda _: self.allocated,
        }
        for name, answer in says.items():
            monkeypatch.setattr(torch.cuda, name, answer)


@pytest.mark.parametrize(
    ("free", "kept", "rows"),
    [
        pytest.param(1000, 0, 64, id="room-for-all"),
        pytest.param(1.5, 4, 5, id="room-for-some-in-what-torch-keeps-too"),
        pytest.param(0, 0, 1, id="full"),
    ],
)
def test_rows_on_a_device_are_as_many_as_fit(free, kept, rows, tiny_models, exported, monkeypatch):  # noqa: F811
    device = Device(monkeypatch)
    encode = PromptTokenizer.from_folder(tiny_models / "hf").encode
    longest = max(len(encode(one)[0]) for one in PROMPTS) + NEW
    # 2 layers, keys and values, 2 heads of 16 numbers of 4 bytes: 512 bytes a token; twice, since a step makes it anew.
    row = longest * 512 * 2 / 0.8
    device.free, device.reserved = int(row * free), device.allocated + int(row * kept)
    backend = opened(tiny_models / "hf", provider=Provider("cuda"))
    assert backend.identity()["rows"] == 64
    assert [one.token_ids for one in completions(backend)] == [one.token_ids for one in exported]
    assert device.rows == [rows]
    assert not backend.notes  # nobody asked for more


@pytest.mark.parametrize(("free", "rows"), [(None, 16), (1 << 40, 16), (5.5, 5), (0, 1)])
def test_rows_in_main_memory_are_as_many_as_fit(free, rows, tiny_models, exported, monkeypatch):  # noqa: F811
    made = []
    decode = answering.decode_jobs
    monkeypatch.setattr(answering, "decode_jobs", lambda *given: (made.append(given[1]), decode(*given))[1])
    encode = PromptTokenizer.from_folder(tiny_models / "hf").encode
    row = (max(len(encode(one)[0]) for one in PROMPTS) + NEW) * 512 * 2 / 0.8  # as above
    monkeypatch.setattr(hf, "free_memory_bytes", lambda: free if free is None else int(row * free))
    backend = opened(tiny_models / "hf")
    assert [one.token_ids for one in completions(backend)] == [one.token_ids for one in exported]
    assert made == [rows]


def test_a_batch_that_is_asked_for_is_the_most_that_a_device_runs(tiny_models, monkeypatch):  # noqa: F811
    device = Device(monkeypatch)
    device.free = 1 << 40
    tokens(opened(tiny_models / "hf", provider=Provider("cuda"), batch=3), PROMPTS[:4], 2)
    assert device.rows == [3]
    device.free = 0
    tokens(full := opened(tiny_models / "hf", provider=Provider("cuda"), batch=3), PROMPTS[:4], 2)
    assert device.rows == [3, 1]
    assert full.notes == ["1 case at once and not 3: the caches of more do not fit the memory"]


def test_on_a_device_attention_plans_nothing_and_the_likeliest_tokens_are_found_there(
    tiny_models,  # noqa: F811
    exported,
    monkeypatch,
):
    Device(monkeypatch).free = 1 << 40
    monkeypatch.setattr(PaddedRows, "_as_logits", lambda rows, tensor: TorchLogits(torch, tensor))
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        backend = opened(tiny_models / "hf", provider=Provider("cuda"))
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert [one.token_ids for one in completions(backend)] == [one.token_ids for one in exported]
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


# What it refuses


def edit(folder, name, **changes):
    path = folder / name
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-64])


def with_shape(*shape):
    def breaking(folder):
        header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode()
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))

    return breaking


def with_shards_beside(folder):
    shutil.copy(folder / "model.safetensors", folder / "part.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part.safetensors"}}')


def listing_elsewhere(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../model.safetensors"}}')


def listing_no_names(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": ["model.safetensors"], "b": null}}')


FAULTS = {
    "pickled weights": (pickled, r"pickled weights \(pytorch_model.bin\).*safe_serialization"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "without model.safetensors"),
    "cut weights": (cut, r"truncated or no safetensors file \(\d+ bytes, but its tensors end at byte \d+\)"),
    "a text times a size": (with_shape("a", 10**15), "no safetensors file \\(a shape is no list of sizes"),
    "dimensions without end": (with_shape(*[2**63] * 1000), "a shape has 1000 dimensions"),
    "numbers without end": (with_shape(10**3000, 10**3000), "a tensor has more numbers than any memory holds"),
    "no names of shards": (listing_no_names, "does not list files beside it"),
    "shards elsewhere": (listing_elsewhere, "does not list files beside it"),
    "shards beside whole weights": (with_shards_beside, "transformers loads the first and passes the shards over"),
    "weights of another name": (
        lambda f: edit(f, "config.json", transformers_weights="other.safetensors"),
        "transformers_weights='other.safetensors', by which transformers loads other weights",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json.*slow kind"),
    "another's tokenizer": (lambda f: edit(f, "config.json", vocab_size=100), "another model's"),
    "quantized": (
        lambda f: edit(f, "config.json", quantization_config={"quant_method": "gptq"}),
        r"quantized \(gptq\)",
    ),
    "no decoder": (lambda f: edit(f, "config.json", max_position_embeddings=None), "does not describe a decoder"),
    "context without end": (
        lambda f: edit(f, "config.json", max_position_embeddings=float("inf")),
        "does not describe a decoder",
    ),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_cannot_be_run_is_refused_in_a_line(fault, folder):
    breaking, message = FAULTS[fault]
    breaking(folder)
    with pytest.raises(ArtifactError, match=message) as told:
        open_artifact(str(folder), dialect="tool_use")
    assert "\n" not in str(told.value)


LOADING_FAULTS = {
    "code of its own": (
        {"model_type": "mystery", "auto_map": {"AutoModelForCausalLM": "modeling_mystery.Mystery"}},
        "code of its own",
    ),
    "unknown model": ({"model_type": "mystery"}, "cannot load it"),
    "recurrent": ({"model_type": "mamba"}, "a model of type 'mamba' does not keep keys and values alone"),
    "convolutions beside attention": (
        {"model_type": "lfm2", "layer_types": ["conv", "full_attention"]},
        "a model of type 'lfm2' does not keep keys and values alone",
    ),
    "tensors that are missing": ({"num_hidden_layers": 3}, "weights lack .* tensors"),
}


@pytest.mark.parametrize("fault", LOADING_FAULTS)
def test_a_model_that_cannot_be_loaded_whole_is_refused_in_a_line(fault, folder):
    changes, message = LOADING_FAULTS[fault]
    edit(folder, "config.json", **changes)
    (folder / "modeling_mystery.py").write_text("raise SystemExit('the code of the repository ran')")
    with pytest.raises(ArtifactError, match=message) as told:
        opened(folder)
    assert "\n" not in str(told.value)


OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity of 1.00 GiB"


@pytest.mark.parametrize(
    ("loads", "method"),
    [
        pytest.param(transformers.AutoModelForCausalLM, "from_pretrained", id="reading-the-weights"),
        pytest.param(transformers.PreTrainedModel, "to", id="moving-them-to-the-device"),
    ],
)
def test_no_memory_to_load_a_model_is_no_fault_of_the_folder(loads, method, tiny_models, monkeypatch):  # noqa: F811
    def fail(*_, **__):
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    monkeypatch.setattr(loads, method, fail)
    with pytest.raises(BackendError, match=r"there is no memory to load it \(CUDA out of memory") as told:
        opened(tiny_models / "hf")
    assert "\n" not in str(told.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_a_device_that_does_not_work_is_no_fault_of_the_folder(tiny_models):  # noqa: F811
    config = folders.read_hf(tiny_models / "hf")
    with pytest.raises(BackendError, match=r"torch cannot put it on cuda:0 .*--provider cpu"):
        hf.load(tiny_models / "hf", config, "tiny", "fp32", "cuda:0")


def test_nan_logits_are_a_fault_of_the_case(folder):
    backend = opened(folder)
    backend._model.get_input_embeddings().weight.data[:] = float("nan")
    with pytest.raises(BackendError, match="logits of new token 1 are not finite"):
        completions(backend)


def test_what_means_nothing_to_transformers_is_said(tiny_models):  # noqa: F811
    asked = Provider("cpu", graph_optimization="basic")
    assert opened(tiny_models / "hf", provider=asked).notes == [
        "--graph-optimization basic: of ONNX files, and nothing to transformers"
    ]
    assert opened(tiny_models / "hf").notes == []


def test_without_transformers_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setattr(folders, "find_spec", lambda name: None if name == "transformers" else object())
    with pytest.raises(UsageError, match=r"transformers not installed.*phi4bench\[hf\]"):
        open_artifact(str(folder), dialect="tool_use")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"phi4bench\[hf\]"):
        hf.libraries()


@pytest.mark.parametrize("named", [None, "model.safetensors"])
def test_a_configuration_may_name_the_very_weights_that_are_hashed(named, folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"transformers_weights": named}))
    assert open_artifact(str(folder), dialect="tool_use").format == "hf"
