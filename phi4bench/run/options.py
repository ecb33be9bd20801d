"""What the user may ask of a run: the options, declared once for pytest and for the command line. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError


@dataclass(frozen=True)
class RunOptions:
    """One request for judgement, as given: nothing is opened or checked yet."""

    models: tuple[str, ...] = ()
    baseline: str | None = None
    no_baseline: bool = False
    cases: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("guide",)
    dialect: str | None = None
    system_prompt: Path | None = None
    limit: int | None = None
    report_dir: Path = Path("reports")
    cache_dir: Path | None = None
    cache: bool = True
    decode: str = "free"
    time_limit_s: float | None = None
    threads: int | None = None
    max_new_tokens: int = 256
    seed: int = 0


DESTINATION = "phi4bench_{}"
"""Where each option lands in pytest's namespace: prefixed, so that no other plugin's `seed` or `model` is met."""

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "model": ("--model", {"action": "append", "metavar": "SPEC", "help": "artifact to judge; may repeat"}),
    "baseline": (
        "--baseline",
        {"metavar": "SPEC", "help": "what quantization gates compare with (default: the parent in the manifest)"},
    ),
    "no_baseline": (
        "--no-baseline",
        {"action": "store_true", "help": "judge a quantized artifact without its parent; recorded in the report"},
    ),
    "cases": (
        "--cases",
        {"action": "append", "metavar": "PATH", "help": "case file; may repeat (default: the shipped test split)"},
    ),
    "targets": (
        "--targets",
        {"action": "append", "metavar": "NAME|FILE", "help": "figures to reach; may repeat (default: guide)"},
    ),
    "dialect": ("--dialect", {"metavar": "NAME|FILE", "help": "wire format (default: the manifest's, or inferred)"}),
    "system_prompt": (
        "--system-prompt",
        {"metavar": "FILE", "help": "the system prompt that the model was trained with, if not the dialect's"},
    ),
    "limit": ("--limit", {"type": int, "metavar": "N", "help": "judge a seeded, stratified sample of N cases"}),
    "report": ("--report", {"metavar": "DIR", "default": "reports", "help": "where the reports go (default: reports)"}),
    "cache_dir": ("--cache-dir", {"metavar": "DIR", "help": "where generations are kept between runs"}),
    "no_cache": ("--no-cache", {"action": "store_true", "help": "neither read nor keep generations"}),
    "decode": (
        "--decode",
        {"default": "free", "choices": ("free",), "help": "how tokens are chosen (default: free)"},
    ),
    "time_limit": (
        "--time-limit",
        {"type": float, "metavar": "SECONDS", "help": "stop generating then; what is missing is INCONCLUSIVE"},
    ),
    "threads": ("--threads", {"type": int, "metavar": "N", "help": "threads of the runtime (default: its own choice)"}),
    "max_new_tokens": (
        "--max-new-tokens",
        {"type": int, "metavar": "N", "default": 256, "help": "cap on a completion's length (default: 256)"},
    ),
    "seed": ("--seed", {"type": int, "metavar": "N", "default": 0, "help": "seed of every random choice (default: 0)"}),
}


def add_options(add: Callable[..., Any]) -> None:
    """Declare every option through `add`, argparse's `add_argument` or pytest's `addoption`."""
    for name, (flag, settings) in OPTIONS.items():
        add(flag, dest=DESTINATION.format(name), **settings)


def options_from(get: Callable[[str], Any]) -> RunOptions:
    """The options as parsed; `get` maps a name of `OPTIONS` to its value. UsageError for a number out of range."""
    for name, least in (("limit", 1), ("threads", 1), ("max_new_tokens", 1), ("time_limit", 0)):
        value = get(name)
        if value is not None and not value >= least:
            raise UsageError(f"{OPTIONS[name][0]}={value}, but should be at least {least}")
    if get("baseline") and get("no_baseline"):
        raise UsageError("--baseline and --no-baseline contradict each other", "give one of them")
    return RunOptions(
        models=tuple(get("model") or ()),
        baseline=get("baseline"),
        no_baseline=get("no_baseline"),
        cases=tuple(get("cases") or ()),
        targets=tuple(get("targets") or ("guide",)),
        dialect=get("dialect"),
        system_prompt=Path(get("system_prompt")) if get("system_prompt") else None,
        limit=get("limit"),
        report_dir=Path(get("report")),
        cache_dir=Path(get("cache_dir")) if get("cache_dir") else None,
        cache=not get("no_cache"),
        decode=get("decode"),
        time_limit_s=get("time_limit"),
        threads=get("threads"),
        max_new_tokens=get("max_new_tokens"),
        seed=get("seed"),
    )
