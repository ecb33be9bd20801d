"""Training data: what is read, what is converted, and what validates."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from kit import case_line, write_lines
from rain import PARAMETERS, WEATHER, conversation
from small import NANO

from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.calls import Call
from phi4bench.cases import Message
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.errors import CaseFileError, UsageError
from trainers.__main__ import main
from trainers.data import generated, load_examples, share_told, split, write_examples
from trainers.encoding import IGNORED, Encoder


@pytest.fixture(scope="module")
def encoder():
    return Encoder(dialect_named("tool_use"), PromptTokenizer.from_folder(NANO))


@pytest.fixture(scope="module")
def examples():
    return generated(60, seed=5)


# Files


def test_examples_are_read_as_they_were_written(examples, tmp_path: Path):
    write_examples(tmp_path / "t.jsonl", examples)
    assert load_examples([str(tmp_path / "t.jsonl")]).examples == tuple(examples)


def test_generated_examples_are_of_no_family_of_the_test_split(examples):
    assert not {one.case.group for one in examples} & {case.group for case in load_cases().cases}


def test_an_openai_conversation_becomes_a_case_and_says_what_was_converted(tmp_path: Path):
    data = load_examples([str(write_lines(tmp_path / "t.jsonl", [conversation(), conversation()]))])
    assert data.examples[0].case.tools[0].schema == PARAMETERS
    assert data.examples[0].answer == Message("assistant", "", (Call("weather", {"city": "Oslo"}),))
    assert data.examples[0].case.scenario == "single"
    assert data.examples[0].case.group == data.examples[1].case.group
    assert "2 conversation(s) from 'messages'" in data.notes[0]
    assert "2 call argument(s) from text" in data.notes[0]


def test_a_tools_result_gets_its_name_from_the_call_that_it_answers(tmp_path: Path):
    made = conversation()
    made["messages"] += [
        {"role": "tool", "tool_call_id": "call_1", "content": "wet"},
        {"role": "assistant", "content": "It rains."},
    ]
    (one,) = load_examples([str(write_lines(tmp_path / "t.jsonl", [made]))]).examples
    assert one.case.messages[-1] == Message("tool", "wet", name="weather")
    assert one.answer == Message("assistant", "It rains.")
    assert one.case.scenario == "multi_turn"


def test_sharegpt_turns_are_taken_too(tmp_path: Path):
    turns = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello to you."}]
    data = load_examples([str(write_lines(tmp_path / "t.jsonl", [{"conversations": turns, "tools": [WEATHER]}]))])
    assert data.examples[0].answer == Message("assistant", "Hello to you.")
    assert "1 turn(s) of 'gpt' as 'assistant'" in data.notes[0]


def test_what_a_conversion_leaves_out_is_told_with_its_count(tmp_path: Path):
    first, second = conversation(parallel_tool_calls=False), conversation()
    first["messages"][1] |= {"reasoning_content": "Rain is weather.", "refusal": None}
    second["messages"][1] |= {"reasoning_content": "So it is."}
    data = load_examples([str(write_lines(tmp_path / "t.jsonl", [first, second]))])
    wanted = "left out, not shown to the model: 1 'parallel_tool_calls' of conversation(s), 2 "
    assert wanted + "'reasoning_content' of assistant turn(s)" in data.notes[1]
    assert "refusal" not in data.notes[1]


def test_what_is_left_out_of_tools_calls_and_parts_is_told_too(tmp_path: Path):
    made = conversation(conversations=[{"from": "human", "value": "Hi"}], functions=[{"name": "old"}])
    made["tools"] = [{**WEATHER, "strict": True}]
    made["messages"][0]["content"] = [{"type": "text", "text": "Rain?", "cache_control": {"type": "ephemeral"}}]
    (call,) = made["messages"][1]["tool_calls"]
    made["messages"][1]["tool_calls"] = [{**call, "index": 1, "function": {**call["function"], "parsed": {"city": 1}}}]
    told = load_examples([str(write_lines(tmp_path / "t.jsonl", [made]))]).notes[1]
    for what in (
        "'conversations' of conversation(s)", "'functions' of conversation(s)", "'strict' of tool(s)",
        "'cache_control' of text part(s)", "'index' of call(s)", "'parsed' of call(s)",
    ):  # fmt: skip
        assert f"1 {what}" in told


def test_results_stand_in_the_order_of_their_calls(tmp_path: Path):
    """Both are of one tool, and what told them apart, the ids, the model does not see."""
    made = conversation()
    made["messages"][1]["tool_calls"] = [
        {"id": f"call_{city}", "function": {"name": "weather", "arguments": {"city": city}}}
        for city in ("Oslo", "Rome")
    ]
    made["messages"] += [
        {"role": "tool", "tool_call_id": "call_Rome", "content": "dry"},
        {"role": "tool", "tool_call_id": "call_Oslo", "content": "wet"},
        {"role": "assistant", "content": "Wet in Oslo, dry in Rome."},
    ]
    data = load_examples([str(write_lines(tmp_path / "t.jsonl", [made]))])
    assert [one.content for one in data.examples[0].messages[2:4]] == ["wet", "dry"]
    assert "2 tool result(s) put in the order of their calls" in data.notes[0]


def test_a_turn_of_weight_0_is_read_and_not_learned(encoder, tmp_path: Path):
    made = conversation()
    made["messages"][1]["weight"] = 0
    made["messages"] += [
        {"role": "tool", "tool_call_id": "call_1", "content": "wet"},
        {"role": "assistant", "content": "It rains.", "weight": 1},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "No idea.", "weight": 0},
    ]
    data = load_examples([str(write_lines(tmp_path / "t.jsonl", [made]))])
    encoded = encoder.encode(data.examples[0])
    learned = encoder.tokenizer.decode([label for label in encoded.labels if label != IGNORED])
    assert learned == "It rains.<|end|>"
    assert "weather(city='Oslo')" in encoded.text
    assert "1 turn(s) of weight 0, read but not learned" in data.notes[0]
    assert "2 turn(s) after the last that has not weight 0" in data.notes[1]


def test_sharegpts_calls_and_observations_are_taken(tmp_path: Path):
    turns = [
        {"from": "human", "value": "Rain in Oslo?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
        {"from": "observation", "value": "wet"},
        {"from": "gpt", "value": "It rains."},
    ]
    (one,) = load_examples(
        [str(write_lines(tmp_path / "t.jsonl", [{"conversations": turns, "tools": [WEATHER]}]))]
    ).examples
    assert one.messages[1:] == (
        Message("assistant", "", (Call("weather", {"city": "Oslo"}),)),
        Message("tool", "wet", name="weather"),
        Message("assistant", "It rains."),
    )


def test_files_of_one_name_in_two_folders_are_read_together(tmp_path: Path):
    files = []
    for name in ("d1", "d2"):
        (tmp_path / name).mkdir()
        files.append(str(write_lines(tmp_path / name / "train.jsonl", [conversation()])))
    assert [one.case.id for one in load_examples(files).examples] == ["train-1", "train.2-1"]
    with pytest.raises(UsageError, match="is named twice"):
        load_examples([files[0], files[0]])
    with pytest.raises(UsageError, match="is a folder; name its files"):
        load_examples([str(tmp_path / "d1")])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('{"city": "Oslo", "city": "Rome"}', "'city'"),
        ('{"city": NaN}', "NaN is no JSON"),
        (r'{"city": "\ud800"}', "half of a surrogate pair"),
    ],
    ids=["twice", "nan", "surrogate"],
)
def test_arguments_in_a_text_are_read_as_strictly_as_the_file(arguments, says, tmp_path: Path):
    made = conversation()
    made["messages"][1]["tool_calls"][0]["function"]["arguments"] = arguments
    with pytest.raises(CaseFileError, match=rf"t.jsonl:1: .*tool_calls\[0\].arguments=.*but should be JSON: .*{says}"):
        load_examples([str(write_lines(tmp_path / "t.jsonl", [made]))])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param({"messages": conversation()["messages"]}, "'tools' is missing", id="no-tools"),
        pytest.param({**case_line(1), "tools": "none_such"}, "tool set 'none_such' is not known", id="unknown-tools"),
        pytest.param({k: v for k, v in case_line(1).items() if k != "tools"}, "'tools'", id="case-without-tools"),
        pytest.param(conversation(messages=[{"role": "user", "content": "Hi"}]), "the assistant's", id="no-answer"),
        pytest.param({**case_line(200), "reply": " "}, "reply=' '", id="empty-reply"),
        pytest.param(conversation(tools=[]), "'tools' is empty", id="empty-tools"),
        pytest.param(conversation(tools={}), "'tools' is no list", id="tools-no-list"),
        pytest.param(
            conversation(messages=[{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant"}]),
            "a part that is no text",
            id="picture",
        ),
        *(
            pytest.param(
                conversation(
                    messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"} | more]
                ),
                says,
                id=name,
            )
            for name, more, says in (
                ("calls-number", {"tool_calls": 5}, "messages[1].tool_calls=5, but should be a list"),
                ("half-weight", {"weight": 0.5}, "messages[1].weight=0.5, but should be 0 or 1"),
                ("nothing-to-learn", {"weight": 0}, "every turn of the assistant in messages has weight 0"),
            )
        ),
    ],
)
def test_a_wrong_line_is_told_with_its_place(line, says, tmp_path: Path):
    with pytest.raises(CaseFileError) as caught:
        load_examples([str(write_lines(tmp_path / "t.jsonl", [line]))])
    assert "t.jsonl:1: " in str(caught.value)
    assert says in str(caught.value)


def test_an_empty_file_and_one_example_are_told(tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(CaseFileError, match="holds no example"):
        load_examples([str(tmp_path / "empty.jsonl")])
    with pytest.raises(UsageError, match="examples=1, but should be at least 2"):
        split(generated(1, 1), 0.2, 1)


# What validates


def test_validation_holds_whole_groups_of_about_the_share_asked_for():
    examples = generated(200, seed=1)
    into, held = split(examples, 0.2, seed=3)
    assert sorted(into + held) == list(range(200))
    assert 30 <= len(held) <= 50
    assert not {examples[i].case.group for i in into} & {examples[i].case.group for i in held}


@pytest.mark.parametrize(
    ("sizes", "share", "held"),
    [
        pytest.param([90, 10], 0.2, {10}, id="one-is-most"),
        pytest.param([50, 49], 0.2, {49}, id="none-fits"),
        pytest.param([5, 80, 5, 5, 5], 0.2, {10, 15, 20}, id="the-rest-is-small"),
        pytest.param([1, 1], 0.9, {1}, id="one-is-left-to-learn-from"),
    ],
)
def test_no_group_takes_validation_far_from_its_share(sizes, share, held, examples):
    made = [
        replace(examples[0], case=replace(examples[0].case, group=f"g{group}"))
        for group, size in enumerate(sizes)
        for _ in range(size)
    ]
    assert {len(split(made, share, seed)[1]) for seed in range(8)} <= held


def test_a_share_that_whole_groups_cannot_give_is_told():
    assert share_told(49, 99, 0.2).startswith("49% of the examples validate, not 20%")
    assert not share_told(25, 100, 0.2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file_to_learn_from(tmp_path: Path):
    os.mkfifo(tmp_path / "train.jsonl")
    with pytest.raises(UsageError, match=r"is no ordinary file; write its lines to one first"):
        load_examples([str(tmp_path / "train.jsonl")])


def test_generated_examples_take_no_place_of_the_users_own(tmp_path: Path, capsys, refusal):
    command = ["data", "--count", "2", "--out", str(tmp_path / "train.jsonl")]
    assert [main(command), main(command)] == [0, 0]
    assert "train.jsonl is finished; nothing to do" in capsys.readouterr().out
    (tmp_path / "train.jsonl").write_text("mine")
    assert "holds something else; name another file, or remove it" in refusal(*command)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs sockets in folders")
@pytest.mark.parametrize("name", ["socket", "link", "ring", ".", "/"])
def test_generated_examples_take_no_place_of_what_is_no_file(name, tmp_path: Path, monkeypatch, refusal):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        Path("link").symlink_to("socket")  # as /dev/stdout is to a terminal
        Path("ring").symlink_to("ring")
        told = f"trainers data: --out='{name}' is no file; name one that ends in .jsonl"
        assert told in refusal("data", "--count", "2", "--out", name)
    assert {path.name for path in tmp_path.iterdir()} == {"socket", "link", "ring"}


def test_generated_examples_written_to_a_link_are_in_its_file(tmp_path: Path):
    (tmp_path / "link.jsonl").symlink_to("file.jsonl")
    assert write_examples(tmp_path / "link.jsonl", generated(2, 5))
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(load_examples([str(tmp_path / "file.jsonl")]).examples) == 2
