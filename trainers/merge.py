"""`python -m trainers merge`: an adapter and the base that it was trained on, as one model. Needs torch and PEFT.

Merged in fp32 and rounded once, to the base's own type; what share of the adapter that rounding lost is said.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts import open_artifact
from phi4bench.backends.memory import is_out_of_memory
from phi4bench.backends.reasons import one_line
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.printable import printable
from trainers.alone import alone_at
from trainers.base import (
    Base,
    check_place,
    copy_tokenizer,
    drafted,
    manifest_of,
    open_base,
    read_json_file,
    write_manifest,
)

MUCH = 0.1
"""Of an adapter that rounding lost: worth to be told what loses none."""
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True)
class Rounding:
    """`lost`: norm of what rounding to the stored type changed, over the norm of what the adapter changed."""

    precision: str
    lost: float


def merge(run: Path, base: str | None = None, out: Path | None = None, precision: str | None = None) -> Path:
    """Merge the adapter of `run` (its folder, or the adapter's own); returns the merged folder. Raises `UsageError`.

    `base`: `None` for the one that the adapter names. `precision`: `None` for the base's.
    """
    adapter = adapter_of(run)
    digest = adapter_sha256(adapter)
    target = out or adapter.parent / "merged"
    with alone_at(target, "merge"):
        return _made(adapter, digest, target, base, precision)


def _made(adapter: Path, digest: str, target: Path, base: str | None, precision: str | None) -> Path:
    shown = printable(str(target), 200)
    if is_merged(target, digest):
        raise UsageError(f"'{shown}' already holds this adapter merged", "use it, or remove it to merge again")
    check_place(target)
    found = open_base(base or base_of(adapter))
    check_base(adapter, found, digest)
    own = manifest_of(adapter)
    told = {"dialect": own.dialect} if own.dialect else {"dialect": found.artifact.dialect.name}
    told |= {"turns": own.turns} if own.turns else {}
    with drafted(target) as draft:
        rounding = _merge(found, adapter, draft, precision or found.artifact.precision)
        copy_tokenizer(adapter if (adapter / "tokenizer.json").is_file() else found.folder, draft)
        write_manifest(
            draft,
            name=f"{target.parent.name}-merged",
            format="hf",
            precision=rounding.precision,
            **told,
            recipe={
                "command": "python -m trainers merge",
                "base": found.spec,
                "base_weights_sha256": found.artifact.weights_sha256,
                "adapter_sha256": digest,
                "rounding": asdict(rounding),
                "adapter": dict(own.recipe),
                "base_recipe": dict(manifest_of(found.folder).recipe),
            },
        )
    hint = "; --precision fp32 and another --out lose none" if rounding.lost > MUCH else ""
    print(
        f"merged into {target} in {rounding.precision}; rounding lost {100 * rounding.lost:.2f}% of the adapter{hint}"
    )
    return target


def adapter_of(run: Path) -> Path:
    """The PEFT adapter's folder: `run` itself, or `run/adapter`."""
    for folder in (run, run / "adapter"):
        if (folder / "adapter_config.json").is_file() and (folder / "adapter_model.safetensors").is_file():
            return folder
    pickled = any((folder / "adapter_model.bin").is_file() for folder in (run, run / "adapter"))
    hint = (
        "its weights are pickled, which are refused: save it again as safetensors" if pickled else "name a run of sft"
    )
    raise UsageError(f"'{printable(str(run), 200)}' holds no adapter", hint)


def adapter_sha256(adapter: Path) -> str:
    digest = hashlib.sha256()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        digest.update((adapter / name).read_bytes())
    return digest.hexdigest()


def is_merged(folder: Path, digest: str) -> bool:
    """Whether the folder holds a model into which the adapter of this digest went."""
    return digest in _merged_in(manifest_of(folder).recipe)


def _merged_in(recipe: Any) -> set[str]:
    """Digests of every adapter in a manifest's recipe."""
    found: set[str] = set()
    while isinstance(recipe, dict):
        if isinstance(recipe.get("adapter_sha256"), str):
            found.add(recipe["adapter_sha256"])
        recipe = recipe.get("base_recipe")  # what was merged into the base before
    return found


def base_of(adapter: Path) -> str:
    """The base that the adapter names: where it lay, else its name."""
    recipe = manifest_of(adapter).recipe
    for key in ("base_path", "base"):
        if isinstance(recipe.get(key), str) and (key == "base" or Path(recipe[key]).is_dir()):
            return str(recipe[key])
    named = read_json_file(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise UsageError(f"'{printable(str(adapter), 200)}' does not name its base", "name it with --base")
    return named


def check_base(adapter: Path, base: Base, digest: str) -> None:
    """`UsageError` where the adapter is already in the base, or was trained on another one.

    An adapter that another tool made tells its base by name alone; where that cannot be compared, a line says so.
    """
    if is_merged(base.folder, digest):
        raise UsageError(
            f"'{printable(str(base.folder), 200)}' has this adapter in it already, and would get it twice",
            "name the base that it was trained on",
        )
    recipe = manifest_of(adapter).recipe
    named, wanted = recipe.get("base", ""), recipe.get("base_weights_sha256")
    if wanted is None:
        named, wanted = _base_by_name(adapter, base)
    if wanted is not None and wanted != base.artifact.weights_sha256:
        raise UsageError(
            f"the adapter was trained on another base ('{printable(str(named), 200)}', weights"
            f" {str(wanted)[:12]}) than"
            f" '{printable(str(base.folder), 200)}' (weights {base.artifact.weights_sha256[:12]})",
            "name the one that it was trained on with --base",
        )


def _base_by_name(adapter: Path, base: Base) -> tuple[str, str | None]:
    """What PEFT wrote down as the adapter's base, and the digest of its weights if it lies here under another name."""
    named = read_json_file(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        return "", None
    if Path(named).resolve() == base.folder.resolve():
        return named, None
    if Path(named).is_dir():
        with suppress(Phi4benchError):
            return named, open_artifact(named).weights_sha256
    spec = base.spec.removeprefix("hf:").partition("@")[0]
    if Path(named).name not in (Path(spec).name, base.folder.resolve().name):
        print(
            f"the adapter names '{printable(named, 200)}' as its base, and it is put into '{printable(spec, 200)}':"
            " whether they are the same weights cannot be told from here"
        )
    return named, None


def _merge(base: Base, adapter: Path, target: Path, precision: str) -> Rounding:
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    from trainers.weights import load_whole, with_adapter

    dtype = getattr(torch, DTYPES[precision])
    adapted = with_adapter(load_whole(base.folder, dtype=torch.float32), adapter, base.folder)
    _check_apart(adapted, adapter)
    changed = lost = 0.0
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore", category=UserWarning):  # of what is merged below
            for module in adapted.modules():
                if isinstance(module, BaseTunerLayer):
                    before = [weight.clone() for weight in module.get_base_layer().parameters()]
                    module.merge(safe_merge=True)
                    for old, new in zip(before, module.get_base_layer().parameters(), strict=True):
                        changed += float((new - old).norm()) ** 2
                        lost += float((new.to(dtype).float() - new).norm()) ** 2
            merged = adapted.merge_and_unload(safe_merge=True).to(dtype)
    except (ValueError, RuntimeError) as error:  # numbers that are none, or what has no place in the base's layers
        if is_out_of_memory(error):
            raise
        what = f"'{printable(str(adapter), 200)}' cannot be merged ({printable(one_line(error), 200)})"
        raise UsageError(what, "train it again") from None
    beyond = next((name for name, weight in merged.named_parameters() if not weight.isfinite().all()), None)
    if beyond is not None:
        what = f"{printable(beyond, 120)} is not finite in {precision}"
        raise UsageError(what, "use --precision fp32 or bf16, or see what its weights are")
    merged.config.use_cache = True
    merged.save_pretrained(target)
    return Rounding(precision, (lost / changed) ** 0.5 if changed else 0.0)


def _check_apart(adapted: Any, adapter: Path) -> None:
    """`UsageError` where a layer's weights, which merging changes, are those of another layer too: PEFT only warns."""
    from peft.tuners.lora import LoraLayer

    uses = Counter(id(weight) for _, weight in adapted.named_parameters(remove_duplicate=False))
    for name, module in adapted.named_modules():
        if isinstance(module, LoraLayer) and any(uses[id(one)] > 1 for one in module.get_base_layer().parameters()):
            raise UsageError(
                f"'{printable(str(adapter), 200)}' changes {printable(name, 120)}, whose weights another layer has too:"
                " merged, it would change both",
                "train it without that layer, or on a base whose embeddings and head are two tables",
            )
