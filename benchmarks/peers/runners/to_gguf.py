"""Convert a Phi-3 folder of Hugging Face to one GGUF file: `python to_gguf.py FOLDER OUT.gguf F32|Q8_0`.

llama.cpp's own converter is not in its Python packages, and knows no tokenizer but known models'. Ours is written as
what it is, a byte-level BPE, but prompts are handed over as token ids, so that nothing hangs on it.

Source: `src/models/phi3.cpp` and `convert_hf_to_gguf.py` of llama.cpp (names of tensors and keys).
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.qkv_proj.weight": "attn_qkv.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def gguf_name(name: str) -> str:
    """`model.layers.3.mlp.down_proj.weight` is `blk.3.ffn_down.weight`."""
    if name in NAMES:
        return NAMES[name]
    layer, _, rest = name.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{NAMES[rest]}"


def convert(folder: Path, out: Path, kind: str) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] != "phi3" or config["rope_parameters"]["rope_type"] != "default":
        raise SystemExit(f"{folder}: only a phi3 model with plain rotary positions can be converted here")
    writer = gguf.GGUFWriter(str(out), "phi3")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    share = config["rope_parameters"]["partial_rotary_factor"]
    writer.add_rope_dimension_count(int(share * config["hidden_size"] // config["num_attention_heads"]))
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    _add_tokenizer(writer, folder, config)
    quantized = gguf.GGMLQuantizationType[kind]
    for name, data in weights(folder / "model.safetensors"):
        if data.ndim == 2 and kind != "F32":  # norms stay in fp32
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(data, quantized), raw_dtype=quantized)
        else:
            writer.add_tensor(gguf_name(name), data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def weights(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, fp32 array) of each tensor of a safetensors file in bf16 or fp32; numpy has no bf16 of its own."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            flat = (np.frombuffer(data[start:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        elif entry["dtype"] == "F32":
            flat = np.frombuffer(data[start:end], "<f4")
        else:
            raise SystemExit(f"{path}: {name} is {entry['dtype']}, but should be BF16 or F32")
        yield name, flat.reshape(entry["shape"])


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, config: dict[str, int]) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    texts = {number: text for text, number in tokenizer["model"]["vocab"].items()}
    special = {token["id"] for token in tokenizer["added_tokens"]}
    numbers = range(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([texts.get(number, f"<unused {number}>") for number in numbers])
    kinds = gguf.TokenType
    plain = dict.fromkeys(texts, kinds.NORMAL) | dict.fromkeys(special, kinds.CONTROL)
    writer.add_token_types([plain.get(number, kinds.UNUSED) for number in numbers])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
