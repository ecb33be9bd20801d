"""What trains: Hugging Face's model with PEFT's adapters, or Unsloth's where it is installed and there is CUDA.

Both give a PEFT model of the same base, with the same check of what is covered, to the same loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import Base
from trainers.ranks import local_rank, say
from trainers.settings import Training

NF4_BLOCK, NF4_ROWS = 64, 32
_INSTALL = "pip install unsloth on a machine with CUDA, or use --engine peft"


def engine_of(
    training: Training,
    device: str,
    begun: str | None = None,
    there: Callable[[str], object] = find_spec,
    load: Callable[[str], object] = import_module,
) -> tuple[str, str]:
    """`peft` or `unsloth`, and a line that says why where nobody chose. Imports unsloth, where that is to train.

    Unsloth patches transformers, so this comes before transformers is imported. `begun`: what a run that goes on was
    begun with, which `auto` keeps. Raises `UsageError` where unsloth is named and cannot train here.
    """
    asked = begun if training.engine == "auto" and begun else training.engine
    if asked == "peft":
        return "peft", ""
    why = _why_not(training, device, there, load)
    if not why:
        return "unsloth", "engine: unsloth" if training.engine == "auto" else ""
    if asked == "auto":
        return "peft", f"engine: peft ({why})"
    whence = " (this run was begun with it)" if training.engine == "auto" else ""
    raise UsageError(f"engine='unsloth'{whence}, but {why}", _INSTALL)


def _why_not(training: Training, device: str, there: Callable[[str], object], load: Callable[[str], object]) -> str:
    """Why unsloth cannot train this run, in a clause; empty where it can."""
    if there("unsloth") is None:
        return "unsloth is not installed"
    if device != "cuda":
        return "unsloth needs CUDA"
    if training.attention != "auto" or training.packing:
        return "unsloth brings its own attention, so neither --attention nor --packing goes with it"
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")  # else it asks a server, to be counted
    try:
        load("unsloth")
    except (ImportError, RuntimeError) as error:  # NotImplementedError is one: a GPU that it does not know
        return f"unsloth cannot be loaded ({printable(str(error), 120)})"
    return ""


def adapted(base: Base, training: Training, device: str, bf16: bool) -> tuple[Any, int]:
    """The frozen base with fresh adapters, and the id that fills short rows. `training.engine`: `peft` or `unsloth`."""
    import torch

    dtype = torch.bfloat16 if bf16 else torch.float32
    made, kinds = (_unsloth if training.engine == "unsloth" else _peft)(base, training, device, dtype)
    learned, frozen = made.get_nb_trainable_parameters()
    layers = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    say(f"LoRA rank {training.rank} on {layers}: {learned:,} of {frozen:,} parameters learn")
    return made, made.config.pad_token_id or 0


def _peft(base: Base, training: Training, device: str, dtype: Any) -> tuple[Any, Any]:
    from transformers import BitsAndBytesConfig, set_seed

    from trainers.lora import adapt
    from trainers.weights import load_whole

    options: dict[str, Any] = {"dtype": dtype}
    if training.attention != "auto":
        options["attn_implementation"] = training.attention
    if training.quantize != "none":
        options["device_map"] = {"": device if device == "cpu" else local_rank()}
        options["quantization_config"] = (
            BitsAndBytesConfig(load_in_8bit=True)
            if training.quantize == "int8"
            else BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
        )
    model = load_whole(base.folder, **options)
    model.config.use_cache = False
    if training.quantize == "nf4" and device == "cpu":
        check_blocks(model)
    if training.quantize != "none":
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(
            model,
            use_gradient_checkpointing=training.checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False},
        )
    set_seed(training.seed)
    return adapt(model, training)


def check_blocks(model: Any) -> None:
    """`UsageError` for layers of NF4 that bitsandbytes cannot multiply on a CPU with AVX512-BF16.

    It packs their weights there by 32 rows and whole blocks, and knows no rest. Source: its functional.py, 0.50.
    """
    from bitsandbytes.nn import Linear4bit

    for name, module in model.named_modules():
        if not isinstance(module, Linear4bit) or not getattr(module, "support_avx512bf16_for_cpu", False):
            continue
        if module.in_features % NF4_BLOCK or module.out_features % NF4_ROWS:
            raise UsageError(
                f"quantize='nf4': {printable(name, 120)} has {module.in_features} inputs and {module.out_features}"
                f" outputs, but should have multiples of {NF4_BLOCK} and {NF4_ROWS} on this processor",
                "use --quantize int8 or none",
            )


def _unsloth(base: Base, training: Training, device: str, dtype: Any) -> tuple[Any, Any]:
    """Source: unsloth 2026.10, `FastModel`. By its own default it would fetch another upload of a model by its name,
    and give no logits, which the evaluation reads."""
    from unsloth import FastModel

    from trainers.lora import adapt

    checkpointing = "unsloth" if training.checkpointing else False
    model, _ = FastModel.from_pretrained(
        model_name=str(base.folder),
        max_seq_length=training.length,
        dtype=dtype,
        load_in_4bit=training.quantize == "nf4",
        load_in_8bit=training.quantize == "int8",
        load_in_16bit=training.quantize == "none",
        use_gradient_checkpointing=checkpointing,
        use_exact_model_name=True,
        trust_remote_code=False,
        return_logits=True,
        random_state=training.seed,
    )

    def wrap(model: Any, training: Training, targets: list[str]) -> Any:
        return FastModel.get_peft_model(
            model,
            r=training.rank,
            lora_alpha=training.lora_alpha,
            lora_dropout=training.dropout,
            target_modules=targets,
            bias="none",
            use_gradient_checkpointing=checkpointing,
            random_state=training.seed,
        )

    return adapt(model, training, wrap)
