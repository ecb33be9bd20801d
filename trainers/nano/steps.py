"""The steps of `python -m trainers.nano`, and their options. Needs torch."""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path

from phi4bench.artifacts import open_artifact
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.datasets.toolsets import Toolsets
from phi4bench.dialects import Dialect, dialect_named
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from phi4bench.tools import Tool
from trainers import export as exporter
from trainers.alone import alone_in
from trainers.base import check_free, check_way, manifest_of, open_base, read_json_file, write_json
from trainers.decoder import Shape
from trainers.ending import Parser
from trainers.faults import TrainingError
from trainers.nano import card, tables, workers
from trainers.nano import tokenizer as tokenizers
from trainers.nano.batches import Encoder, Mix, Source, batches, general_calls, six_tools
from trainers.nano.train import Recipe, train

COMMAND = "python -m trainers.nano"
USED = "recipe.json"
TEXTS = 12_000
"""Examples that a tokenizer is built from."""
STEPS = {
    "tokenizer": "make the tokenizer alone",
    "train": "train nano on the six tools",
    "export": "ONNX files of what was trained, compared with PyTorch",
    "card": "judge the files, and write their README.md",
    "all": "train, export, and with --into the card",
    "base": "train nano-base, on general calls alone",
}
INTO = {
    "export": "also copy the artifacts here, as nano-hf, nano-fp32, nano-int8, nano-int4",
    "card": "the folder of the artifacts, where the card goes",
    "all": "also copy the artifacts here, as nano-hf, nano-fp32, nano-int8, nano-int4, with their card",
}
"""What `--into` does, of the steps that take it."""
READING = ("export", "card")
"""Steps that take the recipe from the run's folder."""
MOVABLE = ("minutes", "workers", "device")
"""Settings with which a run may go on though it was begun with others: for longer, or on another machine."""
TOLD = {
    "minutes": "of wall time",
    "start": "a nano's folder to go on from",
    "workers": "processes",
    "device": "cpu or cuda",
}
"""What a setting's name does not say."""


def arguments(described: str | None) -> Parser:
    parser = Parser(prog=COMMAND, description=described)
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, what in STEPS.items():
        step = steps.add_parser(name, help=what)
        step.add_argument(
            "--out", type=Path, default=Path("runs/nano"),
            help="the run's folder: checkpoints, logs, artifacts (default: runs/nano)",
        )  # fmt: skip
        step.add_argument("--into", type=Path, help=INTO.get(name, argparse.SUPPRESS))
        for field in fields(Recipe) if name not in READING else ():
            kind, default = type(field.default), "" if field.default == "" else f"(default: {field.default})"
            told = f"{TOLD.get(field.name, '')} {default}".strip()
            step.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default, help=told)
    tables.options(steps.add_parser("tables", help="fine-tune nano-base for the six tools, and judge what comes out"))
    return parser


def run(described: str | None) -> None:
    """Carry out what the command line asks for. `described`: what `--help` says first."""
    options = vars(arguments(described).parse_args())
    step, out = options.pop("step"), options.pop("out")
    if step == "tables":
        tables.make(out=out, **options)
        return
    into = options.pop("into")
    dialect = dialect_named("tool_use")
    if not workers.is_member():  # whose step is another than its parent's
        check_into(step, into)
    if step in READING:
        recipe = used_by(out)
    else:
        recipe = Recipe(**options)
        check_recipe(recipe, 256 + len(tokenizers.control_tokens(dialect)))
        check_way(out)
    with nullcontext() if workers.is_member() else alone_in(out, "nano"):
        carry_out(step, out, into, recipe, dialect)


