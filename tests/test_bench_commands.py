"""The commands of `benchmarks/`: what is amiss is told in a line, and a table tells what was not measured."""

from __future__ import annotations

import argparse
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from helps import untold_defaults
from kit import ROOT

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")

from benchmarks import calibration, evaluator, history, many_cases, masks, prove, share
from benchmarks.commands import given, told
from benchmarks.peers import __main__ as peers
from benchmarks.peers.rivals import PEERS
from benchmarks.peers.running import Pair
from benchmarks.prove import WANTED_REPEATS, verdict
from phi4bench.artifacts import open_artifact
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.errors import UsageError
from phi4bench.transcripts import Completion

NEEDS_ONNX = pytest.mark.skipif(find_spec("onnx") is None, reason="writes ONNX files: needs phi4bench[train]")
NEEDS_TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="opens a Hugging Face folder: needs phi4bench[hf]")
PLANTED = "benchmarks.planted.__main__"  # by name: it imports onnx, which the light tests lack
NO_COUNT = "'0', but should be at least 1"
NANO_HF = str(ROOT / "fixtures" / "models" / "nano-hf")


@pytest.mark.parametrize(
    ("command", "arguments", "code", "says"),
    [
        pytest.param(masks, ["--limit", "0"], 2, NO_COUNT, id="masks-limit"),
        pytest.param(masks, ["--rounds", "0"], 2, NO_COUNT, id="masks-rounds"),
        pytest.param(masks, ["--new", "0"], 2, NO_COUNT, id="masks-new"),
        pytest.param(masks, ["--model", "no/such"], 4, "'no/such' is not there", id="masks-model"),
        pytest.param(
            masks, ["--model", NANO_HF], 4, "of the format 'hf', but should be", id="masks-no-onnx", marks=NEEDS_TORCH
        ),
        pytest.param(masks, ["--dialect", "nope"], 4, "dialect='nope'", id="masks-dialect"),
        pytest.param(
            masks, ["--dialect", "hermes"], 4, "nano-int8: its tokenizer has no token '<|im_end|>'", id="masks-foreign"
        ),
        pytest.param(evaluator, ["--rounds", "0"], 2, NO_COUNT, id="evaluator-rounds"),
        pytest.param(evaluator, ["--model", "no/such"], 4, "'no/such' is not there", id="evaluator-model"),
        pytest.param(calibration, ["--trials", "0"], 2, NO_COUNT, id="calibration-trials"),
        pytest.param(calibration, ["--seed", "-1"], 2, "but should be a whole number from 0 on", id="calibration-seed"),
        pytest.param(share, ["--no-readme", "--model", "no/such"], 4, "'no/such' is not there", id="share-model"),
        pytest.param(
            share, ["--no-readme", "--model", NANO_HF], 4, "of the format 'hf'", id="share-no-onnx", marks=NEEDS_TORCH
        ),
        pytest.param(
            share,
            ["--no-readme", "--dialect", "nope", "--limit", "1", "--no-whole"],
            4,
            "dialect='nope'",
            id="share-dialect",
        ),
        pytest.param(many_cases, ["--no-readme", "--counts", "0"], 2, NO_COUNT, id="many-cases-counts"),
        pytest.param(history, ["--prove", "--no-readme", "--repeats", "0"], 2, NO_COUNT, id="history-repeats"),
        pytest.param(
            history,
            ["--prove", "--no-readme", "--slowdown", "0"],
            2,
            "--slowdown=0, but should be",
            id="history-slowdown",
        ),
        pytest.param(peers, ["--no-readme", "--peers", ","], 2, "--peers=',' names no peer", id="no-peer"),
        pytest.param(peers, ["--no-readme", "--rounds", "0"], 2, NO_COUNT, id="peers-rounds"),
        pytest.param(peers, ["--no-readme", "--out", __file__], 4, "Not a directory", id="peers-out"),
        pytest.param(PLANTED, ["--out", "x", "--cases", "0"], 2, NO_COUNT, id="planted-cases", marks=NEEDS_ONNX),
    ],
)
def test_what_stops_a_command_is_told_in_a_line(command, arguments, code, says, capsys):
    with pytest.raises(SystemExit) as caught:
        (import_module(command) if isinstance(command, str) else command).main(arguments)
    assert caught.value.code == code
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_ctrl_c_is_a_line_and_no_traceback(capsys):
    with pytest.raises(SystemExit) as ended, told(argparse.ArgumentParser()):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_training_without_torch_is_a_line(capsys, monkeypatch):
    from benchmarks import training

    monkeypatch.delitem(sys.modules, "benchmarks.steps", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit) as ended:
        training.main([])
    assert (ended.value.code, capsys.readouterr().err) == (
        4,
        "this needs torch, not installed; pip install 'phi4bench[train]'\n",
    )


def test_a_package_that_is_not_installed_is_a_line_and_a_module_of_ours_a_fault(capsys):
    with pytest.raises(SystemExit) as ended, told(argparse.ArgumentParser()):
        raise ModuleNotFoundError("No module named 'onnx'", name="onnx.helper")
    assert ended.value.code == 4
    assert capsys.readouterr().err == "this needs onnx.helper, not installed; pip install 'phi4bench[train]'\n"
    with pytest.raises(ModuleNotFoundError), told(argparse.ArgumentParser()):
        raise ModuleNotFoundError("No module named 'benchmarks.nothing'", name="benchmarks.nothing")


