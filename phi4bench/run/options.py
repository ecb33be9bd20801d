"""What the user may ask of a run: the options, declared once for pytest and for the command line. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from phi4bench.backends.providers import AUTO, BEST, GRAPH_LEVELS, PROVIDERS, Provider, parse_provider
from phi4bench.errors import UsageError
from phi4bench.nearby import expanded

N = TypeVar("N", int, float)
MOST_CALLS = 10_000
"""That are timed at once: all their prompts are held, and sent to the child as one line."""


MOST_THREADS = 1024
"""A runtime makes them all at once, and they wait busily: of some thousands none came to answer in minutes."""


@dataclass(frozen=True)
class RunOptions:
    """One request for judgement, as given: nothing is opened or checked yet."""

    models: tuple[str, ...] = ()
    baseline: str | None = None
    no_baseline: bool = False
    cases: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("guide",)
    xfails: Path | None = None
    dialect: str | None = None
    system_prompt: Path | None = None
    limit: int | None = None
    report_dir: Path = Path("reports")
    cache_dir: Path | None = None
    cache: bool = True
    decode: Literal["free", "constrained"] = "free"
    repair: bool = False
    time_limit_s: float | None = None
    threads: int | None = None
    provider: Provider = BEST
    max_new_tokens: int = 256
    seed: int = 0
    slo_calls: int = 300
    slo_pairs: int = 100
    slo_seconds: float | None = None
    slo_rate: float | None = None
    determinism: int | None = None
    sequential: bool = False
    accuracy_level_oracle: int | None = None


DESTINATION = "phi4bench_{}"
"""Where each option lands in pytest's namespace: prefixed, so that no other plugin's `seed` or `model` is met."""

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "model": (
        "--model",
        {
            "action": "append",
            "metavar": "SPEC",
            "help": "an .onnx file, its folder, a Hugging Face folder or hf:organisation/name[@revision]; may repeat",
        },
    ),
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
        {
            "action": "append",
            "metavar": "PATH",
            "help": "case file, bfcl:DIR or tooltalk:DIR; may repeat (default: shipped, the test split)",
        },
    ),
    "targets": (
        "--targets",
        {
            "action": "append",
            "metavar": "NAME|FILE",
            "help": "figures to reach: guide (default), strict, report, results, smoke or a TOML file; may repeat",
        },
    ),
    "xfails": (
        "--xfails",
        {"metavar": "FILE", "help": "known failures: families of cases to leave out, each with a reason (TOML)"},
    ),
    "dialect": ("--dialect", {"metavar": "NAME|FILE", "help": "wire format (default: the manifest's, or inferred)"}),
    "system_prompt": (
        "--system-prompt",
        {"metavar": "FILE", "help": "the system prompt that the model was trained with, if not the dialect's"},
    ),
    "limit": ("--limit", {"metavar": "N", "help": "judge a seeded, stratified sample of N cases (default: all)"}),
    "report": ("--report", {"metavar": "DIR", "default": "reports", "help": "where the reports go (default: reports)"}),
    "cache_dir": (
        "--cache-dir",
        {"metavar": "DIR", "help": "where generations are kept between runs (default: ~/.cache/phi4bench)"},
    ),
    "no_cache": ("--no-cache", {"action": "store_true", "help": "neither read nor keep generations"}),
    "decode": (
        "--decode",
        {"metavar": "MODE", "default": "free", "help": "free (default), or constrained: by the dialect's grammar"},
    ),
    "repair": (
        "--repair",
        {"action": "store_true", "help": "also score with nearly right calls mended, beside the strict rates"},
    ),
    "sequential": (
        "--sequential",
        {"action": "store_true", "help": "stop generating once a required gate is certain to fail"},
    ),
    "time_limit": (
        "--time-limit",
        {"metavar": "SECONDS", "help": "stop generating then; what is missing is INCONCLUSIVE"},
    ),
    "threads": ("--threads", {"metavar": "N", "help": "threads of the runtime (default: the whole cores it may use)"}),
    "provider": (
        "--provider",
        {
            "metavar": "NAME",
            "default": AUTO,
            "help": f"what runs the model: {', '.join((AUTO, *PROVIDERS))} (default: {AUTO})",
        },
    ),
    "provider_option": (
        "--provider-option",
        {"action": "append", "metavar": "KEY=VALUE", "help": "of the provider, such as device_id=1; may repeat"},
    ),
    "graph_optimization": (
        "--graph-optimization",
        {"metavar": "LEVEL", "default": "all", "help": f"of an ONNX file: {', '.join(GRAPH_LEVELS)} (default: all)"},
    ),
    "max_new_tokens": (
        "--max-new-tokens",
        {"metavar": "N", "default": "256", "help": "cap on a completion's length (default: 256)"},
    ),
    "seed": ("--seed", {"metavar": "N", "default": "0", "help": "seed of every random choice (default: 0)"}),
    "slo_calls": (
        "--slo-calls",
        {"metavar": "N", "default": "300", "help": "calls timed one after the other (default: 300; P99 takes 299)"},
    ),
    "slo_pairs": (
        "--slo-pairs",
        {"metavar": "N", "default": "100", "help": "pairs of calls, in turns with the baseline (default: 100)"},
    ),
    "slo_seconds": (
        "--slo-seconds",
        {
            "metavar": "SECONDS",
            "help": "most time for each measurement of speed (default: 60; 6 in runs that are about other things)",
        },
    ),
    "slo_rate": (
        "--slo-rate",
        {"metavar": "N", "help": "calls a second that come by themselves (default: 50 and 80%% of what is served)"},
    ),
    "accuracy_level_oracle": (
        "--accuracy-level-oracle",
        {
            "metavar": "N",
            "nargs": "?",
            "const": "50",
            "help": "answer N cases (default: 50) again with every MatMulNBits node at accuracy level 0, slowly",
        },
    ),
    "determinism": (
        "--determinism",
        {
            "metavar": "N",
            "help": "run a sample of N cases again, afresh and otherwise laid out; unstable ones are wrong",
        },
    ),
}


BENCHMARK_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "model": OPTIONS["model"],
    "history": (
        "--history",
        {"metavar": "DIR", "help": "where earlier runs of the benchmarks are kept (default: .benchmarks)"},
    ),
    "no_history": ("--no-history", {"action": "store_true", "help": "neither compare the benchmarks nor keep them"}),
    "fail_on_slower": (
        "--fail-on-slower",
        {"action": "store_true", "help": "exit 1 where a benchmark became slower than its last runs"},
    ),
    "plant_slowdown": (
        "--plant-slowdown",
        {"metavar": "SHARE", "help": "make every call slower by a share of itself, keep nothing; to see it caught"},
    ),
}
"""Those of `pytest benchmarks/`, where `--model` names what to time."""


def add_options(add: Callable[..., Any], options: Mapping[str, tuple[str, dict[str, Any]]] = OPTIONS) -> None:
    """Declare the options through `add`, argparse's `add_argument` or pytest's `addoption`."""
    for name, (flag, settings) in options.items():
        add(flag, dest=DESTINATION.format(name), **settings)


def options_from(get: Callable[[str], Any]) -> RunOptions:
    """The options as parsed; `get` maps a name of `OPTIONS` to its text. UsageError for one that means nothing."""
    if get("decode") not in ("free", "constrained"):
        raise UsageError(f"--decode={get('decode')!r}, but should be free or constrained")
    refuse_empty(get, OPTIONS)
    if get("baseline") and get("no_baseline"):
        raise UsageError("--baseline and --no-baseline contradict each other", "give one of them")
    return RunOptions(
        models=tuple(get("model") or ()),
        baseline=get("baseline"),
        no_baseline=get("no_baseline"),
        cases=tuple(get("cases") or ()),
        targets=tuple(get("targets") or ("guide",)),
        xfails=expanded(get("xfails")) if get("xfails") else None,
        dialect=get("dialect"),
        system_prompt=expanded(get("system_prompt")) if get("system_prompt") else None,
        limit=_number("limit", get("limit"), int, 1),
        report_dir=expanded(get("report")),
        cache_dir=expanded(get("cache_dir")) if get("cache_dir") else None,
        cache=not get("no_cache"),
        decode=get("decode"),
        repair=bool(get("repair")),
        time_limit_s=_number("time_limit", get("time_limit"), float, 0),
        provider=parse_provider(
            get("provider") or AUTO, get("provider_option") or (), get("graph_optimization") or "all"
        ),
        threads=_number("threads", get("threads"), int, 1, MOST_THREADS),
        max_new_tokens=_number("max_new_tokens", get("max_new_tokens"), int, 1) or 256,
        seed=_number("seed", get("seed"), int, 0) or 0,
        slo_calls=_number("slo_calls", get("slo_calls"), int, 1, MOST_CALLS) or 300,
        slo_pairs=_number("slo_pairs", get("slo_pairs"), int, 1, MOST_CALLS) or 100,
        slo_seconds=_number("slo_seconds", get("slo_seconds"), float, 0.001),
        slo_rate=_number("slo_rate", get("slo_rate"), float, 0.001),
        accuracy_level_oracle=_number("accuracy_level_oracle", get("accuracy_level_oracle"), int, 1),
        determinism=_number("determinism", get("determinism"), int, 1),
        sequential=get("sequential"),
    )


def refuse_empty(get: Callable[[str], Any], options: Mapping[str, tuple[str, dict[str, Any]]]) -> None:
    """UsageError for an option that was given without a value, as an unset variable does it."""
    for name, (flag, _) in options.items():
        given = get(name)
        if "" in (given if isinstance(given, list) else [given]):
            raise UsageError(f"{flag}='', but should not be empty", "give it a value, or leave it out")


def _number(name: str, text: str | None, kind: type[N], least: float, most: float | None = None) -> N | None:
    """Read here and not by argparse, which needs several lines to say that a number is none."""
    if text is None:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= (1e18 if most is None else most):  # not a number is not at least anything
        what = "a whole number" if kind is int else "a number"
        limit = "" if most is None else f" and at most {most:,.0f}"
        raise UsageError(f"{OPTIONS[name][0]}={text!r}, but should be {what} of at least {least}{limit}")
    return value
