"""Two rotary tables (longrope): the file changes them where PyTorch does, and an answer that grows over the change is
what transformers' own `generate` says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the `train` extra")
pytest.importorskip("transformers", reason="needs the `train` extra")

from tiny import END, SWITCH, tiny_models  # noqa: E402, F401

from phi4bench.artifacts.onnxfile import Node, OnnxFile, read_onnx  # noqa: E402
from phi4bench.backends import Decoding, Provider  # noqa: E402
from phi4bench.backends.hf import HfBackend  # noqa: E402
from phi4bench.backends.longrope import table_switch  # noqa: E402
from phi4bench.backends.onnx import OnnxBackend  # noqa: E402
from phi4bench.backends.tokens import PromptTokenizer  # noqa: E402
from phi4bench.prompts import Prompt, Segment  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers
NEW_TOKENS = 12


@pytest.fixture(scope="module")
def model(tiny_models: Path):  # noqa: F811
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_models / "hf-longrope", dtype=torch.float32).eval()


def prompt_of(tokens: int) -> Prompt:
    """A prompt that the tiny tokenizer reads as so many tokens, four fifths of them a prefix that others share."""
    letters = "".join(chr(ord("a") + i * i % 26) for i in range(tokens))
    return Prompt((Segment(letters[: tokens * 4 // 5]), Segment(letters[tokens * 4 // 5 :])), 1, ("<|end|>",))


def test_the_switch_is_read_from_the_file(tiny_models: Path):  # noqa: F811
    assert table_switch(read_onnx(tiny_models / "longrope" / "model.onnx")) == SWITCH
    assert table_switch(read_onnx(tiny_models / "fp32" / "model.onnx")) is None


def test_the_switch_may_be_an_initializer(tiny_models: Path, tmp_path: Path):  # noqa: F811
    """As it is once a tool has folded the graph's constants: the builder itself writes Constant nodes."""
    import onnx

    model = onnx.load(tiny_models / "longrope" / "model.onnx", load_external_data=False)
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    for node in constants:
        tensor = next(attribute.t for attribute in node.attribute if attribute.name == "value")
        model.graph.initializer.add().CopyFrom(tensor)
        model.graph.initializer[-1].name = node.output[0]
        model.graph.node.remove(node)
    assert constants
    onnx.save(model, tmp_path / "model.onnx")
    assert table_switch(read_onnx(tmp_path / "model.onnx")) == SWITCH


def test_another_branch_is_no_switch():
    greater = Node("Greater", "g", ("length", "limit"), ("much",), {})
    branch = Node("If", "i", ("much",), ("scale",), {})
    file = OnnxFile({}, {}, {}, {}, {}, {}, 1, nodes=(greater, branch), constants={"limit": 9})
    assert table_switch(file) is None


@pytest.mark.parametrize("tokens", [8, SWITCH, SWITCH + 1, 3 * SWITCH], ids=["short", "last", "first-beyond", "long"])
def test_the_file_gives_pytorchs_logits_on_both_sides_of_the_switch(tokens, model, tiny_models: Path):  # noqa: F811
    from trainers.export import reader

    ids = [7 + i * i % 250 for i in range(tokens)]
    with torch.inference_mode():
        wanted = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    np.testing.assert_allclose(reader(tiny_models / "longrope" / "model.onnx")(ids), wanted, atol=2e-3)


@pytest.mark.parametrize("kind", ["onnx", "hf"])
def test_answers_that_grow_over_the_switch_are_those_of_generate(kind, model, tiny_models: Path, monkeypatch):  # noqa: F811
    folder = tiny_models / ("longrope" if kind == "onnx" else "hf-longrope")
    tokenizer = PromptTokenizer.from_folder(folder)
    if kind == "onnx":
        # Prompts are read in pieces of ten tokens, the first of a long one excepted.
        monkeypatch.setattr("phi4bench.backends.kv.LOGITS_BYTES", 10 * 300 * 4)
        size = sum(path.stat().st_size for path in folder.glob("model.onnx*"))
        backend = OnnxBackend(folder / "model.onnx", tokenizer, name="tiny", weight_bytes=size, threads=1)
    else:
        backend = HfBackend(folder, tokenizer, name="tiny", precision="fp32", threads=1, provider=Provider("cpu"))
    prompts = [prompt_of(tokens) for tokens in (20, 56, SWITCH, SWITCH + 6, 3 * SWITCH)]
    told = dict(backend.generate(prompts, Decoding(max_new_tokens=NEW_TOKENS)))
    assert backend.identity()["long_tokens"] == SWITCH
    for index, prompt in enumerate(prompts):
        ids = list(tokenizer.encode(prompt)[0])
        with torch.inference_mode():
            said = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=END,
            )  # fmt: skip
        assert list(told[index].token_ids) == said[0, len(ids) :].tolist(), f"prompt of {len(ids)} tokens"
    lengths = [len(tokenizer.encode(prompt)[0]) for prompt in prompts]
    assert any(SWITCH - NEW_TOKENS < length < SWITCH for length in lengths)  # one that grows over it
