"""`python -m trainers`: from a base model to a judged INT8 or INT4 file. A thin front to the modules beside it."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.nearby import expanded
from phi4bench.printable import printable
from trainers.command_line import SHAPE_NUMBERS, TRACKS, command_line
from trainers.ending import BROKE_EXIT, ended
from trainers.ranks import is_first, leave, processes

_KEPT = {
    "sft": "the last whole checkpoint",
    "sweep": "each trial up to its last whole checkpoint",
    "promote": "each finished step and the last whole checkpoint",
}
"""By command, what Ctrl-C leaves."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. A fault of the user's is told in a line, without a traceback."""
    options = build().parse_args(arguments)

    def work() -> object:
        is_first()  # raises where a launcher did not set it rightly
        if processes() > 1 and options.command != "sft":
            raise UsageError(f"{options.command} is work for one process, not {processes()}", "launch sft alone")
        _fetch_no_kernels()
        _spare_words_on_every_model()
        carry_out: Callable[[argparse.Namespace], object] = options.carry_out
        return carry_out(options)

    kept = _KEPT.get(options.command, "every finished file")
    try:
        return ended(f"trainers {options.command}", work, kept, _speaks)
    finally:
        leave()


def _speaks() -> bool:
    """Whether this process tells what all of a launch meet. One whose number is no number tells of that."""
    with suppress(UsageError):
        return is_first()
    return True


def _fetch_no_kernels() -> None:
    """Where the package `kernels` is installed, bitsandbytes and transformers fetch native code from the hub by it;
    where it is not, bitsandbytes warns of that whenever it is imported. Source: its backends/cpu/ops.py, 0.50.
    """
    sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]  # reads as not installed
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def _spare_words_on_every_model() -> None:
    """transformers lists the layers that no plan shards, where none is to be, and PEFT asks it by an old name."""
    logging.getLogger("transformers.distributed.tensor_parallel").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


def build() -> argparse.ArgumentParser:
    """The command line, with what each command does in `carry_out`."""
    return command_line(
        {
            "data": _data,
            "check": _check,
            "sft": _one_or_both,
            "merge": _merge,
            "export": _export,
            "quantize": _quantize,
            "half": _half,
            "shape": _shape,
            "sweep": _sweep,
            "promote": _promote,
        },
        __doc__,
    )


def chosen(options: argparse.Namespace) -> Any:
    """The settings that the command line, the environment and the files make together."""
    from trainers.settings import FIELDS, choose

    flags = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    return choose(flags, os.environ, options.config, options.preset)


def _data(options: argparse.Namespace) -> None:
    from phi4bench.datasets.casefile import check_replaceable
    from trainers.alone import alone_at
    from trainers.data import generated, write_examples

    if options.count < 2:
        raise UsageError(f"--count={options.count}, but should be at least 2")
    check_replaceable(options.out)
    with alone_at(options.out, "data"):
        examples = generated(options.count, options.seed)
        made = write_examples(options.out, examples)
    print(
        f"{len(examples):,} examples written to {options.out}" if made else f"{options.out} is finished; nothing to do"
    )


def _check(options: argparse.Namespace) -> None:
    for line in _looked_at(options, chosen(options).training, options.track):
        print(printable(line))


def _opened(options: argparse.Namespace) -> Any:
    from trainers.base import open_base

    return open_base(options.model, options.dialect, options.system_prompt)


def _looked_at(options: argparse.Namespace, training: Any, track: str, base: Any = None) -> tuple[str, ...]:
    """What the checks say of the model and the data. Raises `UsageError` where nothing should be trained on them."""
    from trainers.prepare import prepare

    base = base or _opened(options)
    ready = prepare(
        base,
        options.data,
        length=training.length,
        validation=training.validation,
        seed=training.seed,
        test=options.test,
        drop=options.drop,
        track=track,
    )
    return (*base.artifact.dialect_inferred, *ready.told)


def _merge(options: argparse.Namespace) -> None:
    from trainers.merge import merge

    merge(options.run, options.base, options.out, options.precision)


