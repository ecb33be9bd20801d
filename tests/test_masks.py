"""Decoding under a mask: whatever a model of random weights ends parses and fits; a right answer is left alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from grammars import GREP, ODD, PING, SET, TOOLS, fault
from tiny import END, tiny_models  # noqa: F401  (a fixture)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from phi4bench.backends import Decoding, Provider
from phi4bench.backends.guidance import library
from phi4bench.backends.job import Job
from phi4bench.backends.lane import decode_jobs
from phi4bench.backends.masks import Masks
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.calls import Call
from phi4bench.cases import Message, Question
from phi4bench.dialects import DIALECTS
from phi4bench.errors import ArtifactError, UsageError
from phi4bench.prompts import Grammar

pytest.importorskip("llguidance", reason="needs phi4bench[constrained]")

ANSWERS = [
    Call("grep", {"pattern": "def .*", "path": "src"}),
    Call("config/set", {"mode": "on", "content-type": None, "tags": ["a", "b"], "where": {"x": 1.5}, "flag": True}),
    Call("config/set", {"mode": 3, "content-type": "x", "code": "abc", "count": 12, "ratio": -1e-7}),
    Call("ping", {}),
    Call("my tool", {"q": "é\n'\""}),
]
STOP = "<|stop|>"


def tokenizer_of(dialect):
    """A byte-level BPE that has learnt the dialect's calls, with its markers as control tokens where they are some."""
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    library.decoder = decoders.ByteLevel()
    controls = [STOP, "<|other|>", *(dialect.markers if dialect.calls.control else ())]
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=[one for one in controls if not one.endswith("[")],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator([dialect.render_calls([call])[:40] for call in ANSWERS] * 3, trainer)
    return PromptTokenizer(library)


class RandomRows:
    """Logits drawn anew at each step: a model of random weights. It leans to what opens and closes things."""

    def __init__(self, tokenizer, seed):
        self.rng = np.random.default_rng(seed)
        texts = {number: tokenizer.decode([number]) for number in range(tokenizer.vocabulary_size)}
        self.lean, self.first = np.zeros((2, tokenizer.vocabulary_size), np.float32)
        for number, text in texts.items():
            if text.startswith(("<", "{", "[")):
                self.lean[number] = 3.0 if len(text) > 2 else 2.0
                self.first[number] = 4.0 * text.startswith('{"')  # a bare call comes before any other bracket
            if text and set(text) <= set("'\"})]\\"):
                self.lean[number] = 3.0

    def enter(self, slot, ids, shared):
        return self.draw() + self.first

    def step(self, tokens):
        return np.stack([self.draw() for _ in tokens])

    def leave(self, slot):
        pass

    def draw(self):
        return self.lean + self.rng.gumbel(size=len(self.lean)).astype(np.float32)


def completions(dialect, tools, seed, count, cap=400):
    tokenizer = tokenizer_of(dialect)
    masks = Masks("random", tokenizer, tokenizer.vocabulary_size)
    stop, grammar = tokenizer.id_of(STOP), dialect.grammar(tools)
    jobs = [Job(i, np.zeros(1, np.int64), 0, cap, frozenset({stop}), grammar=grammar) for i in range(count)]
    waiting = iter(jobs)
    found = decode_jobs(
        RandomRows(tokenizer, seed), 4, lambda: next(waiting, None), tokenizer.decode, "random", masks.open
    )
    return [completion for _, completion in found]


@pytest.mark.parametrize("dialect", [pytest.param(one, id=name) for name, one in DIALECTS.items()])
def test_whatever_a_random_model_ends_parses_and_fits(dialect):
    """A fault in the grammar shows as a text that parses otherwise; most texts here hold a call."""
    called = ended = 0
    for seed, tools in enumerate(((GREP, PING), (GREP, PING, ODD), TOOLS, (SET, PING))):
        for completion in completions(dialect, tools, seed, 12):
            if completion.finish == "stop":
                ended += 1
                called += bool(dialect.parse(completion.text).calls)
                assert fault(dialect, completion.text, tools) == "", completion.text
    assert ended >= 20, "few completions end, so this proves little"
    assert called >= 5, "few completions call, so this proves little"


def test_a_likeliest_token_that_is_allowed_is_left_alone():
    """A model that writes a right call writes the very same one under the mask."""
    for dialect in DIALECTS.values():
        tokenizer = tokenizer_of(dialect)
        mask = Masks("right", tokenizer, tokenizer.vocabulary_size).open(
            dialect.grammar(TOOLS), frozenset({tokenizer.id_of(STOP)})
        )
        for token in [*tokenizer.encode_segments(dialect.call_segments(ANSWERS)), tokenizer.id_of(STOP)]:
            logits = np.zeros(tokenizer.vocabulary_size, np.float32)
            logits[token] = 1
            assert mask.choose(partial(np.copy, logits), token) == token


def test_the_turn_cannot_end_inside_a_call():
    dialect = DIALECTS["tool_use"]
    tokenizer = tokenizer_of(dialect)
    stop, opener = tokenizer.id_of(STOP), tokenizer.id_of("<tool_use>")
    mask = Masks("m", tokenizer, tokenizer.vocabulary_size).open(dialect.grammar(TOOLS), frozenset({stop}))
    logits = np.zeros(tokenizer.vocabulary_size, np.float32)
    assert mask.choose(lambda: logits, opener) == opener
    logits[stop] = 1
    assert mask.choose(lambda: logits, stop) != stop


def test_a_control_token_that_is_no_marker_is_never_text():
    dialect = DIALECTS["tool_use"]
    tokenizer = tokenizer_of(dialect)
    other = tokenizer.id_of("<|other|>")
    mask = Masks("m", tokenizer, tokenizer.vocabulary_size).open(
        dialect.grammar(TOOLS), frozenset({tokenizer.id_of(STOP)})
    )
    logits = np.zeros(tokenizer.vocabulary_size, np.float32)
    logits[other] = 1
    assert mask.choose(lambda: logits, other) != other


