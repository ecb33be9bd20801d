"""`python -m trainers sft`: fine-tunes LoRA adapters, resumable at any moment. Needs the `train` extra.

The run folder explains itself: `settings.json` (what was asked, of which model, on which data), `checkpoints/`,
`adapter/` (what is kept), `overfitting.json`, `learning_curves.json` and `.png`, and a `README.md` that tells of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from phi4bench.backends.hf import disable_cudnn_attention
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers import overfitting
from trainers.alone import alone_in
from trainers.base import Base, check_way, copy_tokenizer, open_base, read_json_file, speech, write_json, write_manifest
from trainers.claim import begun_with, claim, options_of
from trainers.disk import room_for
from trainers.engines import adapted, engine_of
from trainers.explain import write_readme
from trainers.faults import SharedError, TrainingError
from trainers.prepare import Prepared, prepare
from trainers.ranks import is_first, local_rank, processes, say, sharding, share_of
from trainers.settings import Chosen, Training
from trainers.trackers import check_tracker, direct


def sft(
    model: str,
    data: Sequence[str],
    out: Path,
    chosen: Chosen,
    *,
    test: Sequence[str] | None = None,
    dialect: str | None = None,
    system_prompt: Path | None = None,
    drop: bool = False,
    tracker: str = "",
    track: str = "",
) -> Path:
    """Train, or go on with what `out` holds; returns the adapter's folder. Raises `UsageError`, `TrainingError`."""
    training = chosen.training
    check_combination(training)
    check_way(out)
    check_installed(training, tracker)
    device = device_of(training)
    engine, why = engine_of(training, device, begun_with(out))
    base = open_base(model, dialect, system_prompt)
    ready = prepare(
        base,
        data,
        length=training.length,
        validation=training.validation,
        seed=training.seed,
        test=test,
        drop=drop,
        track=track,
    )
    idle = others_idle(device)
    for line in (*base.artifact.dialect_inferred, *ready.told, why, idle, direct(tracker, out, os.environ)):
        if line:
            say(line)
    with alone_in(out, "sft") if is_first() else nullcontext():
        if is_first():
            with room_for("the settings", lambda: None):
                beside = options_of(test, dialect, system_prompt, drop, tracker, track)
                claim(out, base, ready, chosen, data, engine, beside)
        adapter = out / "adapter"
        if (adapter / "phi4bench.json").is_file():
            say(f"{adapter} is finished; nothing to do")
            return adapter
        return _train(base, ready, replace(training, engine=engine), out, device, tracker)


def check_installed(training: Training, tracker: str) -> None:
    needed = ["torch", "transformers", "peft", "accelerate", "matplotlib"]
    needed += ["bitsandbytes"] if training.quantize != "none" or "8bit" in training.optimizer else []
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {', '.join(missing)}, not installed", "pip install 'phi4bench[train]'")
    check_tracker(tracker)


def device_of(training: Training) -> str:
    """`cpu` or `cuda`. Raises `UsageError` where CUDA is asked for, or needed, and absent."""
    import torch

    there = torch.cuda.is_available()
    if training.device == "cuda" and not there:
        raise UsageError("device='cuda', but torch sees no CUDA device", "use --device cpu, or install torch for CUDA")
    device = "cuda" if there and training.device != "cpu" else "cpu"
    if device == "cpu" and training.optimizer != "adamw":
        raise UsageError(f"optimizer={training.optimizer!r} needs CUDA", "use --optimizer adamw")
    if device == "cpu" and training.attention == "flash_attention_2":
        raise UsageError(f"attention={training.attention!r} needs CUDA", "use --attention sdpa")
    if training.attention == "flash_attention_2" and find_spec("flash_attn") is None:
        what = f"attention={training.attention!r} needs flash_attn, not installed"
        raise UsageError(what, "pip install flash-attn, or use --attention sdpa")
    if device == "cpu" and (engine := sharding()):
        raise UsageError(
            f"the launch asks for {engine}, which needs CUDA: on CPU accelerate would leave it out in silence",
            "use torchrun alone",
        )
    if sharding() == "FSDP" and processes() == 1:
        raise UsageError(
            "the launch asks for FSDP, which shares a model among processes, and there is 1",
            "start several, or launch it without FSDP",
        )
    if device == "cuda" and local_rank() >= torch.cuda.device_count():
        raise UsageError(
            f"process {local_rank()} of this machine has no CUDA device: there are {torch.cuda.device_count()}",
            "start one process for each (--nproc_per_node, --num_processes)",
        )
    return device


def others_idle(device: str) -> str:
    """A line where this process is alone and could see more GPUs than the one that it takes; else empty."""
    import torch

    there = torch.cuda.device_count()
    if device == "cpu" or there < 2 or processes() > 1:
        return ""
    return (
        f"one of {there} GPUs is used; torchrun --nproc_per_node {there} -m trainers sft ... (or accelerate launch)"
        " shares each step among all"
    )


def check_combination(training: Training) -> None:
    """Raises `UsageError` for settings that do not go together, in this launch."""
    share_of(training.accumulation, processes())
    if training.packing and training.attention == "flash_attention_2" and training.batch > 1:
        raise UsageError(
            f"packing with attention='flash_attention_2' and batch={training.batch}, but should be batch=1: flash"
            " attention keeps conversations apart in a batch of one row alone",
            "use --batch 1 with more --accumulation, or --attention sdpa",
        )


