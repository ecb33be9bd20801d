"""Merging and exporting: the same model at each step, and a clear line where it would not be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest
from kit import ROOT
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft"):
    pytest.importorskip(module, reason="needs the `train` extra")

from safetensors.torch import load_file, save_file  # noqa: E402

from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.errors import UsageError  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.base import open_base, write_manifest  # noqa: E402
from trainers.export import compare, export, run_builder  # noqa: E402
from trainers.faults import TrainingError  # noqa: E402
from trainers.merge import adapter_sha256, is_merged, merge  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and PEFT
IDS = [[1, 300, 301, 302, 5, 2, 400, 401, 5, 3]]
SHAPE = {"hidden_size": 64, "intermediate_size": 96}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("merge") / "base", **SHAPE)


def make_adapter(base: Path, folder: Path, *layers: str) -> Path:
    """A run with an adapter of random weights, as sft leaves one. `layers`: other ones than attention's."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    targets = list(layers or ("qkv_proj", "o_proj"))
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    adapted.save_pretrained(folder / "adapter")
    found = open_base(str(base))
    recipe = {"base": str(base), "base_path": str(base), "base_weights_sha256": found.artifact.weights_sha256}
    write_manifest(folder / "adapter", name="a", format="peft", dialect="tool_use", recipe=recipe)
    return folder


@pytest.fixture(scope="module")
def run(base, tmp_path_factory):
    return make_adapter(base, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def merged(run):
    return merge(run)


@torch.no_grad()
def logits(model):
    return model.eval()(input_ids=torch.tensor(IDS)).logits


def test_the_merged_model_says_what_base_and_adapter_say(base, run, merged):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    alone = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before = logits(alone)
    together = logits(PeftModel.from_pretrained(alone, run / "adapter"))
    now = logits(AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32))
    assert torch.allclose(now, together, atol=1e-5)
    assert not torch.allclose(now, before, atol=1e-2)


def test_a_merged_folder_is_an_artifact_that_names_its_adapter(run, merged):
    artifact = open_artifact(str(merged))
    assert (artifact.format, artifact.precision, artifact.dialect.name) == ("hf", "fp32", "tool_use")
    assert is_merged(merged, adapter_sha256(run / "adapter"))


def test_rounding_to_bf16_says_what_it_lost(run, tmp_path: Path):
    folder = merge(run, out=tmp_path / "half", precision="bf16")
    recipe = json.loads((folder / "phi4bench.json").read_text())["recipe"]
    # bf16 keeps 8 bits: an error of up to 2^-9 of a weight, against changes of the weights' own size.
    assert 0 < recipe["rounding"]["lost"] < 0.05


def saved(config, base: Path, folder: Path, number: float = 0.05) -> Path:
    """An adapter as another tool leaves it. `number`: what each of its weights is moved by."""
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(number)
    adapted.save_pretrained(folder)
    return folder


def test_rounding_is_told_of_adapters_that_are_no_lora(base, tmp_path: Path):
    from peft import IA3Config

    config = IA3Config(target_modules=["qkv_proj"], feedforward_modules=[], task_type="CAUSAL_LM")
    folder = merge(saved(config, base, tmp_path / "ia3"), str(base), tmp_path / "half", "bf16")
    # Weights grow by 5%; bf16 keeps 8 bits, an error of up to 2^-9, in the mean about half of that.
    lost = json.loads((folder / "phi4bench.json").read_text())["recipe"]["rounding"]["lost"]
    assert 2**-11 / 0.05 < lost < 2**-9 / 0.05


