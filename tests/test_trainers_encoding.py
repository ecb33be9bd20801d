"""Training examples as tokens: what is supervised, and what the checks find before anything is trained."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from kit import ROOT, case_line, write_lines
from rain import WEATHER, conversation
from small import NANO

from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.cases import Message
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.errors import UsageError
from trainers import checks
from trainers.base import open_base
from trainers.data import Example, generated, load_examples, write_examples
from trainers.encoding import IGNORED, Encoder, conversations
from trainers.prepare import DataError, own_template, prepare


@pytest.fixture(scope="module")
def encoder():
    return Encoder(dialect_named("tool_use"), PromptTokenizer.from_folder(NANO))


@pytest.fixture(scope="module")
def examples():
    return generated(60, seed=5)


@pytest.fixture(scope="module")
def base():
    pytest.importorskip("torch", reason="needs the `train` extra")
    pytest.importorskip("transformers", reason="needs the `train` extra")
    return open_base(str(NANO))


def places(examples):
    return [f"t.jsonl:{number}" for number in range(1, len(examples) + 1)]


# Tokens


def test_training_reads_the_ids_that_the_evaluator_sends(encoder, examples):
    for one in examples:
        made = encoder.encode(one)
        ids, shared = encoder.tokenizer.encode(encoder.dialect.render(one.case.question()))
        assert list(made.ids[: len(ids)]) == ids
        assert made.shared == shared
        assert made.spans[-1].start == len(ids)


def test_loss_falls_on_what_the_assistant_says_and_its_end_alone(encoder, examples):
    for one in examples:
        made = encoder.encode(one)
        spoken = encoder.tokenizer.decode([label for label in made.labels if label != IGNORED])
        turns = [message for message in one.messages if message.role == "assistant"]
        wanted = [encoder.dialect.render_calls(turn.calls) or turn.content for turn in turns]
        assert spoken == "".join(f"{text}<|end|>" for text in wanted)


def test_conversations_that_do_not_fit_the_context_are_passed_over_for_others(encoder, examples, capsys):
    lengths = sorted(len(encoder.encode(one).ids) for one in examples)
    context = lengths[len(lengths) // 2]
    found = conversations(encoder, examples, 16, context)
    assert len(found) == 16
    assert max(map(len, found)) <= context
    assert f"the model's context of {context:,} tokens or cannot be read" in capsys.readouterr().out
    with pytest.raises(UsageError, match="none of 60 conversations has an answer and fits"):
        conversations(encoder, examples, 16, 8)


def test_conversations_are_spread_over_the_examples(encoder, examples, capsys):
    found = conversations(encoder, examples, 16, 10_000)
    assert found == [encoder.encode(one).ids for one in examples[::3][:16]]
    assert not capsys.readouterr().out


# Checks


def test_nothing_is_lost_of_generated_examples(encoder, examples):
    for one in examples:
        assert not checks.lost(one, encoder.encode(one), encoder.dialect, encoder.tokenizer.decode)


def test_a_listing_without_arguments_is_found_out(encoder, examples, monkeypatch):
    monkeypatch.setattr(
        "phi4bench.dialects.listing._STYLES", {"signatures": lambda tools: "\n".join(t.name for t in tools)}
    )
    one = next(one for one in examples if one.case.expected.calls[:1] and one.case.scenario == "single")
    afresh = (*one.case.tools,)  # a set of tools that was listed before is not listed again
    one = replace(one, case=replace(one.case, tools=afresh))
    lost = checks.lost(one, encoder.encode(one), encoder.dialect, encoder.tokenizer.decode)
    assert "argument old_string of tool edit" in lost


def test_a_tool_that_is_not_listed_is_lost_though_it_is_called(encoder, tmp_path: Path, monkeypatch):
    (one,) = load_examples([str(write_lines(tmp_path / "t.jsonl", [conversation()]))]).examples
    assert not checks.lost(one, encoder.encode(one), encoder.dialect, encoder.tokenizer.decode)
    monkeypatch.setattr("phi4bench.dialects.listing._STYLES", {"signatures": lambda tools: "reweathering"})
    (one,) = load_examples([str(tmp_path / "t.jsonl")]).examples
    assert checks.lost(one, encoder.encode(one), encoder.dialect, encoder.tokenizer.decode) == ["tool weather"]


def test_a_description_that_the_dialect_should_write_is_looked_for(encoder, tmp_path: Path):
    told = {**WEATHER, "function": {**WEATHER["function"], "description": "What the sky does."}}
    (one,) = load_examples([str(write_lines(tmp_path / "t.jsonl", [conversation(tools=[told])]))]).examples
    head = "weather(city)"
    assert checks.lost_in_text(one, head + "Rain in Oslo?", head) == ["the description of tool weather"]
    assert not checks.lost_in_text(one, head + "Rain in Oslo?", head, described=False)


@pytest.fixture
def described(tmp_path: Path) -> Example:
    """A tool with an argument that its schema describes, at two depths."""
    city = {"anyOf": [{"type": "string", "description": 'The "town"'}], "description": "Where to look."}
    schema = {"type": "object", "properties": {"city": city}, "required": ["city"]}
    told = {**WEATHER, "function": {**WEATHER["function"], "parameters": schema}}
    (one,) = load_examples([str(write_lines(tmp_path / "t.jsonl", [conversation(tools=[told])]))]).examples
    return one


@pytest.mark.parametrize("name", ["Where to look.", 'The \\"town\\"'], ids=["its-own", "within"])
def test_the_description_of_an_argument_is_looked_for(name, described, encoder):
    mini = replace(encoder, dialect=dialect_named("phi4-mini"))
    made = mini.encode(described)
    assert not checks.lost(described, made, mini.dialect, lambda ids: made.text)
    assert name in made.head
    less = replace(made, head=made.head.replace(name, ""))
    assert checks.lost(described, less, mini.dialect, lambda ids: less.text) == [
        "a description of argument city of tool weather"
    ]


def test_descriptions_that_the_dialect_does_not_write_are_told(described, encoder):
    (found,) = checks.check_listing([described], encoder.dialect)
    assert found.what == "dialect tool_use lists no descriptions: 2 of arguments are not shown to the model"
    assert not found.error
    assert not checks.check_listing([described], dialect_named("phi4-mini"))


def test_a_template_that_drops_tools_calls_and_results_is_shown_for_what_it_lost(examples, tmp_path: Path):
    template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content if m.role != 'tool' }}<|end|>{% endfor %}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    one = next(one for one in examples if any(message.role == "tool" for message in one.messages))
    (found,) = own_template(tmp_path, [one])
    assert "the model's own chat template loses" in found.what
    lost = checks.lost_in_text(one, "".join(m.content for m in one.messages if m.role != "tool"), "")
    assert any(line.startswith("tool ") for line in lost)
    assert any(line.startswith("the result of") for line in lost)


def test_a_result_that_stands_in_the_request_too_is_lost_where_it_is_left_out(encoder, tmp_path: Path):
    made = conversation()
    made["messages"][0]["content"] = "Is Oslo wet?"
    made["messages"] += [
        {"role": "tool", "tool_call_id": "call_1", "content": "wet"},
        {"role": "assistant", "content": "It rains."},
    ]
    (one,) = load_examples([str(write_lines(tmp_path / "t.jsonl", [made]))]).examples
    text = encoder.encode(one).text
    assert not checks.lost_in_text(one, text, "weather(city)")
    assert text.count("wet") == 2
    less = text[: text.rindex("wet")] + text[text.rindex("wet") + 3 :]
    assert checks.lost_in_text(one, less, "weather(city)") == ["the result of weather: 'wet'"]


def test_characters_that_the_tokenizer_lacks_are_lost(encoder, examples):
    made = encoder.encode(examples[0])
    lost = checks.lost(examples[0], made, encoder.dialect, lambda ids: made.text.replace("e", "?"))
    assert any("tokenizer does not know" in line for line in lost)


@pytest.mark.parametrize(
    "template",
    ["{{ messages[0].content + 1 }}", "{{ 1 // 0 }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% for %}"],
    ids=["text-plus-number", "by-zero", "without-end", "no-template"],
)
def test_a_template_that_cannot_be_rendered_is_told_in_a_line(template, examples, tmp_path: Path):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    (found,) = own_template(tmp_path, examples)
    assert found.what.startswith("the model's own chat template cannot render tools and calls (")
    assert not found.error


LOOPS = "".join(f"{{% for a{at} in range(99999) %}}" for at in range(3)) + "{% endfor %}" * 3


@pytest.mark.parametrize(
    ("template", "told"),
    [
        pytest.param(LOOPS, "it takes more than 2 s", id="loops"),
        pytest.param("{{ 9**(9**9) }}", "it takes more than 2 s", id="one-operation"),
        pytest.param("{{ 'x' * 10**11 }}", "MemoryError", id="memory"),
    ],
)
def test_a_template_that_never_ends_or_takes_all_memory_does_not(template, told, examples, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("trainers.own_template.SECONDS", 2.0)
    (tmp_path / "chat_template.jinja").write_text(template)
    (found,) = own_template(tmp_path, examples)
    assert found.what == f"the model's own chat template cannot render tools and calls ({told}); it is not used"


def test_what_would_be_cut_is_an_error_that_counts():
    (said, cut) = checks.check_lengths([10, 20, 30, 40], places("abcd"), limit=25, context=100)
    assert not said.error
    assert cut.error
    assert cut.what == "2 of 4 examples would be cut at 25 tokens"
    assert cut.instances == ("t.jsonl:3: 30 tokens", "t.jsonl:4: 40 tokens")


def test_what_is_longer_than_the_models_context_is_an_error_at_any_length(base, tmp_path: Path):
    """nano's is 1,024 tokens: behind them no position was ever learned, and no prompt of the gate reaches there."""
    made = [replace(one, answer=Message("assistant", "so " * 1100)) for one in generated(40, 2)]
    write_examples(tmp_path / "t.jsonl", [one for one in made if not one.case.expected.calls])
    with pytest.raises(DataError, match=r"are longer than 1,024 tokens; the model's context is 1,024: shorten them"):
        prepare(base, [str(tmp_path / "t.jsonl")], length=4096, validation=0.25, seed=1)


