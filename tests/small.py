"""A very small random Phi-3 with nano's tokenizer, saved as a Hugging Face folder: training on it takes seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from kit import ROOT

NANO = ROOT / "fixtures" / "models" / "nano-hf"


def small_model(folder: Path, seed: int = 0, **shape: int) -> Path:
    """`shape`: what differs in the configuration."""
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(seed)
    config = {
        "vocab_size": 1024, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512,
        "original_max_position_embeddings": 512, "tie_word_embeddings": True, "pad_token_id": 0,
        "bos_token_id": 5, "eos_token_id": 5,
    } | shape  # fmt: skip
    Phi3ForCausalLM(Phi3Config(**config)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(NANO / name, folder / name)
    manifest = {"schema": "phi4bench.artifact/1", "name": folder.name, "format": "hf", "dialect": "tool_use"}
    (folder / "phi4bench.json").write_text(json.dumps(manifest))
    return folder
