"""Which folders a run may take for its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import NANO

for module in ("torch", "transformers", "peft", "accelerate", "matplotlib"):
    pytest.importorskip(module, reason="needs the `train` extra")

from phi4bench.errors import UsageError  # noqa: E402
from trainers.data import generated, write_examples  # noqa: E402
from trainers.settings import Chosen, Training  # noqa: E402
from trainers.sft import sft  # noqa: E402


@pytest.mark.filterwarnings("ignore")  # of transformers, PEFT and torch
@pytest.mark.parametrize("name", ["README.md", "adapter/a.txt", "checkpoints/checkpoint-9/model.bin", "settings.json"])
def test_what_no_run_wrote_is_neither_replaced_nor_removed(name, tmp_path: Path):
    """As where `--out` names a project, or another tool's run."""
    data, out = tmp_path / "train.jsonl", tmp_path / "out"
    write_examples(data, generated(24, 3))
    theirs = out / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"theirs": 1}')
    short = Training(rank=4, epochs=1.0, batch=8, accumulation=1, threads=1, device="cpu")
    with pytest.raises(UsageError, match=rf"{name.partition('/')[0]}' is of no run of sft; name another folder"):
        sft(str(NANO), [str(data)], out, Chosen(short, "", {}))
    assert theirs.read_text() == '{"theirs": 1}'
