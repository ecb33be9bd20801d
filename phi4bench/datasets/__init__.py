"""Datasets: where cases come from. One name in, checked cases out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from phi4bench.cases import Case
from phi4bench.counting import counted
from phi4bench.datasets.casefile import distinct, read_cases, write_cases
from phi4bench.datasets.casejson import case_from_json, case_to_json
from phi4bench.datasets.dataset import Dataset, Digest, digest
from phi4bench.datasets.packing import pack_cases
from phi4bench.datasets.sampling import sample
from phi4bench.datasets.shipped import fixtures_dir, schemas_dir, shipped_cases, suites_dir
from phi4bench.errors import UsageError
from phi4bench.nearby import expanded, no_such_path

SHIPPED = "shipped"
"""The source that names the shipped test split, so that it can be judged beside others."""

__all__ = [
    "SHIPPED",
    "Dataset",
    "case_from_json",
    "case_to_json",
    "fixtures_dir",
    "load_cases",
    "sample",
    "schemas_dir",
    "shipped_cases",
    "subset",
    "suites_dir",
    "write_cases",
]


def load_cases(sources: Sequence[str] | None = None) -> Dataset:
    """The cases of all `sources`: case files, folders of them, `bfcl:DIR`, `tooltalk:DIR`, `shipped`.

    `None`: the shipped test split. Raises `CaseFileError` for the first fault in a file, `UsageError` for a source that
    is not there.
    """
    sources = list(sources) if sources else [str(shipped_cases())]
    notes: list[str] = []
    sha256 = Digest()
    kept = pack_cases(sha256.over(distinct(_found(sources, notes))))
    names = [Path(source.removeprefix("bfcl:").removeprefix("tooltalk:")).stem for source in sources]
    return Dataset(kept, " ".join(sources), sha256.hexdigest(), "+".join(names), tuple(notes))


def _found(sources: Sequence[str], notes: list[str]) -> Iterator[tuple[str, Case]]:
    """Every case with its place. `notes`: takes what there is to say of them."""
    for source in sources:
        kind, _, rest = source.partition(":")
        if kind in ("bfcl", "tooltalk") and rest:
            found, said = _foreign(kind, expanded(rest))
            yield from ((f"{kind}:{rest}", case) for case in found)
            notes += said
        else:
            for path in _files(source):
                yield from read_cases(path)


def subset(dataset: Dataset, limit: int, seed: int = 0) -> Dataset:
    """A seeded, stratified sample of the dataset, under its own sha256."""
    cases = sample(dataset.cases, limit, seed)
    if len(cases) == len(dataset.cases):
        return dataset
    note = f"a sample of {len(cases):,} of {counted(len(dataset.cases), 'case')} (seed {seed})"
    return replace(dataset, cases=cases, sha256=digest(cases), notes=(*dataset.notes, note))


def _files(source: str) -> list[Path]:
    path = shipped_cases() if source == SHIPPED else expanded(source)
    if path.is_dir():
        files = sorted(path.glob("*.jsonl"))
        if not files:
            raise UsageError(f"{source!r} holds no .jsonl file; name a case file, or bfcl:DIR or tooltalk:DIR")
        return files
    if not path.exists():
        raise UsageError(no_such_path(source, "a case file (.jsonl), bfcl:DIR or tooltalk:DIR"))
    return [path]


def _foreign(kind: str, path: Path) -> tuple[list[Case], list[str]]:
    if not path.exists():
        raise UsageError(no_such_path(str(path), f"the folder of the {kind} data"))
    if kind == "bfcl":
        from phi4bench.datasets.bfcl import read_bfcl

        return read_bfcl(path)
    from phi4bench.datasets.tooltalk import read_tooltalk

    return read_tooltalk(path)
