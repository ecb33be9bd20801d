"""Teacher forcing on real files: the log-probabilities are PyTorch's, and two artifacts are compared child by child."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
from tiny import END, tiny_models  # noqa: F401  (a fixture)
from tiny_runs import PROMPTS, opened

torch = pytest.importorskip("torch", reason="builds a tiny model: needs phi4bench[train]")

import numpy as np  # noqa: E402

from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.backends import Decoding, NotFiniteError, PromptTooLongError, Provider, Reference, open_backend  # noqa: E402
from phi4bench.backends import forced as forcing  # noqa: E402
from phi4bench.backends.tokens import PromptTokenizer  # noqa: E402
from phi4bench.calls import Call  # noqa: E402
from phi4bench.cases import Case, Expected, Message  # noqa: E402
from phi4bench.dialects import dialect_named  # noqa: E402
from phi4bench.prompts import Segment  # noqa: E402
from phi4bench.run import scoring  # noqa: E402
from phi4bench.run.generation import Settings  # noqa: E402
from phi4bench.run.progress import Silent  # noqa: E402
from phi4bench.run.scoring_worker import case_line, read_cases  # noqa: E402
from phi4bench.tools import Tool  # noqa: E402

DIALECT = dialect_named("tool_use")
REFERENCES = [
    Reference(prompt, tuple(DIALECT.call_segments([Call("read", {"file_path": f"src/{'x' * (1 + 3 * i % 7)}.py"})])))
    for i, prompt in enumerate(PROMPTS[:9])
]


def scores(backend, references=REFERENCES):
    found = dict(backend.score(references))
    backend.close()
    return [found[i] for i in range(len(references))]


@pytest.fixture(scope="module")
def torchs(tiny_models):  # noqa: F811
    """For each reference its tokens and PyTorch's log-probabilities (tokens, vocabulary), read in one pass."""
    from transformers import Phi3ForCausalLM

    model = Phi3ForCausalLM.from_pretrained(tiny_models / "hf").eval()
    tokenizer = PromptTokenizer.from_folder(tiny_models / "hf")
    found = []
    for one in REFERENCES:
        ids = tokenizer.encode(one.prompt)[0]
        answer = [*tokenizer.encode_segments(one.answer), END]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*ids, *answer[:-1]]])).logits[0, len(ids) - 1 :]
        found.append((answer, torch.log_softmax(logits.double(), -1).numpy()))
    return found


