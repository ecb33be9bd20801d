"""What `test_trainers_scale.py` starts with `torchrun`: whole runs of `sft`, one after the other in one launch.

Its arguments: the model, the data, and a folder for the runs.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from trainers.faults import SharedError
from trainers.ranks import is_first, leave, rank
from trainers.settings import Chosen, Training
from trainers.sft import sft

QUICK = Training(
    rank=4, lr=1e-2, epochs=2.0, batch=2, accumulation=4, length=512, evaluate_every=2, patience=0, threads=1,
    dropout=0.0, device="cpu",
)  # fmt: skip


def main(model: str, data: str, root: Path) -> None:
    from torch.distributed import barrier

    def run(name: str, training: Training) -> None:
        sft(model, [data], root / name, Chosen(training, "", {}))

    dropping = replace(QUICK, dropout=0.1)
    run("plain", QUICK)
    run("dropping", dropping)
    if is_first():
        cut_back(root / "dropping", root / "resumed", step=4)
    barrier()
    run("resumed", dropping)
    try:
        run("sick", replace(QUICK, lr=1e8, schedule="constant", warmup=0.1))
    except SharedError as error:
        (root / f"stopped-{rank()}.json").write_text(json.dumps(str(error)))


def cut_back(run: Path, copy: Path, step: int) -> None:
    """`run` as a kill after `step` would have left it."""
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "adapter")
    for path in (copy / "checkpoints").glob("checkpoint-*"):
        if int(path.name.rpartition("-")[2]) > step:
            shutil.rmtree(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    finally:
        leave()
