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

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from trainers.batching import ByLength, by_length, padded
from trainers.encoding import IGNORED
from trainers.faults import TrainingError
from trainers.overfitting import stale
from trainers.prepare import Row
from trainers.settings import Training

WHOLE = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "adapter_model.safetensors")
"""What a checkpoint holds; the state is written last."""


class Rows(torch.utils.data.Dataset[Row]):
    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


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


class Loop(Trainer):
    """`learned`: rows of the training set that are evaluated too, to see the gap to validation."""

    def __init__(
        self, *, learned: Sequence[Row], held: Sequence[Row], filler: int, training: Training, **given: Any
    ) -> None:
        self.learned, self.held, self.filler, self.training = learned, held, filler, training
        super().__init__(**given)

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        lengths = [len(row.ids) for row in self.train_dataset.rows]
        return ByLength(lengths, self.args.per_device_train_batch_size, self.args.seed)

    def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*given, **named)
        if not torch.isfinite(loss):
            self._stop(f"loss={loss.item()}")
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if not math.isfinite(float(norm)):
            self._stop(f"gradient norm={float(norm)}")
        return norm

    def _stop(self, what: str) -> None:
        kept = last_checkpoint(Path(self.args.output_dir))
        where = f"the last good checkpoint is {kept}" if kept else "no checkpoint had been saved"
        raise TrainingError(f"{what} at step {self.state.global_step + 1}; {where}", "lower --lr, or look at the data")

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss a supervised token, and the share of answers whose every token is the likeliest: greedy decoding says
        exactly those. Over the validation rows and as many of the rows learned from."""
        was = self.model.training
        self.model.eval()
        metrics = {}
        for name, rows in (("", self.held), ("train_", self.learned)):
            loss, accuracy = measure(self.model, rows, self.filler, self.training.batch * self.training.accumulation)
            metrics |= {f"eval_{name}loss": loss, f"eval_{name}accuracy": accuracy}
        self.model.train(was)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


@torch.no_grad()
def measure(model: Any, rows: Sequence[Row], filler: int, batch: int) -> tuple[float, float]:
    """Mean loss of a supervised token, and the share of rows whose whole answer is what greedy decoding would say."""
    device = next(model.parameters()).device
    total, tokens, right = 0.0, 0, 0
    for some in by_length(rows, batch):
        fed = {name: value.to(device) for name, value in padded(some, filler).items()}
        labels = fed.pop("labels")[:, 1:]
        logits = model(**fed).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="sum"
        )
        total, tokens = total + float(losses), tokens + int((labels != IGNORED).sum())
        same = logits.argmax(-1) == labels
        for row, hits in zip(some, same, strict=True):
            start, end = row.answer
            right += bool(hits[start - 1 : end - 1].all())
    return total / tokens, right / len(rows)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole, `None` without one. A run that was killed while saving leaves half a one."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if is_whole(path)), None)


def is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((checkpoint / name).is_file() for name in WHOLE)


def clear_halves(folder: Path) -> None:
    """Remove the checkpoints that a kill left unfinished, so that nothing is resumed from them or counted as kept."""
    for path in folder.glob("checkpoint-*"):
        if not is_whole(path):
            shutil.rmtree(path, ignore_errors=True)


def arguments(training: Training, folder: Path, device: str, bf16: bool, tracker: str) -> TrainingArguments:
    known = TrainingArguments.__dataclass_fields__
    word = "activation" if "activation_checkpointing" in known else "gradient"  # its name before transformers 5
    checkpointing = {f"{word}_checkpointing": True, f"{word}_checkpointing_kwargs": {"use_reentrant": False}}
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=training.accumulation,
        learning_rate=training.lr,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup,
        lr_scheduler_type=training.schedule if training.schedule != "constant" else "constant_with_warmup",
        optim="adamw_torch" if training.optimizer == "adamw" else training.optimizer,
        bf16=bf16,
        **(checkpointing if training.checkpointing else {}),
        use_cpu=device == "cpu",
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
        disable_tqdm=False,
        push_to_hub=False,
    )


def history_of(checkpoint: Path) -> list[Mapping[str, Any]]:
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return list(state["log_history"])


def best_of(checkpoint: Path) -> Path:
    """The checkpoint with the lowest validation loss, as the newest one's state names it."""
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    step = state.get("best_global_step")
    best = checkpoint.parent / f"checkpoint-{step}" if step else checkpoint
    return best if is_whole(best) else checkpoint