def _train(base: Base, ready: Prepared, training: Training, out: Path, device: str, tracker: str) -> Path:
    import torch

    from trainers.loop import Loop, Pace, Rows, arguments, clear_halves, history_of, last_checkpoint
    from trainers.packing import prove_apart
    from trainers.stopwatch import Stopwatch

    if training.threads:
        torch.set_num_threads(training.threads)
    if device == "cuda":
        disable_cudnn_attention(torch)
    checkpoints = out / "checkpoints"
    bf16 = training.precision == "bf16" or (
        training.precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported()
    )
    settings = arguments(training, checkpoints, device, bf16, tracker)
    with settings.main_process_first(local=False):
        if is_first():
            clear_halves(checkpoints)
    model, filler = adapted(base, training, device, bf16)
    if training.packing:
        prove_apart(model.to(settings.device) if training.quantize == "none" else model, ready.train, filler)
    lines, collate = batches_of(ready, training, filler)
    loop = Loop(
        learned=ready.train[:: max(1, len(ready.train) // max(1, len(ready.validation)))],
        held=ready.validation,
        filler=filler,
        training=training,
        model=model,
        args=settings,
        train_dataset=Rows(lines, filler),
        eval_dataset=Rows(ready.validation, filler),
        data_collator=collate,
        callbacks=[Pace(training.patience), Stopwatch()],
    )
    last = last_checkpoint(checkpoints)
    _check_shared(loop, last)
    if last is not None:
        say(f"going on from {last}" + _other_processes(last))
    if last is None or not _ended(last, training, overfitting.stale(history_of(last))):
        with room_for("a checkpoint", lambda: last_checkpoint(checkpoints)):
            loop.train(resume_from_checkpoint=str(last) if last else None)
    loop.accelerator.wait_for_everyone()
    if not is_first():
        return out / "adapter"
    with room_for("what is kept", lambda: last_checkpoint(checkpoints)):
        return _finish(base, training, out, last_checkpoint(checkpoints))


def batches_of(ready: Prepared, training: Training, filler: int) -> tuple[Sequence[Any], Callable[[Any], Any]]:
    """What is learned from, row by row or packed, and what makes a batch of some of it."""
    from trainers.batching import padded
    from trainers.packing import pack, packed, told

    if not training.packing:
        return ready.train, lambda rows: padded(rows, filler)
    packs = pack(ready.train, training.length, training.seed)
    say(told(packs, training.length))
    return packs, lambda packs: packed(packs, filler)


def _check_shared(loop: Any, last: Path | None) -> None:
    """Raises where the processes of a launch see different checkpoints: their machines do not share the folder."""
    import torch

    if processes() == 1:
        return
    step = torch.tensor([int(last.name.rpartition("-")[2]) if last else 0], device=loop.args.device)
    steps = loop.accelerator.gather(step).tolist()
    if len(set(steps)) > 1:
        raise SharedError(
            f"the processes see different checkpoints (of steps {', '.join(map(str, steps))})",
            "name a folder in --out that all machines share",
        )


def _other_processes(last: Path) -> str:
    from trainers.loop import made_by

    then, now = made_by(last), processes()
    if then == now:
        return ""
    return f", which {then} processes saved; there are {now} now: the same steps, with other dropout"


def _finish(base: Base, training: Training, out: Path, last: Path | None) -> Path:
    """The curves, their verdict, and the adapter that is kept. By one process alone."""
    from trainers.loop import history_of, is_whole

    assert last is not None, "a finished run has saved its last step"
    points = overfitting.points_of(history_of(last))
    report = overfitting.judge(points)
    best = last.with_name(f"checkpoint-{report.kept.step}")
    if not is_whole(best):
        what = f"'{printable(str(best), 200)}', which has the lowest validation loss, is not whole any more"
        raise TrainingError(what, f"remove '{printable(str(last.parent), 200)}' to train again")
    write_json(out / "learning_curves.json", {"log": history_of(last)})
    write_json(out / "overfitting.json", report.to_json())
    overfitting.draw(points, out / "learning_curves.png")
    for line in report.lines():
        print(line)
    write_readme(out)
    return _keep(best, base, training, out)


def _ended(checkpoint: Path, training: Training, since_best: int) -> bool:
    """Whether the run that saved this checkpoint was over: its last step, or an early stop."""
    state = read_json_file(checkpoint / "trainer_state.json")
    return state["global_step"] >= state["max_steps"] or bool(training.patience and since_best >= training.patience)


def _keep(best: Path, base: Base, training: Training, out: Path) -> Path:
    """The best checkpoint's adapter as `out/adapter`; the manifest comes last, so it says that all is there."""
    adapter = out / "adapter"
    shutil.rmtree(adapter, ignore_errors=True)
    adapter.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copy(best / name, adapter / name)
    copy_tokenizer(base.folder, adapter)
    if base.dialect_file is not None:
        shutil.copy(base.dialect_file, adapter / "dialect.toml")
    write_manifest(
        adapter,
        name=f"{out.name}-adapter",
        format="peft",
        **speech(base),
        recipe={
            "command": "python -m trainers sft",
            "base": base.spec,
            "base_path": str(base.folder.resolve()),
            "base_weights_sha256": base.artifact.weights_sha256,
            "step": int(best.name.rpartition("-")[2]),
            **asdict(training),
        },
    )
    print(f"adapter of step {best.name.rpartition('-')[2]} kept in {adapter}")
    return adapter
