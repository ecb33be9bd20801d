"""`python -m trainers`: from a base model to a judged INT8 or INT4 file. A thin front to the modules beside it."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.ending import BROKE_EXIT, Parser, ended
from trainers.ranks import is_first, processes

_KEPT = {
    "sft": "the last whole checkpoint",
    "sweep": "each trial up to its last whole checkpoint",
    "promote": "each finished step and the last whole checkpoint",
}
"""By command, what Ctrl-C leaves."""
_TRACKS = ("structured", "toolcall")
SHAPE_NUMBERS = ("hidden", "ffn", "layers", "heads", "kv_heads", "vocabulary", "context")
_EPILOG = (
    "exit codes: 0 done, 3 the run broke, 4 wrong usage or data, 130 Ctrl-C; of promote, those of the gate (0, 1, 10)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. A fault of the user's is told in a line, without a traceback."""
    options = build().parse_args(arguments)

    def work() -> object:
        is_first()  # raises where a launcher did not set it rightly
        if processes() > 1 and options.command != "sft":
            raise UsageError(f"{options.command} is work for one process, not {processes()}", "launch sft alone")
        _fetch_no_kernels()
        carry_out: Callable[[argparse.Namespace], object] = options.carry_out
        return carry_out(options)

    kept = _KEPT.get(options.command, "every finished file")
    return ended(f"trainers {options.command}", work, kept, _speaks)


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


