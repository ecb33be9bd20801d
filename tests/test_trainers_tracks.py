"""The two tracks: which examples are whose, how a structured answer is learned, and who gets which GPUs."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from phi4bench.dialects import DIALECTS
from phi4bench.errors import CaseFileError, UsageError
from phi4bench.levels import Level, score
from phi4bench.transcripts import Completion
from trainers.__main__ import main
from trainers.data import load_examples, write_examples
from trainers.devices import halves, seen_by_torch, there, usable
from trainers.faults import TrainingError
from trainers.tracks import both, of_track, shares

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def structured(number, answer=None):
    return {
        "id": f"json-{number}", "scenario": "single", "group": f"json/{number}", "tools": [],
        "messages": [{"role": "user", "content": f"Which city is number {number}? Answer in JSON."}],
        "expected": {"json": answer or {"city": f"Oslo {number}"}}, "response_schema": SCHEMA,
    }  # fmt: skip


def calling(number):
    return {
        "id": f"call-{number}", "scenario": "single", "group": f"call/{number}", "tools": "claude_code",
        "messages": [{"role": "user", "content": f"Read file{number}.txt"}],
        "expected": {"calls": [{"name": "read", "arguments": {"file_path": f"file{number}.txt"}}]},
    }  # fmt: skip


def write(path: Path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def data(tmp_path: Path):
    return write(tmp_path / "d.jsonl", [structured(1), calling(2), structured(3), calling(4), calling(5)])


def test_each_track_has_its_own_examples(data):
    loaded = load_examples([str(data)])
    assert [one.case.id for one in of_track(loaded, "structured").examples] == ["json-1", "json-3"]
    calls = of_track(loaded, "toolcall")
    assert [one.case.id for one in calls.examples] == ["call-2", "call-4", "call-5"]
    assert [place.rpartition(":")[2] for place in calls.places] == ["2", "4", "5"]
    assert of_track(loaded, "") is loaded


def test_a_track_without_examples_is_told(tmp_path: Path):
    loaded = load_examples([str(write(tmp_path / "d.jsonl", [calling(1), calling(2)]))])
    with pytest.raises(UsageError, match="--track structured: none of 2 examples is of it; its examples have expected"):
        of_track(loaded, "structured")


def test_what_is_learned_is_the_json_value_that_the_suites_want(data):
    one = load_examples([str(data)]).examples[0]
    assert json.loads(one.answer.content) == {"city": "Oslo 1"}
    assert one.answer.calls == ()


def test_a_structured_answer_that_breaks_its_schema_is_refused_where_it_stands(tmp_path: Path):
    file = write(tmp_path / "d.jsonl", [structured(1), structured(2, {"city": 7})])
    with pytest.raises(CaseFileError, match=r"d\.jsonl:2: expected\.json does not fit the response_schema"):
        load_examples([str(file)])


def test_structured_examples_are_written_as_they_are_read(data, tmp_path: Path):
    loaded = load_examples([str(data)])
    write_examples(tmp_path / "again.jsonl", loaded.examples)
    assert load_examples([str(tmp_path / "again.jsonl")]).examples == loaded.examples


# Who gets which GPUs


@pytest.mark.parametrize(
    ("devices", "parts"),
    [
        pytest.param(["0", "1"], (("0",), ("1",)), id="two"),
        pytest.param(["0", "1", "2"], (("0", "1"), ("2",)), id="three"),
        pytest.param(["GPU-a", "GPU-b", "GPU-c", "GPU-d"], (("GPU-a", "GPU-b"), ("GPU-c", "GPU-d")), id="by-name"),
    ],
)
def test_halves_share_no_device_and_leave_none_out(devices, parts):
    assert halves(devices) == parts


@pytest.mark.parametrize("devices", [[], ["0"]], ids=["none", "one"])
def test_one_device_is_not_halved(devices):
    with pytest.raises(ValueError, match="cannot be halved"):
        halves(devices)
    parts, told = shares(devices, at_once=True)
    assert parts == [tuple(devices), tuple(devices)]
    assert told.startswith("one track after the other, since torch has")


@pytest.mark.parametrize(
    ("value", "names"), [("0,1", ("0", "1")), ("3", ("3",)), ("", ()), ("-1", ())], ids=["two", "one", "empty", "none"]
)
def test_the_environment_says_which_devices_there_are(value, names):
    assert there({"CUDA_VISIBLE_DEVICES": value}) == names


def test_without_the_drivers_tool_there_is_no_device(monkeypatch):
    monkeypatch.setattr("trainers.devices.shutil.which", lambda name: None)
    assert there({}) == ()


def test_the_drivers_tool_is_asked_where_the_environment_is_silent(monkeypatch, tmp_path: Path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: GPU-a)'\necho 'GPU 1: H100 (UUID: GPU-b)'\n")
    tool.chmod(0o755)
    monkeypatch.setattr("trainers.devices.shutil.which", lambda name: str(tool))
    assert there({}) == ("0", "1")


@pytest.mark.parametrize(
    ("count", "names", "says"),
    [
        (2, ("4", "7"), ""),
        (1, ("4",), "2 CUDA devices, but torch 2.13.0+cpu can use only 1 of them"),
        (0, (), "2 CUDA devices, but torch 2.13.0+cpu can use none of them"),
    ],
    ids=["all", "the-first", "none"],
)
def test_devices_that_torch_cannot_use_are_told_and_not_dealt_out(count, names, says):
    environment = {"CUDA_VISIBLE_DEVICES": "4,7"}
    assert usable(environment, lambda given: (count, "2.13.0+cpu")) == (names, says)


def test_torch_is_asked_in_a_process_of_its_own(monkeypatch, tmp_path: Path):
    torch = pytest.importorskip("torch", reason="needs the `train` extra")
    assert seen_by_torch(os.environ | {"CUDA_VISIBLE_DEVICES": ""}) == (0, torch.__version__)
    monkeypatch.setattr("trainers.devices.sys.executable", str(tmp_path / "none"))
    assert seen_by_torch({}) == (0, "(which does not start)")


# Both


def ran(out: Path, at_once, devices, reason=lambda track: ""):
    """The runs that were started: track, devices, processes; and how many runs there were at the same time."""
    found, running, most, lock, met = [], [0], [0], threading.Lock(), threading.Barrier(2 if at_once else 1)

    def run(folder, arguments, environment, processes):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        met.wait(600)
        track = arguments[arguments.index("--track") + 1]
        assert folder == out / track
        found.append((track, environment.get("CUDA_VISIBLE_DEVICES"), processes))
        with lock:
            running[0] -= 1
        return reason(track)

    both(out, ["--model", "m"], at_once, devices, run)
    return sorted(found), most[0]


def test_one_after_the_other_each_track_has_all_gpus(tmp_path: Path):
    assert ran(tmp_path, False, ["0", "1"]) == ([("structured", "0,1", 2), ("toolcall", "0,1", 2)], 1)


def test_at_once_each_track_has_its_half(tmp_path: Path):
    assert ran(tmp_path, True, ["4", "5", "6"]) == ([("structured", "4,5", 2), ("toolcall", "6", 1)], 2)


def test_without_gpus_a_track_is_one_process(tmp_path: Path):
    assert ran(tmp_path, False, []) == ([("structured", None, 1), ("toolcall", None, 1)], 1)


def test_gpus_that_torch_cannot_use_are_told_in_a_line(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr("trainers.tracks.usable", lambda: ((), "2 CUDA devices, but torch can use none of them"))
    assert ran(tmp_path, False, None) == ([("structured", None, 1), ("toolcall", None, 1)], 1)
    told = "2 CUDA devices, but torch can use none of them\none track after the other\n"
    assert capsys.readouterr().err == told


def test_a_track_that_fails_does_not_stop_the_other_and_is_told(tmp_path: Path):
    tried = []

    def reason(track):
        tried.append(track)
        return "loss=nan at step 3" if track == "structured" else ""

    with pytest.raises(TrainingError, match=r"^structured: loss=nan at step 3$"):
        ran(tmp_path, False, [], reason)
    assert sorted(tried) == ["structured", "toolcall"]


def test_at_once_is_for_both_tracks(refusal):
    assert "--at-once is for --track both" in refusal("sft", "--model", "m", "--data", "d", "--out", "o", "--at-once")


def test_both_tracks_are_not_launched_by_torchrun(monkeypatch, refusal):
    """The processes of each rank would wait for those of the other."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    told = refusal("sft", "--model", "m", "--data", "d", "--out", "o", "--track", "both")
    assert "--track both starts the processes of each track itself" in told


