"""Where the ONNX backend stops, and what it measures of a completion: on real files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import END, tiny_models  # noqa: F401  (a fixture)
from tiny_runs import PROMPTS, completions, copy_of, opened

from phi4bench.backends.base import Decoding, Reference
from phi4bench.backends.job import Job
from phi4bench.backends.lane import decode_jobs
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.prompts import Segment


def test_the_cap_on_new_tokens_is_a_finish_reason(tiny_models):  # noqa: F811
    for completion in completions(opened(tiny_models / "fp32", batch=4), new=3):
        assert len(completion.token_ids) <= 3
        assert completion.finish == ("stop" if completion.token_ids[-1] == END else "length")
    assert any(one.finish == "length" for one in completions(opened(tiny_models / "fp32"), new=3))


def stopping_at(folder, token, to, key):
    """A copy whose genai_config.json (or nothing: `key` None) ends turns at `token`."""
    copy = copy_of(folder, to)
    config = json.loads((copy / "genai_config.json").read_text())
    config["model"]["eos_token_id"] = key
    (copy / "genai_config.json").write_text(json.dumps(config))
    return copy


@pytest.mark.parametrize("eos", ["one id", "a list"])
def test_a_completion_ends_at_the_configurations_stop_token(eos, tiny_models, tmp_path):  # noqa: F811
    free = completions(opened(tiny_models / "fp32"))
    token = free[0].token_ids[4]
    folder = stopping_at(tiny_models / "fp32", token, tmp_path / "m", token if eos == "one id" else [END, token])
    stopped = completions(opened(folder))[0]
    at = free[0].token_ids.index(token)
    assert stopped.token_ids == free[0].token_ids[: at + 1]
    assert stopped.finish == "stop"
    decode = PromptTokenizer.from_folder(folder).decode
    assert stopped.text == decode(free[0].token_ids[:at]), "the stop token is no part of the text"


def test_an_end_that_is_no_token_ends_nothing(tiny_models, tmp_path):  # noqa: F811
    """As -1, which some configurations have for none."""
    folder = stopping_at(tiny_models / "fp32", None, tmp_path / "m", [-1, END])
    asked = [Reference(replace(one, stop=()), (Segment("read"),)) for one in PROMPTS[:2]]
    wanted, found = (dict(opened(one).score(asked)) for one in (tiny_models / "fp32", folder))
    assert [one.token for one in found[0]][-1] == END
    assert found == wanted


def test_a_completion_ends_at_the_prompts_stop_token(tiny_models):  # noqa: F811
    free = completions(opened(tiny_models / "fp32"))
    tokenizer = PromptTokenizer.from_folder(tiny_models / "fp32")
    index, at, text = next(
        (i, at, tokenizer.decode([token]))
        for i, one in enumerate(free)
        for at, token in enumerate(one.token_ids)
        if at and tokenizer.id_of(tokenizer.decode([token])) == token and token not in one.token_ids[:at]
    )
    stopped = completions(opened(tiny_models / "fp32"), [replace(PROMPTS[index], stop=(text,))])[0]
    assert stopped.token_ids == free[index].token_ids[: at + 1]


def test_a_stop_of_several_tokens_is_found_in_the_text(tiny_models):  # noqa: F811
    ends_nowhere = [replace(one, stop=("\nUser:",)) for one in PROMPTS]
    free = completions(opened(tiny_models / "fp32"), ends_nowhere)
    texts = [(i, one.text[6:9]) for i, one in enumerate(free) if one.text[6:9].isascii() and len(one.text) > 12]
    tokenizer = PromptTokenizer.from_folder(tiny_models / "fp32")
    index, stop = next((i, text) for i, text in texts if tokenizer.id_of(text) is None)
    stopped = completions(opened(tiny_models / "fp32"), [replace(PROMPTS[index], stop=(stop,))])[0]
    assert stopped.text == free[index].text[: free[index].text.index(stop)]
    assert stopped.finish == "stop"


class Saying:
    """A row that says a text, a token for each letter of it."""

    def __init__(self, text):
        self.logits = iter(np.eye(128, dtype=np.float32)[[ord(letter) for letter in text]])

    def enter(self, slot, ids, shared):
        return next(self.logits)

    def step(self, tokens):
        return next(self.logits)[None]

    def leave(self, slot):
        pass


def test_a_stop_of_many_tokens_is_found_too():
    stop = "<|the reserved end of the turn of an assistant|>"
    job = Job(0, np.zeros(1, np.int64), 0, cap=200, stop_ids=frozenset(), stop_texts=(stop, "\nUser:"))
    waiting = iter([job])
    said = Saying(f"Yes.{stop} And more.")
    [(_, completion)] = decode_jobs(said, 1, lambda: next(waiting, None), lambda ids: "".join(map(chr, ids)), "letters")
    assert (completion.text, completion.finish) == ("Yes.", "stop")
    assert len(completion.token_ids) == len(f"Yes.{stop}")


def test_measurements_are_there_and_add_up(tiny_models):  # noqa: F811
    from time import perf_counter

    started = perf_counter()
    found = completions(opened(tiny_models / "fp32"))
    spent_ms = (perf_counter() - started) * 1e3
    assert all(one.first_token_ms > 0 for one in found)
    assert all((one.token_ms is None) == (len(one.token_ids) == 1) for one in found)
    total = sum(one.first_token_ms + (one.token_ms or 0) * (len(one.token_ids) - 1) for one in found)
    assert total <= spent_ms, "one at a time, the cases' times cannot be more than the time that passed"
    tokenizer = PromptTokenizer.from_folder(tiny_models / "fp32")
    assert [one.prompt_tokens for one in found] == [len(tokenizer.encode(one)[0]) for one in PROMPTS]


def test_the_margin_is_the_openers_logit_less_the_best_other(tiny_models):  # noqa: F811
    import torch
    from transformers import Phi3ForCausalLM

    model = Phi3ForCausalLM.from_pretrained(tiny_models / "hf").eval()
    tokenizer = PromptTokenizer.from_folder(tiny_models / "hf")
    opener = tokenizer.id_of("<tool_use>")
    found = completions(opened(tiny_models / "fp32"), PROMPTS[:4])
    for one, completion in zip(PROMPTS, found, strict=False):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([tokenizer.encode(one)[0]])).logits[0, -1].tolist()
        best_other = max(value for token, value in enumerate(logits) if token != opener)
        assert completion.margin == pytest.approx(logits[opener] - best_other, abs=1e-3)
    [(_, chosen)] = opened(tiny_models / "fp32").generate(PROMPTS[:1], Decoding(1))
    text = tokenizer.decode(chosen.token_ids)
    assert tokenizer.id_of(text) == chosen.token_ids[0], "the first new token is no text of its own; take another seed"
    [(_, best)] = opened(tiny_models / "fp32").generate([replace(PROMPTS[0], call_opener=text)], Decoding(1))
    assert best.margin > 0, "the chosen token beats all others"
    no_opener = completions(opened(tiny_models / "fp32"), [replace(PROMPTS[0], call_opener="")])[0]
    assert no_opener.margin is None