def build() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m trainers", description=__doc__, epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="write generated training examples", epilog=_EPILOG)
    data.add_argument("--count", type=int, default=2000, metavar="N", help="how many (default: 2000)")
    data.add_argument("--seed", type=int, default=20261121, metavar="N", help="same seed, same examples")
    data.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write (.jsonl)")
    data.set_defaults(carry_out=_data)

    check = commands.add_parser("check", help="check training data, and train nothing", epilog=_EPILOG)
    _model_options(check)
    check.add_argument("--track", default="", choices=_TRACKS, help="examples to look at (default: all)")
    _settings_options(check)
    check.set_defaults(carry_out=_check)

    sft = commands.add_parser("sft", help="fine-tune LoRA adapters; the same command resumes", epilog=_EPILOG)
    _model_options(sft)
    sft.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    sft.add_argument("--tracker", default="", choices=["wandb", "mlflow", "tensorboard"], help="where curves go too")
    sft.add_argument("--track", default="", choices=[*_TRACKS, "both"], help="examples to learn from (default: all)")
    sft.add_argument("--at-once", action="store_true", help="with --track both: each on half of the GPUs")
    _settings_options(sft)
    sft.set_defaults(carry_out=_one_or_both)

    merge = commands.add_parser("merge", help="put an adapter into its base", epilog=_EPILOG)
    merge.add_argument("run", type=Path, metavar="RUN", help="a run of sft, or a PEFT adapter's folder")
    merge.add_argument("--base", metavar="SPEC", help="what it was trained on (default: what the adapter names)")
    merge.add_argument("--out", type=Path, metavar="DIR", help="where it goes (default: RUN/merged)")
    merge.add_argument("--precision", choices=["fp32", "bf16", "fp16"], help="how it is stored (default: as the base)")
    merge.set_defaults(carry_out=_merge)

    export = commands.add_parser("export", help="ONNX files by onnxruntime-genai's builder, checked", epilog=_EPILOG)
    export.add_argument("model", nargs="?", metavar="MODEL", help="a merged folder, or any Hugging Face folder")
    export.add_argument("--adapter", type=Path, metavar="RUN", help="a run's adapter, beside its base and not merged")
    export.add_argument("--base", metavar="SPEC", help="what it was trained on (default: what the adapter names)")
    export.add_argument(
        "--route",
        default="builder",
        choices=["builder", "olive"],
        help="the builder alone, or in Olive",
    )
    export.add_argument("--precision", nargs="+", choices=["fp32", "int8", "int4"], default=["fp32"])
    _file_options(export)
    export.set_defaults(carry_out=_export)

    quantize = commands.add_parser("quantize", help="int8 and int4 files from the fp32 file, no torch", epilog=_EPILOG)
    quantize.add_argument("source", type=Path, metavar="FP32", help="the fp32 folder that export made")
    quantize.add_argument("--bits", nargs="+", type=int, help="(default: 8 4, or what the method makes)")
    quantize.add_argument("--skip-int4", action="store_true", help="int8 alone")
    quantize.add_argument(
        "--method", default="rtn", metavar="NAME", help="rtn, k-quant, hqq, gptq, dynamic (int8 alone)"
    )
    quantize.add_argument(
        "--symmetric", action=argparse.BooleanOptionalAction, help="no zero points (default, but for k-quant and hqq)"
    )
    quantize.add_argument("--embeddings", action=argparse.BooleanOptionalAction, default=True, help="the table too")
    quantize.add_argument("--head", action=argparse.BooleanOptionalAction, default=True, help="the head too")
    quantize.add_argument("--keep", nargs="+", default=[], metavar="NAME", help="matrices that stay in fp32")
    quantize.add_argument("--samples", type=int, default=16, help="conversations to compare and calibrate on")
    quantize.add_argument(
        "--search", choices=["smallest-that-passes"], help="the smallest mix of 4 and 8 bits that the gate promotes"
    )
    quantize.add_argument("--one-by-one", action="store_true", help="with --search: then try each 8-bit matrix in 4")
    quantize.add_argument("--gate", action="append", metavar="NAME|FILE", help="figures to reach (default: guide)")
    _file_options(quantize)
    quantize.set_defaults(carry_out=_quantize)

    shape = commands.add_parser(
        "shape", help="random weights of any Phi-3 shape: speed and memory without a model", epilog=_EPILOG
    )
    _shape_options(shape)
    shape.set_defaults(carry_out=_shape)

    sweep = commands.add_parser("sweep", help="a run for every combination of settings; resumable", epilog=_EPILOG)
    _model_options(sweep)
    sweep.add_argument("--out", type=Path, required=True, metavar="DIR", help="the sweep's folder")
    sweep.add_argument("--track", default="", choices=_TRACKS, help="examples to learn from (default: all)")
    sweep.add_argument("--parallel", type=int, default=1, metavar="N", help="trials at a time (default: 1)")
    sweep.add_argument(
        "--runner", default="auto", choices=["auto", "ray", "local"], help="Ray Tune, or processes of this machine"
    )
    sweep.add_argument("--address", metavar="ADDRESS", help="a Ray cluster that sees the same folders, such as auto")
    sweep.add_argument("--quality", default="accuracy", choices=["accuracy", "loss"], help="in validation")
    sweep.add_argument("--format", default="text", choices=["text", "markdown", "csv", "json"], help="of the table")
    _settings_options(sweep, several=True)
    sweep.set_defaults(carry_out=_sweep)

    promote = commands.add_parser("promote", help="all of it, ending in pytest suites/; resumable", epilog=_EPILOG)
    _model_options(promote)
    promote.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    promote.add_argument("--tracker", default="", choices=["wandb", "mlflow", "tensorboard"])
    promote.add_argument("--skip-int4", action="store_true", help="int8 alone")
    promote.add_argument("--gate", action="append", metavar="NAME|FILE", help="figures to reach (default: guide)")
    promote.add_argument("--limit", type=int, metavar="N", help="judge on a sample of N cases")
    _settings_options(promote)
    promote.set_defaults(carry_out=_promote)
    return parser


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="SPEC", help="a Hugging Face folder, or organisation/name")
    parser.add_argument("--data", required=True, nargs="+", metavar="FILE", help="cases, or OpenAI-style conversations")
    parser.add_argument(
        "--test", nargs="+", metavar="FILE", help="what it will be judged by (default: the shipped split)"
    )
    parser.add_argument("--dialect", metavar="NAME|FILE", help="how it should call (default: the model's own)")
    parser.add_argument("--system-prompt", type=Path, metavar="FILE", help="in place of the dialect's")
    parser.add_argument("--drop", action="store_true", help="leave out what cannot be learned whole, and say so")


def _shape_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", default="207m", metavar="NAME", help="phi-4, phi-4-mini, 207m or nano (default: 207m)"
    )
    for name in SHAPE_NUMBERS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help="(default: the preset's)")
    parser.add_argument("--tied", action=argparse.BooleanOptionalAction, help="one table for embeddings and head")
    parser.add_argument("--precision", nargs="+", choices=["fp32", "int8", "int4"], default=["fp32", "int8", "int4"])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the folders go")
    parser.add_argument("--block-size", type=int, help="values that share a scale (default: 128)")
    parser.add_argument("--accuracy-level", type=int, help="of MatMulNBits, 0 to 4 (default: 4)")
    for name, told in (("symmetric", "no zero points"), ("embeddings", "the table too"), ("head", "the head too")):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=f"{told} (default)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same weights")


