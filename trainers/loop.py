"""The training loop: Hugging Face's Trainer, with our order of rows, our evaluation, and a stop at the first NaN.

Needs torch, transformers, PEFT.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from phi4bench.artifacts.safetensors import tensors
from phi4bench.errors import ArtifactError
from trainers.batching import ByLength, by_length, padded
from trainers.encoding import IGNORED
from trainers.faults import SharedError
from trainers.overfitting import stale
from trainers.packing import Pack
from trainers.prepare import Row
from trainers.ranks import is_first, processes, share_of
from trainers.settings import Training

WHOLE = ("trainer_state.json", "scheduler.pt", "adapter_model.safetensors")
"""What a checkpoint holds besides the optimizer's state; the Trainer's is written last."""
OPTIMIZERS = ("optimizer.pt", "optimizer.bin", "optimizer_0", "latest")
"""Where the optimizer's state is: alone and under DDP, under FSDP in one file or in shards, under DeepSpeed."""


class Rows(torch.utils.data.Dataset[Row | Pack]):
    """Rows or packs of them, and behind them one that teaches nothing, for a process that would have none."""

    def __init__(self, rows: Sequence[Row | Pack], filler: int) -> None:
        self.rows = rows
        nothing = Row((filler,), (IGNORED,), (0, 0), "")
        self.nothing = Pack((nothing,)) if isinstance(rows[0], Pack) else nothing

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row | Pack:
        return self.rows[index] if index < len(self.rows) else self.nothing


class Pace(TrainerCallback):
    """Evaluates and saves at the last step too, and stops early. Keeps no state: the history says all."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_log = control.should_evaluate = control.should_save = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.patience and stale(state.log_history) >= self.patience:
            control.should_training_stop = True


class Epochs(TrainerCallback):
    """Tells the order of rows which epoch it is. accelerate's way to it ends at the batches that a resumed run of
    several processes skips: it would go on in the first epoch's order.
    """

    def on_epoch_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **_: Any) -> None:
        batches = train_dataloader.batch_sampler
        order = getattr(batches, "batch_sampler", batches).sampler  # several processes have a share of the batches
        order.set_epoch(int(state.epoch or 0))


class Loop(Trainer):
    """`learned`: rows of the training set that are evaluated too, to see the gap to validation."""

    def __init__(
        self, *, learned: Sequence[Row], held: Sequence[Row], filler: int, training: Training, **given: Any
    ) -> None:
        self.learned, self.held, self.filler, self.training = learned, held, filler, training
        self.sick = 0.0
        super().__init__(**given)
        self.add_callback(Epochs())

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        lengths = [len(row) for row in self.train_dataset.rows]
        return ByLength(lengths, self.args.per_device_train_batch_size, self.args.seed, self.args.world_size)

    def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*given, **named)
        self.sick += float(not torch.isfinite(loss))
        if self.sick and self.args.world_size == 1:
            self._stop(f"loss={loss.item()}", self.state.global_step + 1)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if self.args.world_size > 1:  # all stop together: one alone would leave the others waiting for it
            self.sick = float(self.accelerator.reduce(torch.tensor(self.sick, device=self.args.device), "sum"))
        if self.sick:
            self._stop("loss=nan or inf", self.state.global_step + 1)
        if norm is not None and not math.isfinite(float(norm)):
            self._stop(f"gradient norm={float(norm)}", self.state.global_step + 1)
        return norm

    def _stop(self, what: str, step: int) -> None:
        kept = last_checkpoint(Path(self.args.output_dir))
        where = f"the last good checkpoint is {kept}" if kept else "no checkpoint had been saved"
        raise SharedError(f"{what} at step {step}; {where}", "lower --lr, or look at the data")

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss a supervised token, and the share of answers whose every token is the likeliest: greedy decoding says
        exactly those. Over the validation rows and as many of the rows learned from, shared out to the processes."""
        was = self.model.training
        self.model.eval()
        metrics = {}
        for name, rows in (("", self.held), ("train_", self.learned)):
            batch = self.training.batch * self.training.accumulation
            counts = measure(self.model, rows, self.filler, batch, self.args.process_index, self.args.world_size)
            if self.args.world_size > 1:
                counts = self.accelerator.reduce(counts.to(self.args.device), "sum").cpu()
            loss, tokens, right = counts.tolist()
            if not math.isfinite(loss):  # the weights of this step are not saved
                self._stop(f"{name or 'validation_'}loss={loss}", self.state.global_step)
            metrics |= {f"eval_{name}loss": loss / tokens, f"eval_{name}accuracy": right / len(rows)}
        self.model.train(was)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