@pytest.mark.parametrize(("command", "work"), [(peers, "measure_all"), (prove, "prove")], ids=["peers", "prove"])
def test_ctrl_c_while_others_are_measured_is_a_line_too(command, work, capsys, monkeypatch, tmp_path):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, work, stopped)
    arguments = ["--prove"] if command is prove else ["--cases", "1", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        (history if command is prove else command).main(arguments)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_table_of_peers_tells_which_were_not_asked_for_and_keeps_what_was_measured(tmp_path, monkeypatch, capsys):
    def measured(asked, rounds, inputs, results, out):
        if asked[0].name == "hf-fp32-1":
            results.keep(asked[0], Pair("hf-fp32-1", 0, 2, 1.0, 2.0, 2, 7.0, 1.0, 2, 2, (), 0))
        return {} if asked[0].name == "hf-fp32-1" else {"genai-fp32": "no compiler"}

    monkeypatch.setattr(peers, "measure_all", measured)
    for name in ("hf-fp32-1", "genai-fp32"):
        peers.main(["--peers", name, "--cases", "2", "--no-readme", "--out", str(tmp_path)])
    rows = capsys.readouterr().out.split("| peer")[-1].splitlines()[2 : 2 + len(PEERS)]
    assert ["not measured: no compiler" in line for line in rows].count(True) == 1
    assert ["| 7.0× |" in line for line in rows].count(True) == 1
    assert ["not measured: not asked for" in line for line in rows].count(True) == len(PEERS) - 2


@pytest.mark.parametrize(("repeats", "enough"), [(WANTED_REPEATS - 1, "NO"), (WANTED_REPEATS, "yes")])
def test_repeats_stand_beside_those_that_are_wanted(repeats, enough):
    assert verdict(True, repeats) == ["none alarmed and all caught: yes", f"repeats: {repeats}, wanted 20: {enough}"]


@pytest.mark.parametrize(("more", "held"), [(1.09, "yes"), (1.11, "NO")])
def test_a_mask_is_held_against_a_tenth_of_the_time_per_token(more, held):
    # 0.2 s of what two lanes take with masks are in them
    pair = (masks.Round(10_000.0, 1.0, 0.0), masks.Round(10_000.0 * more, more, 0.2))
    cells = masks.row("x", [pair], 2).split()
    assert cells[1:6] == ["10,000", "us", f"{more * 1e4:,.0f}", "us", f"{more - 1:.1%}"]
    assert cells[9] == f"{0.2 / (2 * more):.1%}"
    assert cells[-1] == held


def test_the_first_token_of_a_completion_is_no_time_per_token():
    # 2 further tokens of 10 ms, 1 of 40 ms: 60 ms for 3, and the third completion has none
    found = [Completion("a", (1, 2, 3), token_ms=10.0), Completion("b", (1, 2), token_ms=40.0), Completion("c", (1,))]
    assert masks.token_us(found) == pytest.approx(20_000)
    with pytest.raises(UsageError, match="no answer has a second token"):
        masks.token_us(found[2:])


def test_time_in_the_masks_of_two_lanes_at_once_is_added_up(monkeypatch):
    """The one lane looks at the clock from 0 to 20, and the other from 10 to 13 while the first is about to add."""
    readings = []

    def clock():
        readings.append(len(readings))
        match readings[-1]:
            case 0:
                return 0.0
            case 1:
                masks.Mask.choose(None)
                return 20.0
            case reading:
                return {2: 10.0, 3: 13.0}[reading]

    monkeypatch.setattr(masks, "perf_counter", clock)
    monkeypatch.setattr(masks.Mask, "choose", lambda *_: 0)
    with masks.Clock() as found:
        masks.Mask.choose(None)
    assert found.spent == 20.0 + 3.0


def test_masks_are_computed_at_each_token_of_the_right_answers():
    pytest.importorskip("llguidance", reason="needs phi4bench[constrained]")
    artifact = open_artifact(str(ROOT / "fixtures" / "models" / "nano-int8"))
    dialect = dialect_named("tool_use")
    cases = [case for case in load_cases(None).cases if case.expected.calls][:2]
    found = masks.straying(artifact, 1024, dialect, cases)
    tokenizer = masks.PromptTokenizer.from_folder(artifact.tokenizer_dir)
    tokens = [tokenizer.encode_segments(dialect.call_segments(case.expected.calls)) for case in cases]
    assert len(found.mask_us) == sum(map(len, tokens)) > 0
    assert min(found.mask_us) > 0.0


def test_a_page_tells_no_path_of_the_machine() -> None:
    models = [Path("fixtures/models/nano-int8"), Path("/home/me/runs/mini/int4")]
    assert given(models) == " --model fixtures/models/nano-int8 --model mini/int4"
    assert given(None) == ""


def test_the_commands_of_the_readme_name_the_shipped_models_where_they_are():
    named = re.findall(r"--model (\S*nano-\w+)", (ROOT / "benchmarks" / "README.md").read_text())
    assert named
    assert not [path for path in named if not (ROOT / path).is_dir()]


def test_our_share_of_a_whole_command_is_all_but_what_the_runtime_computed_in_it():
    assert share.Whole(wall_s=10, generating_s=8).ours(of_generating=0.1, loading_s=0.3) == pytest.approx(1 - 7.5 / 10)


@pytest.mark.parametrize(
    "name",
    [
        *("calibration", "evaluator", "generation_probe", "history", "many_cases", "masks", "share", "peers.__main__"),
        *(pytest.param(name, marks=NEEDS_ONNX) for name in ("roofline", "rows", "shapes", "planted.__main__")),
        pytest.param("training", marks=NEEDS_TORCH),
    ],
)
def test_help_says_every_default(name, monkeypatch):
    parsers = []

    def stop(parser, arguments=None):
        parsers.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(SystemExit):
        import_module(f"benchmarks.{name}").main()
    assert untold_defaults(*parsers) == []
