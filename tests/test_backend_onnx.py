"""The ONNX backend on real files: its tokens are PyTorch's, however the work is laid out."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_models  # noqa: F401  (a fixture)
from tiny_runs import NEW, PROMPTS, completions, opened, tokens

from phi4bench.backends import onnx, rowmemory, session
from phi4bench.backends.base import Decoding, Reference
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.errors import UsageError
from phi4bench.prompts import Prompt, Segment


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


def test_what_is_kept_of_times_and_margins_has_no_digits_of_noise(tiny_models):  # noqa: F811
    for done in completions(opened(tiny_models / "fp32")):
        assert done.first_token_ms > 0
        assert done.token_ms > 0
        assert done.margin is not None
        for kept, digits in ((done.first_token_ms, 4), (done.token_ms, 4), (done.margin, 6)):
            assert kept == round(kept, digits)


@pytest.mark.parametrize("variant", ["fp32", "int4", "fp16"])
def test_a_shared_prefix_gives_the_tokens_of_reading_it_each_time(variant, tiny_models):  # noqa: F811
    unshared = [replace(one, shared=0) for one in PROMPTS]
    assert tokens(opened(tiny_models / variant), unshared) == tokens(opened(tiny_models / variant))


@pytest.mark.parametrize(
    ("asked", "spinning", "us"),
    [
        ({"batch": 1}, "1", None),
        ({"batch": 4}, "1", "20"),
        ({"batch": None, "weight_bytes": 1 << 30}, "1", "20"),
        ({"batch": 1, "spin": "no"}, "0", None),
    ],
)
def test_threads_that_share_a_step_wait_busily_as_suits_it(asked, spinning, us, tiny_models, monkeypatch):  # noqa: F811
    monkeypatch.setattr("onnxruntime.__version__", "1.26.0")  # an older one keeps the setting all the same
    options = opened(tiny_models / "int8", threads=2, **asked)._decoder.session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == spinning
    if us is None:
        with pytest.raises(RuntimeError, match="spin_duration_us"):
            options.get_session_config_entry("session.intra_op.spin_duration_us")
    else:
        assert options.get_session_config_entry("session.intra_op.spin_duration_us") == us


def test_off_the_cpu_many_cases_have_no_thread_wait():
    assert onnx.waiting(None, "cuda") == onnx.waiting(8, "cuda") == "no"
    assert onnx.waiting(1, "cuda") == "long"
    assert onnx.waiting(None, "cpu") == "briefly"


@pytest.mark.parametrize(("version", "waits"), [("1.25.1", "0"), ("1.26.0", "1"), ("2.0.0.dev1", "1")])
def test_an_onnxruntime_that_cannot_wait_briefly_does_not_wait(version, waits):
    assert session.spinning("briefly", version)["session.intra_op.allow_spinning"] == waits
    assert session.spinning("long", version) == {"session.intra_op.allow_spinning": "1"}


@pytest.mark.parametrize("spin", [False, True, "breifly"])
def test_another_word_for_how_to_wait_is_not_taken_for_one_of_the_three(spin, tiny_models):  # noqa: F811
    with pytest.raises(UsageError, match=f"spin={spin!r}, but should be one of no, briefly, long, or None"):
        opened(tiny_models / "int8", threads=2, spin=spin)


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


@pytest.mark.parametrize(("variant", "hoards"), [("fp32", False), ("int4", False), ("fp16", True)])
def test_a_cache_that_is_made_anew_at_each_step_keeps_its_memory(tiny_models, variant, hoards):  # noqa: F811
    """What takes positions has such a cache. The others keep nothing, or it would grow with the number of cases."""
    backend = opened(tiny_models / variant, threads=2, batch=None)
    assert backend._decoder.session.get_session_options().enable_cpu_mem_arena is hoards


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
    found = tokens(backend := opened(tiny_models / "int8", batch=16))
    assert backend.notes == ["7 cases at once and not 16: the caches of more do not fit the memory"]
    assert backend.at_once == 7
    longest = max(len(PromptTokenizer.from_folder(tiny_models / "hf").encode(one)[0]) for one in PROMPTS) + NEW
    assert made == [(600 // longest, longest)] == [(7, 82)]
    assert found == tokens(opened(tiny_models / "int8"))


def test_rows_are_fewer_where_memory_is_short(tiny_models, monkeypatch):  # noqa: F811
    """Linux gives what it does not have, and kills whoever writes to it: nothing tells of that when rows are made."""
    roomy = opened(tiny_models / "int8", batch=16)
    found = tokens(roomy)
    monkeypatch.setattr(onnx, "free_memory_bytes", lambda: int(512 * 600 / 0.8))  # 600 tokens, as above
    short = opened(tiny_models / "int8", batch=16)
    assert tokens(short) == found
    assert (roomy.at_once, short.at_once) == (16, 7)
    assert short.notes == ["7 cases at once and not 16: the caches of more do not fit the memory"]
    assert short.identity() == roomy.identity()  # the tokens are the same, so that completions are each other's
    monkeypatch.setattr(onnx, "free_memory_bytes", lambda: 0)
    assert tokens(full := opened(tiny_models / "int8", batch=16)) == found
    assert full.at_once == 1


@pytest.mark.skipif(not rowmemory.can_map(), reason="prefixes are mapped on 64-bit Linux alone")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_prefix_that_lies_in_memory_once_gives_the_same_tokens(layout, tiny_models, monkeypatch):  # noqa: F811
    expected = tokens(opened(tiny_models / "int8", **LAYOUTS[layout]))
    mapped = []
    original = rowmemory.Mapped.put
    monkeypatch.setattr(rowmemory.Mapped, "put", lambda *given: (mapped.append(given[1]), original(*given))[1])
    monkeypatch.setattr(onnx.OnnxBackend, "_room", lambda *given: onnx.Room(given[-1], 1, mapped=True))
    assert tokens(opened(tiny_models / "int8", **LAYOUTS[layout])) == expected
    assert mapped


@pytest.mark.skipif(not rowmemory.can_map(), reason="prefixes are mapped on 64-bit Linux alone")
def test_rows_that_share_their_prefix_are_more(tiny_models, monkeypatch):  # noqa: F811
    monkeypatch.setattr(onnx, "KV_BYTES", 512 * 600)  # 600 tokens, as above
    prefix = Segment("the same tools " * 10)
    alike = [Prompt((prefix, Segment(f"request {number}")), 1, ("<|end|>",)) for number in range(12)]
    copied, mapped = opened(tiny_models / "int8", batch=12), opened(tiny_models / "int8", batch=12)
    expected = tokens(copied, alike)
    monkeypatch.setattr(onnx, "LEAST_MAPPED_BYTES", 1)
    assert tokens(mapped, alike) == expected
    assert mapped.at_once > 2 * copied.at_once


@pytest.mark.skipif(not rowmemory.can_map(), reason="prefixes are mapped on 64-bit Linux alone")
@pytest.mark.parametrize(
    ("tools", "mapped"),
    [
        pytest.param(lambda case: case, False, id="each-its-own"),
        pytest.param(lambda case: case // 20, True, id="two-sets"),
    ],
)
def test_prefixes_that_are_held_stay_within_the_caches_memory(tools, mapped, tiny_models, monkeypatch):  # noqa: F811
    monkeypatch.setattr(onnx, "KV_BYTES", 512 * 600)
    monkeypatch.setattr(onnx, "LEAST_MAPPED_BYTES", 1)
    live, most = weakref.WeakKeyDictionary(), [0]
    original = rowmemory.SharedPages.__init__

    def counted(self, arrays):
        original(self, arrays)
        live[self] = sum(array.nbytes for array in arrays)
        most[0] = max(most[0], sum(live.values()))

    monkeypatch.setattr(rowmemory.SharedPages, "__init__", counted)
    asked = [
        Prompt((Segment(f"tools of {tools(case):02} " * 10), Segment(f"request {case}")), 1, ("<|end|>",))
        for case in range(40)
    ]
    backend = opened(tiny_models / "int8", batch=32)
    tokens(backend, asked)
    assert backend.at_once > 1
    assert (most[0] > 0) == mapped
    assert most[0] < 512 * 600


@pytest.mark.parametrize("batch", [1, 16])
def test_a_long_prompt_beside_a_long_answer_is_read_within_the_context(batch, tiny_models):  # noqa: F811
    """Of 256 tokens: 180 and 3 for the one, 2 and 181 for the other; a row that is through does not go on."""
    references = [
        Reference(Prompt((Segment("xq zj " * 30),), 0, ("<|end|>",)), (Segment("ab"),)),
        Reference(Prompt((Segment("hi"),), 0, ("<|end|>",)), (Segment("qz xj " * 30),)),
    ]
    found = dict(opened(tiny_models / "int8", batch=batch).score(references))
    assert {index: len(positions) for index, positions in found.items()} == {0: 3, 1: 181}


def test_cases_that_may_grow_long_run_alone_with_the_same_tokens(tiny_models, monkeypatch):  # noqa: F811
    short = tokens(opened(tiny_models / "fp32", batch=4))
    lengths = sorted(len(PromptTokenizer.from_folder(tiny_models / "hf").encode(one)[0]) for one in PROMPTS)
    monkeypatch.setattr(onnx, "LONG_TOKENS", lengths[8] + NEW)
    assert tokens(opened(tiny_models / "fp32", batch=4)) == short


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
