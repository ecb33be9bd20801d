"""`python -m trainers`: from a base model to a judged INT8 or INT4 file. A thin front to the modules beside it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.printable import printable

USAGE_EXIT = 4
BROKE_EXIT = 3
_EPILOG = "exit codes: 0 done, 3 the run broke, 4 wrong usage or data; of promote, those of the gate (0, 1, 10)"


class _Parser(argparse.ArgumentParser):
    """argparse, with one line for what is wrong and the exit code that stands for it."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_EXIT, f"{self.prog}: {message} (--help lists what there is)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. A fault of the user's is told in a line, without a traceback."""
    options = build().parse_args(arguments)
    try:
        carry_out: Callable[[argparse.Namespace], int | None] = options.carry_out
        return carry_out(options) or 0
    except Phi4benchError as error:
        lines = "\n".join(printable(line) for line in str(error).split("\n"))
        sys.stderr.write(f"trainers {options.command}: {lines}\n")
        return USAGE_EXIT if isinstance(error, UsageError) else BROKE_EXIT


def build() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m trainers", description=__doc__, epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="write generated training examples", epilog=_EPILOG)
    data.add_argument("--count", type=int, default=2000, metavar="N", help="how many (default: 2000)")
    data.add_argument("--seed", type=int, default=20261121, metavar="N", help="same seed, same examples")
    data.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write (.jsonl)")
    data.set_defaults(carry_out=_data)

    check = commands.add_parser("check", help="check training data, and train nothing", epilog=_EPILOG)
    _model_options(check)
    _settings_options(check)
    check.set_defaults(carry_out=_check)

    sft = commands.add_parser("sft", help="fine-tune LoRA adapters; the same command resumes", epilog=_EPILOG)
    _model_options(sft)
    sft.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder")
    sft.add_argument("--tracker", default="", choices=["wandb", "mlflow", "tensorboard"], help="where curves go too")
    _settings_options(sft)
    sft.set_defaults(carry_out=_sft)
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


def _settings_options(parser: argparse.ArgumentParser) -> None:
    from trainers.settings import FIELDS, PRESETS

    group = parser.add_argument_group("settings", "later ones win: preset, --config, TRAINING_CONFIG (JSON), flags")
    group.add_argument("--preset", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    for name, one in FIELDS.items():
        flag, told = f"--{name.replace('_', '-')}", f"{one.metadata['told']} (default: {one.default})"
        if type(one.default) is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=told)
        else:
            group.add_argument(flag, type=type(one.default), default=None, help=told)


def chosen(options: argparse.Namespace) -> Any:
    """The settings that the command line, the environment and the files make together."""
    from trainers.settings import FIELDS, choose

    flags = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    return choose(flags, os.environ, options.config, options.preset)


def _data(options: argparse.Namespace) -> None:
    from trainers.data import generated, write_examples

    if options.count < 2:
        raise UsageError(f"--count={options.count}, but should be at least 2")
    examples = generated(options.count, options.seed)
    write_examples(options.out, examples)
    print(f"{len(examples):,} examples written to {options.out}")


def _check(options: argparse.Namespace) -> None:
    from trainers.base import open_base
    from trainers.prepare import prepare

    training = chosen(options).training
    base = open_base(options.model, options.dialect, options.system_prompt)
    told = prepare(
        base,
        options.data,
        length=training.length,
        validation=training.validation,
        seed=training.seed,
        test=options.test,
        drop=options.drop,
    ).told
    for line in (*base.artifact.dialect_inferred, *told):
        print(printable(line))


def _sft(options: argparse.Namespace) -> None:
    from trainers.sft import sft

    sft(
        options.model,
        options.data,
        options.out,
        chosen(options),
        test=options.test,
        dialect=options.dialect,
        system_prompt=options.system_prompt,
        drop=options.drop,
        tracker=options.tracker,
    )


if __name__ == "__main__":
    sys.exit(main())
