"""Tiny random Phi-3 decoders, exported by onnxruntime-genai's model builder: real files to run backends on.

`tiny_models` builds them once per test session, in a process of its own. Needs the `train` extra.
"""

from __future__ import annotations

import runpy
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


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `hf/` (the PyTorch model) and one folder for each of `VARIANTS`."""
    for module in ("torch", "transformers", "onnxruntime_genai", "onnx_ir"):
        pytest.importorskip(module, reason="builds a tiny model: needs phi4bench[train]")
    root = tmp_path_factory.mktemp("tiny")
    done = subprocess.run([sys.executable, __file__, str(root)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


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
    config = Phi3Config(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,  # not the vocabulary's size: the builder would take such a Linear for the LM head
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        original_max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.15,  # wide, so that greedy decoding does not fall into a loop at once
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=END,
    )
    Phi3ForCausalLM(config).save_pretrained(root / "hf")
    for name, options in VARIANTS.items():
        sys.argv = ["builder", "-m", str(root / "hf"), "-i", str(root / "hf"), "-o", str(root / name), "-e", "cpu"]
        sys.argv += ["-c", str(root / "cache"), *options]
        runpy.run_module("onnxruntime_genai.models.builder", run_name="__main__")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