def test_the_process_of_a_track_gets_every_setting(monkeypatch, tmp_path: Path):
    seen = []
    monkeypatch.setattr("trainers.__main__._looked_at", lambda options, training, track: ())
    monkeypatch.setattr("trainers.tracks.both", lambda out, arguments, at_once: seen.append((arguments, at_once)))
    flags = ["--rank", "4", "--checkpointing", "--drop", "--tracker", "tensorboard", "--at-once"]
    assert main(["sft", "--model", "m", "--data", "d", "--out", str(tmp_path), "--track", "both", *flags]) == 0
    ((arguments, at_once),) = seen
    assert at_once
    assert {"--rank=4", "--checkpointing", "--drop", "--tracker", "tensorboard"} <= set(arguments)


def test_what_a_structured_example_teaches_is_what_the_suites_call_right(data):
    one = load_examples([str(data)]).examples[0]
    said = Completion(one.answer.content, (), "stop")
    got = score(one.case, said, DIALECTS["tool_use"])
    assert got.structured
    assert got.level == Level.RIGHT_PARAMETERS, got.reason


def test_a_run_tells_how_structured_cases_went_beside_the_calls(run_suites, make_fake, tmp_path: Path):
    lines = [structured(number) for number in range(3)]
    fake = make_fake()
    with (fake / "answers.jsonl").open("a") as file:
        for line in [*lines[:2], structured(2, {"city": "Bergen"})]:
            file.write(json.dumps(line) + "\n")
    done = run_suites("--model", fake, "--cases", write(tmp_path / "s.jsonl", lines), "-k", "accuracy")
    told = "structured answers, without a target: 3/3 are JSON, 3/3 fit their schema, 2/3 are as expected"
    assert told in " ".join(done.out.split())


def test_a_targets_file_can_stop_a_model_for_its_structured_answers(run_suites, make_fake, tmp_path: Path):
    lines = [structured(number) for number in range(60)]
    fake = make_fake()
    with (fake / "answers.jsonl").open("a") as file:
        for number, line in enumerate(lines):
            file.write(json.dumps(line if number % 3 else structured(number, {"city": "Bergen"})) + "\n")
    named = ("structured.parsing", "structured.parameter")
    text = "".join(f'[[gate]]\nname = "{name}"\nfloor = 0.9\nsource = "mine"\n' for name in named)
    (tmp_path / "mine.toml").write_text(text)
    cases = write(tmp_path / "s.jsonl", lines)
    done = run_suites("--model", fake, "--cases", cases, "--targets", tmp_path / "mine.toml")
    assert done.code == 1
    outcomes = {gate["name"]: gate["outcome"] for gate in done.artifact()["gates"]}
    assert outcomes == {"structured.parsing": "PASS", "structured.parameter": "FAIL"}
    assert "structured answers: 60/60 are JSON, 60/60 fit their schema, 40/60 are as expected" in " ".join(
        done.out.split()
    )
