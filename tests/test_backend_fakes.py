"""The fakes: each answers as its name says, and a folder's manifest is all that it takes to have one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, NotFiniteError, open_backend
from phi4bench.calls import Call
from phi4bench.cases import Case, Expected, Message
from phi4bench.datasets import write_cases
from phi4bench.errors import ArtifactError
from phi4bench.levels import Level, score
from phi4bench.tools import Tool

SCHEMA = {"type": "object", "properties": {"pattern": {"type": "string"}}, "required": ["pattern"]}
TOOLS = (Tool("grep", schema=SCHEMA),)


def case(number: int, said: str, *calls: Call) -> Case:
    scenario = "single" if calls else "irrelevant"
    return Case(f"case-{number}", scenario, f"group-{number}", TOOLS, (Message("user", said),), Expected(calls))


CASES = (
    *(case(i, f"find word{i}", Call("grep", {"pattern": f"word{i}"})) for i in range(6)),
    *(case(i, f"hello {i}") for i in (6, 7)),
)
LEVELS = {
    "always_right": Level.RIGHT_PARAMETERS,
    "always_wrong": Level.PARSED,
    "always_malformed": Level.DETECTED,
    "always_calls": Level.RIGHT_PARAMETERS,
    "silent": Level.NOTHING,
    "slow": Level.RIGHT_PARAMETERS,
}
ABSTAINS = {"always_right", "slow"}
DIALECTS = ["tool_use", "openai", "phi4-mini", "hermes", "jsonrpc"]


def fake(folder: Path, behaviour: str, dialect: str = "tool_use"):
    folder.mkdir(exist_ok=True)
    write_cases(folder / "answers.jsonl", CASES)
    manifest = {"schema": "phi4bench.artifact/1", "format": "fake", "dialect": dialect}
    manifest |= {"behaviour": behaviour, "answers": "answers.jsonl"}
    (folder / "phi4bench.json").write_text(json.dumps(manifest))
    return open_artifact(str(folder))


def scores(artifact, prompt_of=None):
    prompts = [(prompt_of or artifact.dialect.render)(case.question()) for case in CASES]
    found = dict(open_backend(artifact).generate(prompts, Decoding()))
    return [score(case, found[i], artifact.dialect) for i, case in enumerate(CASES)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("behaviour", LEVELS)
def test_a_fake_reaches_the_level_of_its_name_in_every_dialect(behaviour, dialect, tmp_path, monkeypatch):
    monkeypatch.setattr("phi4bench.backends.fakes.SLOW_SECONDS", 0)
    found = scores(fake(tmp_path / "m", behaviour, dialect))
    assert {one.level for one in found if one.expects_call} == {LEVELS[behaviour]}
    assert {one.abstained for one in found if not one.expects_call} == {behaviour in ABSTAINS}


def test_a_fake_finds_its_answers_under_another_system_prompt(tmp_path):
    artifact = fake(tmp_path / "m", "always_right")
    found = scores(artifact, lambda question: artifact.dialect.render(question, "You are somebody else."))
    assert {one.level for one in found if one.expects_call} == {Level.RIGHT_PARAMETERS}


def test_nan_stops_half_way_and_says_where(tmp_path):
    artifact = fake(tmp_path / "m", "nan")
    prompts = [artifact.dialect.render(case.question()) for case in CASES]
    stream = open_backend(artifact).generate(prompts, Decoding())
    assert [index for index, _ in (next(stream) for _ in range(4))] == [0, 1, 2, 3]
    with pytest.raises(NotFiniteError) as error:
        next(stream)
    assert error.value.index == 4


RUN_ALL = """
import sys
from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding, open_backend
from phi4bench.datasets import load_cases

artifact = open_artifact(sys.argv[1])
prompts = [artifact.dialect.render(case.question()) for case in load_cases([str(artifact.answers)]).cases]
for index, _ in open_backend(artifact).generate(prompts, Decoding()):
    print(index, flush=True)
"""


def test_crashes_takes_the_process_with_it(tmp_path):
    fake(tmp_path / "m", "crashes")
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(tmp_path / "m")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == -11, done.stderr
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_an_unknown_behaviour_lists_the_known_ones(tmp_path):
    artifact = replace(fake(tmp_path / "m", "silent"), behaviour="sometimes")
    with pytest.raises(ArtifactError, match=r"always_right.*silent"):
        open_backend(artifact)


def test_fakes_are_told_apart_by_identity_and_prompts_by_key(tmp_path):
    one, two = (open_backend(fake(tmp_path / name, name)) for name in ("silent", "always_wrong"))
    assert one.identity() != two.identity()
    artifact = fake(tmp_path / "m", "silent")
    prompts = [artifact.dialect.render(case.question()) for case in CASES]
    assert len({one.prompt_key(prompt) for prompt in prompts}) == len(CASES)
