"""Where a run's curves go besides its folder: the Trainer's own integrations, told to write into the run.

Nothing leaves the machine unless the environment asks for it. Imports no tracker.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from importlib.util import find_spec
from pathlib import Path

from phi4bench.errors import UsageError
from phi4bench.printable import without_secrets

TRACKERS = ("wandb", "mlflow", "tensorboard")
EXTRA = "pip install 'phi4bench[tracking]'"


def check_tracker(tracker: str, there: Callable[[str], object] = find_spec) -> None:
    """Raises `UsageError` where it is not installed; an empty name needs nothing."""
    if tracker and there(tracker) is None:
        raise UsageError(f"--tracker {tracker} needs {tracker}, not installed", EXTRA)


def direct(tracker: str, out: Path, environment: MutableMapping[str, str]) -> str:
    """Set what the user has not set; returns a line that says where the curves go, empty without a tracker."""
    folder = out.resolve()

    def default(name: str, value: str) -> str:
        return environment.setdefault(name, value)

    if tracker == "tensorboard":
        return (
            f"tensorboard --logdir {default('TENSORBOARD_LOGGING_DIR', str(folder / 'tensorboard'))} shows the curves"
        )
    if tracker == "mlflow":
        default("MLFLOW_DISABLE_TELEMETRY", "true")
        default("MLFLOW_EXPERIMENT_NAME", "phi4bench")
        default("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder needs no database, and a run no more than a folder
        where = default("MLFLOW_TRACKING_URI", (folder / "mlruns").as_uri())
        return f"mlflow writes to {without_secrets(where)}"
    if tracker == "wandb":
        default("WANDB_DIR", str(folder))
        default("WANDB_PROJECT", "phi4bench")
        mode = default("WANDB_MODE", "online" if environment.get("WANDB_API_KEY") else "offline")
        if mode == "offline":
            return f"wandb writes to {folder / 'wandb'} and sends nothing (WANDB_MODE=online does; later: wandb sync)"
        return f"wandb: {mode}"
    return ""