def carry_out(step: str, out: Path, into: Path | None, recipe: Recipe, dialect: Dialect) -> None:
    """In this process, as one of the workers, or with workers of its own."""
    tools = Toolsets()("claude_code")
    if step not in READING and not workers.is_member():
        claim(out, "nano-base" if step == "base" else "nano-hf", recipe)
    if not (out / "tokenizer" / "tokenizer.json").exists():
        new_tokenizer(recipe, dialect, None if step == "base" else tools, out / "tokenizer")
    encoder = Encoder.of(dialect, PromptTokenizer.from_folder(out / "tokenizer"))
    if step in ("train", "all", "base"):
        if recipe.workers > 1 and recipe.device == "cpu" and not workers.is_member():
            workers.start(["base" if step == "base" else "train", *sys.argv[2:]], recipe.workers, out)
        elif step == "base":
            train_here(recipe, encoder, general_calls(encoder, Mix()), out, "nano-base")
        else:
            train_here(recipe, encoder, six_tools(encoder, tools, Mix()), out, "nano-hf")
    if step in ("export", "all"):
        export(out, recipe, encoder, tools)
        if into is not None:
            for folder in sorted(out.glob("nano-*")):
                shutil.copytree(folder, into / folder.name, dirs_exist_ok=True)
    if step in ("card", "all") and into is not None:
        (into / card.FILE).write_text(card.write(into, out), encoding="utf-8")


def check_into(step: str, into: Path | None) -> None:
    """`UsageError` where the option or the step without it would do nothing, or replace what is another's."""
    if step == "card" and into is None:
        raise UsageError("card is written beside the artifacts", "name their folder with --into")
    if into is not None and step not in INTO:
        raise UsageError(f"--into is for export, card and all, not for {step}", "leave it out")
    if into is None:
        return
    theirs = [into / name for name in ("nano-hf", *card.NAMES) if step != "card" and not is_nano(into / name)]
    theirs += [into / card.FILE] if step != "export" and not card.is_card(into / card.FILE) else []
    if theirs:
        raise UsageError(f"'{printable(str(theirs[0]), 200)}' is of no nano", "name another folder with --into")


def is_nano(folder: Path) -> bool:
    """Whether an earlier run may have left it there, or nobody anything."""
    return not folder.exists() or manifest_of(folder).recipe.get("command") == COMMAND


def claim(out: Path, name: str, recipe: Recipe) -> None:
    """Write `recipe.json`, or check that what is there trains the same; `UsageError` for another, whose tokenizer and
    checkpoint would be taken for this one's.
    """
    held = read_json_file(out / USED) if (out / USED).is_file() else {}
    if "seed" not in held:
        check_free(out, (USED,), "nano")
    asked = {"trains": name, **asdict(recipe)}
    differs = [
        f"{key}={held[key]!r}, now {value!r}"
        for key, value in asked.items()
        if key not in MOVABLE and held.get(key, value) != value
    ]
    if differs:
        raise UsageError(
            f"--out='{printable(str(out), 200)}' holds another run ({printable('; '.join(differs), 300)})",
            "name another folder, or remove this one",
        )
    write_json(out / USED, asked)


def check_recipe(recipe: Recipe, smallest: int) -> None:
    """`UsageError` for what cannot be trained. `smallest`: the vocabulary that every byte and marker takes."""
    if not recipe.minutes > 0:
        raise UsageError(f"--minutes={recipe.minutes:g}, but should be above 0")
    for name, least in (("vocabulary", smallest), ("workers", 1), ("batch_tokens", 1)):
        if getattr(recipe, name) < least:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag}={getattr(recipe, name)}, but should be at least {least}")
    Shape(
        recipe.hidden, recipe.ffn, recipe.layers, recipe.heads, recipe.kv_heads, recipe.vocabulary,
        tied=True, context=recipe.context,
    )  # fmt: skip
    if recipe.start:
        open_base(recipe.start)
    check_device(recipe.device)


def check_device(device: str) -> None:
    """`UsageError` for a device other than `cpu` and `cuda`, and where torch sees no CUDA device."""
    import torch

    if device not in ("cpu", "cuda"):
        raise UsageError(f"--device={device}, but should be cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device='cuda', but torch sees no CUDA device", "use --device cpu, or install torch for CUDA")


