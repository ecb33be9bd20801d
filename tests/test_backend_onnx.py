"""The ONNX backend on real files: its tokens are PyTorch's, however the work is laid out; its faults are one line."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import replace

import pytest
from tiny import CONTEXT, END, tiny_models  # noqa: F401  (a fixture)

from phi4bench.backends import Provider
from phi4bench.backends.base import Decoding, NotFiniteError, PromptTooLongError
from phi4bench.errors import ArtifactError, UsageError
from phi4bench.prompts import Prompt, Segment

pytest.importorskip("onnxruntime", reason="needs phi4bench[cpu]")
import numpy as np

from phi4bench.backends import onnx
from phi4bench.backends.tokens import PromptTokenizer

NEW = 20
WORDS = ["read", "write", "the", "file", "again", "then", "show", "main.py", "please"]


def prompt(words: int, seed: int, tools: str = "read(file_path) write(file_path, content)") -> Prompt:
    said = " ".join(random.Random(seed).choices(WORDS, k=words))
    return Prompt(
        segments=(
            Segment("<|system|>", True),
            Segment(tools),
            Segment("<|end|><|user|>", True),
            Segment(said),
            Segment("<|end|><|assistant|>", True),
        ),
        shared=2,
        stop=("<|end|>", "<|endoftext|>"),
        call_opener="<tool_use>",
    )


PROMPTS = [prompt(2 + 3 * i % 14, i, "grep(pattern, path)" if i % 3 == 1 else "read(file_path)") for i in range(17)]


def opened(folder, **options):
    return onnx.OnnxBackend(
        folder / "model.onnx",
        PromptTokenizer.from_folder(folder),
        name=f"tiny-{folder.name}",
        weight_bytes=options.pop("weight_bytes", 1 << 20),
        **{"threads": 1, "batch": 1} | options,
    )


def completions(backend, prompts=PROMPTS, new=NEW):
    found = dict(backend.generate(prompts, Decoding(new)))
    backend.close()
    return [found[i] for i in range(len(prompts))]


def tokens(backend, prompts=PROMPTS, new=NEW):
    return [completion.token_ids for completion in completions(backend, prompts, new)]


@pytest.fixture(scope="module")
def torch_tokens(tiny_models):  # noqa: F811
    """Greedy tokens by `transformers`' own generate, and the prompts' ids."""
    import torch
    from transformers import Phi3ForCausalLM

    model = Phi3ForCausalLM.from_pretrained(tiny_models / "hf").eval()
    tokenizer = PromptTokenizer.from_folder(tiny_models / "hf")
    found = []
    for one in PROMPTS:
        ids = torch.tensor([tokenizer.encode(one)[0]])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False
            )
        found.append(tuple(out[0, ids.shape[1] :].tolist()))
    return found


def copy_of(folder, to):
    shutil.copytree(folder, to)
    return to


# What it says


@pytest.mark.parametrize("variant", ["fp32", "last"])
def test_tokens_are_those_of_transformers_generate(variant, tiny_models, torch_tokens):  # noqa: F811
    assert len(set(torch_tokens)) > 10, "the tiny model says much the same to all prompts; this would prove little"
    assert tokens(opened(tiny_models / variant)) == torch_tokens


LAYOUTS = {
    "two lanes of rows": {"threads": 2, "batch": None},
    "rows in one lane": {"threads": 1, "batch": 5},
    "more rows than cases": {"threads": 1, "batch": 64},
    "two threads a step": {"threads": 2, "batch": 1},
    "as a large model": {"threads": 2, "batch": None, "weight_bytes": 1 << 30},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", ["fp32", "int8", "int4"])
def test_every_layout_gives_the_tokens_of_one_case_at_a_time(variant, layout, tiny_models):  # noqa: F811
    backend = opened(tiny_models / variant, **LAYOUTS[layout])
    assert backend.identity()["cache"] == "in place, rows together"
    assert tokens(backend) == tokens(opened(tiny_models / variant))


@pytest.mark.parametrize("variant", ["fp32", "int4", "fp16"])
def test_a_shared_prefix_gives_the_tokens_of_reading_it_each_time(variant, tiny_models):  # noqa: F811
    unshared = [replace(one, shared=0) for one in PROMPTS]
    assert tokens(opened(tiny_models / variant), unshared) == tokens(opened(tiny_models / variant))


def test_a_growing_cache_gives_the_tokens_of_one_in_place(tiny_models, monkeypatch):  # noqa: F811
    in_place = tokens(opened(tiny_models / "int8"))
    monkeypatch.setattr("phi4bench.backends.probe.probe", lambda decoder: "growing")
    assert tokens(opened(tiny_models / "int8")) == in_place


def test_a_row_that_fills_up_a_pair_leaves_no_trace(tiny_models):  # noqa: F811
    from phi4bench.backends.kv import PrefixStore, SharedRows

    decoder = opened(tiny_models / "int8")._decoder
    first, second = np.arange(3, 23, dtype=np.int64), np.arange(3, 27, dtype=np.int64)
    fresh = SharedRows(decoder, 2, 64, PrefixStore())
    fresh.enter(0, first, 10)
    fresh.enter(1, second, 10)
    wanted = fresh.step([7, 9]).copy()

    rows = SharedRows(decoder, 1, 64, PrefixStore(), together=2)
    rows.enter(0, first, 10)
    rows.enter(1, second, 10)
    rows.leave(1)
    rows.step([7])  # the second row, which holds the prefix, fills up and is written over
    rows.leave(0)
    rows.enter(0, first, 10)
    rows.enter(1, second, 10)
    assert np.array_equal(rows.step([7, 9]), wanted)


def test_attention_that_cannot_write_in_place_is_found_out(tiny_models, torch_tokens):  # noqa: F811
    backend = opened(tiny_models / "fp16", threads=2, batch=None)
    assert backend.identity()["cache"] == "growing, prompts whole"
    same = sum(a == b for a, b in zip(tokens(backend), torch_tokens, strict=True))
    assert same >= len(PROMPTS) * 0.7, "half precision moves some greedy tokens, not most completions"


def test_prompts_read_in_pieces_give_the_same_tokens(tiny_models, monkeypatch):  # noqa: F811
    whole = tokens(opened(tiny_models / "int8"))
    monkeypatch.setattr("phi4bench.backends.kv.LOGITS_BYTES", 7 * 300 * 4)  # seven positions at a time
    assert tokens(opened(tiny_models / "int8")) == whole


def test_rows_are_fewer_where_their_caches_would_be_too_large(tiny_models, monkeypatch):  # noqa: F811
    made = []
    original = onnx.rows_in_place
    monkeypatch.setattr(onnx, "rows_in_place", lambda *given: (made.append(given[1:3]), original(*given))[1])
    roomy = opened(tiny_models / "int8", batch=16).identity()
    # 2 layers, keys and values, 2 heads of 16 numbers of 4 bytes: 512 bytes a token
    monkeypatch.setattr(onnx, "KV_BYTES", 512 * 600)
    assert opened(tiny_models / "int8", batch=16).identity() != roomy  # so no completion of the one is the other's
    found = tokens(opened(tiny_models / "int8", batch=16))
    [(rows, length)] = made
    assert rows == 600 // length
    assert 1 < rows < 16
    assert found == tokens(opened(tiny_models / "int8"))


def test_cases_that_may_grow_long_run_alone_with_the_same_tokens(tiny_models, monkeypatch):  # noqa: F811
    short = tokens(opened(tiny_models / "fp32", batch=4))
    lengths = sorted(len(PromptTokenizer.from_folder(tiny_models / "hf").encode(one)[0]) for one in PROMPTS)
    monkeypatch.setattr(onnx, "LONG_TOKENS", lengths[8] + NEW)
    assert tokens(opened(tiny_models / "fp32", batch=4)) == short


# Where it stops, and what it measures


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


def test_prefixes_are_computed_once_each(tiny_models, monkeypatch):  # noqa: F811
    from phi4bench.backends.kv import SharedRows

    backend = opened(tiny_models / "fp32", threads=2, batch=6)
    computed = []
    original = SharedRows._prefix
    monkeypatch.setattr(
        SharedRows, "_prefix", lambda self, slot, ids: (computed.append(ids.tobytes()), original(self, slot, ids))[1]
    )
    tokens(backend)
    assert len(computed) == len(set(computed)) == 2, "two tool sets, however many cases and lanes"


def test_a_row_that_moved_into_a_freed_slot_keeps_what_it_holds(tiny_models):  # noqa: F811
    from phi4bench.backends.kv import PrefixStore, SharedRows

    decoder = opened(tiny_models / "fp32")._decoder
    one, two = np.arange(10, 40), np.arange(100, 130)  # unlike prefixes of 20 tokens
    fresh = SharedRows(decoder, 1, 64, PrefixStore())
    read = {start: fresh.enter(0, ids, 20).copy() for start, ids in ((10, one), (100, two))}
    stepped = fresh.step([7])[0].copy()
    rows = SharedRows(decoder, 2, 64, PrefixStore())
    rows.enter(0, one, 20)
    rows.enter(1, two, 20)
    rows.leave(0)
    assert np.array_equal(rows.step([7])[0], stepped)
    assert np.array_equal(rows.enter(0, one, 20), read[10]), "the slot now holds the other row's prefix"


def test_completions_come_as_they_are_made_and_may_be_left_in_the_middle(tiny_models):  # noqa: F811
    for options in ({"threads": 1, "batch": 1}, {"threads": 2, "batch": None}):
        backend = opened(tiny_models / "fp32", **options)
        stream = backend.generate(PROMPTS * 20, Decoding(NEW))
        next(stream)
        stream.close()
        assert len(dict(backend.generate(PROMPTS, Decoding(NEW)))) == len(PROMPTS), "it can start again"
        backend.close()


# Who it is


def test_the_identity_tells_layouts_and_thread_counts_apart(tiny_models):  # noqa: F811
    folder = tiny_models / "int8"
    seen = [opened(folder, **options).identity() for options in ({}, {"threads": 2}, {"batch": 3}, {"batch": None})]
    assert len({json.dumps(one, sort_keys=True) for one in seen}) == len(seen)
    assert opened(folder).identity() == seen[0]
    assert {"version", "provider", "graph_optimization", "threads", "rows", "prefix", "machine"} <= set(seen[0])


def test_the_prompt_key_changes_with_what_the_completion_depends_on(tiny_models):  # noqa: F811
    backend = opened(tiny_models / "fp32")
    one = PROMPTS[0]
    others = [PROMPTS[1], replace(one, shared=1), replace(one, stop=()), replace(one, call_opener="")]
    keys = {backend.prompt_key(prompt) for prompt in (one, *others)}
    assert len(keys) == 5
    same_text = replace(one, segments=(*one.segments[:3], Segment(one.segments[3].text), one.segments[4]))
    assert backend.prompt_key(same_text) == backend.prompt_key(one)


# What goes wrong


def message(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("new", [1, NEW])
def test_nan_weights_are_an_error_that_names_artifact_and_prompt(new, tiny_models, tmp_path):  # noqa: F811
    folder = copy_of(tiny_models / "fp32", tmp_path / "m")
    data = np.fromfile(folder / "model.onnx.data", np.float32)
    data[:] = np.nan
    data.tofile(folder / "model.onnx.data")
    for options in ({"batch": 1}, {"threads": 2, "batch": None}):
        with pytest.raises(NotFiniteError) as error:
            tokens(opened(folder, **options), new=new)
        assert "tiny-m" in message(error)
        assert 0 <= error.value.index < len(PROMPTS)


def test_a_prompt_takes_room_from_its_answer_and_one_too_long_is_named(tiny_models):  # noqa: F811
    backend = opened(tiny_models / "fp32")
    tokenizer = PromptTokenizer.from_folder(tiny_models / "fp32")
    long = next(one for words in range(60, 200) if len(tokenizer.encode(one := prompt(words, 1))[0]) > CONTEXT - 12)
    length = len(tokenizer.encode(long)[0])
    assert length < CONTEXT
    [(_, completion)] = backend.generate([replace(long, stop=())], Decoding(NEW))
    assert len(completion.token_ids) <= CONTEXT - length
    with pytest.raises(PromptTooLongError) as error:
        list(backend.generate([PROMPTS[0], prompt(400, 1)], Decoding(NEW)))
    assert error.value.index == 1
    assert f"context is {CONTEXT}" in message(error)


def truncated(folder):
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])


def without_weights(folder):
    (folder / "model.onnx.data").unlink()


def without_configuration(folder):
    (folder / "genai_config.json").unlink()


def with_foreign_configuration(folder):
    (folder / "genai_config.json").write_text('{"model": []}')


def not_a_decoder(folder):
    onnx_package = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx_package.save(model, folder / "model.onnx")


FAULTS = {
    "truncated file": (truncated, "cannot load"),
    "weights missing": (without_weights, "model.onnx.data"),
    "no configuration": (without_configuration, "genai_config.json"),
    "foreign configuration": (with_foreign_configuration, "genai_config.json"),
    "not a decoder": (not_a_decoder, "no input 'input_ids'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_run_is_one_line_that_says_what_to_do(fault, tiny_models, tmp_path):  # noqa: F811
    spoil, says = FAULTS[fault]
    folder = copy_of(tiny_models / "fp32", tmp_path / "m")
    spoil(folder)
    with pytest.raises(ArtifactError) as error:
        opened(folder)
    assert says in message(error)
    assert str(folder) in message(error)


def test_a_foreign_tokenizer_is_an_error_and_no_answer(tiny_models):  # noqa: F811
    backend = opened(tiny_models / "fp32")
    backend._reader._tokenizer = type(
        "Foreign", (), {"encode_all": lambda self, prompts: [([1, 5000], 0)], "id_of": lambda *_: None}
    )()
    with pytest.raises(ArtifactError) as error:
        list(backend.generate(PROMPTS[:1], Decoding(NEW)))
    assert "tokenizer" in message(error)


@pytest.mark.parametrize("provider", ["cuda", "tpu"])
def test_a_provider_that_is_not_installed_lists_those_that_are(provider, tiny_models):  # noqa: F811
    import onnxruntime

    if provider == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA is installed here")
    with pytest.raises(UsageError) as error:
        opened(tiny_models / "fp32", provider=Provider(provider))
    assert "(cpu)" in message(error)


@pytest.mark.parametrize("option", ["threads", "batch"])
def test_counts_below_one_are_refused(option, tiny_models):  # noqa: F811
    with pytest.raises(UsageError, match=f"{option}=0"):
        opened(tiny_models / "fp32", **{option: 0})


def test_without_onnxruntime_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError) as error:
        onnx.onnxruntime()
    assert "phi4bench[cpu]" in message(error)
