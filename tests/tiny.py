"""Tiny random Phi-3 decoders, exported by onnxruntime-genai's model builder: real files to run backends on.

`tiny_models` builds them once per test session, in a process of its own. Needs the `train` extra.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VARIANTS = {
    "fp32": ["-p", "fp32"],
    "int8": ["-p", "int8"],
    "int4": ["-p", "int4"],
    "fp16": ["-p", "fp16"],  # on CPU: another attention operator, with position_ids and a cache that grows
    "last": ["-p", "fp32", "--extra_options", "prune_lm_head=true"],  # logits of the last position alone
}
CONTROLS = ["<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<tool_use>", "</tool_use>"]
END = CONTROLS.index("<|end|>")
CONTEXT = 256
SWITCH = 64
"""Tokens up to which the model with two rotary tables takes the first one."""
LONGROPE = {
    # As Phi-4-mini has it, smaller: three quarters of a head of 64 are rotated, by factors that differ in both tables.
    "hidden_size": 128,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "original_max_position_embeddings": SWITCH,
    "partial_rotary_factor": 0.75,
    "rope_scaling": {
        "type": "longrope",
        "short_factor": [1 + 0.02 * i for i in range(24)],
        "long_factor": [1 + 0.5 * i for i in range(24)],
    },
}


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `hf/` (the PyTorch model), one folder for each of `VARIANTS`, `hf-longrope/` and `longrope/`."""
    for module in ("torch", "transformers", "onnxruntime_genai", "onnx_ir"):
        pytest.importorskip(module, reason="builds a tiny model: needs phi4bench[train]")
    root = tmp_path_factory.mktemp("tiny")
    done = subprocess.run([sys.executable, __file__, str(root)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.fixture(scope="module", autouse=True)
def one_process():
    """For a module that imports it: the builder without a new process for each file, which would import torch again."""

    def build(source, target, precision, block_size=32, accuracy_level=4):
        options = [] if precision == "fp32" else [f"block_size={block_size}", f"accuracy_level={accuracy_level}"]
        run_builder(source, target, ["-p", precision, "--extra_options", "hf_token=false", *options])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainers.export.run_builder", build)
        yield


def build(root: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=CONTROLS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["read the file, then write the file again"] * 8, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>").save_pretrained(
        root / "hf"
    )
    shape = {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 96,  # not the vocabulary's size: the builder would take such a Linear for the LM head
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "original_max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "initializer_range": 0.15,  # wide, so that greedy decoding does not fall into a loop at once
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": END,
    }
    shutil.copytree(root / "hf", root / "hf-longrope")
    for name, config in (("hf", shape), ("hf-longrope", shape | LONGROPE)):
        Phi3ForCausalLM(Phi3Config(**config)).save_pretrained(root / name)
    for name, options in VARIANTS.items():
        run_builder(root / "hf", root / name, options)
    run_builder(root / "hf-longrope", root / "longrope", VARIANTS["fp32"])


def run_builder(source: Path, target: Path, options: list[str]) -> None:
    sys.argv = ["builder", "-m", str(source), "-i", str(source), "-o", str(target), "-e", "cpu"]
    sys.argv += ["-c", str(target.parent / "cache"), *options]
    runpy.run_module("onnxruntime_genai.models.builder", run_name="__main__")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
