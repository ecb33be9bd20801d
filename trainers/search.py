"""`quantize --search smallest-that-passes`: the smallest mix of 4 and 8 bits that the gate promotes. No torch.

Each matrix's sensitivity is what it costs alone in 4 bits, all others being in 8: KL and flips against the fp32 file.
Those that cost most for each byte that 4 bits save then stay in 8 bits, as few as the gate allows: smallest in this
order. Asked to, it then tries each of them alone in 4 bits; other mixes are not tried.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import read_json_file, write_json
from trainers.closeness import Source, compare
from trainers.faults import TrainingError
from trainers.quantize import ONLY_BITS, Plan, blockwise, make, matrices_of

RESULTS = "search.json"
PROMOTE, UNDECIDED = 0, 10
"""Of the gate's exit codes."""


@dataclass(frozen=True)
class Sensitivity:
    """What one matrix costs in 4 bits: `kl` in nats, `flips`: share of positions with another top token."""

    name: str
    kl: float
    flips: float


def sensitivities(
    source: Source, plan: Plan, scratch: Path, known: Sequence[Sensitivity], keep: Callable[[Sensitivity], None]
) -> list[Sensitivity]:
    """Of every matrix, first what costs most for each byte that 4 bits save, which goes by the number of its weights.

    Those `known` are not measured again; `keep` is told each new one.
    """
    weights = sizes_of(source, plan)
    names = list(weights)
    found = [one for one in known if one.name in names]
    for name in sorted(set(names) - {one.name for one in found}, key=names.index):
        shutil.rmtree(scratch, ignore_errors=True)  # a killed run's
        others = tuple(other for other in names if other != name)
        try:
            blockwise(source, scratch, replace(plan, bits=4, wide=others))
            shutil.copy(source.artifact.path / "genai_config.json", scratch / "genai_config.json")
            close = compare(scratch / "model.onnx", source)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        found.append(Sensitivity(name, close.kl, 1 - close.top1_agreement))
        keep(found[-1])
        print(f"{name} in 4 bits: KL {close.kl:.5f}, {100 * (1 - close.top1_agreement):.1f}% flips", flush=True)
    return sorted(found, key=lambda one: (-one.kl / weights[one.name], one.name))


def check_method(method: str) -> None:
    """`UsageError` for a method that makes one width alone."""
    if method in ONLY_BITS:
        what = f"method={method!r} makes int{ONLY_BITS[method]} alone, but --search needs 4 and 8 bits"
        raise UsageError(what, "use rtn, k-quant or gptq")


def search(
    source: Source,
    plan: Plan,
    out: Path,
    judge: Callable[[Path], int],
    judged_by: Sequence[str] = (),
    one_by_one: bool = False,
) -> Path:
    """`out/mixed-N`: the first file that the gate promotes, from the smallest up, halving what is left at each trial.

    `one_by_one`: then each matrix in 8 bits is tried in 4, the largest first, and stays there where the gate still
    promotes: `out/mixed-N-M`, M being the trial's number.

    That more matrices in 8 bits never turn a promotion into none is taken for granted; the file that is returned was
    itself promoted. `judge`: gives the gate's exit code. `judged_by`: what that depends on, such as hashes of the
    targets. Sensitivities and trials are kept in `out/search.json`, so a killed search goes on; trials by another gate
    are not used. Raises `UsageError` where they are of another model, plan or conversations, and `TrainingError` where
    not even all in 8 bits is promoted.
    """
    check_method(plan.method)
    journal = out / RESULTS
    key = {
        "source": source.artifact.weights_sha256,
        "plan": plan.told(),
        "prompts": source.prompts_sha256,
    }
    held = _held(journal, key, judged_by)

    def measured(one: Sensitivity) -> None:
        held["sensitivities"].append(asdict(one))
        write_json(journal, held)

    known = [Sensitivity(**one) for one in held["sensitivities"]]
    order = [one.name for one in sensitivities(source, plan, out / ".sensitivity", known, measured)]

    def mixed(name: str, wide: Sequence[str]) -> Path:
        some = replace(plan, bits=4, wide=tuple(sorted(wide)))
        return make(source, some, out / f"mixed-{name}", out / "mixed.json")

    def trial(name: str, wide: Sequence[str]) -> bool:
        if name not in held["trials"]:
            held["trials"][name] = judge(mixed(name, wide))
            write_json(journal, held)
        code = held["trials"][name]
        print(
            f"mixed-{name}, {len(wide)} of {len(order)} matrices in 8 bits: the gate's exit code is {code}", flush=True
        )
        return bool(code == PROMOTE)

    wide = smallest(len(order), lambda count: trial(str(count), order[:count]))
    if wide is None:
        raise _none_passes(out / f"mixed-{len(order)}", held["trials"][str(len(order))])
    name, stay = str(wide), order[:wide]
    if one_by_one:
        sizes = sizes_of(source, plan)
        for number, one in enumerate(sorted(stay[:-1], key=lambda one: -sizes[one]), start=1):  # the last had to stay
            less = [other for other in stay if other != one]
            if trial(f"{wide}-{number}", less):
                name, stay = f"{wide}-{number}", less
    chosen = mixed(name, stay)
    print(f"smallest that passes: {chosen}; in 8 bits: {', '.join(stay) or 'none'}")
    write_json(journal, held | {"chosen": chosen.name, "in_8_bits": stay})
    return chosen


def _held(journal: Path, key: Mapping[str, Any], judged_by: Sequence[str]) -> dict[str, Any]:
    """What an earlier search has left: its sensitivities, and its trials where the same gate judged them."""
    held = dict(read_json_file(journal)) if journal.is_file() else {**key, "sensitivities": []}
    if any(held.get(name) != value for name, value in key.items()):
        what = f"'{printable(str(journal), 200)}' is of another model, plan or conversations"
        raise UsageError(what, "name another folder with --out, or remove it and what it made")
    if held.get("judged_by") != list(judged_by):
        held = {name: held[name] for name in (*key, "sensitivities")} | {"judged_by": list(judged_by), "trials": {}}
    return held


def _none_passes(last: Path, code: int) -> TrainingError:
    """`last`: all in 8 bits; `code`: what the gate said of it."""
    if code == UNDECIDED:
        what = "the gate promotes no mix of 4 and 8 bits: of all in 8 it is undecided"
        return TrainingError(what, f"see what it wants of {last}, such as more cases; retraining comes after that")
    return TrainingError(
        "the gate promotes no mix of 4 and 8 bits, not even all in 8",
        f"see what it says of {last}; quantization-aware training is what is left",
    )


def sizes_of(source: Source, plan: Plan) -> dict[str, int]:
    """How many weights each matrix has."""
    return {matrix.name: matrix.shape[0] * matrix.shape[1] for matrix in matrices_of(source.graph, plan)}


def smallest(most: int, passes: Callable[[int], bool]) -> int | None:
    """The least n in 0..`most` that passes, if passing is monotone; `None` where `most` does not pass.

    The ends first: all in 4 bits may do, and where all in 8 does not, nothing will.
    """
    if passes(0):
        return 0
    if not passes(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