LAYOUTS = {
    "one case at a time": ("fp32", {}),
    "rows in one lane": ("fp32", {"batch": 4}),
    "two lanes": ("fp32", {"threads": 2, "batch": None}),
    "logits of the last position alone": ("last", {"batch": 4}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_log_probabilities_are_pytorchs(layout, tiny_models, torchs):  # noqa: F811
    variant, options = LAYOUTS[layout]
    check(scores(opened(tiny_models / variant, **options)), torchs)


def test_transformers_gives_them_too(tiny_models, torchs):  # noqa: F811
    artifact = open_artifact(str(tiny_models / "hf"), dialect="tool_use")
    check(scores(open_backend(artifact, threads=1, provider=Provider("cpu"), batch=4)), torchs)


def check(found, torchs):
    for positions, (answer, logprobs) in zip(found, torchs, strict=True):
        assert [one.token for one in positions] == answer
        for one, row in zip(positions, logprobs, strict=True):
            assert one.logprob == pytest.approx(row[one.token], abs=2e-3)
            assert one.top1 == row.argmax()
            assert list(one.head.logprobs) == pytest.approx(row[list(one.head.ids)], abs=2e-3)
            assert sum(map(math.exp, one.head.logprobs)) + math.exp(one.head.rest) == pytest.approx(1)
            others = np.delete(row, list(one.head.ids))
            assert one.head.lowest == pytest.approx(others.min() if len(others) else 0, abs=2e-3)


def test_watched_tokens_are_those_asked_for(tiny_models, torchs):  # noqa: F811
    asked = [replace(one, watch=tuple((3, 250) for _ in torchs[i][0])) for i, one in enumerate(REFERENCES)]
    for positions, (_, logprobs) in zip(scores(opened(tiny_models / "fp32"), asked), torchs, strict=True):
        for one, row in zip(positions, logprobs, strict=True):
            assert one.head.ids == (3, 250)
            assert list(one.head.logprobs) == pytest.approx(row[[3, 250]], abs=2e-3)


def test_a_head_stops_where_it_holds_enough_and_where_it_is_long_enough(monkeypatch):
    peaked = np.log(np.array([1e-9, 0.9, 1e-9, 0.1 - 2e-9]))
    assert forcing.likeliest(peaked).tolist() == [1, 3]
    monkeypatch.setattr(forcing, "HEAD_TOKENS", 5)
    assert len(forcing.likeliest(np.full(1000, -math.log(1000)))) == 5


def test_scoring_leaves_generation_as_it_was(tiny_models):  # noqa: F811
    backend = opened(tiny_models / "int8", batch=4)
    before = [completion.token_ids for _, completion in sorted(backend.generate(PROMPTS, Decoding(8)))]
    list(backend.score(REFERENCES))
    assert [completion.token_ids for _, completion in sorted(backend.generate(PROMPTS, Decoding(8)))] == before


def test_nan_logits_are_a_fault_of_the_case():
    with pytest.raises(NotFiniteError, match="token 1 of the reference answer"):
        forcing.observe(np.array([0.0, math.nan]), 0, (), PROMPT_JOB, 0, "tiny")


PROMPT_JOB = type("Job", (), {"index": 0})()


def test_an_answer_beyond_the_context_is_told(tiny_models):  # noqa: F811
    long = replace(REFERENCES[0], answer=(Segment("again " * 300),))
    with pytest.raises(PromptTooLongError, match="an answer of"):
        scores(opened(tiny_models / "fp32"), [long])


def test_a_line_of_the_file_between_the_children_is_the_case(tiny_models, tmp_path):  # noqa: F811
    positions = scores(opened(tiny_models / "int8"), REFERENCES[:1])[0]
    (tmp_path / "f").write_text(case_line("a case", positions))
    [(case_id, again)] = read_cases(tmp_path / "f")
    assert case_id == "a case"
    assert [one.head.ids for one in again] == [one.head.ids for one in positions]
    assert [one.logprob for one in again] == pytest.approx([one.logprob for one in positions], abs=1e-9)


# Whole comparisons

TOOL = Tool("read", "Reads a file", {"type": "object", "properties": {"file_path": {"type": "string"}}})
CASES = [
    Case(
        id=f"c{i}",
        scenario="single",
        group=f"g{i}",
        tools=(TOOL,),
        messages=(Message("user", f"read the file {'again ' * (i % 4)}{i}"),),
        expected=Expected(calls=(Call("read", {"file_path": f"{i}.py"}),)),
    )
    for i in range(12)
]


def measured(candidate, baseline, folder, cases=CASES):
    artifacts = [open_artifact(str(one), dialect="tool_use") for one in (candidate, baseline)]
    settings = Settings(Decoding(16), 1, folder, {})
    return scoring.measure(*artifacts, cases, None, settings, Silent())


def test_an_export_is_faithful_to_its_folder_and_int4_less_so(tiny_models, tmp_path):  # noqa: F811
    exported = measured(tiny_models / "fp32", tiny_models / "hf", tmp_path)
    assert exported["perplexity_ratio"] == pytest.approx(1, abs=1e-3)
    assert exported["top1"] == 1
    assert exported["kl_mean"] < 1e-6
    assert exported["kl_open"] < 0.01
    assert (exported["cases"], exported["groups"]) == (12, 12)
    int4 = measured(tiny_models / "int4", tiny_models / "fp32", tmp_path)
    assert int4["kl_mean"] > 100 * exported["kl_mean"]
    assert int4["kl_p95"] >= int4["kl_mean"]
    assert int4["top1"] < 1


def test_what_was_read_once_is_not_read_again(tiny_models, tmp_path, monkeypatch):  # noqa: F811
    first = measured(tiny_models / "int8", tiny_models / "fp32", tmp_path, CASES[:3])
    monkeypatch.setattr(scoring, "run_child", None)
    assert measured(tiny_models / "int8", tiny_models / "fp32", tmp_path, CASES[:3]) == first
    assert not list((tmp_path / "fidelity").glob("*.part"))


@pytest.mark.parametrize(
    "left",
    [lambda whole: b"", lambda whole: whole[: whole.index(b"\n") + 1], lambda whole: whole[:-99]],
    ids=["nothing", "one-case", "half-a-line"],
)
def test_a_file_of_which_a_power_cut_left_a_part_is_made_again(tiny_models, tmp_path, left):  # noqa: F811
    first = measured(tiny_models / "int8", tiny_models / "fp32", tmp_path, CASES[:3])
    for file in (tmp_path / "fidelity").iterdir():
        whole = file.read_bytes()
        file.write_bytes(left(whole))
        assert measured(tiny_models / "int8", tiny_models / "fp32", tmp_path, CASES[:3]) == first
        assert file.read_bytes() == whole


def with_tokenizer(source, to, change):
    shutil.copytree(source, to)
    data = json.loads((to / "tokenizer.json").read_text())
    change(data["model"]["vocab"])
    (to / "tokenizer.json").write_text(json.dumps(data))
    return to


def swap(vocabulary):
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]


def test_artifacts_whose_tokens_differ_are_not_compared(tiny_models, tmp_path):  # noqa: F811
    other = with_tokenizer(tiny_models / "int8", tmp_path / "other", swap)
    assert "as different tokens" in measured(other, tiny_models / "fp32", tmp_path)["missing"]


def test_a_tokenizer_that_is_only_written_otherwise_is_the_same(tiny_models, tmp_path):  # noqa: F811
    other = with_tokenizer(tiny_models / "int8", tmp_path / "other", lambda vocabulary: None)
    assert (other / "tokenizer.json").read_bytes() != (tiny_models / "fp32" / "tokenizer.json").read_bytes()
    artifacts = [open_artifact(str(one), dialect="tool_use") for one in (other, tiny_models / "fp32")]
    items = [scoring._item(artifacts[0], case, None) for case in CASES]
    assert scoring._incomparable(*artifacts, items) == ""


def test_a_child_that_fails_leaves_a_reason_and_no_file(tiny_models, tmp_path):  # noqa: F811
    long = [replace(CASES[0], messages=(Message("user", "again " * 400),))]
    found = measured(tiny_models / "int8", tiny_models / "fp32", tmp_path, long)
    assert "context is 256" in found["missing"]
    assert not list((tmp_path / "fidelity").iterdir())