def used_by(out: Path) -> Recipe:
    """The recipe of the nano that was trained in a folder; `UsageError` where none was."""
    if not (out / USED).is_file() or not (out / "nano-hf" / "config.json").is_file():
        raise UsageError(f"'{printable(str(out), 200)}' holds no trained nano", "run train first, or name its --out")
    try:
        return Recipe(**{key: value for key, value in read_json_file(out / USED).items() if key != "trains"})
    except TypeError as error:
        what = f"'{printable(str(out / USED), 200)}' is no recipe ({printable(str(error), 120)})"
        raise UsageError(what, "put back the one that train wrote") from None


def new_tokenizer(recipe: Recipe, dialect: Dialect, tools: tuple[Tool, ...] | None, folder: Path) -> None:
    """Built from generated text, of general calls without `tools`; of a run that goes on from a model, that model's."""
    if recipe.start:
        folder.mkdir(exist_ok=True)
        for name in tokenizers.FILES:
            shutil.copy(Path(recipe.start) / name, folder / name)
        return
    if tools is None:
        texts = tokenizers.general_corpus(dialect, TEXTS, recipe.seed)
    else:
        texts = tokenizers.corpus(dialect, tools, TEXTS, recipe.seed)
    tokenizers.save(tokenizers.build(dialect, texts, recipe.vocabulary), folder)


def train_here(recipe: Recipe, encoder: Encoder, source: Source, out: Path, name: str) -> None:
    """Train in this process, alone or as one of the workers; the first of them saves `out/NAME` in bf16."""
    import torch

    model = train(recipe, encoder, source, out)
    if workers.is_first():
        model.to(torch.bfloat16).save_pretrained(out / name)
        for file in (out / "tokenizer").iterdir():
            shutil.copy(file, out / name / file.name)
        exporter.write_manifest(out / name, name=name, format="hf", precision="bf16", **told(recipe, encoder))


def told(recipe: Recipe, encoder: Encoder) -> dict[str, object]:
    """What every manifest of a run says."""
    return {
        "dialect": encoder.dialect.name,
        "recipe": {"command": COMMAND, **asdict(recipe)},
    }


def export(out: Path, recipe: Recipe, encoder: Encoder, tools: tuple[Tool, ...]) -> None:
    """`out/nano-hf` to `out/nano-{fp32,int8,int4}`, each compared with PyTorch; results in `out/export.json`."""
    import torch

    hf = out / "nano-hf"
    source = six_tools(encoder, tools, Mix(echo_share=0.0))
    stream = batches(encoder, source, recipe.seed + 1, pool=64, tokens=1)
    prompts = [torch.cat([batch.system, batch.ids[0]]).tolist() for batch in itertools.islice(stream, 40)]
    base = told(recipe, encoder)
    exporter.write_manifest(hf, name="nano-hf", format="hf", precision="bf16", **base)
    parent: dict[str, object] = {}
    results = []
    for precision in exporter.PRECISIONS:
        folder = out / f"nano-{precision}"
        shutil.rmtree(folder, ignore_errors=True)
        exporter.run_builder(hf, folder, precision)
        agreement = exporter.compare(hf, folder / "model.onnx", precision, prompts)
        print(f"nano-{precision}: {agreement}")
        if precision == "fp32" and agreement.max_difference > 1e-3:
            raise TrainingError(
                f"nano-fp32 differs from PyTorch by {agreement.max_difference:.3g} in the logits; nothing is shipped"
            )
        results.append(asdict(agreement))
        exporter.write_manifest(folder, name=folder.name, format="onnx", precision=precision, **parent, **base)
        if precision == "fp32":
            parent = {"parent": {"path": "../nano-fp32", "sha256": open_artifact(str(folder)).weights_sha256}}
    (out / "export.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