@pytest.mark.parametrize(
    ("options", "number", "says"),
    [
        pytest.param({"lora_bias": True}, 0.05, "the base layer has no bias", id="bias"),
        pytest.param({}, float("nan"), "NaNs detected in the merged weights", id="nan"),
    ],
)
def test_what_cannot_be_merged_is_a_line(options, number, says, base, tmp_path: Path):
    from peft import LoraConfig

    config = LoraConfig(r=2, target_modules=["qkv_proj"], task_type="CAUSAL_LM", **options)
    with pytest.raises(UsageError, match=f"adapter' cannot be merged .*{says}"):
        merge(saved(config, base, tmp_path / "adapter", number), str(base), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_numbers_that_the_precision_has_not_are_not_merged(base, tmp_path: Path):
    from peft import LoraConfig

    config = LoraConfig(r=2, target_modules=["qkv_proj"], task_type="CAUSAL_LM")
    adapter = saved(config, base, tmp_path / "adapter", 1000.0)
    with pytest.raises(UsageError, match=r"qkv_proj.weight is not finite in fp16; use --precision fp32 or bf16"):
        merge(adapter, str(base), tmp_path / "m", "fp16")


def test_libraries_that_warn_of_every_model_are_not_heard(run, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "trainers", "merge", str(run), "--out", str(tmp_path / "m")],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONWARNINGS": ""}, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("merged into ")
    assert "not sharded" not in done.stderr
    assert "Warning" not in done.stderr


def test_merging_twice_is_a_clear_line(run, merged, capsys):
    assert main(["merge", str(run)]) == 4
    assert "already holds this adapter merged" in capsys.readouterr().err
    assert main(["merge", str(run), "--base", str(merged), "--out", str(merged.parent / "again")]) == 4
    assert "has this adapter in it already" in capsys.readouterr().err


def test_an_adapter_of_another_tool_is_held_to_the_base_that_it_names(run, base, tmp_path: Path, capsys):
    foreign = tmp_path / "foreign"
    shutil.copytree(run / "adapter", foreign)
    (foreign / "phi4bench.json").unlink()
    other = small_model(tmp_path / "other", seed=1, **SHAPE)
    with pytest.raises(UsageError, match="the adapter was trained on another base"):
        merge(foreign, str(other), tmp_path / "out")
    config = json.loads((foreign / "adapter_config.json").read_text())
    (foreign / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "someone/else"}))
    capsys.readouterr()
    merge(foreign, str(other), tmp_path / "told")
    assert "whether they are the same weights cannot be told" in capsys.readouterr().out
    (foreign / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    merge(foreign, str(copy), tmp_path / "same")
    assert "cannot be told" not in capsys.readouterr().out


def test_an_adapter_for_another_base_is_a_clear_line(run, tmp_path: Path):
    other = small_model(tmp_path / "other", seed=1, **SHAPE)
    with pytest.raises(UsageError, match="the adapter was trained on another base"):
        merge(run, base=str(other), out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_an_adapter_that_does_not_fit_is_a_clear_line_without_a_manifest_too(run, tmp_path: Path):
    shutil.copytree(run / "adapter", tmp_path / "bare")
    (tmp_path / "bare" / "phi4bench.json").unlink()
    config = tmp_path / "bare" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": "nobody/knows"}))
    wide = small_model(tmp_path / "wide", hidden_size=48)
    with pytest.raises(UsageError, match="the adapter does not fit"):
        merge(tmp_path / "bare", base=str(wide), out=tmp_path / "m")


def test_an_adapter_names_no_module_that_is_run(run, base, tmp_path: Path):
    """PEFT 0.14 imports `megatron_core`, whatever that is; newer ones have a list."""
    shutil.copytree(run / "adapter", tmp_path / "hostile")
    config = tmp_path / "hostile" / "adapter_config.json"
    names = {"megatron_config": {"tensor_model_parallel_size": 1}, "megatron_core": "antigravity"}
    config.write_text(json.dumps(json.loads(config.read_text()) | names))
    with pytest.raises(UsageError, match="has megatron_config, by which older PEFT runs whatever module"):
        merge(tmp_path / "hostile", str(base), tmp_path / "m")


@pytest.mark.parametrize("layer", ["lm_head", "embed_tokens"])
def test_an_adapter_of_a_table_that_two_layers_share_is_not_merged(layer, base, tmp_path: Path):
    """The other one would be changed with it: another model than base and adapter."""
    run = make_adapter(base, tmp_path / "run", layer)
    with pytest.raises(UsageError, match=rf"changes [\w.]*{layer}, whose weights another layer has too: merged"):
        merge(run)
    assert not (run / "merged").exists()


def test_an_adapter_of_a_head_with_a_table_of_its_own_is_merged(tmp_path: Path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    apart = small_model(tmp_path / "apart", tie_word_embeddings=False, **SHAPE)
    run = make_adapter(apart, tmp_path / "run", "lm_head")
    together = logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(apart), run / "adapter"))
    assert torch.allclose(logits(AutoModelForCausalLM.from_pretrained(merge(run))), together, atol=1e-5)


def test_a_folder_without_an_adapter_is_a_clear_line(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no adapter; name a run of sft"):
        merge(tmp_path)


# Export


@pytest.fixture(scope="module")
def exported(merged, tmp_path_factory):
    pytest.importorskip("onnxruntime_genai", reason="needs the `train` extra")
    pytest.importorskip("onnx_ir", reason="needs the `train` extra")
    out = tmp_path_factory.mktemp("exported")
    export(str(merged), ["int4", "fp32"], out, lambda folder: IDS)
    return out


def test_the_export_is_compared_with_pytorch(exported):
    told = {one["precision"]: one for one in json.loads((exported / "export.json").read_text())["results"]}
    assert told["fp32"]["max_difference"] < 1e-3
    assert told["fp32"]["top1_agreement"] == 1.0
    assert told["int4"]["max_difference"] > told["fp32"]["max_difference"]


def test_an_export_is_an_artifact_and_fp32_the_parent_of_int4(exported):
    fp32, int4 = (open_artifact(str(exported / name)) for name in ("fp32", "int4"))
    assert (fp32.precision, int4.precision) == ("fp32", "int4")
    assert int4.parent_sha256 == fp32.weights_sha256


def test_an_export_reads_text_as_its_model_does(merged, exported):
    """transformers, by which the builder saves it, makes changes, and of a Qwen2 another tokenizer."""
    for precision in ("fp32", "int4"):
        assert (exported / precision / "tokenizer.json").read_bytes() == (merged / "tokenizer.json").read_bytes()


def test_a_finished_export_is_kept(merged, exported, capsys):
    export(str(merged), ["fp32"], exported, lambda folder: pytest.fail("there is nothing to compare"))
    assert "is finished; nothing to do" in capsys.readouterr().out


def test_an_export_of_the_same_weights_with_another_configuration_is_not_finished(merged, exported, tmp_path: Path):
    """Where an answer ends, and how positions turn, is in no weight."""
    changed = tmp_path / "merged"
    shutil.copytree(merged, changed)
    generation = changed / "generation_config.json"
    generation.write_text(json.dumps(json.loads(generation.read_text()) | {"eos_token_id": [5, 7]}))
    with pytest.raises(UsageError, match="was made from another model, or with another configuration or tokenizer"):
        export(str(changed), ["fp32"], exported, lambda folder: IDS)


def test_an_export_that_says_nothing_of_its_configuration_is_kept(merged, exported, tmp_path: Path, capsys):
    """As files do that are older than what is written down of it."""
    older = tmp_path / "exported"
    shutil.copytree(exported, older)
    path = older / "fp32" / "phi4bench.json"
    manifest = json.loads(path.read_text())
    del manifest["recipe"]["configuration_sha256"]
    path.write_text(json.dumps(manifest))
    export(str(merged), ["fp32"], older, lambda folder: IDS)
    assert "is finished; nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("precision", ["fp32", "int4"])
def test_a_file_that_is_another_model_is_not_kept(precision, merged, exported, tmp_path: Path, monkeypatch):
    other = small_model(tmp_path / "other", seed=9, **SHAPE)

    def wrong_builder(source, target, precision, block_size, accuracy_level):
        shutil.copytree(exported / precision, target)

    monkeypatch.setattr("trainers.export.run_builder", wrong_builder)
    with pytest.raises(TrainingError, match="the fp32 file is not the model"):
        export(str(other), [precision], tmp_path / "out", lambda folder: IDS)
    assert not list((tmp_path / "out").iterdir())


def test_an_export_that_breaks_off_leaves_no_draft(merged, tmp_path: Path, monkeypatch):
    def full(source, draft, *_):
        draft.mkdir()
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("trainers.export.build", full)
    with pytest.raises(OSError, match="No space"):
        export(str(merged), ["fp32"], tmp_path, lambda folder: IDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [False, True], ids=["int4-alone", "fp32-is-there"])
def test_few_bits_are_kept_when_the_builders_fp32_file_is_the_model(
    there, merged, exported, tmp_path: Path, monkeypatch
):
    if there:
        shutil.copytree(exported / "fp32", tmp_path / "fp32")
    built = []

    def builder(source, target, precision, block_size, accuracy_level):
        built.append(precision)
        shutil.copytree(exported / precision, target)

    monkeypatch.setattr("trainers.export.run_builder", builder)
    export(str(merged), ["int4"], tmp_path, lambda folder: IDS)
    assert built == (["int4"] if there else ["fp32", "int4"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", *(["fp32"] if there else []), "int4"]


def test_logits_that_are_no_numbers_are_no_agreement(merged, exported, monkeypatch):
    def reader_of_nothing(*given):
        return lambda ids: np.full((len(ids), 1024), np.nan, np.float32)

    monkeypatch.setattr("trainers.agreement.reader", reader_of_nothing)
    with pytest.raises(TrainingError, match=r"logits are not finite: those of '.*model.onnx'"):
        compare(merged, exported / "fp32" / "model.onnx", "fp32", IDS)


def test_a_model_whose_own_logits_are_no_numbers_is_not_exported(exported, tmp_path: Path):
    broken = small_model(tmp_path / "broken", **SHAPE)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"logits are not finite: PyTorch's, of '.*broken'"):
        compare(broken, exported / "fp32" / "model.onnx", "fp32", IDS)


@pytest.mark.parametrize(
    ("code", "said", "says"),
    [
        (
            1,
            "Traceback ...\nKeyError: 'multi_cache'\n",
            r"builder failed for int8 \(KeyError: 'multi_cache'\); its whole out",
        ),
        (
            1,
            "Traceback ...\nOSError: [Errno 28] No space left on device\n",
            r"the disk is full \(the model builder, for int8",
        ),
        (-9, "", r"the model builder failed for int8 \(ended by SIGKILL, most often since memory ran out\)"),
    ],
    ids=["fault", "full-disk", "killed"],
)
def test_a_builder_that_fails_is_a_line(code, said, says, tmp_path: Path, monkeypatch):
    done = subprocess.CompletedProcess([], code, "", said)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: done)
    (tmp_path / "builder-cache").mkdir()  # somebody's own
    with pytest.raises(TrainingError, match=says) as caught:
        run_builder(tmp_path / "hf", tmp_path / "int8", "int8")
    assert (tmp_path / "builder-cache").is_dir()
    assert "\n" not in str(caught.value)
    log = tmp_path / "builder.log"
    assert not log.exists() if "No space" in said else log.read_text() == said
