"""Adapters that stay beside their base, with the logits and tokens of PyTorch's; and what an export refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import small_model
from tiny import one_process  # noqa: F401  (a fixture)

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "onnx", "onnx_ir", "onnxruntime_genai"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.backends import Decoding, open_backend  # noqa: E402
from phi4bench.backends.tokens import PromptTokenizer  # noqa: E402
from phi4bench.errors import ArtifactError, UsageError  # noqa: E402
from phi4bench.prompts import Prompt, Segment  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.adapters import ADAPTER, Lora, export_adapter, placed  # noqa: E402
from trainers.agreement import on_both_sides, reader, rotary_switch  # noqa: E402
from trainers.base import manifest_of, open_base, write_manifest  # noqa: E402
from trainers.export import check_config, export, is_finished, parent_of  # noqa: E402
from trainers.faults import TrainingError  # noqa: E402
from trainers.merge import merge  # noqa: E402
from trainers.olive_route import run_olive  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and PEFT
IDS = [[1, 300, 301, 302, 5, 2, 400, 401, 5, 3], [7, 8, 9]]
SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
ASKED = ("Read package.json", "Find auth in src", "go")
TARGETS = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with an adapter of random weights on every linear layer, as sft leaves one."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("beside")
    base = small_model(folder / "model", **SHAPE)
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules=TARGETS, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    adapted.save_pretrained(folder / "run" / "adapter")
    digest = open_base(str(base)).artifact.weights_sha256
    recipe = {"base": str(base), "base_path": str(base), "base_weights_sha256": digest}
    write_manifest(folder / "run" / "adapter", name="a", format="peft", dialect="tool_use", recipe=recipe)
    return folder / "run"


@pytest.fixture(scope="module")
def beside(run):
    export_adapter(run, ["fp32", "int8"], None, lambda folder: IDS)
    return run / "with-adapter"


def answers(spec: Path) -> list[tuple[int, ...]]:
    backend = open_backend(open_artifact(str(spec)), threads=1)
    prompts = [Prompt((Segment(text),)) for text in ASKED]
    told = dict(backend.generate(prompts, Decoding(max_new_tokens=8)))
    return [tuple(told[index].token_ids) for index in range(len(prompts))]


# Adapters


def test_base_and_adapter_give_pefts_logits(beside):
    told = {one["precision"]: one for one in json.loads((beside / "export.json").read_text())["results"]}
    assert told["fp32"]["max_difference"] < 1e-3
    assert told["fp32"]["top1_agreement"] == 1.0


def test_the_file_says_how_its_base_was_built_and_is_not_taken_for_one_of_another(run, beside, monkeypatch):
    plain = json.loads((run / "base" / "int8" / "phi4bench.json").read_text())["recipe"]
    made = json.loads((beside / "int8" / "phi4bench.json").read_text())["recipe"]
    assert {made[name] for name in ("route", "block_size", "accuracy_level")} == {"builder", 32, 4}
    other = manifest_of(run / "base" / "int8")
    other = replace(other, recipe={**plain, "block_size": 64})
    monkeypatch.setattr("trainers.adapters.manifest_of", lambda folder: other)
    monkeypatch.setattr("trainers.export.export", lambda *_: [run / "base" / "int8"])
    with pytest.raises(UsageError, match=r"int8' was made with block_size=32; name another folder with --out"):
        export_adapter(run, ["int8"], None, lambda folder: IDS)


def test_the_file_alone_is_the_base(run, beside):
    alone, base = reader(beside / "fp32" / "model.onnx"), reader(run / "base" / "fp32" / "model.onnx")
    together = reader(beside / "fp32" / "model.onnx", beside / "fp32" / ADAPTER)
    np.testing.assert_allclose(alone(IDS[0]), base(IDS[0]), atol=1e-6)
    assert np.abs(together(IDS[0]) - base(IDS[0])).max() > 0.01


def test_greedy_tokens_are_those_of_the_merged_model(run, beside, tmp_path: Path):
    merged = merge(run, out=tmp_path / "merged")
    export(str(merged), ["fp32"], tmp_path, lambda folder: IDS)
    assert answers(beside / "fp32") == answers(tmp_path / "fp32")
    assert answers(beside / "fp32") != answers(run / "base" / "fp32")


def test_onnxruntime_genai_loads_the_adapter_and_says_the_same(run, beside):
    folder = beside / "fp32"
    wanted = answers(folder)[0]
    with_it, without = generated(folder, len(wanted), folder / ADAPTER), generated(folder, len(wanted))
    assert with_it == wanted
    assert without == answers(run / "base" / "fp32")[0][: len(wanted)] != wanted


def generated(folder: Path, count: int, adapter: Path | None = None) -> tuple[int, ...]:
    """Greedy tokens of the first of `ASKED`, by onnxruntime-genai."""
    import onnxruntime_genai as og

    model = og.Model(str(folder))
    settings = og.GeneratorParams(model)
    ids = PromptTokenizer.from_folder(folder).encode(Prompt((Segment(ASKED[0]),)))[0]
    settings.set_search_options(max_length=len(ids) + count, do_sample=False)
    generator = og.Generator(model, settings)
    if adapter is not None:
        adapters = og.Adapters(model)
        adapters.load(str(adapter), "tuned")
        generator.set_active_adapter(adapters, "tuned")
    generator.append_tokens(np.asarray(ids, np.int32))
    for _ in range(count):
        generator.generate_next_token()
    return tuple(int(token) for token in generator.get_sequence(0)[len(ids) :])


def test_the_hash_covers_the_adapter(beside, tmp_path: Path):
    folder = shutil.copytree(beside / "fp32", tmp_path / "copy")
    before = open_artifact(str(folder))
    other = bytearray((folder / ADAPTER).read_bytes())
    other[-1] ^= 1
    (folder / ADAPTER).write_bytes(bytes(other))
    after = open_artifact(str(folder))
    assert before.adapter == folder / ADAPTER
    assert before.weights_sha256 != after.weights_sha256
    (folder / ADAPTER).unlink()
    with pytest.raises(ArtifactError, match=r"adapter='adapter.onnx_adapter', but should be a file in the folder"):
        open_artifact(str(folder))


def test_an_adapter_for_another_model_is_a_clear_line(beside, run, tmp_path: Path):
    folder = shutil.copytree(run / "base" / "fp32", tmp_path / "copy")
    shutil.copy(beside / "fp32" / ADAPTER, folder / ADAPTER)
    manifest = json.loads((folder / "phi4bench.json").read_text())
    (folder / "phi4bench.json").write_text(json.dumps(manifest | {"adapter": ADAPTER}))
    with pytest.raises(ArtifactError, match=r"another model's adapter: it has .*, the model no such input"):
        open_backend(open_artifact(str(folder)), threads=1)


def test_a_quantized_base_keeps_the_adapter_and_has_its_parent(beside):
    int8 = open_artifact(str(beside / "int8"))
    assert (int8.precision, int8.parent_sha256) == ("int8", open_artifact(str(beside / "fp32")).weights_sha256)
    assert answers(beside / "int8")


def test_the_suites_judge_base_and_adapter_against_their_parent(beside, run_suites):
    done = run_suites("--model", beside / "int8", "--limit", 6)
    assert done.code in (1, 10), done.out  # random weights: no call is right, and six cases decide little
    told = done.artifact()
    assert told["artifact"]["sha256"] == open_artifact(str(beside / "int8")).sha256
    assert told["baseline"]["sha256"] == open_artifact(str(beside / "fp32")).sha256
    assert set(told["regression"]) == {"detection", "parsing", "tool", "parameter", "abstention"}
    sizes = {part["name"]: part["bytes"] for part in told["size"]["parts"]}
    assert sizes["adapter"] == (beside / "int8" / ADAPTER).stat().st_size


def test_an_adapter_of_another_base_names_both(run, tmp_path: Path, capsys):
    other = small_model(tmp_path / "other", seed=1, **SHAPE)
    assert main(["export", "--adapter", str(run), "--base", str(other), "--out", str(tmp_path / "out")]) == 4
    said = capsys.readouterr().err
    assert "the adapter was trained on another base" in said
    assert f"base ('{run.parent / 'model'}'" in said
    assert str(tmp_path / "other") in said


def test_parts_of_a_joint_product_are_put_side_by_side():
    one, none = np.ones((3, 2), np.float32), np.zeros((3, 0), np.float32)
    loras = {
        "0.self_attn.q_proj": (Lora(one, np.full((2, 4), 5, np.float32)), 4),
        "0.self_attn.k_proj": (Lora(none, np.zeros((0, 2), np.float32)), 2),
        "0.self_attn.v_proj": (Lora(2 * one, np.full((2, 2), 7, np.float32)), 2),
    }
    made = placed(loras, {"attn/qkv_proj"})["0.attn/qkv_proj"]
    x = np.array([[1.0, 2.0, 3.0]])
    # q: 6 in each of two ranks, by 5; v: 12 in each, by 7; k has no adapter.
    assert (x @ made.a @ made.b).tolist() == [[60, 60, 60, 60, 0, 0, 168, 168]]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"use_dora": True}, "use_dora=True"),
        ({"bias": "all"}, "bias=all"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights=pissa"),
    ],
)
def test_what_an_onnx_adapter_cannot_carry_is_a_clear_line(told, says, run, tmp_path: Path, capsys):
    folder = shutil.copytree(run / "adapter", tmp_path / "adapter")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    assert main(["export", "--adapter", str(folder), "--out", str(tmp_path / "out")]) == 4
    assert f"has {says}, which an ONNX adapter cannot carry" in capsys.readouterr().err


# What is there already


def finished(folder: Path, **recipe):
    folder.mkdir(parents=True)
    told = {"schema": "phi4bench.artifact/1", "recipe": recipe}
    (folder / "phi4bench.json").write_text(json.dumps(told))
    return folder


def test_a_file_of_other_settings_is_not_taken_for_the_one_that_is_asked_for(tmp_path: Path):
    made = finished(tmp_path / "int4", source_sha256="a", block_size=32)
    assert is_finished(made, {"source_sha256": "a"}, {"block_size": 32, "route": "builder"})
    with pytest.raises(UsageError, match=r"int4' was made with block_size=32; name another folder"):
        is_finished(made, {"source_sha256": "a"}, {"block_size": 128})


def test_a_file_of_another_model_is_no_parent(tmp_path: Path):
    other = finished(tmp_path / "fp32", source_sha256="a")
    assert parent_of(other, {"source_sha256": "b"}, tmp_path) == {}


# What the builder gets wrong


def test_prompts_stand_on_both_sides_of_the_switch():
    made = on_both_sides([[1, 2, 3], [4] * 9], 8)
    assert [len(ids) for ids in made] == [3, 8, 8, 72]
    assert made[-1][:12] == [1, 2, 3] + [4] * 9
    assert on_both_sides([[1, 2, 3]], None) == [[1, 2, 3]]


@pytest.mark.parametrize("told", ["many", 0, -4, True, 2.5])
def test_a_switch_that_is_no_number_is_a_clear_line(told, tmp_path: Path):
    config = {"rope_scaling": {"rope_type": "longrope"}, "original_max_position_embeddings": told}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="but should be a whole number above 0"):
        rotary_switch(tmp_path)


def test_two_lengths_without_longrope_are_a_clear_line(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512, "original_max_position_embeddings": 4096}')
    with pytest.raises(Exception, match="original_max_position_embeddings=4096, but should be max_position_embeddings"):
        check_config(tmp_path)


def test_olive_is_told_what_to_build_and_leaves_nothing_but_it(tmp_path: Path, monkeypatch):
    def olive(command, **_):
        config = json.loads(Path(command[-1]).read_text())
        told.append(config)
        for folder in ("out", "cache/runs"):  # its cache holds a copy
            made = Path(config["output_dir"]).parent / folder
            made.mkdir(parents=True)
            (made / "model.onnx").touch()
        return subprocess.CompletedProcess(command, 1 if broken else 0, "", "line 1\nno such pass")

    told, broken = [], []
    monkeypatch.setattr("trainers.olive_route.subprocess.run", olive)
    run_olive(Path("model"), tmp_path / "int4", "int4", 64, 2)
    run_olive(Path("model"), tmp_path / "fp32", "fp32", 64, 2)
    builders = [config["passes"]["builder"] for config in told]
    assert builders[0] == {
        "type": "ModelBuilder", "precision": "int4", "int4_block_size": 64, "int4_accuracy_level": 2,
    }  # fmt: skip
    assert builders[1] == {"type": "ModelBuilder", "precision": "fp32"}
    assert told[0]["input_model"]["load_kwargs"]["trust_remote_code"] is False
    broken.append(True)
    with pytest.raises(TrainingError, match="no such pass"):
        run_olive(Path("model"), tmp_path / "other", "fp32", 32, 4)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fp32", "int4"]


def test_olive_that_is_not_installed_is_a_clear_line(run, tmp_path: Path, capsys, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("trainers.olive_route.version", missing)
    base = run.parent / "model"
    assert main(["export", str(base), "--route", "olive", "--out", str(tmp_path / "out")]) == 4
    assert "--route olive needs olive-ai, not installed; pip install '.[olive]' in an" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "export takes MODEL or --adapter RUN, one of them"),
        (["{run}/model", "--base", "other"], "--base is for --adapter RUN"),
        (["--adapter", "{run}", "--route", "olive"], "--route olive is for MODEL"),
        (["organisation/name"], "MODEL='organisation/name' is no folder here, so nothing lies beside it"),
        (["{run}/model", "--block-size", "24"], "block_size=24, but should be a power of two from 16 to 256"),
        (["{run}/model", "--accuracy-level", "9"], "accuracy_level=9, but should be from 0 to 4"),
        (["{run}/model", "--block-size", "64"], "--block-size: for int8 and int4, but --precision is fp32 alone"),
        (
            ["--adapter", "{run}", "--accuracy-level", "0"],
            "--accuracy-level: for int8 and int4, but --precision is fp32",
        ),
    ],
    ids=[
        "nothing",
        "base-of-a-model",
        "adapter-by-olive",
        "no-folder",
        "odd-block",
        "level-9",
        "blocks-of-fp32",
        "level-of-fp32",
    ],
)
def test_what_export_cannot_do_is_a_clear_line(options, says, run, refusal):
    assert says in refusal("export", *(one.format(run=run.parent) for one in options))


def test_a_file_with_an_adapter_is_not_quantized_itself(beside, refusal):
    assert "takes weights of an adapter as inputs" in refusal("quantize", beside / "fp32")


def test_a_folder_of_the_users_own_is_not_replaced_by_an_export(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; name another folder with --out, or remove it"):
        is_finished(tmp_path, {"source_sha256": "a"})
