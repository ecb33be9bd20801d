"""Whether a run learned or memorized: its learning curves, judged, in words. Pure, but for the picture.

Source of the bands and limits: the fine-tuning field guide that this project grew from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GAP_LIMIT = 0.2
"""Validation loss less training loss, in nats a token."""
ACCURACY_LIMIT = 0.10
"""Training accuracy less validation accuracy."""
RISE = 1.02
"""A last validation loss this many times the lowest one has risen."""
_BANDS = ((1.5, "excellent"), (2.0, "good"), (3.0, "fair"))


@dataclass(frozen=True)
class Point:
    """One evaluation. Losses in nats a supervised token; accuracies are shares of answers right in every token."""

    step: int
    epoch: float
    train_loss: float
    validation_loss: float
    train_accuracy: float
    validation_accuracy: float


@dataclass(frozen=True)
class Report:
    """Of the point that is kept (the lowest validation loss). `ratio`: validation loss over training loss."""

    kept: Point
    last: Point
    gap: float
    ratio: float
    perplexity: float
    band: str
    verdict: str
    advice: tuple[str, ...]

    def lines(self) -> list[str]:
        one = self.kept
        return [
            f"kept step {one.step}: loss {one.train_loss:.4f} in training, {one.validation_loss:.4f} in validation"
            f" (gap {self.gap:+.4f}, ratio {self.ratio:.2f}), perplexity {self.perplexity:.3f} ({self.band})",
            f"answers right in every token: {100 * one.train_accuracy:.1f}% in training,"
            f" {100 * one.validation_accuracy:.1f}% in validation",
            f"verdict: {self.verdict}",
            *(f"  {line}" for line in self.advice),
        ]

    def to_json(self) -> dict[str, Any]:
        """`ratio` is null where it is infinite, which is no JSON."""
        return asdict(self) | {"ratio": self.ratio if math.isfinite(self.ratio) else None}


def points_of(history: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The evaluations in the Trainer's log."""
    return [
        Point(
            step=int(line["step"]),
            epoch=float(line["epoch"]),
            train_loss=float(line["eval_train_loss"]),
            validation_loss=float(line["eval_loss"]),
            train_accuracy=float(line["eval_train_accuracy"]),
            validation_accuracy=float(line["eval_accuracy"]),
        )
        for line in history
        if "eval_loss" in line
    ]


def stale(history: Sequence[Mapping[str, Any]]) -> int:
    """How many evaluations there were since the one with the lowest validation loss."""
    losses = [float(line["eval_loss"]) for line in history if "eval_loss" in line]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def band_of(perplexity: float) -> str:
    """Excellent below 1.5, good below 2, fair up to 3, a red flag above."""
    return next((name for limit, name in _BANDS if perplexity < limit), "fair" if perplexity == 3.0 else "red flag")


def judge(points: Sequence[Point]) -> Report:
    """`points`: at least one, in the order of their steps."""
    kept, last = min(points, key=lambda point: point.validation_loss), points[-1]
    gap = kept.validation_loss - kept.train_loss
    ratio = kept.validation_loss / kept.train_loss if kept.train_loss > 0 else math.inf
    perplexity = math.exp(min(kept.validation_loss, 700.0))
    advice = []
    if last.validation_loss > RISE * kept.validation_loss:
        advice.append(
            f"validation loss rose from {kept.validation_loss:.4f} at step {kept.step} to {last.validation_loss:.4f}"
            f" at step {last.step}: train for fewer epochs, or at a lower rate"
        )
    if gap > GAP_LIMIT:
        advice.append(f"the gap of {gap:.3f} is above {GAP_LIMIT}: more varied examples, a lower rank, or more dropout")
    apart = kept.train_accuracy - kept.validation_accuracy
    if apart > ACCURACY_LIMIT:
        advice.append(
            f"training accuracy is {100 * apart:.1f} points above validation: the model knows its examples by heart;"
            " add families of phrasings"
        )
    overfits = bool(advice)
    if perplexity > 3.0:
        advice.append(f"perplexity {perplexity:.2f} is above 3: it has not learned the format; check data and rate")
    before = [point.validation_loss for point in points[:-1]]
    learning = kept is last and bool(before) and last.validation_loss < 0.98 * min(before)
    if learning:
        advice.append("validation loss was still falling at the last evaluation: more epochs may help")
    verdict = "overfitting" if overfits else "still learning" if learning or perplexity > 3.0 else "no overfitting seen"
    return Report(kept, last, gap, ratio, perplexity, band_of(perplexity), verdict, tuple(advice))


def draw(points: Sequence[Point], path: Path) -> None:
    """Learning curves as PNG. Needs matplotlib, which draws without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(1, 2)
    steps = [point.step for point in points]
    for name, style in (("train", "--"), ("validation", "-")):
        loss.plot(steps, [getattr(point, f"{name}_loss") for point in points], style, marker=".", label=name)
        rates = [100 * getattr(point, f"{name}_accuracy") for point in points]
        accuracy.plot(steps, rates, style, marker=".", label=name)
    best = min(points, key=lambda point: point.validation_loss)
    for axes, title in ((loss, "loss (nats a token)"), (accuracy, "answers right in every token (%)")):
        axes.axvline(best.step, color="grey", linewidth=0.8, linestyle=":", label="kept")
        axes.set(xlabel="step", title=title)
        axes.legend()
    figure.savefig(path, dpi=120)