def test_a_grammar_that_cannot_be_compiled_is_one_line():
    tokenizer = tokenizer_of(DIALECTS["tool_use"])
    masks = Masks("tiny", tokenizer, tokenizer.vocabulary_size)
    with pytest.raises(UsageError, match=r"tiny: llguidance cannot use the grammar of a case") as caught:
        masks.open(Grammar("start: nowhere\n"), frozenset({0}))
    assert "\n" not in str(caught.value)


def test_without_llguidance_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    with pytest.raises(UsageError, match=r'llguidance, which is not installed; pip install "phi4bench\[constrained\]"'):
        Masks("tiny", None, 10)


def test_an_llguidance_that_is_too_old_is_one_line(monkeypatch):
    for there, old in (("1.6.1", True), ("1.7.0", False), ("2.0", False)):
        monkeypatch.setattr("phi4bench.backends.guidance.mask_version", lambda there=there: there)
        if old:
            with pytest.raises(UsageError, match=r"needs llguidance 1\.7 or newer, and 1\.6\.1 is installed"):
                library()
        else:
            assert library().__name__ == "llguidance"


# On a real file


def prompts(dialect):
    asked = [f"read the file {number} again" for number in range(9)]
    grammar = dialect.grammar(TOOLS)
    return [replace(dialect.render(Question(text, TOOLS, (Message("user", text),))), grammar=grammar) for text in asked]


def opened(folder, **options):
    tokenizer = PromptTokenizer.from_folder(folder)
    if (folder / "model.safetensors").is_file():
        from phi4bench.backends.hf import HfBackend

        return HfBackend(folder, tokenizer, name="tiny", precision="fp32", provider=Provider("cpu"), **options)
    pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
    from phi4bench.backends.onnx import OnnxBackend

    return OnnxBackend(folder / "model.onnx", tokenizer, name="tiny", weight_bytes=1 << 20, **options)


LAYOUTS = {"one at a time": {"threads": 1, "batch": 1}, "two lanes of rows": {"threads": 2, "batch": 6}}


def generated(folder, mode, layout, new=60):
    backend = opened(folder, **LAYOUTS[layout])
    found = dict(backend.generate(prompts(DIALECTS["tool_use"]), Decoding(new, mode)))
    backend.close()
    return [found[number] for number in range(len(found))]


def test_an_exported_model_of_random_weights_stays_in_its_grammar(tiny_models):  # noqa: F811
    free = generated(tiny_models / "int8", "free", "one at a time")
    masked = generated(tiny_models / "int8", "constrained", "one at a time")
    assert [one.text for one in free] != [one.text for one in masked], "the mask changes nothing; this proves little"
    for completion in masked:
        if completion.finish == "stop":
            assert completion.token_ids[-1] == END
            assert fault(DIALECTS["tool_use"], completion.text) == ""


def test_lanes_and_rows_give_the_masked_tokens_of_one_case_at_a_time(tiny_models):  # noqa: F811
    alone, together = (generated(tiny_models / "int8", "constrained", layout) for layout in LAYOUTS)
    assert [one.token_ids for one in alone] == [one.token_ids for one in together]


def with_tokenizer(folder, to, **changes):
    shutil.copytree(folder, to)
    told = json.loads((to / "tokenizer.json").read_text())
    (to / "tokenizer.json").write_text(json.dumps(told | changes))
    return to


@pytest.mark.parametrize("kind", ["onnx", "hf"])
def test_what_no_mask_can_be_made_of_is_no_fault_of_the_runtime(kind, tiny_models, tmp_path):  # noqa: F811
    folder = tiny_models / ("int8" if kind == "onnx" else "hf")
    asked = prompts(DIALECTS["tool_use"])[:1]
    with pytest.raises(ArtifactError, match=r"tiny: llguidance cannot read its tokenizer .*; use --decode free$"):
        list(opened(with_tokenizer(folder, tmp_path / "m", decoder=None)).generate(asked, Decoding(9, "constrained")))
    broken = [replace(one, grammar=Grammar("start: nowhere\n")) for one in asked]
    with pytest.raises(UsageError, match=r"tiny: llguidance cannot use the grammar .*; use --decode free$"):
        list(opened(folder).generate(broken, Decoding(9, "constrained")))


def test_the_mode_is_part_of_what_a_completion_is_stored_under():
    from phi4bench.run.jobs import prompt_key

    masked = prompts(DIALECTS["tool_use"])[0]
    other = replace(masked, grammar=DIALECTS["tool_use"].grammar((GREP,)))
    assert len({prompt_key(masked), prompt_key(replace(masked, grammar=None)), prompt_key(other)}) == 3


# What a user is told


def planned(make_fake, tmp_path):
    from phi4bench.run.options import RunOptions
    from phi4bench.run.plan import make_plan

    options = RunOptions(models=(str(make_fake()),), decode="constrained", cache=False, report_dir=tmp_path / "r")
    with pytest.raises(UsageError) as caught:
        make_plan(options)
    return str(caught.value)


def test_an_artifact_without_logits_is_refused_before_anything_runs(make_fake, tmp_path):
    assert planned(make_fake, tmp_path).startswith("--decode=constrained, but always_right is a fake")


def test_a_missing_package_is_told_before_anything_runs(make_fake, tmp_path, monkeypatch):
    monkeypatch.setattr("phi4bench.run.plan.mask_version", lambda: "")
    said = planned(make_fake, tmp_path)
    assert said.startswith("--decode=constrained needs the package llguidance, which is not installed")
    assert said.endswith('pip install "phi4bench[constrained]"')
