"""Which way of generating is fastest on this machine: onnxruntime-genai, or our loop in several layouts.

    python benchmarks/generation_probe.py MODEL_FOLDER [--cases FILE] [--new 25] [--threads 2] [--rounds 3]

Prints cases per second of each (the best round: other work on the machine only slows one down), and how many
completions are the tokens of one case at a time. onnxruntime-genai runs where it is installed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from time import perf_counter

from phi4bench.backends import Decoding
from phi4bench.backends.onnx import OnnxBackend
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.prompts import Prompt

Tokens = list[tuple[int, ...]]


def ours(folder: Path, prompts: Sequence[Prompt], new: int, threads: int, batch: int | None) -> tuple[float, Tokens]:
    """Seconds, and the tokens of each completion. Loading is not counted."""
    size = sum(path.stat().st_size for path in folder.glob("model.onnx*"))
    tokenizer = PromptTokenizer.from_folder(folder)
    backend = OnnxBackend(
        folder / "model.onnx", tokenizer, name=folder.name, weight_bytes=size, threads=threads, batch=batch
    )
    started = perf_counter()
    found = dict(backend.generate(prompts, Decoding(new)))
    spent = perf_counter() - started
    backend.close()
    return spent, [found[i].token_ids for i in range(len(prompts))]


def genai(folder: Path, prompts: Sequence[Prompt], new: int, threads: int) -> tuple[float, Tokens]:
    """One case at a time in onnxruntime-genai, the shared prefix kept by `rewind_to`."""
    import numpy as np
    import onnxruntime_genai as og

    tokenizer = PromptTokenizer.from_folder(folder)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        config = json.loads((folder / "genai_config.json").read_text())
        config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
        (Path(copy) / "genai_config.json").write_text(json.dumps(config))
        model = og.Model(copy)
    started = perf_counter()
    encoded = [tokenizer.encode(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: encoded[i][0][: encoded[i][1]])
    found: Tokens = [()] * len(prompts)
    for prefix, indices in groupby(order, key=lambda i: encoded[i][0][: encoded[i][1]]):
        params = og.GeneratorParams(model)
        params.set_search_options(max_length=max(len(ids) for ids, _ in encoded) + new, do_sample=False)
        generator = og.Generator(model, params)
        generator.append_tokens(np.asarray([prefix], np.int32))
        for i in indices:
            rest = encoded[i][0][len(prefix) :]
            generator.append_tokens(np.asarray([rest], np.int32))
            while not generator.is_done() and len(found[i]) < new:
                generator.generate_next_token()
                found[i] = (*found[i], int(generator.get_next_tokens()[0]))
            generator.rewind_to(len(prefix))
    return perf_counter() - started, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", help="a case file (default: the shipped test split)")
    parser.add_argument("--dialect", default="tool_use", help="(default: tool_use)")
    parser.add_argument("--limit", type=int, default=200, help="cases (default: 200)")
    parser.add_argument("--new", type=int, default=25, help="cap on new tokens (default: 25)")
    parser.add_argument("--threads", type=int, default=2, help="(default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    options = parser.parse_args()
    cases = load_cases([options.cases] if options.cases else None).cases[: options.limit]
    prompts = [dialect_named(options.dialect).render(case.question()) for case in cases]
    run, run_genai = (
        partial(ours, options.folder, prompts, options.new),
        partial(genai, options.folder, prompts, options.new),
    )
    ways: dict[str, Callable[[], tuple[float, Tokens]]] = {"one at a time, one thread": partial(run, 1, 1)}
    if options.threads > 1:
        ways[f"one at a time, {options.threads} threads a step"] = partial(run, options.threads, 1)
        ways[f"one in each of {options.threads} lanes"] = partial(run, options.threads, options.threads)
    for batch in (4, 8, 16, 32):
        ways[f"{batch} rows on {options.threads} threads"] = partial(run, options.threads, batch)
    ways["default layout"] = partial(run, options.threads, None)
    if find_spec("onnxruntime_genai"):
        for threads in sorted({1, options.threads}):
            ways[f"onnxruntime-genai, {threads} thread(s)"] = partial(run_genai, threads)
    best: dict[str, float] = {}
    tokens: dict[str, Tokens] = {}
    for _ in range(options.rounds):
        for way, measure in ways.items():
            spent, tokens[way] = measure()
            best[way] = min(spent, best.get(way, spent))
    reference = next(iter(tokens.values()))
    mean = sum(map(len, reference)) / len(reference)
    print(f"{options.folder.name}: {len(prompts)} cases, {mean:.1f} new tokens each")
    for way, spent in best.items():
        same = sum(a == b for a, b in zip(reference, tokens[way], strict=True))
        print(f"  {way:34} {len(prompts) / spent:7.1f} cases/s   {same}/{len(prompts)} as one at a time")


if __name__ == "__main__":
    main()
