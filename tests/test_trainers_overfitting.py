"""The overfitting report: its figures by hand, and what it says of curves that everyone knows."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from trainers.overfitting import Point, band_of, draw, judge, points_of, stale


def curve(*losses, accuracy=(0.8, 0.8)):
    """Points at steps 10, 20, ... from (training loss, validation loss)."""
    return [Point(10 * n, n / 2, train, held, *accuracy) for n, (train, held) in enumerate(losses, start=1)]


def test_the_figures_are_those_of_the_point_that_is_kept():
    report = judge(curve((0.9, 1.0), (0.4, 0.5), (0.2, 0.6)))
    assert report.kept.step == 20
    assert report.gap == pytest.approx(0.1)
    assert report.ratio == pytest.approx(1.25)
    assert report.perplexity == pytest.approx(1.6487, abs=1e-4)  # e^0.5
    assert report.band == "good"


def test_a_training_loss_of_nothing_is_told_in_json_that_every_program_reads():
    told = json.dumps(judge(curve((0.0, 0.1))).to_json(), allow_nan=False)
    assert json.loads(told)["ratio"] is None


@pytest.mark.parametrize(
    ("perplexity", "band"),
    [(1.0, "excellent"), (1.499, "excellent"), (1.5, "good"), (1.99, "good"), (2.0, "fair"), (3.0, "fair"),
     (3.001, "red flag"), (math.inf, "red flag")],
)  # fmt: skip
def test_perplexity_bands_are_the_field_guides(perplexity, band):
    assert band_of(perplexity) == band


def test_a_curve_that_levels_out_is_no_overfitting():
    report = judge(curve((0.9, 0.95), (0.30, 0.35), (0.29, 0.348)))
    assert report.verdict == "no overfitting seen"
    assert report.advice == ()


@pytest.mark.parametrize(
    ("points", "says"),
    [
        pytest.param(
            curve((0.5, 0.5), (0.3, 0.4), (0.2, 0.6)), "validation loss rose from 0.4000 at step 20", id="rising"
        ),
        pytest.param(curve((0.5, 0.9), (0.1, 0.6), (0.1, 0.6)), "the gap of 0.500 is above 0.2", id="gap"),
        pytest.param(
            curve((0.5, 0.5), (0.5, 0.5), accuracy=(0.95, 0.80)),
            "training accuracy is 15.0 points above",
            id="by-heart",
        ),
    ],
)
def test_overfitting_is_named_with_advice(points, says):
    report = judge(points)
    assert report.verdict == "overfitting"
    assert any(line.startswith(says) for line in report.advice)


def test_a_loss_that_still_falls_asks_for_more_epochs():
    report = judge(curve((0.9, 1.0), (0.6, 0.7), (0.4, 0.5)))
    assert report.verdict == "still learning"
    assert report.advice == ("validation loss was still falling at the last evaluation: more epochs may help",)


def test_a_perplexity_above_3_is_a_red_flag():
    report = judge(curve((2.0, 2.0), (2.0, 2.0)))
    assert report.band == "red flag"
    assert "it has not learned the format" in report.advice[0]


def test_patience_counts_the_evaluations_since_the_best():
    log = [{"loss": 1.0, "step": 1}, *({"eval_loss": loss} for loss in (0.9, 0.7, 0.8, 0.7, 0.75))]
    assert stale(log) == 3  # the second 0.7 is no improvement
    assert stale(log[:3]) == 0
    assert stale([]) == 0


def test_only_evaluations_are_points():
    line = {
        "step": 4,
        "epoch": 0.5,
        "eval_loss": 1.0,
        "eval_train_loss": 0.9,
        "eval_accuracy": 0.1,
        "eval_train_accuracy": 0.2,
    }
    assert points_of([{"loss": 3.0, "step": 2, "epoch": 0.2}, line]) == [Point(4, 0.5, 0.9, 1.0, 0.2, 0.1)]


@pytest.mark.filterwarnings("ignore")  # matplotlib's, of fonts
def test_the_picture_is_a_png(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="needs the `train` extra")
    draw(curve((0.9, 1.0), (0.4, 0.5)), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG\r\n")
