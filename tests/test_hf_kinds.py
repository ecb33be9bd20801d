"""Hugging Face folders of other kinds than Phi-3: rows of unequal length say what transformers' own `generate` says."""

from __future__ import annotations

import json
import shutil

import pytest
from small import NANO

torch = pytest.importorskip("torch", reason="needs phi4bench[hf]")
transformers = pytest.importorskip("transformers", reason="needs phi4bench[hf]")

from phi4bench.artifacts import open_artifact  # noqa: E402
from phi4bench.artifacts.hf import read_hf  # noqa: E402
from phi4bench.backends import Decoding, Provider, open_backend  # noqa: E402
from phi4bench.backends.tokens import PromptTokenizer  # noqa: E402
from phi4bench.errors import ArtifactError  # noqa: E402
from phi4bench.prompts import Prompt, Segment  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers
NEW = 24
SHAPE = {
    "vocab_size": 1024, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 5, "eos_token_id": 5,
    "tie_word_embeddings": False,
}  # fmt: skip
OF_GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}
OF_BART = {f"{part}_{name}": size for part in ("encoder", "decoder")
           for name, size in (("layers", 1), ("attention_heads", 4), ("ffn_dim", 64))} | {"d_model": 64}  # fmt: skip
KINDS = {
    "gpt2": OF_GPT2,
    "qwen3": {"head_dim": 16, "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
    "gemma2": {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16},
    "deepseek_v3": {
        "n_routed_experts": 4, "q_lora_rank": 32, "kv_lora_rank": 16, "qk_rope_head_dim": 16, "qk_nope_head_dim": 16,
        "v_head_dim": 24, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "first_k_dense_replace": 1, "num_key_value_heads": 4,
    },
    "plbart": OF_BART,
}  # fmt: skip
PROMPTS = [
    Prompt(
        (Segment("<|user|>", True), Segment("read the file then"), Segment(" write it again" * times)),
        shared=2,
        stop=("<|end|>",),
    )
    for times in (1, 9, 4)
]


def made(kind, folder):
    """A folder with random weights, wide enough that greedy decoding does not fall into a loop at once."""
    torch.manual_seed(1)
    config = transformers.CONFIG_MAPPING[kind](**SHAPE | KINDS.get(kind, OF_GPT2))
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in (one for one in model.parameters() if one.ndim == 2):
            weight.normal_(std=0.15)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(NANO / name, folder / name)
    return folder


def opened(folder, batch=3):
    artifact = open_artifact(str(folder), dialect="tool_use")
    return open_backend(artifact, threads=1, batch=batch, provider=Provider("cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_unequal_length_say_what_generate_says(kind, tmp_path):
    folder = made(kind, tmp_path / "model")
    backend = opened(folder)
    said = dict(backend.generate(PROMPTS, Decoding(NEW)))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    model.generation_config.forced_eos_token_id = None  # BART's kind ends so wherever it is cut
    tokenizer = PromptTokenizer.from_folder(folder)
    for index, prompt in enumerate(PROMPTS):
        ids = list(tokenizer.encode(prompt)[0])
        wanted = model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=NEW,
            do_sample=False, num_beams=1, eos_token_id=[5, tokenizer.id_of("<|end|>")],
        )  # fmt: skip
        assert list(said[index].token_ids) == wanted[0, len(ids) :].tolist()
    assert len({said[index].token_ids for index in said}) == len(PROMPTS)


def test_a_model_that_counts_positions_by_itself_runs_one_case_at_once(tmp_path):
    backend = opened(made("plbart", tmp_path / "model"))
    assert backend.identity()["rows"] == 1
    assert backend.notes == ["one case at once: the model counts positions by itself, and padding with them"]


def test_a_model_without_a_cache_is_refused_in_a_line(tmp_path):
    with pytest.raises(ArtifactError, match="type 'openai-gpt' does not keep keys and values alone") as told:
        opened(made("openai-gpt", tmp_path / "model"))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["max_position_embeddings", "n_positions", "max_seq_len"])
def test_the_context_has_several_names(name, tmp_path):
    path = made("gpt2", tmp_path / "model") / "config.json"
    told = json.loads(path.read_text())
    for other in ("max_position_embeddings", "n_positions", "max_seq_len"):
        told.pop(other, None)
    path.write_text(json.dumps(told | {name: 99}))
    assert read_hf(path.parent).context == 99
