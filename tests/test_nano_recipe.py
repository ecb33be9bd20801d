"""The nano recipe: what is supervised, what is shared, and that a killed run goes on."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the `train` extra")
pytest.importorskip("transformers", reason="needs the `train` extra")

from phi4bench.backends.tokens import PromptTokenizer  # noqa: E402
from phi4bench.datasets.toolsets import Toolsets  # noqa: E402
from phi4bench.dialects import dialect_named  # noqa: E402
from phi4bench.phrasing import example  # noqa: E402
from phi4bench.prompts import Segment  # noqa: E402
from trainers.nano import tokenizer as tokenizers  # noqa: E402
from trainers.nano.batches import IGNORED, Batch, Encoder, Mix, batches, fits, six_tools  # noqa: E402
from trainers.nano.muon import Muon, orthogonalized  # noqa: E402
from trainers.nano.readers import read  # noqa: E402
from trainers.nano.train import Hardest, Recipe, losses_of, new_model, rate, train  # noqa: E402
from trainers.nano.workers import Crew  # noqa: E402

TINY = Recipe(
    workers=1,
    vocabulary=512,
    hidden=32,
    ffn=48,
    layers=1,
    heads=2,
    kv_heads=1,
    minutes=0.04,
    echo_seconds=0.5,
    batch_tokens=512,
)


@pytest.fixture(scope="module")
def tools():
    return Toolsets()("claude_code")


@pytest.fixture(scope="module")
def encoder(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    dialect = dialect_named("tool_use")
    tokenizers.save(tokenizers.build(dialect, tokenizers.corpus(dialect, tools, 300, seed=1), TINY.vocabulary), folder)
    return Encoder.of(dialect, PromptTokenizer.from_folder(folder))


def test_a_training_example_begins_with_the_evaluators_prompt(encoder, tools):
    made = example(random.Random(5), "train", tools, "single")
    prompt = encoder.dialect.render(made.case.question())
    ids, shared = encoder.tokenizer.encode(prompt)
    whole = encoder.example(made, tools)
    assert whole[: len(ids)] == ids
    assert whole[:shared] == encoder.system(tools)
    answer = encoder.tokenizer.decode(whole[len(ids) : -1])
    assert encoder.dialect.parse(answer).calls == made.case.expected.calls


def test_only_what_the_assistant_says_is_supervised(encoder, tools):
    made = example(random.Random(5), "train", tools, "single")
    ids = encoder.example(made, tools)
    spoken = encoder.tokenizer.decode([label for label in encoder.labels(ids) if label != IGNORED])
    assert spoken == encoder.dialect.render_calls(made.case.expected.calls) + "<|end|>"


def test_a_value_is_the_same_tokens_in_request_and_call(encoder):
    for value in ("src/user_login.py", r"def\s+main\(", "v2.10-rc1", "say 'hi' there"):
        alone = encoder.tokenizer.encode_segments([Segment(value)])
        for around in ("open {} now", "`{}`", "(pattern='{}', path", 'r"{}")'):
            text = encoder.tokenizer.encode_segments([Segment(around.format(value))])
            assert any(text[i : i + len(alone)] == alone for i in range(len(text)))


def test_the_shared_system_turn_gives_the_loss_of_whole_rows(encoder, tools):
    model = new_model(TINY, encoder.end)

    def loss(batch: Batch) -> float:
        return losses_of(model, batch, batch.labels != IGNORED).mean().item()

    for batch in itertools.islice(batches(encoder, six_tools(encoder, tools, Mix()), 3, pool=64, tokens=2048), 4):
        system = batch.system.expand(len(batch.ids), -1)
        ignored = torch.full(system.shape, IGNORED)
        labels = torch.cat([ignored, batch.labels], 1)
        telling = torch.cat([system < 0, batch.telling], 1)
        whole = Batch(0, batch.system[:0], torch.cat([system, batch.ids], 1), labels, telling)
        assert loss(batch) == pytest.approx(loss(whole), rel=0.02)


def test_readers_give_the_batches_of_their_own_streams_in_turn(encoder, tools):
    def stream(reader: int):
        return batches(encoder, six_tools(encoder, tools, Mix()), 3 + reader, pool=64, tokens=2048)

    first, second = ([batch.ids.tolist() for batch in itertools.islice(stream(reader), 3)] for reader in (0, 1))
    assert first[0] != second[0]
    in_turn = [batch.ids.tolist() for batch in itertools.islice(read(stream, 2), 6)]
    assert in_turn == [ids for pair in zip(first, second, strict=True) for ids in pair]


def test_a_case_is_only_asked_with_the_tools_it_needs(tools):
    rng = random.Random(2)
    for scenario in ("single", "multi_turn", "parallel", "missing_info", "irrelevant"):
        made = example(rng, "train", tools, scenario)
        assert fits(made.case, tools) or not made.case.expects_call
    single = example(rng, "train", tools, "single").case
    without = [tool for tool in tools if tool.name != single.expected.calls[0].name]
    assert not fits(single, without)


@pytest.mark.parametrize(
    ("step", "done", "factor"), [(0, 0.0, 0.01), (99, 0.0, 1.0), (500, 0.4, 1.0), (900, 0.7, 0.5), (999, 1.0, 0.0)]
)
def test_the_learning_rate_warms_up_holds_and_falls_to_zero(step, done, factor):
    assert rate(replace(TINY, warmup_steps=100, decay_share=0.6), step, done) == pytest.approx(factor)


def test_what_tells_is_every_token_of_a_call_and_the_first_of_prose(encoder, tools):
    for scenario in ("multi_turn", "irrelevant"):
        made = example(random.Random(7), "train", tools, scenario)
        ids = encoder.example(made, tools)
        told = [
            token for token, tells in zip(ids, encoder.telling(ids, not made.case.expects_call), strict=True) if tells
        ]
        answer = encoder.dialect.render_calls(made.case.expected.calls) or made.reply
        spoken = encoder.tokenizer.decode(told)
        assert spoken == answer + "<|end|>" if made.case.expects_call else answer.startswith(spoken) and len(told) == 1


def test_the_hardest_rows_are_those_with_the_least_likely_answers(encoder, tools):
    model = new_model(TINY, encoder.end)
    several = itertools.islice(
        batches(encoder, six_tools(encoder, tools, Mix(echo_share=0)), 3, pool=64, tokens=4096), 8
    )
    batch = max(several, key=lambda batch: len(batch.ids))  # one of a pool may hold a row or two
    hard = Hardest(0.25, torch.float32).rows(model, batch)
    kept = {tuple(row[row != 0].tolist()) for row in hard.ids}
    losses = {}
    for index in range(len(batch.ids)):
        alone = batch.rows(torch.arange(len(batch.ids)) == index)
        losses[tuple(alone.ids[0].tolist())] = losses_of(model, alone, alone.telling, torch.float32).sum().item()
    assert 0 < len(kept) <= len(losses) / 3
    assert kept == set(sorted(losses, key=losses.__getitem__)[-len(kept) :])


def test_orthogonalized_matrices_have_singular_values_near_one():
    torch.manual_seed(1)
    for shape in ((48, 16), (16, 48), (24, 24)):
        values = torch.linalg.svdvals(orthogonalized(torch.randn(shape)))
        assert 0.3 < values.min() <= values.max() < 1.3  # the published coefficients reach 0.7 to 1.2 for most values


def test_muon_takes_the_steps_of_torchs():
    torch.manual_seed(2)
    start, gradients = torch.randn(32, 16), [torch.randn(32, 16) for _ in range(3)]
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    steppers = (
        Muon([ours], Crew(), lr=0.01, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for gradient in gradients:
        for parameter, stepper in zip((ours, theirs), steppers, strict=True):
            parameter.grad = gradient.clone()
            stepper.step()
    # theirs is orthogonalized in bf16, which has 8 bits of mantissa
    assert torch.allclose(ours, theirs, atol=2e-3)
    assert not torch.allclose(ours, start, atol=2e-3)


def test_a_run_may_start_from_a_finished_model(encoder, tools, tmp_path: Path):
    torch.manual_seed(3)
    model = new_model(replace(TINY, seed=5), encoder.end)
    model.save_pretrained(tmp_path / "first")
    recipe = replace(TINY, start=str(tmp_path / "first"), minutes=0.01, matrix_lr=0.0, other_lr=0.0)
    (tmp_path / "run").mkdir()
    went_on = train(recipe, encoder, six_tools(encoder, tools, Mix()), tmp_path / "run")
    for (name, was), now in zip(model.state_dict().items(), went_on.state_dict().values(), strict=True):
        assert torch.allclose(was, now), name


def test_a_killed_run_goes_on_from_its_checkpoint(encoder, tools, tmp_path: Path, capsys):
    train(TINY, encoder, six_tools(encoder, tools, Mix()), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["spent"] >= TINY.minutes * 60
    longer = replace(TINY, minutes=state["spent"] / 60 + 0.02)
    train(longer, encoder, six_tools(encoder, tools, Mix()), tmp_path)
    assert f"going on from step {state['step']}" in capsys.readouterr().out
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] > state["step"]


def test_the_builders_file_has_pytorchs_logits(encoder, tools, tmp_path: Path):
    pytest.importorskip("onnxruntime_genai", reason="needs the `train` extra")
    from trainers.nano.steps import export

    shape = replace(TINY, hidden=64, ffn=96, heads=2, kv_heads=1)
    model = new_model(shape, encoder.end)
    hf = tmp_path / "nano-hf"
    model.to(torch.bfloat16).save_pretrained(hf)
    for file in Path(encoder.tokenizer.where).parent.iterdir():
        (hf / file.name).write_bytes(file.read_bytes())
    export(tmp_path, shape, encoder, tools)
    results = {line["precision"]: line for line in json.loads((tmp_path / "export.json").read_text())}
    assert results["fp32"]["max_difference"] < 1e-3
    assert results["fp32"]["top1_agreement"] > 0.999
    assert set(results) == {"fp32", "int8", "int4"}


def test_workers_end_with_the_process_that_started_them():
    watched = "import os, time; from trainers.nano import workers; workers.watch(); print(os.getpid(), flush=True)"
    watched += "; time.sleep(600)"
    starter = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {watched!r}]).wait()"
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as started:
        number = int(started.stdout.readline())
        started.kill()
    for _ in range(600):
        time.sleep(0.1)
        if not alive(number):
            return
    os.kill(number, signal.SIGKILL)
    pytest.fail("the worker went on alone")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, to see which processes there are")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_readers_end_with_the_process_that_trains(end):
    """What they have made lies in a pipe: with so many of them it is full, and each would wait for it to be read."""
    trainer = (
        "import os, sys, time, torch\n"
        "from trainers.ending import ended\n"
        "from trainers.nano.batches import Batch\n"
        "from trainers.nano.readers import read\n"
        "def stream(reader):\n"
        "    while True:\n"
        "        yield Batch(0, *(torch.tensor([os.getpid()]) for _ in range(4)))\n"
        "def work():\n"
        "    made = read(stream, 48)\n"
        "    print(*(int(next(made).ids) for _ in range(48)), flush=True)\n"
        "    time.sleep(600)\n"
        "sys.exit(ended('nano', work, 'nothing', lambda: True))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", trainer]
    heard = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    heard["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a job in the background ignores
    with subprocess.Popen(command, start_new_session=True, **heard) as started:
        readers = [int(number) for number in started.stdout.readline().split()]
        time.sleep(1)  # in which they make all that they may ahead
        if end == signal.SIGINT:
            os.killpg(started.pid, end)  # as a terminal does
        else:
            started.kill()
        deadline = time.monotonic() + 60
        while any(map(alive, [started.pid, *readers])) and time.monotonic() < deadline:
            time.sleep(0.1)
        left = [number for number in [started.pid, *readers] if alive(number)]
        for number in left:
            os.kill(number, signal.SIGKILL)
    assert len(readers) == 48
    assert not left, "they went on alone, with the lock of the run's folder"


def alive(number):
    """Whether a process of this id runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