def _export(options: argparse.Namespace) -> None:
    from trainers.export import export
    from trainers.promote import prompts_from

    if (options.model is None) == (options.adapter is None):
        raise UsageError("export takes MODEL or --adapter RUN, one of them", "--base names an adapter's base")
    if options.adapter is not None and options.route != "builder":
        raise UsageError(f"--route {options.route} is for MODEL", "leave it out, or merge the adapter and export that")
    if options.base is not None and options.adapter is None:
        raise UsageError("--base is for --adapter RUN", "leave it out")
    prompts, packing = prompts_from(options.data), _packing(options, ("block_size", "accuracy_level"))
    if options.adapter is not None:
        from trainers.adapters import export_adapter

        export_adapter(options.adapter, options.precision, options.out, prompts, options.base, **packing)
        return
    folder = expanded(options.model)
    if options.out is None and not folder.is_dir():
        what = f"MODEL={printable(options.model, 200)!r} is no folder here, so nothing lies beside it"
        raise UsageError(what, "name a folder for the files with --out")
    out = options.out or folder.parent
    export(options.model, options.precision, out, prompts, route=options.route, **packing)


def _packing(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Of the options on how int8 and int4 are packed, those given; `UsageError` where they would do nothing."""
    from trainers.matrices import check_packing

    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    check_packing(given.get("block_size", 32), given.get("accuracy_level", 4))
    if given and set(options.precision) == {"fp32"}:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"{flags}: for int8 and int4, but --precision is fp32 alone", "leave it out, or add one of them"
        )
    return given


def _quantize(options: argparse.Namespace) -> None:
    from trainers.quantize import ONLY_BITS, ZERO_POINTS, Plan, quantize

    if options.samples < 1:
        raise UsageError(f"--samples={options.samples}, but should be at least 1")
    method = options.method
    names = ("block_size", "accuracy_level")
    packing = {name: value for name in names if (value := getattr(options, name)) is not None}

    def plan(bits: int) -> Plan:
        symmetric = method not in ZERO_POINTS if options.symmetric is None else options.symmetric
        return Plan(
            bits, method, symmetric=symmetric, embeddings=options.embeddings, head=options.head,
            keep=tuple(options.keep), **packing,
        )  # fmt: skip

    if options.search:
        _search(options, plan)
        return
    if options.gate:
        raise UsageError("--gate is for --search", "leave it out, and judge the files with phi4bench judge")
    if options.one_by_one:
        raise UsageError("--one-by-one is for --search", "leave it out")
    widths = options.bits or ([ONLY_BITS[method]] if method in ONLY_BITS else [8, 4])
    plans = [plan(bits) for bits in dict.fromkeys(widths) if not (bits == 4 and options.skip_int4)]
    if not plans:
        raise UsageError("--skip-int4 leaves nothing to make", "leave it out")
    quantize(options.source, plans, options.out, options.data, options.samples)


def _search(options: argparse.Namespace, plan: Callable[[int], Any]) -> None:
    """Of `quantize`. `plan`: of so many bits."""
    if options.skip_int4 or options.bits:
        raise UsageError("--search makes files of 4 and 8 bits", "leave --bits and --skip-int4 out")
    from phi4bench.datasets.shipped import suites_dir
    from phi4bench.targets import TIMED_GATES
    from trainers.advice import advice
    from trainers.alone import BUILD, alone_in
    from trainers.closeness import open_source
    from trainers.promote import check_judging, judge
    from trainers.search import check_method, search

    check_method(options.method)
    targets, judging = check_judging(options.gate or (), search=True), _targets(options)
    if not any(gate.name in TIMED_GATES for gate in targets.gates):  # a trial's speed would decide nothing
        judging.append(f"--ignore={suites_dir() / 'slo'}")
    source = open_source(options.source, options.data, options.samples, options.out)
    out = options.out or source.artifact.path.parent

    def judged(folder: Path) -> int:
        report = out / f"reports-{folder.name}"
        code = judge([str(folder)], report, judging)
        for line in advice(report / "report.json"):
            print(line, flush=True)
        return code

    with alone_in(out, BUILD):
        search(source, plan(4), out, judged, targets.sha256s, options.one_by_one)


def _half(options: argparse.Namespace) -> None:
    from trainers.half import half

    if options.samples < 1:
        raise UsageError(f"--samples={options.samples}, but should be at least 1")
    half(options.source, options.out, options.data, options.samples)


def _shape(options: argparse.Namespace) -> None:
    from trainers.shape import Packing, make, shape_named

    numbers = {name: getattr(options, name) for name in (*SHAPE_NUMBERS, "tied")}
    names = ("block_size", "symmetric", "accuracy_level", "embeddings", "head")
    packing = Packing(**_packing(options, names))
    make(shape_named(options.preset, **numbers), options.precision, options.out, packing, options.seed)


def _promote(options: argparse.Namespace) -> int:
    from trainers.promote import check_judging, promote

    check_judging(options.gate or (), options.test, options.limit)
    precisions = ["int8"] if options.skip_int4 else ["int8", "int4"]
    judging = _targets(options)
    judging += ["--limit", str(options.limit)] if options.limit is not None else []
    judging += ["--system-prompt", str(options.system_prompt)] if options.system_prompt else []
    for path in options.test or ():
        judging += ["--cases", path]
    return promote(options.out, lambda: _sft(options), precisions, options.data, judging)


def _targets(options: argparse.Namespace) -> list[str]:
    """What `--gate` says, as the suites take it."""
    return [part for name in options.gate or () for part in ("--targets", name)]


def _sweep(options: argparse.Namespace) -> int:
    from trainers import tables
    from trainers.claim import identity
    from trainers.grid import Sweep, trials_of
    from trainers.results import FINISHED
    from trainers.settings import FIELDS, choose
    from trainers.sweep import runner_of, sweep

    given = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    axes = {name: value for name, value in given.items() if isinstance(value, list)}
    single = {name: value for name, value in given.items() if name not in axes}
    trials = trials_of(choose(single, os.environ, options.config, options.preset), axes)
    base = _opened(options)
    _looked_at(options, max((one.training for one in trials), key=lambda one: one.length), options.track, base)
    command, data = tuple(_learning(options)), tuple(options.data)
    asked = Sweep(options.out, trials, command, data, options.quality, identity(base))
    results = sweep(asked, runner_of(asked, options.runner, options.parallel, options.address))
    sys.stdout.write(tables.FORMS[options.format](results, options.quality))
    return 0 if any(one.state == FINISHED for one in results) else BROKE_EXIT


def _learning(options: argparse.Namespace) -> list[str]:
    """The options of `sft` that say which model learns from what, as they were given."""
    from trainers.claim import options_of

    track = options.track if options.track in TRACKS else ""
    beside = options_of(options.test, options.dialect, options.system_prompt, options.drop, "", track)
    return ["--model", options.model, "--data", *options.data, *beside]


def _one_or_both(options: argparse.Namespace) -> None:
    """`sft`, or two of it as processes of their own."""
    if options.track != "both":
        if options.at_once:
            raise UsageError("--at-once is for --track both", "leave it out")
        _sft(options)
        return
    if processes() > 1:
        raise UsageError(
            f"--track both starts the processes of each track itself, but it was launched as {processes()}",
            "run it without a launcher, or launch one --track",
        )
    from trainers.grid import Trial
    from trainers.tracks import both

    training = chosen(options).training
    for track in TRACKS:
        _looked_at(options, training, track)
    settings = Trial("", {}, training).flags()
    tracking = ["--tracker", options.tracker] if options.tracker else []
    both(options.out, [*_learning(options), *settings, *tracking], options.at_once)


def _sft(options: argparse.Namespace) -> Path:
    from trainers.sft import sft

    return sft(
        options.model,
        options.data,
        options.out,
        chosen(options),
        test=options.test,
        dialect=options.dialect,
        system_prompt=options.system_prompt,
        drop=options.drop,
        tracker=options.tracker,
        track=getattr(options, "track", ""),
    )


if __name__ == "__main__":
    sys.exit(main())
