"""The command line of `python -m trainers`: commands, options, defaults. Carries nothing out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from trainers.ending import Parser
from trainers.trackers import TRACKERS

PRECISIONS = ["fp32", "int8", "int4"]
TRACKS = ("structured", "toolcall")
SHAPE_NUMBERS = ("hidden", "ffn", "layers", "heads", "kv_heads", "vocabulary", "context")
_EPILOG = (
    "exit codes: 0 done, 3 the run broke, 4 wrong usage or data, 130 Ctrl-C; of promote, those of the gate (0, 1, 10)"
)


def command_line(
    carry_out: Mapping[str, Callable[[argparse.Namespace], object]], description: str
) -> argparse.ArgumentParser:
    """`carry_out`: what each command does, by its name."""
    parser = Parser(prog="python -m trainers", description=description, epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="write generated training examples", epilog=_EPILOG)
    data.add_argument("--count", type=int, default=2000, metavar="N", help="how many (default: 2000)")
    data.add_argument(
        "--seed", type=int, default=20261121, metavar="N", help="same seed, same examples (default: 20261121)"
    )
    data.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write (.jsonl)")

    check = commands.add_parser("check", help="check training data, and train nothing", epilog=_EPILOG)
    _model_options(check)
    check.add_argument("--track", default="", choices=TRACKS, help="examples to look at (default: all)")
    _settings_options(check)

    sft = commands.add_parser("sft", help="fine-tune LoRA adapters; the same command resumes", epilog=_EPILOG)
    _model_options(sft)
    sft.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    sft.add_argument("--tracker", default="", choices=TRACKERS, help="where curves go too")
    sft.add_argument("--track", default="", choices=[*TRACKS, "both"], help="examples to learn from (default: all)")
    sft.add_argument("--at-once", action="store_true", help="with --track both: each on half of the GPUs")
    _settings_options(sft)

    merge = commands.add_parser("merge", help="put an adapter into its base", epilog=_EPILOG)
    merge.add_argument("run", type=Path, metavar="RUN", help="a run of sft, or a PEFT adapter's folder")
    merge.add_argument("--base", metavar="SPEC", help="what it was trained on (default: what the adapter names)")
    merge.add_argument("--out", type=Path, metavar="DIR", help="where it goes (default: RUN/merged)")
    merge.add_argument("--precision", choices=["fp32", "bf16", "fp16"], help="how it is stored (default: as the base)")

    export = commands.add_parser("export", help="ONNX files by onnxruntime-genai's builder, checked", epilog=_EPILOG)
    _export_options(export)

    quantize = commands.add_parser("quantize", help="int8 and int4 files from the fp32 file, no torch", epilog=_EPILOG)
    _quantize_options(quantize)

    half = commands.add_parser("half", help="an ONNX file in fp16, as CUDA's kernels take it", epilog=_EPILOG)
    half.add_argument("source", type=Path, metavar="FOLDER", help="what export, quantize or shape made")
    half.add_argument("--out", type=Path, metavar="DIR", help="the folder to write (default: FOLDER-half)")
    half.add_argument("--data", nargs="+", metavar="FILE", help="examples to compare on (default: generated ones)")
    half.add_argument("--samples", type=int, default=16, metavar="N", help="conversations to compare on (default: 16)")

    shape = commands.add_parser(
        "shape", help="random weights of any Phi-3 shape: speed and memory without a model", epilog=_EPILOG
    )
    _shape_options(shape)

    sweep = commands.add_parser("sweep", help="a run for every combination of settings; resumable", epilog=_EPILOG)
    _sweep_options(sweep)

    promote = commands.add_parser("promote", help="all of it, ending in pytest suites/; resumable", epilog=_EPILOG)
    _model_options(promote)
    promote.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    promote.add_argument("--tracker", default="", choices=TRACKERS)
    promote.add_argument("--skip-int4", action="store_true", help="int8 alone")
    promote.add_argument("--gate", action="append", metavar="NAME|FILE", help="figures to reach (default: guide)")
    promote.add_argument("--limit", type=int, metavar="N", help="judge on a sample of N cases")
    _settings_options(promote)
    for name, command in commands.choices.items():
        command.set_defaults(carry_out=carry_out[name])
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


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a merged folder, or any Hugging Face folder")
    parser.add_argument("--adapter", type=Path, metavar="RUN", help="a run's adapter, beside its base and not merged")
    parser.add_argument("--base", metavar="SPEC", help="what it was trained on (default: what the adapter names)")
    parser.add_argument(
        "--route",
        default="builder",
        choices=["builder", "olive"],
        help="the builder alone (default), or in Olive",
    )
    parser.add_argument(
        "--precision", nargs="+", choices=PRECISIONS, default=["fp32"], metavar="NAME",
        help="fp32 (default), int8, int4",
    )  # fmt: skip
    _file_options(parser)


def _quantize_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="FP32", help="the fp32 folder that export made")
    parser.add_argument("--bits", nargs="+", type=int, metavar="N", help="(default: 8 4, or what the method makes)")
    parser.add_argument("--skip-int4", action="store_true", help="int8 alone")
    parser.add_argument(
        "--method", default="rtn", metavar="NAME", help="rtn (default), k-quant, hqq, gptq, dynamic (int8 alone)"
    )
    parser.add_argument(
        "--symmetric", action=argparse.BooleanOptionalAction, help="no zero points (default, but for k-quant and hqq)"
    )
    parser.add_argument(
        "--embeddings", action=argparse.BooleanOptionalAction, default=True, help="the table too (default)"
    )
    parser.add_argument("--head", action=argparse.BooleanOptionalAction, default=True, help="the head too (default)")
    parser.add_argument("--keep", nargs="+", default=[], metavar="NAME", help="matrices that stay in fp32")
    parser.add_argument(
        "--samples", type=int, default=16, metavar="N", help="conversations to compare and calibrate on (default: 16)"
    )
    parser.add_argument(
        "--search", choices=["smallest-that-passes"], help="the smallest mix of 4 and 8 bits that the gate promotes"
    )
    parser.add_argument("--one-by-one", action="store_true", help="with --search: then try each 8-bit matrix in 4")
    parser.add_argument("--gate", action="append", metavar="NAME|FILE", help="figures to reach (default: guide)")
    _file_options(parser)


def _shape_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", default="207m", metavar="NAME", help="phi-4, phi-4-mini, 207m or nano (default: 207m)"
    )
    for name in SHAPE_NUMBERS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help="(default: the preset's)")
    parser.add_argument("--tied", action=argparse.BooleanOptionalAction, help="one table for embeddings and head")
    parser.add_argument(
        "--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS, metavar="NAME",
        help="fp32, int8, int4 (default: all)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the folders go")
    parser.add_argument("--block-size", type=int, metavar="N", help="values that share a scale (default: 128)")
    parser.add_argument("--accuracy-level", type=int, metavar="N", help="of MatMulNBits, 0 to 4 (default: 4)")
    for name, told in (("symmetric", "no zero points"), ("embeddings", "the table too"), ("head", "the head too")):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=f"{told} (default)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same weights (default: 0)")


def _sweep_options(parser: argparse.ArgumentParser) -> None:
    _model_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the sweep's folder")
    parser.add_argument("--track", default="", choices=TRACKS, help="examples to learn from (default: all)")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="trials at a time (default: 1)")
    parser.add_argument(
        "--runner",
        default="auto",
        choices=["auto", "ray", "local"],
        help="Ray Tune, or processes of this machine (default: auto, Ray where it is installed)",
    )
    parser.add_argument("--address", metavar="ADDRESS", help="a Ray cluster that sees the same folders, such as auto")
    parser.add_argument(
        "--quality", default="accuracy", choices=["accuracy", "loss"], help="in validation (default: accuracy)"
    )
    parser.add_argument(
        "--format", default="text", choices=["text", "markdown", "csv", "json"], help="of the table (default: text)"
    )
    _settings_options(parser, several=True)


def _file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the folders go (default: beside the source)")
    parser.add_argument("--data", nargs="+", metavar="FILE", help="examples to compare on (default: generated ones)")
    parser.add_argument("--block-size", type=int, metavar="N", help="values that share a scale (default: 32)")
    parser.add_argument("--accuracy-level", type=int, metavar="N", help="of MatMulNBits, 0 to 4 (default: 4)")


def _settings_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """`several`: a flag takes a list of values, and the command makes a run for each."""
    from trainers.settings import FIELDS, PRESETS

    group = parser.add_argument_group("settings", "later ones win: preset, --config, TRAINING_CONFIG (JSON), flags")
    group.add_argument("--preset", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    for name, one in FIELDS.items():
        kind, others = type(one.default), [choice for choice in one.metadata["choices"] if choice != one.default]
        default = "; ".join([f"default: {one.default}", *([f"or {', '.join(others)}"] if others else [])])
        flag, told = f"--{name.replace('_', '-')}", f"{one.metadata['told']} ({default})"
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=told)
        else:
            count, metavar = "+" if several else None, "NAME" if kind is str else "N"
            group.add_argument(flag, type=kind, nargs=count, metavar=metavar, default=None, help=told)
