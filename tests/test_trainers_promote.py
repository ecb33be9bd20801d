"""The chain: each step hands over to the next, none is done twice, and the gate's answer is the command's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import small_model

torch = pytest.importorskip("torch", reason="needs the `train` extra")
for module in ("transformers", "peft", "accelerate", "matplotlib", "onnxruntime_genai", "onnx_ir"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.errors import UsageError  # noqa: E402
from trainers import promote as chain  # noqa: E402
from trainers.__main__ import main  # noqa: E402
from trainers.alone import alone_in  # noqa: E402
from trainers.base import write_manifest  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.faults import TrainingError  # noqa: E402
from trainers.quantize import Plan  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch
SETTINGS = ["--rank", "4", "--epochs", "0.5", "--batch", "2", "--accumulation", "2", "--length", "512",
            "--threads", "1", "--device", "cpu", "--skip-int4", "--limit", "40", "--gate", "smoke"]  # fmt: skip


@pytest.fixture(scope="module")
def judged():
    return []


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    small_model(folder / "base", hidden_size=64, intermediate_size=96)
    short = sorted(generated(80, 3), key=lambda one: sum(len(m.content) for m in one.messages))[:24]
    write_examples(folder / "train.jsonl", short)
    named = ["--model", str(folder / "base"), "--data", str(folder / "train.jsonl"), "--out", str(folder / "run")]
    return ["promote", *named, *SETTINGS]


def out_of(command) -> Path:
    return Path(command[command.index("--out") + 1])


@pytest.fixture(scope="module")
def promoted(command, judged):
    def judge(models, report, options):
        judged.append((models, report, options))
        return 10

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "judge", judge)
        return [main(command), main(command)]


def test_the_gates_exit_code_is_the_commands(promoted):
    assert promoted == [10, 10]


def test_the_gate_gets_the_quantized_file_and_its_options(promoted, command, judged):
    out = out_of(command)
    assert judged[0] == ([str(out / "int8")], out / "reports", ["--targets", "smoke", "--limit", "40"])


def test_the_gate_asks_with_the_system_prompt_of_the_training(monkeypatch):
    seen = []
    monkeypatch.setattr(chain, "promote", lambda out, train, precisions, data, judging: seen.append(judging) or 0)
    assert main(["promote", "--model", "m", "--data", "d", "--out", "o", "--system-prompt", "s.txt"]) == 0
    assert seen == [["--system-prompt", "s.txt"]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(["--gate", "nosuch"], "--gate='nosuch', but should be one of", id="gate"),
        pytest.param(["--limit", "0"], "limit=0, but should be at least 1", id="limit"),
        pytest.param(["--test", "nosuch.jsonl"], "'nosuch.jsonl'", id="cases"),
    ],
)
def test_what_the_gate_would_refuse_is_refused_before_the_work(options, says, monkeypatch, refusal):
    monkeypatch.setattr(chain, "promote", lambda *_: pytest.fail("the chain was begun"))
    assert says in refusal("promote", "--model", "m", "--data", "d", "--out", "o", *options)


def test_a_file_by_another_plan_is_in_the_way_before_the_work(tmp_path: Path):
    plan = Plan(8, method="gptq").told()
    write_manifest(tmp_path / "int8", name="int8", format="onnx", precision="int8", recipe={"plan": plan})
    with pytest.raises(UsageError, match=r"int8' is in the way: it was made by another plan; move or remove it"):
        chain.promote(tmp_path, lambda: pytest.fail("trained"), ["int8"], [])


def test_a_record_of_another_is_not_replaced(tmp_path: Path):
    (tmp_path / "promote.json").write_text('{"theirs": 1}')
    with pytest.raises(UsageError, match=r"promote.json' is of no chain of promote; name another folder with --out"):
        chain.promote(tmp_path, lambda: pytest.fail("trained"), ["int8"], [])


def test_ctrl_c_is_a_line_and_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(chain, "promote", interrupted)
    assert main(["promote", "--model", "m", "--data", "d", "--out", "o"]) == 130
    assert "interrupted; each finished step and the last whole checkpoint is kept" in capsys.readouterr().err


def test_every_step_left_an_artifact(promoted, command):
    out = out_of(command)
    assert [open_artifact(str(out / name)).precision for name in ("merged", "fp32", "int8")] == ["fp32", "fp32", "int8"]
    assert open_artifact(str(out / "int8")).parent_sha256 == open_artifact(str(out / "fp32")).weights_sha256
    steps = [one["step"] for one in json.loads((out / "promote.json").read_text())["steps"]]
    assert steps == ["sft", "merge", "export", "quantize", "judge"]


def test_a_second_run_does_nothing_again(promoted, command, capsys, monkeypatch):
    monkeypatch.setattr(chain, "judge", lambda *_: 0)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.count("is finished; nothing to do") == 4


def test_the_seconds_of_a_step_are_those_of_the_run_that_did_it(promoted, command, monkeypatch):
    record = out_of(command) / "promote.json"
    told = json.loads(record.read_text())
    for one in told["steps"]:
        one["seconds"] += 100
    record.write_text(json.dumps(told))
    monkeypatch.setattr(chain, "judge", lambda *_: 0)
    assert main(command) == 0
    assert all(one["seconds"] >= 100 for one in json.loads(record.read_text())["steps"])


def test_a_chain_that_is_stopped_loses_no_seconds_of_its_later_steps(promoted, command, monkeypatch):
    def stopped(folder, digest):
        raise KeyboardInterrupt

    record = out_of(command) / "promote.json"
    before = [one["step"] for one in json.loads(record.read_text())["steps"]]
    monkeypatch.setattr("trainers.merge.is_merged", stopped)
    assert main(command) == 130
    assert [one["step"] for one in json.loads(record.read_text())["steps"]] == before[:-1]  # the gate judges anew


def test_two_chains_do_not_work_in_one_folder(promoted, command, refusal):
    with alone_in(out_of(command), "promote"):
        assert "run' is what another promote works on; wait for its end" in refusal(*command)


@pytest.mark.parametrize(("code", "known"), [(0, True), (1, True), (10, True), (3, False), (4, False)])
def test_only_a_verdict_is_passed_on(code, known, monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *_, **__: type("Done", (), {"returncode": code}))
    if known:
        assert chain.judge(["m"], Path("r"), []) == code
    else:
        again = "python -m phi4bench judge --report r --model m --limit 40"
        with pytest.raises(TrainingError, match=rf"exit code {code}\); run it again: {again}$"):
            chain.judge(["m"], Path("r"), ["--limit", "40"])
