"""`export --route olive`: the same builder, run by Olive's ModelBuilder pass. Olive is an extra, run as a child.

Olive 0.13.0 imports a module of onnxruntime-genai (`models/quantized_model.py`) that newer ones have no more: 0.13.2
has it, 0.18.0 does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from phi4bench.errors import UsageError
from trainers import child
from trainers.faults import TrainingError

EXTRA = "pip install '.[olive]' in an environment of its own, since it needs an older onnxruntime-genai"
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


def configuration(source: Path, made: Path, precision: str, block_size: int, accuracy_level: int) -> dict[str, object]:
    """A run configuration: one ModelBuilder pass. Olive 0.13.0's command lines refuse every accuracy level."""
    packed = {"int4_block_size": block_size, "int4_accuracy_level": accuracy_level} if precision == "int4" else {}
    cpu = {"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}
    return {
        "input_model": {
            "type": "HfModel",
            "model_path": str(source.resolve()),
            "load_kwargs": {"attn_implementation": "eager", "trust_remote_code": False},
        },
        "systems": {"here": {"type": "LocalSystem", "accelerators": [cpu]}},
        "host": "here",
        "target": "here",
        "passes": {"builder": {"type": "ModelBuilder", "precision": precision, **packed}},
        "output_dir": str(made.resolve() / "out"),
        "cache_dir": str(made.resolve() / "cache"),
        "no_artifacts": True,
        "log_severity_level": 3,
    }


def run_olive(source: Path, target: Path, precision: str, block_size: int, accuracy_level: int) -> None:
    """Build `target/model.onnx`. Raises `TrainingError` with Olive's last lines where it fails."""
    if precision not in PRECISIONS:
        raise UsageError(f"--route olive makes {' and '.join(PRECISIONS)}, but {precision} was asked for",
                         "leave --route out, or quantize the fp32 file")  # fmt: skip
    made = target.with_name(f"{target.name}.olive")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    config = made / "run.json"
    config.write_text(json.dumps(configuration(source, made, precision, block_size, accuracy_level)), encoding="utf-8")
    command = child.command("olive", "run", "--config", str(config.resolve()))
    quiet = {"OLIVE_DISABLE_TELEMETRY": "1", "ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=child.environment_of(os.environ) | quiet,
        check=False,
        cwd=made.parent,
    )  # it leaves its cache where it runs
    shutil.rmtree(made.parent / ".olive-cache", ignore_errors=True)
    found = sorted((made / "out").rglob("model.onnx"))
    if done.returncode or len(found) != 1:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-8:])
        shutil.rmtree(made, ignore_errors=True)
        raise TrainingError(f"Olive failed for {precision}:\n{said}")
    found[0].parent.rename(target)
    shutil.rmtree(made, ignore_errors=True)
