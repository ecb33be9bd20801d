"""Packing: what shares a row, and that nothing in it reads what is not its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.errors import UsageError  # noqa: E402
from trainers.base import open_base  # noqa: E402
from trainers.batching import padded  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.encoding import IGNORED  # noqa: E402
from trainers.packing import Pack, pack, packed, prove_apart  # noqa: E402
from trainers.prepare import Row, prepare  # noqa: E402
from trainers.settings import Chosen, Training  # noqa: E402
from trainers.sft import check_combination, device_of, sft  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch

LENGTH = 512
QUICK = Training(
    rank=4, lr=1e-2, epochs=2.0, batch=1, accumulation=2, length=LENGTH, evaluate_every=2, patience=0, threads=1,
    packing=True, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """Weights so wide that a leak shows: of the usual 0.02, this shape's logits hardly depend on the context."""
    return small_model(tmp_path_factory.mktemp("packing") / "base", initializer_range=0.3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "train.jsonl"
    write_examples(file, sorted(generated(80, 3), key=lambda one: sum(len(m.content) for m in one.messages))[:30])
    return file


@pytest.fixture(scope="module")
def rows(model_folder, data):
    base = open_base(str(model_folder))
    return prepare(base, [str(data)], length=LENGTH, validation=0.2, seed=1).train


def load(folder: Path, attention: str, cache: bool = False):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)
    model.config.use_cache = cache
    return model


# What shares a row


def test_every_conversation_is_in_one_pack_and_none_is_too_long():
    rows = [Row(tuple(range((37 * i) % 90 + 1)), (), (0, 0), str(i)) for i in range(200)]
    packs = pack(rows, 100, seed=1)
    assert sorted(row.scenario for one in packs for row in one.rows) == sorted(row.scenario for row in rows)
    assert max(map(len, packs)) <= 100
    assert sum(map(len, packs)) > 0.95 * 100 * len(packs)


def test_the_seed_decides_who_shares_a_pack():
    rows = [Row(tuple(range(30)), (), (0, 0), str(i)) for i in range(30)]
    assert pack(rows, 100, seed=1) == pack(rows, 100, seed=1)
    assert pack(rows, 100, seed=1) != pack(rows, 100, seed=2)


def test_positions_begin_again_and_no_conversation_is_asked_for_anothers_token():
    two = Pack((Row((5, 6, 7), (5, 6, 7), (0, 3), ""), Row((8, 9), (8, 9), (0, 2), "")))
    made = packed([two, Pack((Row(tuple(range(7)), tuple(range(7)), (0, 7), ""),))], filler=0)
    assert made["position_ids"][0].tolist() == [0, 1, 2, 0, 1, 0, 1]  # three, two, and two that fill up
    assert made["labels"][0].tolist() == [IGNORED, 6, 7, IGNORED, 9, IGNORED, IGNORED]
    assert "attention_mask" not in made


# What it reads


def losses(model, fed) -> torch.Tensor:
    """The loss of every supervised token, in order of its size: where it stands does not matter."""
    labels = fed.pop("labels")[:, 1:]
    logits = model(**fed).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    return each[labels != IGNORED].sort().values


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_conversations_have_the_loss_that_they_have_alone(attention, model_folder, rows):
    model = load(model_folder, attention)
    packs = pack(rows, LENGTH, seed=1)
    assert max(len(one.rows) for one in packs) > 3
    together, alone = losses(model, packed(packs, 0)), losses(model, padded(rows, 0))
    assert len(together) == len(alone) > 300
    assert float((together - alone).abs().max()) < 1e-5
    assert abs(float(together.mean() - alone.mean())) < 1e-5


def test_the_loss_would_differ_if_conversations_read_each_other(model_folder, rows):
    model = load(model_folder, "sdpa")
    fed = packed(pack(rows, LENGTH, seed=1), 0)
    fed["position_ids"] = torch.arange(fed["input_ids"].shape[1])[None].expand_as(fed["input_ids"])
    assert abs(float(losses(model, fed).mean() - losses(model, padded(rows, 0)).mean())) > 1e-2


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_model_that_keeps_them_apart_is_taken(attention, model_folder, rows):
    prove_apart(load(model_folder, attention), rows, 0)


def test_a_model_that_reads_the_conversation_before_is_refused(model_folder, rows):
    """With a cache, transformers takes the same row for one conversation, positions and all."""
    with pytest.raises(UsageError, match=r"packing: in this model a conversation reads the one before it"):
        prove_apart(load(model_folder, "sdpa", cache=True), rows, 0)


def test_flash_attention_keeps_them_apart_in_a_batch_of_one_row_alone():
    flash = replace(QUICK, attention="flash_attention_2")
    check_combination(flash)
    with pytest.raises(UsageError, match=r"batch=4, but should be batch=1"):
        check_combination(replace(flash, batch=4))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_flash_attention_needs_cuda():
    with pytest.raises(UsageError, match="needs CUDA; use --attention sdpa"):
        device_of(replace(QUICK, attention="flash_attention_2"))


def test_the_benchmark_asks_for_the_same_answers_in_every_way(rows):
    from benchmarks.steps import WAYS, batches_of

    ways = batches_of(rows, filler=0, batch=4)
    asked = {
        way: sorted(int(label) for fed in ways[way] for label in fed["labels"][:, 1:].flatten() if label != IGNORED)
        for way in WAYS
    }
    assert asked["padded to 1,024"] == asked["by length"] == asked["packed"]
    assert {fed["input_ids"].shape[1] for fed in ways["padded to 1,024"]} == {1024}
    assert sum(fed["input_ids"].numel() for fed in ways["by length"]) < 1024 * len(rows) / 4


# A whole run


def test_a_packed_run_learns_and_says_what_it_packed(model_folder, data, tmp_path: Path, capsys):
    sft(str(model_folder), [str(data)], tmp_path / "run", Chosen(QUICK, "", {}))
    said = capsys.readouterr().out
    assert "packing: 24 conversations in " in said
    log = json.loads((tmp_path / "run" / "learning_curves.json").read_text())["log"]
    found = [line["eval_train_loss"] for line in log if "eval_train_loss" in line]
    assert found[-1] < found[0]


def test_a_single_conversation_is_proved_behind_itself(model_folder, rows):
    prove_apart(load(model_folder, "sdpa"), rows[:1], 0)
