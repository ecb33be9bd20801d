"""The settings of a fine-tuning run: defaults, presets, and whence each value came. Reads one TOML file; no torch.

Later sources win: defaults, a preset, a TOML file, JSON in `TRAINING_CONFIG`, flags.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable

VARIABLE = "TRAINING_CONFIG"
ALL_LINEAR = "all-linear"


def setting(default: Any, told: str, *choices: str) -> Any:
    return field(default=default, metadata={"told": told, "choices": choices})


@dataclass(frozen=True)
class Training:
    """All that decides the weights, apart from the model and the data.

    Source of the defaults and presets: the fine-tuning field guide that this project grew from.
    """

    rank: int = setting(32, "LoRA rank")
    alpha: int = setting(0, "LoRA alpha; 0: twice the rank")
    dropout: float = setting(0.05, "LoRA dropout")
    targets: str = setting(ALL_LINEAR, "linear layers to adapt: all-linear, or names such as qkv_proj,o_proj")
    lr: float = setting(5e-5, "peak learning rate")
    epochs: float = setting(5.0, "passes over the training examples")
    batch: int = setting(4, "examples a batch")
    accumulation: int = setting(4, "batches a step, over all processes")
    length: int = setting(1024, "the most tokens of an example")
    weight_decay: float = setting(0.01, "decay of the weights in AdamW")
    warmup: float = setting(0.03, "share of the steps that warm up")
    schedule: str = setting("cosine", "learning rate after the warm-up", "cosine", "linear", "constant")
    patience: int = setting(3, "evaluations without improvement before an early stop; 0: never stop early")
    validation: float = setting(0.2, "share of the examples kept for validation, by whole families")
    evaluate_every: int = setting(50, "steps between evaluations, each of which saves a checkpoint")
    optimizer: str = setting("adamw", "paged_adamw_8bit needs CUDA", "adamw", "paged_adamw_8bit")
    precision: str = setting("auto", "auto: bf16 on CUDA, fp32 on CPU", "auto", "fp32", "bf16")
    quantize: str = setting("none", "the frozen base, by bitsandbytes (QLoRA)", "none", "int8", "nf4")
    packing: bool = setting(False, "several conversations in a row of up to length tokens, none reading another")
    attention: str = setting("auto", "how it is computed", "auto", "eager", "sdpa", "flash_attention_2")
    checkpointing: bool = setting(False, "recompute activations instead of keeping them")
    engine: str = setting("auto", "auto: unsloth where it is installed and there is CUDA", "auto", "peft", "unsloth")
    device: str = setting("auto", "where to train", "auto", "cpu", "cuda")
    threads: int = setting(0, "CPU threads; 0: torch's default")
    seed: int = setting(20261121, "of the split, the order, the adapters and the dropout")

    @property
    def lora_alpha(self) -> int:
        return self.alpha or 2 * self.rank


PRESETS: dict[str, dict[str, Any]] = {
    "budget": {"rank": 16},
    "recommended": {"rank": 32},
    "research": {"rank": 64},
    "report": {
        "rank": 16,
        "lr": 2e-4,
        "epochs": 2.0,
        "optimizer": "paged_adamw_8bit",
        "precision": "bf16",
        "checkpointing": True,
    },
}
FIELDS = {one.name: one for one in fields(Training)}
_AT_LEAST: dict[str, float] = {
    "rank": 1, "alpha": 0, "dropout": 0, "batch": 1, "accumulation": 1, "length": 8, "weight_decay": 0, "warmup": 0,
    "patience": 0, "evaluate_every": 1, "threads": 0, "seed": 0,
}  # fmt: skip
_ABOVE_ZERO = ("lr", "epochs", "validation")
_BELOW_ONE = ("dropout", "warmup", "validation")
_AT_MOST: dict[str, float] = {"seed": 2**32 - 1, "threads": 1024, "rank": 65_536, "epochs": 1e6, "weight_decay": 1e6}
"""Seed: numpy's, which transformers seeds too."""
LARGEST = 2**31 - 1
"""Of all other numbers."""


@dataclass(frozen=True)
class Chosen:
    """The settings, and for each that is not a default, where it came from."""

    training: Training
    preset: str
    sources: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"preset": self.preset, "settings": asdict(self.training), "sources": dict(self.sources)}


def choose(
    flags: Mapping[str, Any], environment: Mapping[str, str], config: Path | None = None, preset: str | None = None
) -> Chosen:
    """The settings of a run. `flags`: those given on the command line alone. Raises `UsageError`.

    A TOML file and `TRAINING_CONFIG` may name a `preset` too; one named on the command line comes first.
    """
    layers: list[tuple[str, dict[str, Any]]] = []
    if config is not None:
        layers.append((str(config), _toml(config)))
    if environment.get(VARIABLE, "").strip():
        layers.append((VARIABLE, _json(environment[VARIABLE])))
    layers.append(("flag", dict(flags)))
    named = next((one.pop("preset") for _, one in reversed(layers) if "preset" in one), None)
    name = preset or named
    if name is not None:
        if not isinstance(name, str) or name not in PRESETS:
            raise UsageError(f"preset={printable(repr(name), 60)}, but should be one of {', '.join(PRESETS)}")
        layers.insert(0, (f"preset {name}", PRESETS[name]))
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for where, layer in layers:
        for key, value in layer.items():
            values[key] = checked(key, value, where)
            sources[key] = where
    return Chosen(Training(**values), name or "", sources)


def checked(key: str, value: Any, where: str) -> Any:
    """`value` in the type of the setting `key`; raises `UsageError` that says where it came from."""
    if key not in FIELDS:
        near = get_close_matches(key, FIELDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(FIELDS)}"
        raise UsageError(f"{printable(repr(key), 60)} is no setting [{printable(where)}]", hint)
    kind, choices = type(FIELDS[key].default), FIELDS[key].metadata["choices"]
    shown = f"{key}={printable(repr(value), 60)}"
    if kind is float and type(value) is int:
        value = float(value) if abs(value) <= LARGEST else float("inf")
    if type(value) is not kind:
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise UsageError(f"{shown}, but should be {names[kind]} [{printable(where)}]")
    if choices and value not in choices:
        raise UsageError(f"{shown}, but should be one of {', '.join(choices)} [{printable(where)}]")
    if key in _AT_LEAST and not value >= _AT_LEAST[key]:
        raise UsageError(f"{shown}, but should be at least {_AT_LEAST[key]:g} [{printable(where)}]")
    if key in _ABOVE_ZERO and not value > 0:
        raise UsageError(f"{shown}, but should be above 0 [{printable(where)}]")
    if key in _BELOW_ONE and not value < 1:
        raise UsageError(f"{shown}, but should be below 1 [{printable(where)}]")
    if kind in (int, float) and not value <= (most := _AT_MOST.get(key, LARGEST)):
        raise UsageError(f"{shown}, but should be at most {most:,.0f} [{printable(where)}]")
    return value


def _toml(path: Path) -> dict[str, Any]:
    shown = printable(str(path), 200)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--config '{shown}' cannot be read ({error.strerror})", "name a TOML file") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, nested without end
        raise UsageError(f"--config '{shown}' is no TOML ({printable(str(error), 120)})") from None


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{VARIABLE} is no JSON ({printable(str(error), 120)})") from None
    if not isinstance(value, dict):
        raise UsageError(f"{VARIABLE} is {type(value).__name__}, but should be a JSON object of settings")
    return value
