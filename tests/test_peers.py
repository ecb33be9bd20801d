"""The benchmark of peers: its table, its task for another tool, and the page that it writes. No peer is started."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers.environments import PeerError, environment, last_words
from benchmarks.peers.inputs import Inputs, plain_markers, task_config
from benchmarks.peers.rivals import PEERS, chosen
from benchmarks.peers.running import Pair, completions, judged, parting
from benchmarks.peers.table import notes, table
from benchmarks.readme import with_section
from phi4bench.transcripts import Completion


def pair(peer: str, number: int, ours_s: float, peer_s: float, **more) -> Pair:
    figures = {"same": 10, "differ_at": (), "other_prompts": 0, "right": 9, **more}
    return Pair(peer, number, 10, ours_s, 100.0, 9, peer_s, 5.0, **figures)


def cells(text: str, row: int) -> list[str]:
    """Of the table's row, counted without its head."""
    return [cell.strip() for cell in text.splitlines()[row + 2].strip("|").split("|")]


def test_the_ratio_is_the_median_of_rounds_and_stands_beside_what_was_wanted():
    # 40/10, 90/10 and 50/10: the median is 5; the ratio of the medians would be 5 too, of the means 6
    pairs = [pair("genai-int8", n, 10.0, peer_s) for n, peer_s in enumerate((40.0, 90.0, 50.0))]
    found = cells(table(chosen("genai-int8"), pairs, {}), 0)
    assert found[4] == "5.0× (4.0 to 9.0 in 3)"
    assert found[5] == "≥ 4×: held"
    assert found[8] == "10/10"


def test_a_ratio_that_misses_is_told_as_it_is():
    found = cells(table(chosen("lm-eval-hf-fp32-1"), [pair("lm-eval-hf-fp32-1", 0, 10.0, 99.0)], {}), 0)
    assert found[4] == "9.9×"
    assert found[5] == "≥ 10×: NOT HELD"


def test_a_peer_that_failed_is_a_row_with_its_reason():
    text = table(
        chosen("llama-cpp-fp32,genai-fp32"), [pair("genai-fp32", 0, 1.0, 5.0)], {"llama-cpp-fp32": "no compiler"}
    )
    assert cells(text, 0)[4] == "5.0×"
    assert cells(text, 1)[2] == "not measured: no compiler"


def test_what_a_peer_says_last_stays_in_its_cell():
    said = last_words("starting\nerror: \x1b[2Jno | such option\n")
    assert said == r"error: \x1b[2Jno | such option"
    assert r"| not measured: error: \x1b[2Jno \| such option |" in table(chosen("genai-fp32"), [], {"genai-fp32": said})


def test_a_round_that_failed_after_others_were_measured_is_told():
    peer, pairs = chosen("genai-fp32"), [pair("genai-fp32", 0, 1.0, 5.0)]
    assert notes(peer, pairs, {"genai-fp32": "no memory"}) == ["genai-fp32 was not measured again: no memory"]
    assert not notes(peer, [], {"genai-fp32": "no memory"})  # its row says so


def test_notes_say_where_bf16_parts_and_which_prompts_were_read_otherwise():
    pairs = [pair("hf-bf16-1", 0, 1.0, 2.0, same=7, differ_at=(9, 4, 20), other_prompts=2)]
    read, parts = notes(chosen("hf-bf16-1"), pairs, {})
    assert "read 2 prompts as other tokens" in read
    assert "3 cases: at new token 4 at the earliest, 9 in the middle one" in parts


@pytest.mark.parametrize(
    ("ours", "its", "at"),
    [
        pytest.param(Completion("a", (1, 2, 5)), Completion("a", (1, 2, 5)), 0, id="same"),
        pytest.param(Completion("a", (1, 2, 5)), Completion("b", (1, 3, 5)), 2, id="second-token"),
        pytest.param(Completion("a", (1, 2)), Completion("b", (1, 2, 5)), 3, id="longer"),
        pytest.param(Completion("a", (1, 2)), Completion("a"), 0, id="same-text"),
        pytest.param(Completion("a", (1, 2)), Completion("b"), 1, id="other-text"),
    ],
)
def test_where_two_completions_part(ours, its, at):
    assert parting(ours, its) == at


def test_every_peer_is_listed_once_and_found_by_the_beginning_of_its_name():
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    assert {peer.name for peer in chosen("genai, llama")} == {
        "genai-fp32",
        "genai-int8",
        "llama-cpp-fp32",
        "llama-cpp-q8_0",
    }
    assert [peer.name for peer in chosen("hf-bf16-1")] == ["hf-bf16-1"]
    with pytest.raises(ValueError, match="--peers='vllm', but should begin one of"):
        chosen("vllm")


def test_the_task_sends_prompts_as_they_are_and_stops_where_we_do(tmp_path):
    config = task_config(tmp_path / "prompts.jsonl", ("<|end|>",))
    assert config["doc_to_text"] == "text"  # a column's name: no template, which would read braces in a prompt
    assert config["generation_kwargs"] == {
        "until": ["<|end|>"],
        "max_gen_toks": 256,
        "do_sample": False,
        "temperature": 0.0,
    }
    assert config["dataset_kwargs"]["data_files"]["test"] == str(tmp_path / "prompts.jsonl")


def test_markers_survive_a_tool_that_drops_special_tokens_and_ends_of_turns_do_not(tmp_path):
    source = tmp_path / "model"
    source.mkdir()
    texts = ("<|end|>", "<tool_use>", "</tool_use>")
    added = [{"id": at, "content": text, "special": True} for at, text in enumerate(texts)]
    (source / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    plain_markers(source, tmp_path / "plain", ("<tool_use>", "</tool_use>"))
    found = json.loads((tmp_path / "plain" / "tokenizer.json").read_text())["added_tokens"]
    assert [token["special"] for token in found] == [True, False, False]


def test_constraints_that_are_not_there_are_a_peers_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "none.txt"))
    with pytest.raises(PeerError, match=r"none\.txt: No such file or directory"):
        environment(tmp_path, "genai")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    made = Inputs(tmp_path_factory.mktemp("peers"), 6)
    made.write()
    return made


def test_prompts_are_read_as_the_same_ids_when_they_are_plain_text(inputs):
    rows = [json.loads(line) for line in inputs.prompts_file.read_text().splitlines()]
    from tokenizers import Tokenizer

    plain = Tokenizer.from_file(str(inputs.folder / "plain" / "nano-hf" / "tokenizer.json"))
    assert [plain.encode(row["text"], add_special_tokens=False).ids for row in rows] == [row["ids"] for row in rows]
    assert len(rows) == 6


def test_right_answers_are_judged_right_whether_they_come_as_text_or_as_tokens(inputs):
    texts = {case.id: inputs.dialect.render_calls(case.expected.calls) for case in inputs.cases}
    assert judged(inputs, completions(inputs, texts)) == 6
    raw = inputs.tokenizer._tokenizer
    raw.encode_special_tokens = False
    tokens = {name: [*raw.encode(text).ids, inputs.eos] for name, text in texts.items()}
    raw.encode_special_tokens = True
    made = completions(inputs, tokens)
    assert judged(inputs, made) == 6
    assert {one.finish for one in made} == {"stop"}


def test_a_section_is_replaced_where_it_stands_and_others_stay():
    page = with_section(with_section("# Page\n", "a", "one"), "b", "two")
    changed = with_section(page, "a", "three")
    assert changed.index("three") < changed.index("two")
    assert "one" not in changed
    assert with_section(changed, "a", "three") == changed
