"""Which layers of a model are adapted: those that it really has, and all that were asked for. Needs torch and PEFT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.ranks import say
from trainers.settings import ALL_LINEAR, Training


def linear_layers(model: torch.nn.Module) -> tuple[str, ...]:
    """Full names of every linear layer but the head, which is not adapted. bitsandbytes' layers are linear ones too."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    return tuple(
        name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head
    )


def matches(name: str, target: str) -> bool:
    """As PEFT matches: the whole name, or its end after a dot."""
    return name == target or name.endswith(f".{target}")


def targets_of(layers: Sequence[str], asked: str) -> list[str]:
    """The names to give to PEFT. Raises `UsageError` for a name that matches nothing, with what there is."""
    kinds = kinds_of(layers)
    if not layers:
        raise UsageError("the model has no linear layer besides its head", "LoRA has nothing to adapt")
    if asked == ALL_LINEAR:
        return sorted(kinds)
    names = [name.strip() for name in asked.split(",") if name.strip()]
    lost = [name for name in names if not any(matches(layer, name) for layer in layers)]
    if lost or not names:
        there = ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
        verb = "matches" if len(lost) == 1 else "match"
        what = f": {printable(', '.join(lost), 120)} {verb} no linear layer" if lost else " names no layer"
        raise UsageError(
            f"targets={printable(asked, 120)!r}{what}; the model has {there}",
            f"name those, or {ALL_LINEAR}",
        )
    return names


def kinds_of(layers: Sequence[str]) -> dict[str, int]:
    """Last part of each layer's name, and how many layers have it."""
    kinds: dict[str, int] = {}
    for name in layers:
        kind = name.rpartition(".")[2]
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def with_peft(model: torch.nn.Module, training: Training, targets: list[str]) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=training.rank,
        lora_alpha=training.lora_alpha,
        lora_dropout=training.dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def adapt(
    model: torch.nn.Module,
    training: Training,
    wrap: Callable[[torch.nn.Module, Training, list[str]], Any] = with_peft,
) -> tuple[Any, Mapping[str, int]]:
    """The model with LoRA layers, and how many of each kind. Raises `UsageError` where one asked for is not covered.

    `wrap`: puts adapters on the targets that it is given.
    """
    layers = linear_layers(model)
    targets = targets_of(layers, training.targets)
    wanted = [name for name in layers if any(matches(name, target) for target in targets)]
    if told := beyond(model, wanted, training.rank):
        say(told)
    adapted = wrap(model, training, targets)
    uncovered = [name for name in wanted if name not in covered(adapted)]
    if uncovered:
        listed = ", ".join(uncovered[:8]) + (f" and {len(uncovered) - 8} more" if len(uncovered) > 8 else "")
        raise UsageError(
            f"LoRA covers {len(wanted) - len(uncovered)} of {len(wanted)} linear layers asked for; without: {listed}",
            "name their kinds in --targets",
        )
    return adapted, kinds_of(wanted)


def beyond(model: torch.nn.Module, wanted: Sequence[str], rank: int) -> str:
    """A line where the rank is more than a matrix of that shape can have; else empty."""
    layers = {name: model.get_submodule(name) for name in wanted}
    sides = {name: (int(layer.out_features), int(layer.in_features)) for name, layer in layers.items()}
    narrow = [name for name in wanted if min(sides[name]) < rank]
    if not narrow:
        return ""
    rows, columns = sides[narrow[0]]
    return (
        f"rank {rank:,} is more than {len(narrow)} of {len(wanted)} layers can take up, such as"
        f" {printable(narrow[0], 120)} of {rows:,} by {columns:,}: beyond the shorter side it costs and adds nothing"
    )


def covered(adapted: Any) -> set[str]:
    """Names, in the model without PEFT, of the layers that carry an adapter."""
    from peft.tuners.lora import LoraLayer

    prefix = "base_model.model."
    return {name.removeprefix(prefix) for name, module in adapted.named_modules() if isinstance(module, LoraLayer)}
