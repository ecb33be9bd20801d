"""Exports a Hugging Face folder to ONNX with onnxruntime-genai's model builder, and checks each file.

The builder can export the wrong matrix in silence, so the logits of every file are compared with PyTorch's on real
prompts. Needs the `train` extra.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi4bench.artifacts import open_artifact
from phi4bench.errors import UsageError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from phi4bench.run.child import signal_name
from trainers import child
from trainers.agreement import Agreement, compare, feeds_of, on_both_sides, reader, rotary_switch
from trainers.alone import BUILD, alone_in
from trainers.base import (
    CONFIGURED,
    Base,
    check_place,
    configuration_of,
    drafted,
    is_made_by,
    manifest_of,
    open_base,
    read_json_file,
    speech,
    way_to,
    write_json,
    write_manifest,
)
from trainers.disk import is_full
from trainers.faults import TrainingError
from trainers.gptq import Checkpoint, is_gptq, open_gptq, unpack
from trainers.matrices import check_packing

__all__ = ["PRECISIONS", "Agreement", "compare", "export", "feeds_of", "reader", "run_builder", "write_manifest"]

PRECISIONS = ("fp32", "int8", "int4")
RESULTS = "export.json"
SETTINGS = ("route", "accuracy_level", "block_size")
"""What a recipe says of how the file was built."""
TOKENIZER = "tokenizer.json"
UNPACKED = ".unpacked"
"""Of a checkpoint in GPTQ's packing, while it is exported."""


@dataclass(frozen=True)
class Source:
    """What is exported. `recipe`: of every file made of it. `adapter`: PEFT's folder, where one stays beside it.

    `packed`: the same model with its matrices in few bits as they were trained.
    """

    base: Base
    recipe: Mapping[str, Any]
    adapter: Path | None = None
    packed: Path | None = None


