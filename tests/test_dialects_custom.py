"""Dialects that are declared in a file or told from a tokenizer: what is accepted, and the one line for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi4bench.calls import Call
from phi4bench.cases import Message, Question
from phi4bench.dialects import DIALECTS, TURNS, infer_dialect, load_dialect_text
from phi4bench.errors import DialectError
from phi4bench.tools import Tool

EXAMPLE = Path(__file__).parent.parent / "fixtures" / "dialects" / "example.toml"
CLOCK = Tool("clock", "Tell the time.", {"type": "object", "properties": {"zone": {"type": "string"}}})


def test_the_example_file_declares_a_dialect_that_works():
    dialect = load_dialect_text(EXAMPLE.read_text("utf-8"), "example.toml")
    prompt = dialect.render(Question("q", (CLOCK,), (Message("user", "hi"),)))
    assert prompt.text == (
        "<s><|sys|>You can call tools. Write each call as [CALL]{...}[/CALL], a JSON object with name and arguments."
        "\n\n[TOOLS]clock(zone?): Tell the time.[/TOOLS]<|eot|><|usr|>hi<|eot|><|bot|>"
    )
    assert dialect.parse('[CALL]{"name": "clock", "arguments": {}}[/CALL]').calls == (Call("clock", {}),)
    assert dialect.controls == ("<s>", "<|sys|>", "<|eot|>", "<|usr|>", "<|bot|>", "<|obs|>", "[CALL]", "[/CALL]")


def test_the_example_file_shows_every_key():
    shown = EXAMPLE.read_text("utf-8")
    declared = load_dialect_text(shown).to_json()
    for table in ("listing", "calls", "results"):
        for key in declared[table]:
            assert f"\n{key} = " in shown, f"{table}.{key}"


def test_a_base_gives_what_is_not_said():
    dialect = load_dialect_text('name = "mine"\nbase = "hermes"\nturns = "llama3"\n[calls]\nkeys = ["parameters"]\n')
    hermes = DIALECTS["hermes"]
    assert (dialect.turns, dialect.listing, dialect.calls.open) == (TURNS["llama3"], hermes.listing, hermes.calls.open)
    call = Call("f", {"a": 1})
    assert '"parameters": {"a": 1}' in dialect.render_calls([call])
    assert dialect.parse(dialect.render_calls([call])).calls == (call,)


MINIMAL = 'name = "mine"\nturns = "phi"\n[listing]\nstyle = "mcp"\n[calls]\nstyle = "json"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("name = ", "not TOML", id="not-toml"),
        pytest.param("a = " + "[" * 5000, "not TOML", id="5000-brackets"),
        pytest.param('turns = "phi"', "'name' is missing", id="no-name"),
        pytest.param('name = "hermes"', "built-in", id="name-taken"),
        pytest.param('name = "mine"', "'turns' is missing", id="no-turns"),
        pytest.param('name = "mine"\nbase = "x"', "tool_use, openai", id="unknown-base"),
        pytest.param('name = "mine"\nbase = "hermes"\nturns = "x"', "phi, phi4, chatml", id="unknown-turns"),
        pytest.param('name = "mine"\nbase = ["hermes"]', "but should be one of", id="list-for-base"),
        pytest.param('name = "mine"\nbase = "hermes"\ncolour = 1', "unknown key 'colour'", id="unknown-key"),
        pytest.param('name = "mine"\nbase = "hermes"\ncalls = 1', "table", id="number-for-table"),
        pytest.param(MINIMAL.replace("mcp", "xml"), "mine.toml.listing.style='xml'", id="unknown-style"),
        pytest.param(MINIMAL.replace('"json"', '["json"]'), "but should be one of", id="list-for-style"),
        pytest.param(MINIMAL + "control = 1", "true or false", id="number-for-flag"),
        pytest.param(MINIMAL + 'keys = "a"', "a list of texts", id="text-for-list"),
        pytest.param(MINIMAL + "keys = []", "keys", id="no-keys"),
        pytest.param(MINIMAL + 'open = "<c>"', "come together", id="open-without-close"),
        pytest.param(MINIMAL + 'open = "c:"\nclose = ":c"', "begin with one of", id="marker-of-letters"),
        pytest.param(MINIMAL + 'open = "<\'"\nclose = "<\'/"', "quotes", id="marker-with-a-quote"),
        pytest.param(MINIMAL + 'open = "<c>"\nclose = "<c>"', "differ", id="close-same-as-open"),
        pytest.param(MINIMAL.replace('"json"', '"python"'), "open and a close", id="python-without-markers"),
        pytest.param(
            MINIMAL.replace('"json"', '"python"\nopen = "<c>"\nclose = "</c>"\nalso = ["f"]'),
            "around each call",
            id="python-with-another-opener",
        ),
        pytest.param(MINIMAL + 'keys = ["args"]', "parameters", id="other-keys-without-markers"),
        pytest.param(MINIMAL + 'also = ["f"]', "also", id="also-without-markers"),
        pytest.param(MINIMAL + 'pad = "x"', "white space", id="pad-of-letters"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(text, says):
    with pytest.raises(DialectError) as caught:
        load_dialect_text(text, "mine.toml")
    message = str(caught.value)
    assert message.startswith("mine.toml")
    assert says in message
    assert "\n" not in message


PHI_TOKENS = {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|tool|>", "<|tool_call|>", "<|/tool_call|>"}
CHATML_TOKENS = {"<|im_start|>", "<|im_end|>"}


@pytest.mark.parametrize(
    ("tokens", "template", "dialect", "turns", "says"),
    [
        pytest.param(PHI_TOKENS, None, "phi4-mini", "phi", "<|tool_call|> in the tokenizer", id="phi-4-mini"),
        pytest.param(CHATML_TOKENS | {"<|im_sep|>"}, None, "openai", "phi4", "assumed", id="phi-4"),
        pytest.param(CHATML_TOKENS | {"<tool_call>"}, None, "hermes", "chatml", "<tool_call>", id="qwen"),
        pytest.param(
            CHATML_TOKENS, "<|im_start|>..<|im_end|>..<tool_call>", "hermes", "chatml", "chat template", id="template"
        ),
        pytest.param(PHI_TOKENS - {"<|tool_call|>"} | {"<tool_use>"}, None, "tool_use", "phi", "<tool_use>", id="nano"),
        pytest.param(PHI_TOKENS, "<|im_start|>, <|im_end|>", "phi4-mini", "chatml", "chat template", id="both-differ"),
        pytest.param({"<|start_header_id|>", "<|eot_id|>"}, None, "openai", "llama3", "assumed", id="llama"),
        pytest.param(set(), None, "openai", "plain", "no turn markers", id="nothing-known"),
    ],
)
def test_a_dialect_is_inferred_and_says_from_what(tokens, template, dialect, turns, says):
    found, sentence = infer_dialect(tokens, template)
    assert (found.name, found.turns.name) == (dialect, turns)
    assert says in sentence