@torch.no_grad()
def measure(
    model: Any, rows: Sequence[Row], filler: int, batch: int, process: int = 0, processes: int = 1
) -> torch.Tensor:
    """Summed loss, supervised tokens, and rows whose whole answer is what greedy decoding would say: `(3,)`, float64.

    Of this process's batches. All go through the model equally often, since sharded weights are fetched together.
    """
    device = next(model.parameters()).device
    total, tokens, right = 0.0, 0, 0
    batches = list(by_length(rows, batch))
    for at in range(process, len(batches) + -len(batches) % processes, processes):
        some = batches[min(at, len(batches) - 1)]
        fed = {name: value.to(device) for name, value in padded(some, filler).items()}
        labels = fed.pop("labels")[:, 1:]
        logits = model(**fed).logits[:, :-1].float()
        if at >= len(batches):
            continue
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="sum"
        )
        total, tokens = total + float(losses), tokens + int((labels != IGNORED).sum())
        same = logits.argmax(-1) == labels
        for row, hits in zip(some, same, strict=True):
            start, end = row.answer
            right += bool(hits[start - 1 : end - 1].all())
    return torch.tensor([total, tokens, right], dtype=torch.float64)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole, `None` without one. A run that was killed while saving leaves half a one."""
    named = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    found = sorted(named, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if is_whole(path)), None)


def is_whole(checkpoint: Path) -> bool:
    """Whether all is there, and to its end: a power cut may leave the names of files whose last bytes never came."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        tensors(checkpoint / "adapter_model.safetensors")
    except (OSError, ValueError, ArtifactError):
        return False
    held = all((checkpoint / name).is_file() for name in WHOLE)
    archives = [path for ending in ("*.pt", "*.pth") for path in checkpoint.glob(ending)]  # torch's, of zip's form
    return held and all(map(is_zipfile, archives)) and any((checkpoint / name).exists() for name in OPTIMIZERS)


def made_by(checkpoint: Path) -> int:
    """How many processes saved it: each its own random state. With one missing, dropout goes on otherwise."""
    return len(list(checkpoint.glob("rng_state*.pth")))


def clear_halves(folder: Path) -> None:
    """Remove the checkpoints that a kill left unfinished, so that nothing is resumed from them or counted as kept."""
    for path in folder.glob("checkpoint-*"):
        if not is_whole(path):
            shutil.rmtree(path, ignore_errors=True)


def arguments(training: Training, folder: Path, device: str, bf16: bool, tracker: str) -> TrainingArguments:
    known = TrainingArguments.__dataclass_fields__
    word = "activation" if "activation_checkpointing" in known else "gradient"  # its name before transformers 5
    checkpointing = {f"{word}_checkpointing": True, f"{word}_checkpointing_kwargs": {"use_reentrant": False}}
    made = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=share_of(training.accumulation, processes()),
        learning_rate=training.lr,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup,
        lr_scheduler_type=training.schedule if training.schedule != "constant" else "constant_with_warmup",
        optim="adamw_torch" if training.optimizer == "adamw" else training.optimizer,
        bf16=bf16,
        **(checkpointing if training.checkpointing else {}),
        use_cpu=device == "cpu",
        ddp_backend="gloo" if device == "cpu" and processes() > 1 else None,
        ddp_find_unused_parameters=False,
        seed=training.seed,
        eval_strategy="steps",
        eval_steps=training.evaluate_every,
        save_strategy="steps",
        save_steps=training.evaluate_every,
        save_total_limit=2,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=min(10, training.evaluate_every),
        logging_nan_inf_filter=False,
        report_to=[tracker] if tracker else [],
        remove_unused_columns=False,
        dataloader_pin_memory=device != "cpu",
        disable_tqdm=not is_first(),
        push_to_hub=False,
    )
    # Of several GPUs that no launcher shares out, it would take all by nn.DataParallel, each with a batch of its own:
    # a step would be another one. The Trainer has no setting for this and sets the same field where it wants one.
    made._n_gpu = min(1, made.n_gpu)
    return made


def history_of(checkpoint: Path) -> list[Mapping[str, Any]]:
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return list(state["log_history"])