def test_duplicates_and_contradictions_are_told_apart(examples):
    one = next(one for one in examples if one.case.expected.calls)
    torn = replace(one, answer=Message("assistant", "No."))
    shouted = replace(
        one, case=replace(one.case, messages=tuple(replace(m, content=m.content.upper()) for m in one.case.messages))
    )
    (twice, other) = checks.check_duplicates([one, one, torn, shouted], places("abcd"))
    assert twice.what == "1 example stands there twice"
    assert other.what == "1 question stands there again with another answer"
    assert twice.instances == ("t.jsonl:2: as t.jsonl:1",)
    assert other.instances == ("t.jsonl:3: as t.jsonl:1",)


def test_the_test_split_leaks_by_group_and_by_text():
    test = load_cases().cases[:200]
    learned = [Example(case, Message("assistant", "", case.expected.calls)) for case in test[:3]]
    group, near = checks.check_leakage(learned, places(learned), test)
    assert group.error
    assert near.error
    assert "3 requests are nearly those of test cases" in near.what
    single, alike = checks.check_leakage(learned[:1], places(learned[:1]), test)
    assert single.what == "1 example is of a family of the test split"
    assert alike.what == "1 request is nearly that of a test case"
    renamed = [replace(one, case=replace(one.case, group="mine")) for one in learned]
    assert [one.what for one in checks.check_leakage(renamed, places(renamed), test)] == [near.what]


