"""`export --route olive`: the same builder, run by Olive's ModelBuilder pass. Olive is an extra, run as a child.

Olive 0.13.0 imports a module of onnxruntime-genai (`models/quantized_model.py`) that newer ones have no more: 0.13.2
has it, 0.18.0 does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from phi4bench.errors import UsageError
from trainers.faults import TrainingError

EXTRA = "pip install 'phi4bench[olive]' in an environment of its own, since it needs an older onnxruntime-genai"
OF_GENAI = "onnxruntime_genai.models.quantized_model"
PRECISIONS = ("fp32", "int4")


def check_olive() -> None:
    """`UsageError`, one line, where Olive is not installed or cannot work with the onnxruntime-genai that is."""
    try:
        olive, genai = version("olive-ai"), version("onnxruntime-genai")
    except PackageNotFoundError as error:
        raise UsageError(f"--route olive needs {error.name}, not installed", EXTRA) from None
    if find_spec(OF_GENAI) is None:
        raise UsageError(
            f"--route olive: Olive {olive} does not work with onnxruntime-genai {genai}, which has no {OF_GENAI}", EXTRA
        )


def run_olive(source: Path, target: Path, precision: str, block_size: int, accuracy_level: int) -> None:
    """Build `target/model.onnx`. Raises `TrainingError` with Olive's last lines where it fails."""
    if precision not in PRECISIONS:
        raise UsageError(f"--route olive makes {' and '.join(PRECISIONS)}, but {precision} was asked for",
                         "leave --route out, or quantize the fp32 file")  # fmt: skip
    made = target.with_name(f"{target.name}.olive")
    shutil.rmtree(made, ignore_errors=True)
    command = [sys.executable, "-m", "olive", "capture-onnx-graph", "-m", str(source.resolve()), "--use_model_builder"]
    command += ["--precision", precision, "-o", str(made.resolve())]
    if precision == "int4":
        command += ["--int4_block_size", str(block_size), "--int4_accuracy_level", str(accuracy_level)]
    quiet = {"OLIVE_DISABLE_TELEMETRY": "1", "ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    made.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | quiet, check=False, cwd=made.parent
    )  # it leaves its cache where it runs
    shutil.rmtree(made.parent / ".olive-cache", ignore_errors=True)
    found = sorted(made.rglob("model.onnx"))
    if done.returncode or len(found) != 1:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-8:])
        raise TrainingError(f"Olive failed for {precision}:\n{said}")
    found[0].parent.rename(target)
    shutil.rmtree(made, ignore_errors=True)