def _file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the folders go (default: beside the source)")
    parser.add_argument("--data", nargs="+", metavar="FILE", help="examples to compare on (default: generated ones)")
    parser.add_argument("--block-size", type=int, help="values that share a scale (default: 32)")
    parser.add_argument("--accuracy-level", type=int, help="of MatMulNBits, 0 to 4 (default: 4)")


def _settings_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """`several`: a flag takes a list of values, and the command makes a run for each."""
    from trainers.settings import FIELDS, PRESETS

    group = parser.add_argument_group("settings", "later ones win: preset, --config, TRAINING_CONFIG (JSON), flags")
    group.add_argument("--preset", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    for name, one in FIELDS.items():
        flag, told = f"--{name.replace('_', '-')}", f"{one.metadata['told']} (default: {one.default})"
        if type(one.default) is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=told)
        else:
            count = "+" if several else None
            group.add_argument(flag, type=type(one.default), nargs=count, default=None, help=told)


def chosen(options: argparse.Namespace) -> Any:
    """The settings that the command line, the environment and the files make together."""
    from trainers.settings import FIELDS, choose

    flags = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    return choose(flags, os.environ, options.config, options.preset)


def _data(options: argparse.Namespace) -> None:
    from trainers.data import generated, save_examples

    if options.count < 2:
        raise UsageError(f"--count={options.count}, but should be at least 2")
    examples = generated(options.count, options.seed)
    made = save_examples(options.out, examples)
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
    folder = Path(options.model).expanduser()
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
    from trainers.quantize import ONLY_BITS, ZERO_POINTS, Plan, open_source, quantize

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

    if not options.search:
        if options.gate:
            raise UsageError("--gate is for --search", "leave it out, and judge the files with phi4bench judge")
        if options.one_by_one:
            raise UsageError("--one-by-one is for --search", "leave it out")
        widths = options.bits or ([ONLY_BITS[method]] if method in ONLY_BITS else [8, 4])
        plans = [plan(bits) for bits in dict.fromkeys(widths) if not (bits == 4 and options.skip_int4)]
        if not plans:
            raise UsageError("--skip-int4 leaves nothing to make", "leave it out")
        quantize(options.source, plans, options.out, options.data, options.samples)
        return
    if options.skip_int4 or options.bits:
        raise UsageError("--search makes files of 4 and 8 bits", "leave --bits and --skip-int4 out")
    from phi4bench.run.plan import read_targets
    from trainers.advice import advice
    from trainers.promote import check_judging, judge
    from trainers.search import check_method, search

    check_method(method)
    check_judging(options.gate or (), search=True)
    source = open_source(options.source, options.data, options.samples, options.out)
    out = options.out or source.artifact.path.parent
    judging = [part for name in options.gate or () for part in ("--targets", name)]
    judged_by = [sha256(text.encode()).hexdigest() for _, text in read_targets(options.gate or ("guide",))]

    def judged(folder: Path) -> int:
        report = out / f"reports-{folder.name}"
        code = judge([str(folder)], report, judging)
        for line in advice(report / "report.json"):
            print(line, flush=True)
        return code

    search(source, plan(4), out, judged, judged_by, options.one_by_one)


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
    judging = [part for name in options.gate or () for part in ("--targets", name)]
    judging += ["--limit", str(options.limit)] if options.limit is not None else []
    judging += ["--system-prompt", str(options.system_prompt)] if options.system_prompt else []
    for path in options.test or ():
        judging += ["--cases", path]
    return promote(options.out, lambda: _sft(options), precisions, options.data, judging)


def _sweep(options: argparse.Namespace) -> int:
    from trainers import tables
    from trainers.claim import identity
    from trainers.grid import trials_of
    from trainers.results import FINISHED
    from trainers.settings import FIELDS, choose
    from trainers.sweep import Sweep, runner_of, sweep

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

    track = options.track if options.track in _TRACKS else ""
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
    for track in _TRACKS:
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