def test_near_duplicates_are_those_that_comparing_all_pairs_finds():
    rng = random.Random(4)
    words = [
        "read",
        "the",
        "file",
        "and",
        "then",
        "grep",
        "for",
        "it",
        "in",
        "every",
        "folder",
        "of",
        "mine",
        "please",
        "now",
    ]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(40)]
    others = [text.replace("file", "files", 1) for text in texts[:20]] + [
        " ".join(rng.choices(words, k=12)) for _ in range(40)
    ]
    shingles = [[{f" {t} "[i : i + 5] for i in range(len(t) - 2)} for t in side] for side in (texts, others)]
    wanted = set()
    for i, a in enumerate(shingles[0]):
        if max(len(a & b) / len(a | b) for b in shingles[1]) >= 0.8:
            wanted.add(i)
    assert wanted
    assert {i for i, _, _ in checks.near_duplicates(texts, others, 0.8)} == wanted


def test_the_mix_names_what_is_scarce(examples):
    only = [one for one in examples if one.case.scenario == "single"]
    told = checks.check_mix(only)
    assert "single 100% (26%)" in told[0].what  # 30 of 116
    assert told[1].what.endswith("selection, multi_turn, parallel, missing_info, irrelevant")
    assert not any(one.error for one in told)


# The whole


def test_data_is_split_and_counted(base, tmp_path: Path):
    write_examples(tmp_path / "t.jsonl", generated(40, 2))
    made = prepare(base, [str(tmp_path / "t.jsonl")], length=1024, validation=0.25, seed=1)
    assert len(made.train) + len(made.validation) == 40
    assert made.told[-1].endswith("to validate with, by whole families")


def test_cases_without_an_answer_stop_unless_they_are_dropped(base, tmp_path: Path):
    lines = [case_line(number) for number in (1, 2, 3, 90, 91, 200, 201)]
    file = write_lines(tmp_path / "t.jsonl", lines)
    options = {"length": 512, "validation": 0.2, "seed": 1}
    with pytest.raises(DataError) as caught:
        prepare(base, [str(file)], **options)
    assert str(caught.value).startswith("2 examples expect prose and give none")
    made = prepare(base, [str(file)], drop=True, **options)
    assert "left out (--drop): 2 of 7 examples" in made.told


def test_a_set_that_would_be_cut_stops(base, tmp_path: Path):
    write_examples(tmp_path / "t.jsonl", generated(20, 2))
    with pytest.raises(DataError, match="20 of 20 examples would be cut at 20 tokens"):
        prepare(base, [str(tmp_path / "t.jsonl")], length=20, validation=0.2, seed=1)


def test_a_dialect_whose_turns_the_tokenizer_does_not_know_is_a_wrong_template(base):
    with pytest.raises(UsageError, match=r"wrong template.* no token <s>, <\|sys\|>"):
        open_base(str(NANO), str(ROOT / "fixtures" / "dialects" / "example.toml"))


def test_call_markers_that_are_no_tokens_are_learned_as_text(base, examples):
    mini = open_base(str(NANO), "phi4-mini").encoder
    for one in examples[:20]:
        assert not checks.lost(one, mini.encode(one), mini.dialect, mini.tokenizer.decode)


def test_a_model_folder_without_a_tokenizer_is_told(base, tmp_path: Path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((NANO / name).read_bytes())
    with pytest.raises(UsageError, match=r"has no tokenizer\.json"):
        open_base(str(tmp_path))
