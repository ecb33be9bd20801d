"""One measurement: our own run, a peer's right after it, and how far both wrote the same tokens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import PeerError, environment, last_words
from benchmarks.peers.inputs import MAX_NEW_TOKENS, MODELS, TASK, Inputs
from benchmarks.peers.rivals import Peer
from phi4bench.gates import judge_levels
from phi4bench.levels import score
from phi4bench.machine import usable_cores
from phi4bench.run.plan import read_targets
from phi4bench.runfile import read_run
from phi4bench.targets import targets_of
from phi4bench.transcripts import Completion

ROOT = Path(__file__).resolve().parent.parent.parent
RUNNERS = Path(__file__).resolve().parent / "runners"


@dataclass(frozen=True)
class Pair:
    """One round of one peer. Seconds are from the start of the process to the four levels' verdict; rates are cases a
    second of the loaded model. `same`: cases with the very tokens of ours; `differ_at`: the new token (from 1) at which
    the others part, each; `other_prompts`: prompts that it read otherwise; `right`: cases right at all four levels.
    """

    peer: str
    round: int
    cases: int
    ours_s: float
    ours_per_s: float
    ours_right: int
    peer_s: float
    peer_per_s: float
    right: int
    same: int
    differ_at: tuple[int, ...]
    other_prompts: int

    @property
    def ratio(self) -> float:
        return self.peer_s / self.ours_s


def measure(peer: Peer, number: int, inputs: Inputs, python: Path) -> Pair:
    """Raises `PeerError` where the peer cannot be run or did not answer every case."""
    ours_s, ours_per_s, reference, right = run_ours(peer.ours, inputs)
    peer_s, answered = run_peer(peer, inputs, python)
    made = completions(inputs, answered["found"])
    started = time.perf_counter()
    peer_right = judged(inputs, made)
    peer_s += time.perf_counter() - started
    parts = [parting(mine, its) for mine, its in zip(reference, made, strict=True)]
    return Pair(
        peer.name, number, len(made), ours_s, ours_per_s, right, peer_s, len(made) / answered["generating_s"],
        peer_right, parts.count(0), tuple(part for part in parts if part), answered["other_prompts"],
    )  # fmt: skip


def run_ours(name: str, inputs: Inputs) -> tuple[float, float, list[Completion], int]:
    """Seconds of the whole `pytest suites/accuracy --no-cache`, cases a second, completions, how many are right."""
    reports = inputs.folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "suites/accuracy", f"--model={MODELS / name}",
        f"--cases={inputs.cases_file}", "--no-cache", f"--report={reports}",
    ]  # fmt: skip
    spent = _seconds(command, "pytest suites/accuracy", (0, 1, 10), ROOT)
    run = read_run(reports / "transcripts" / f"{name}.jsonl")
    made = [one for one in run.completions if one is not None]
    if len(made) < len(inputs.cases):
        raise PeerError(f"our own run made {len(made)} of {len(inputs.cases)} completions")
    generation: Mapping[str, Any] = run.facts["generation"]
    return spent, len(made) / generation["seconds"], made, judged(inputs, made)


def run_peer(peer: Peer, inputs: Inputs, python: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of its whole process, and what it answered."""
    out, order = inputs.folder / "answer.json", inputs.folder / "order.json"
    samples = inputs.folder / "samples"
    out.unlink(missing_ok=True)
    shutil.rmtree(samples, ignore_errors=True)
    model = model_of(peer, inputs, python)
    extra = {**peer.extra, "tasks": str(inputs.tasks), "task": TASK, "samples": str(samples)}
    extra["model_args"] = ",".join(filter(None, [f"pretrained={model}", peer.extra.get("arguments", "")]))
    data = {
        "model": str(model),
        "prompts": str(inputs.prompts_file),
        "out": str(out),
        "max_new_tokens": MAX_NEW_TOKENS,
        "eos": inputs.eos,
        "precision": peer.extra.get("dtype", ""),
        "batch": peer.batch,
        "threads": usable_cores(),
        "extra": extra,
    }
    order.write_text(json.dumps(data), encoding="utf-8")
    spent = _seconds([str(python), str(RUNNERS / f"{peer.runner}.py"), str(order)], peer.what, (0,), inputs.folder)
    answered: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return spent, answered


def model_of(peer: Peer, inputs: Inputs, python: Path) -> Path:
    """The weights as this peer reads them, converted where it takes neither of our formats."""
    if not peer.model.endswith(".gguf"):
        return inputs.folder / peer.model if peer.model.startswith("plain/") else MODELS / peer.model
    path = inputs.folder / peer.model
    if not path.is_file():
        kind = {"fp32": "F32", "q8_0": "Q8_0"}[peer.precision]
        draft = path.with_name(f"{path.name}.part")
        command = [str(python), str(RUNNERS / "to_gguf.py"), str(MODELS / "nano-hf"), str(draft), kind]
        _seconds(command, "the conversion to GGUF", (0,), inputs.folder)
        draft.replace(path)
    return path


def completions(inputs: Inputs, found: Mapping[str, Any]) -> list[Completion]:
    """In the cases' order; of a tool that returns text, its tokens are what that text reads as, and the end of turn."""
    made = []
    for case in inputs.cases:
        answer = found.get(case.id)
        if answer is None:
            raise PeerError(f"it gave no answer to case {case.id}, and {len(found)} of {len(inputs.cases)} in all")
        if isinstance(answer, str):
            made.append(Completion(answer))
        else:
            ended = answer[-1:] == [inputs.eos]
            text = inputs.tokenizer.decode(answer[:-1] if ended else answer)
            made.append(Completion(text, tuple(answer), "stop" if ended else "length"))
    return made


def parting(ours: Completion, its: Completion) -> int:
    """The new token, counted from 1, at which the two part; 0 where they never do. Texts that differ part at 1."""
    if not its.token_ids:
        return int(ours.text != its.text)
    if ours.token_ids == its.token_ids:
        return 0
    pairs = zip(ours.token_ids, its.token_ids, strict=False)
    same = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(ours.token_ids), len(its.token_ids)))
    return same + 1


def judged(inputs: Inputs, made: Sequence[Completion]) -> int:
    """The four levels' verdict, as our gate has it; returns how many cases are right at all four."""
    targets = targets_of(read_targets(["guide"]))
    scores = [score(case, one, inputs.dialect) for case, one in zip(inputs.cases, made, strict=True)]
    return round(judge_levels(scores, targets)["parameter"].rate * len(scores))


def prepared(peer: Peer, environments: Path) -> Path:
    """Its Python. Raises `PeerError`."""
    return environment(environments, peer.environment)


def _seconds(command: list[str], what: str, fine: tuple[int, ...], folder: Path) -> float:
    """How long a process took. `PeerError` with its last words where it ends otherwise than `fine`."""
    settings = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        "ORT_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if command[0] != sys.executable:
        settings.pop("PYTHONPATH", None)  # ours has no place in a peer's environment
    started = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=settings, cwd=folder, check=False
    )
    spent = time.perf_counter() - started
    if done.returncode not in fine:
        raise PeerError(f"{what} ended with status {done.returncode}: {last_words(done.stderr or done.stdout)}")
    return spent
