"""Attention over a window of tokens: a cache that moves on when it is full gives the tokens of one that does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import tiny_models  # noqa: F401  (a fixture)
from tiny_runs import NEW, PROMPTS, copy_of, opened, tokens

from phi4bench.artifacts.onnxfile import Node, OnnxFile
from phi4bench.backends import kv, onnx
from phi4bench.backends.windows import windows_of, with_windows
from phi4bench.errors import ArtifactError

GIVEN = ("qkv", "", "", "past_key_values.0.key", "past_key_values.0.value", "lengths", "longest")


def with_window(folder, to, tokens, moving):
    """A copy whose first layer looks back so many tokens alone. `moving`: its cache is one that may move on."""
    model = pytest.importorskip("onnx", reason="needs phi4bench[train]")
    made = copy_of(folder, to) / "model.onnx"
    graph = model.load(made, load_external_data=False)
    first = next(node for node in graph.graph.node if node.op_type == "GroupQueryAttention")
    next(one for one in first.attribute if one.name == "local_window_size").i = tokens
    if moving:
        first.attribute.append(model.helper.make_attribute("sliding_window_cache", 1))
    model.save(graph, made)
    return to


@pytest.fixture(params=[7, 60, 400], ids=["within-a-prompt", "reached-by-answers", "beyond-all"])
def window(request):
    return request.param


@pytest.fixture
def wanted(window, tiny_models, tmp_path):  # noqa: F811
    """Answers over a whole cache of which attention looks at the window alone."""
    return tokens(opened(with_window(tiny_models / "fp32", tmp_path / "whole", window, moving=False)))


@pytest.fixture
def moving(window, tiny_models, tmp_path):  # noqa: F811
    folder = with_window(tiny_models / "fp32", tmp_path / "moving", window, moving=True)
    try:
        opened(folder)
    except ArtifactError as error:
        if "Unrecognized attribute" not in str(error):
            raise
        pytest.skip("this onnxruntime knows no cache that moves on")
    return folder


def test_the_window_is_looked_at(tiny_models, tmp_path):  # noqa: F811
    """Or the other tests would prove nothing."""
    short = with_window(tiny_models / "fp32", tmp_path / "short", 7, moving=False)
    assert tokens(opened(short)) != tokens(opened(tiny_models / "fp32"))


@pytest.mark.parametrize("mapped", [False, True], ids=["copied", "mapped"])
@pytest.mark.parametrize("layout", [{"batch": 1}, {"batch": 5}, {"batch": 6, "threads": 2}], ids=str)
def test_rows_in_place_have_room_for_all_of_a_case(mapped, layout, wanted, moving, monkeypatch):
    if mapped:
        monkeypatch.setattr(onnx, "LEAST_MAPPED_BYTES", 1)
    backend = opened(moving, **layout)
    assert backend.identity()["cache"] == "in place, rows together"
    assert tokens(backend) == wanted


@pytest.mark.parametrize("mode", ["growing", "growing, prompts whole"])
def test_a_cache_that_moves_on_gives_the_same_tokens(mode, wanted, moving, monkeypatch):
    monkeypatch.setattr(kv, "LOGITS_BYTES", 10 * 300 * 4)  # prompts are read in pieces of ten tokens
    backend = opened(moving)
    backend._cache = mode
    assert tokens(backend) == wanted


def test_trainers_read_a_prompt_whole(window, moving, tiny_models, tmp_path):  # noqa: F811
    from trainers.agreement import reader

    whole = with_window(tiny_models / "fp32", tmp_path / "whole", window, moving=False)
    ids = [7 + at * at % 250 for at in range(80)]
    np.testing.assert_allclose(reader(moving / "model.onnx")(ids), reader(whole / "model.onnx")(ids), atol=1e-4)


def test_on_a_device_no_row_is_larger_than_its_window(tiny_models):  # noqa: F811
    """onnxruntime's CUDA takes no other."""
    decoder = opened(tiny_models / "fp32")._decoder
    assert decoder.in_place_possible
    windowed = OnnxFile({}, {}, {}, {}, {}, {}, 1, nodes=(attention(local_window_size=7, sliding_window_cache=1),))
    assert not with_windows(replace(decoder, device="cuda"), windowed).in_place_possible
    plain = OnnxFile({}, {}, {}, {}, {}, {}, 1, nodes=(attention(local_window_size=7),))
    assert with_windows(replace(decoder, device="cuda"), plain).in_place_possible


def attention(**whole):
    return Node("GroupQueryAttention", "", GIVEN, (), whole)


@pytest.mark.parametrize(
    ("node", "windows"),
    [
        pytest.param(attention(local_window_size=7, sliding_window_cache=1), (7, 7), id="moving"),
        pytest.param(attention(local_window_size=7, sliding_window_cache=0), (), id="not-moving"),
        pytest.param(attention(local_window_size=7), (), id="of-older-builders"),
    ],
)
def test_windows_are_read_from_the_file(node, windows):
    found = windows_of(OnnxFile({}, {}, {}, {}, {}, {}, 1, nodes=(node,)))
    assert found == dict(zip(GIVEN[3:5], windows, strict=False))


def test_prompts_are_on_both_sides_of_the_windows(tiny_models):  # noqa: F811
    reader = opened(tiny_models / "fp32")._tokenizer
    lengths = [len(reader.encode(one)[0]) for one in PROMPTS]
    assert 7 < min(lengths) < 60 < max(lengths) + NEW < 400
    assert any(length < 60 < length + NEW for length in lengths)
