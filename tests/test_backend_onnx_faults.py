"""What goes wrong in the ONNX backend: each fault is one line that names the artifact and says what to do."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from tiny import CONTEXT, tiny_models  # noqa: F401  (a fixture)
from tiny_runs import NEW, PROMPTS, copy_of, opened, prompt, tokens

from phi4bench.backends import Provider, onnx
from phi4bench.backends.base import Decoding, NotFiniteError, PromptTooLongError
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.errors import ArtifactError, UsageError


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
    assert f"context is {CONTEXT};" in message(error)
    with pytest.raises(PromptTooLongError, match=f"context is {CONTEXT}, and 2 further of 4 are too long"):
        list(backend.generate([PROMPTS[0], *[prompt(400, 1)] * 3], Decoding(NEW)))


def truncated(folder):
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])


def without_weights(folder):
    (folder / "model.onnx.data").unlink()


def without_configuration(folder):
    (folder / "genai_config.json").unlink()


def with_foreign_configuration(folder):
    (folder / "genai_config.json").write_text('{"model": []}')


def with_a_context_without_end(folder):
    path = folder / "genai_config.json"
    config = json.loads(path.read_text())
    config["model"]["context_length"] = float("inf")
    path.write_text(json.dumps(config))


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
    "context without end": (with_a_context_without_end, "'context_length'"),
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
