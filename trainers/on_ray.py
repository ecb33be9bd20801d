"""Trials on Ray Tune: on this machine, or on a cluster whose machines see the same folders. Needs the `sweep` extra.

Ray schedules; the trials are the same processes as without it, so what is finished is known from their folders and
nothing is read back from Ray's own checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.child import environment_of
from trainers.faults import TrainingError
from trainers.grid import Over, Runner, Sweep, Trial
from trainers.trial import run_trial

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
"""No usage reports leave the machine, and Ray's tables do not bury ours."""


def on_ray(asked: Sweep, parallel: int, address: str | None) -> Runner:
    """`address`: of a running cluster, as `ray.init` takes it; `None`: a Ray of our own, gone when the sweep ends."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)

    def run(trials: Sequence[Trial], over: Over) -> None:
        import ray

        _start(address)
        try:
            _tune(asked, {trial.name: trial for trial in trials}, over, parallel)
        finally:
            ray.shutdown()

    return run


def _start(address: str | None) -> None:
    import ray

    path = {"PYTHONPATH": environment_of(os.environ)["PYTHONPATH"]}
    options: dict[str, Any] = {"runtime_env": {"env_vars": path | QUIET}, "logging_level": "ERROR"}
    try:
        if address is None:  # without a word Ray joins what else runs on this machine, or waits for what ran there last
            ray.init(address="local", include_dashboard=False, log_to_driver=False, **options)
        else:
            ray.init(address=address, log_to_driver=False, **options)
    except Exception as error:  # a bare Exception is what Ray raises where its own processes do not come up in time
        why = printable(str(error), 200)
        if address is not None:
            raise UsageError(
                f"--address={printable(address, 100)!r} cannot be reached ({why})",
                "see that it runs; one that was started with tokens takes RAY_AUTH_MODE=token",
            ) from None
        raise TrainingError(
            f"Ray did not start on this machine ({why})", "run the same command again, or with --runner local"
        ) from None


def _tune(asked: Sweep, trials: Mapping[str, Trial], over: Over, parallel: int) -> None:
    """Tune's grid is over the trials that are left, not over the settings: what is finished is not run again."""
    from ray import tune

    class Told(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, trial: Any, **_: Any) -> None:
            over(trials[trial.config["name"]], str((trial.last_result or {}).get("reason", "it gave no result")))

        def on_trial_error(self, trial: Any, **_: Any) -> None:
            over(trials[trial.config["name"]], f"Ray lost it: {_last_words(trial)}")

    folder, directory = asked.out.resolve(), str(Path.cwd())
    commands = {name: (str(asked.folder(one).resolve()), asked.arguments(one)) for name, one in trials.items()}

    def one(config: Mapping[str, str]) -> dict[str, str]:
        where, arguments = commands[config["name"]]
        return {"reason": _run_there(Path(where), arguments, folder, directory)}

    tuner = tune.Tuner(
        tune.with_resources(one, _share(parallel)),
        param_space={"name": tune.grid_search(list(trials))},
        tune_config=tune.TuneConfig(max_concurrent_trials=parallel, reuse_actors=False),
        run_config=tune.RunConfig(
            name="ray", storage_path=str(folder / ".ray"), callbacks=[Told()], verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
        ),
    )  # fmt: skip
    tuner.fit()


def _run_there(where: Path, arguments: Sequence[str], folder: Path, directory: str) -> str:
    """In a worker of Ray, which may be on another machine: the folders must be the same there."""
    import socket

    if not (folder / "sweep.json").is_file():
        return f"{socket.gethostname()} does not see '{folder}'; put it on a drive that all machines share"
    os.chdir(directory)  # paths on the command line are relative to where the sweep was started
    return run_trial(where, arguments, {})


def _share(parallel: int) -> dict[str, float]:
    """What of the cluster one trial takes: its part of the processors, and a GPU or its part of one."""
    import ray

    have = ray.cluster_resources()
    share = {"cpu": float(max(1, int(have.get("CPU", 1)) // parallel))}
    gpus = have.get("GPU", 0.0)
    return share | ({"gpu": min(1.0, gpus / parallel)} if gpus else {})


def _last_words(trial: Any) -> str:
    try:
        lines = str(trial.get_ray_actor_error() or trial.error_msg or "").strip().splitlines()
    except Exception:  # Ray's own record of what it could not run may be gone too
        lines = []
    return printable(lines[-1], 200) if lines else "no word of why"