def run_builder(source: Path, target: Path, precision: str, block_size: int = 32, accuracy_level: int = 4) -> None:
    """Build `target/model.onnx`. Raises `TrainingError` with the builder's last lines where it fails."""
    cache = target.with_name(f".{target.name.lstrip('.')}.cache")
    command = child.command("onnxruntime_genai.models.builder", "-m", str(source), "-i", str(source))
    command += ["-o", str(target), "-p", precision, "-e", "cpu", "-c", str(cache)]
    options = ["hf_token=false"]
    if precision != "fp32":
        options += [f"block_size={block_size}", f"accuracy_level={accuracy_level}"]
    command += ["--extra_options", *options]
    environment = child.environment_of(os.environ) | {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    if done.returncode:
        raise _broken(precision, done.returncode, done.stderr, target.parent / "builder.log")


def _broken(precision: str, code: int, said: str, log: Path) -> TrainingError:
    """What to say of a builder that failed, whose whole output goes to `log`."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = printable(lines[-1], 200) if lines else f"exit code {code}, without a word"
    if code < 0:
        last = f"ended by {signal_name(-code)}, most often since memory ran out"
    full = is_full(OSError(said))
    if full is not None:
        return TrainingError(
            f"{full} (the model builder, for {precision}: {last})", "make room, and run the same command again"
        )
    log.write_text(said, encoding="utf-8")
    return TrainingError(f"the model builder failed for {precision} ({last})", f"its whole output is in {log}")


def export(
    model: str,
    precisions: Sequence[str],
    out: Path,
    prompts: Callable[[Path], Sequence[Sequence[int]]],
    block_size: int = 32,
    accuracy_level: int = 4,
    route: str = "builder",
) -> list[Path]:
    """`out/PRECISION` for each of them, fp32 first; results go to `out/export.json`. What is there already is kept.

    `prompts`: token ids of conversations to compare on, for the model's folder. A folder appears when its file is
    checked, so a killed export leaves nothing that looks finished. Raises `UsageError`, `TrainingError`.
    """
    check_packing(block_size, accuracy_level)
    folder = expanded(model)
    opened = open_gptq(folder, precisions) if is_gptq(folder) else open_base(model)
    check_config(opened.folder)
    if route == "olive":
        from trainers.olive_route import check_olive

        check_olive()
    recipe = {"command": "python -m trainers export", "source": model, **recipe_of(opened)}
    settings: dict[str, dict[str, object]] = {}
    for precision in sorted(set(precisions), key=PRECISIONS.index):
        settings[precision] = {"route": route}
        if precision != "fp32":
            settings[precision]["accuracy_level"] = accuracy_level
            if isinstance(opened, Base):  # else the blocks are the checkpoint's own
                settings[precision]["block_size"] = block_size
    with alone_in(out, BUILD):
        try:
            left = [precision for precision, some in settings.items() if not is_finished(out / precision, recipe, some)]
            results_in(out / RESULTS)  # what is refused is refused before the work
            source = source_of(opened, recipe, out / UNPACKED) if left else None
            conversations = prompts(source.base.folder) if source else ()
            if source and "fp32" not in settings and not is_of(out / "fp32", recipe):
                check_builder(source, out / ".fp32.part", conversations, route)
            for precision in left:
                with drafted(out / precision) as draft:
                    build(source, draft, precision, block_size, accuracy_level, route)
                    finish(source, draft, out / precision, precision, conversations, {}, settings[precision])
        finally:
            shutil.rmtree(out / UNPACKED, ignore_errors=True)  # a killed run's too
    return [out / precision for precision in settings]


def recipe_of(opened: Base | Checkpoint) -> Mapping[str, Any]:
    """Which weights they are, and with which configuration."""
    if not isinstance(opened, Base):
        return opened.recipe
    return {"source_sha256": opened.artifact.weights_sha256, **configuration_of(opened.artifact)}


def source_of(opened: Base | Checkpoint, recipe: Mapping[str, Any], scratch: Path) -> Source:
    """What the builder reads and PyTorch compares; a checkpoint in GPTQ's packing is unpacked into `scratch`."""
    if isinstance(opened, Base):
        return Source(opened, recipe)
    whole, packed = unpack(opened, scratch)
    return Source(open_base(str(whole)), recipe, packed=packed)


def check_config(folder: Path) -> None:
    """`UsageError` for what the builder's own error does not explain: it takes two lengths that differ for longrope."""
    config = read_json_file(folder / "config.json")
    longest, original = config.get("max_position_embeddings"), config.get("original_max_position_embeddings")
    if original is not None and original != longest and rotary_switch(folder) is None:
        raise UsageError(
            f"'{printable(str(folder / 'config.json'), 200)}': original_max_position_embeddings={original}, but should"
            f" be max_position_embeddings ({longest}) without longrope, or the builder fails",
            "set them equal",
        )


def build(source: Source, draft: Path, precision: str, block_size: int, accuracy_level: int, route: str) -> None:
    """Write `draft/model.onnx` and what goes with it, the tokenizer as it is.

    The builder saves it by transformers, which gives a model of Qwen2's type Qwen2's way of splitting words.
    """
    folder = source.base.folder
    if precision != "fp32" and source.packed is not None:
        folder = source.packed
    if route == "olive":
        from trainers.olive_route import run_olive

        run_olive(folder, draft, precision, block_size, accuracy_level)
    else:
        run_builder(folder, draft, precision, block_size, accuracy_level)
    shutil.copy(source.base.artifact.tokenizer_dir / TOKENIZER, draft / TOKENIZER)


def check_builder(source: Source, draft: Path, conversations: Sequence[Sequence[int]], route: str) -> None:
    """Build the fp32 file for the comparison alone: in few bits, a wrong matrix cannot be told from rounding.

    Raises `TrainingError` where it is not the model.
    """
    shutil.rmtree(draft, ignore_errors=True)
    try:
        build(source, draft, "fp32", 32, 4, route)
        prompts = on_both_sides(conversations, rotary_switch(source.base.folder))
        check_same(compare(source.base.folder, draft / "model.onnx", "fp32", prompts))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_same(agreement: Agreement) -> None:
    """`TrainingError` where an fp32 file is another model than PyTorch's."""
    if not agreement.is_the_same_model:
        raise TrainingError(
            f"the fp32 file is not the model: {agreement.told()}",
            "the builder takes any linear layer as wide as the vocabulary for the head; nothing was kept",
        )


def is_finished(target: Path, recipe: Mapping[str, Any], settings: Mapping[str, object] | None = None) -> bool:
    """Whether the folder holds what this recipe makes; `UsageError` where it was made of something else, or with other
    `settings`, or holds what no command made. One that is younger than the file says nothing of it."""
    if not (target / "phi4bench.json").is_file():
        check_place(target)
        return False
    made = manifest_of(target).recipe
    if not is_same_source(made, recipe):
        what = "was made from another model, or with another configuration or tokenizer"
        raise UsageError(
            f"'{printable(str(target), 200)}' {what}", "name another folder with --out, or remove it first"
        )
    differs = [f"{name}={made[name]}" for name, value in (settings or {}).items() if made.get(name, value) != value]
    if differs:
        raise UsageError(
            f"'{printable(str(target), 200)}' was made with {printable(', '.join(differs), 120)}",
            "name another folder with --out, or remove it first",
        )
    print(f"{target} is finished; nothing to do")
    return True


def is_of(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the folder holds a file that was made of the same weights."""
    return (folder / "phi4bench.json").is_file() and is_same_source(manifest_of(folder).recipe, recipe)


def is_same_source(made: Mapping[str, Any], recipe: Mapping[str, Any]) -> bool:
    """Whether two recipes begin with the same weights and configuration."""
    return is_made_by(made, {key: recipe.get(key) for key in ("source_sha256", "adapter_sha256", CONFIGURED)})


def finish(
    source: Source,
    draft: Path,
    target: Path,
    precision: str,
    conversations: Sequence[Sequence[int]],
    fields: Mapping[str, object],
    settings: Mapping[str, object],
) -> None:
    """Compare the draft with PyTorch, and give it its manifest. `fields`: what else that says."""
    base, out = source.base, target.parent
    prompts = on_both_sides(conversations, rotary_switch(base.folder))
    beside = (source.adapter, draft / str(fields["adapter"])) if source.adapter else None
    agreement = compare(base.folder, draft / "model.onnx", precision, prompts, beside)
    print(f"{target}: {agreement.told()}", flush=True)
    if precision == "fp32":
        check_same(agreement)
    record(out / RESULTS, asdict(agreement))
    if base.dialect_file is None and (base.folder / "dialect.toml").is_file():
        shutil.copy(base.folder / "dialect.toml", draft / "dialect.toml")
    spoken = manifest_of(source.adapter or base.folder)
    told = {"dialect": spoken.dialect, "turns": spoken.turns} if spoken.dialect else speech(base)
    write_manifest(
        draft,
        name=f"{out.name}-{precision}",
        format="onnx",
        precision=precision,
        **({} if precision == "fp32" else parent_of(out / "fp32", source.recipe, draft)),
        **{key: value for key, value in told.items() if value},
        **fields,
        recipe={**source.recipe, **settings, "agreement": asdict(agreement)},
    )


def parent_of(fp32: Path, recipe: Mapping[str, Any], draft: Path) -> dict[str, object]:
    """What a manifest says of its parent, where there is one of the same source beside it."""
    if not is_of(fp32, recipe):
        return {}
    return {"parent": {"path": way_to(fp32, draft), "sha256": open_artifact(str(fp32)).weights_sha256}}


def record(path: Path, result: Mapping[str, object], key: str = "precision") -> None:
    """Add a result to a JSON list, in place of one of the same `key`."""
    kept = [one for one in results_in(path, key) if one[key] != result[key]]
    write_json(path, {"results": [*kept, dict(result)]})


def results_in(path: Path, key: str = "precision") -> list[Mapping[str, object]]:
    """What such a list holds; `UsageError` where the file is something else."""
    held = read_json_file(path).get("results") if path.is_file() else []
    if not isinstance(held, list) or not all(isinstance(one, dict) and key in one for one in held):
        what = f"'{printable(str(path), 200)}' holds something else than our results"
        raise UsageError(what, "move it, or name another folder with --out")
    return held
