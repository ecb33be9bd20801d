"""From options to a plan: everything that the user named is found, opened and checked before any model is loaded.

Whatever is wrong with a request is told here, in one line, while nothing has been spent or overwritten.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from phi4bench.artifacts import Artifact, open_artifact, unique_ids
from phi4bench.artifacts.artifact import is_text
from phi4bench.backends.guidance import EXTRA as MASKS_EXTRA
from phi4bench.backends.guidance import mask_version
from phi4bench.backends.providers import AUTO, OF_TORCH, Provider, candidates
from phi4bench.cases import Case
from phi4bench.datasets import Dataset, fixtures_dir, load_cases, subset
from phi4bench.datasets.packing import pack_cases
from phi4bench.errors import ArtifactError, TargetsError, UsageError
from phi4bench.nearby import expanded, is_there
from phi4bench.printable import printable
from phi4bench.run.options import RunOptions
from phi4bench.store import default_cache_dir
from phi4bench.targets import Targets, targets_of
from phi4bench.xfails import Xfails, check_xfails, parse_xfails, to_stored


@dataclass(frozen=True)
class Subject:
    """One artifact to judge. `no_baseline`: why there is nothing to compare it with; empty where there is."""

    artifact: Artifact
    baseline: Artifact | None
    no_baseline: str = ""


@dataclass(frozen=True)
class Plan:
    """A request whose every part exists. `system_prompt`: the text; `None` for the dialect's own.

    `xfails`: the known failures, as they go into a run's facts; their cases are asked and not judged.
    """

    options: RunOptions
    subjects: tuple[Subject, ...]
    dataset: Dataset
    targets: Targets
    target_texts: tuple[tuple[str, str], ...]
    system_prompt: str | None
    xfails: Mapping[str, Any] | None = None

    @cached_property
    def judged(self) -> Sequence[Case]:
        """The cases without those of known failures."""
        if not self.xfails:
            return self.dataset.cases
        return pack_cases(case for case in self.dataset.cases if case.group not in self.xfails["sizes"])


def make_plan(options: RunOptions, opened: Callable[[Artifact], None] | None = None) -> Plan:
    """Raises UsageError, or one of its kinds, for the first thing that cannot be carried out.

    `opened`: told of the first artifact as soon as all are there, before the cases are read.
    """
    if not options.models:
        raise UsageError("no --model given; name an artifact: --model path/to/model.onnx")
    texts = read_targets(options.targets)
    targets = targets_of(texts)
    system_prompt = _read_text(options.system_prompt, "--system-prompt") if options.system_prompt else None
    if options.decode == "constrained" and not mask_version():
        raise UsageError("--decode=constrained needs the package llguidance, which is not installed", MASKS_EXTRA)
    subjects = _with_distinct_ids([_with_baseline(_open(model, options), options) for model in options.models])
    if options.decode == "constrained":
        _check_logits(subjects)
    _check_provider(subjects, options.provider)
    if opened is not None:
        opened(subjects[0].artifact)
    dataset = load_cases(options.cases or None)
    if not dataset.cases:
        raise UsageError(f"{dataset.path}: no cases", "name a case file that holds some")
    whole = dataset
    if options.limit is not None:
        dataset = subset(dataset, options.limit, options.seed)
    if options.sequential:  # takes cases in an order of its own, for which they are looked up one by one
        dataset = replace(dataset, cases=tuple(dataset.cases))
    xfails = _known_failures(options.xfails, whole, dataset) if options.xfails else None
    _check_writable(options.report_dir, "--report")
    if options.cache:
        _check_writable(options.cache_dir or default_cache_dir(), "--cache-dir")
    return Plan(options, subjects, dataset, targets, texts, system_prompt, xfails)


def read_targets(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(name, TOML text) of each: a shipped name such as `guide`, or a file's path."""
    folder = fixtures_dir() / "targets"
    shipped = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    texts = []
    for name in dict.fromkeys(names):
        path = shipped.get(name) or expanded(name)
        try:
            there = path.is_file()
        except OSError:  # too long a name
            there = False
        if not there:
            raise TargetsError(
                f"--targets={printable(name, 200)!r}, but should be one of {', '.join(shipped)},"
                " or a TOML file that is there"
            )
        # Reports say what an artifact was promoted by: a file of one's own is not the shipped one of its name.
        shown = path.stem if path.resolve().parent == folder.resolve() else path.name
        texts.append((shown, _read_text(path, "--targets")))
    return tuple(texts)


def read_xfails(path: Path) -> Xfails:
    """A file of known failures; `UsageError` for whatever is wrong with it."""
    shown = printable(str(path), 200)
    try:
        text = path.read_bytes().decode("utf-8")  # as it is, so that its hash is the file's
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"--xfails={shown!r} cannot be read ({reason})", "name a TOML file") from None
    return parse_xfails(text, printable(path.name, 200))


def _known_failures(path: Path, whole: Dataset, judged: Dataset) -> dict[str, Any]:
    xfails = read_xfails(path)
    groups = whole.groups
    check_xfails(xfails, groups, judged.cases)
    return to_stored(xfails, groups)


def _open(spec: str, options: RunOptions) -> Artifact:
    return open_artifact(spec, dialect=options.dialect, cache_dir=options.cache_dir)


def _with_distinct_ids(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Ids become file names and test ids; a baseline that is also a candidate has that one's."""
    baselines = [subject.baseline for subject in subjects if subject.baseline]
    lone = {_place(baseline): baseline for baseline in baselines}
    for subject in subjects:
        lone.pop(_place(subject.artifact), None)
    named = unique_ids([*(subject.artifact for subject in subjects), *lone.values()])
    ids = {_place(artifact): artifact.id for artifact in reversed(named)}
    return tuple(
        replace(
            subject,
            artifact=artifact,
            baseline=replace(subject.baseline, id=ids[_place(subject.baseline)]) if subject.baseline else None,
        )
        for artifact, subject in zip(named, subjects, strict=False)
    )


def _place(artifact: Artifact) -> Path:
    return artifact.model_file.resolve()


def _with_baseline(artifact: Artifact, options: RunOptions) -> Subject:
    if options.no_baseline:
        return Subject(artifact, None, "--no-baseline was given")
    if options.baseline is not None:
        baseline = _open(options.baseline, options)
        if same := _same(artifact, baseline):
            if artifact.quantized:
                shown = printable(options.baseline, 200)
                raise ArtifactError(
                    f"--baseline={shown!r} is the artifact {artifact.id} itself (same {same})",
                    "name the artifact that it was made from",
                )
            return Subject(artifact, None, f"{artifact.id} is the baseline itself")
        _check_same_dialect(artifact, baseline)
        return Subject(artifact, baseline)
    if artifact.parent is None:
        return Subject(artifact, None, "its manifest names no parent; give --baseline")
    return _with_parent(artifact, artifact.parent, options)


def _with_parent(artifact: Artifact, parent: str, options: RunOptions) -> Subject:
    """The parent that the manifest names, where it lies there and is the one meant."""
    shown = printable(parent, 200)
    if not is_there(Path(parent)):
        return Subject(artifact, None, f"its parent {shown!r} is not there; give --baseline")
    try:
        baseline = _open(parent, options)
        _check_same_dialect(artifact, baseline)
    except ArtifactError as error:
        return Subject(artifact, None, f"its parent cannot be run ({error}); give --baseline")
    if artifact.parent_sha256 and artifact.parent_sha256 not in (baseline.sha256, baseline.weights_sha256):
        return Subject(
            artifact, None, f"{shown!r} is not the parent that its manifest names (another sha256); give --baseline"
        )
    if same := _same(artifact, baseline):
        return Subject(artifact, None, f"its parent {shown!r} is the artifact itself (same {same}); give --baseline")
    return Subject(artifact, baseline)


def _same(artifact: Artifact, baseline: Artifact) -> str:
    """What of a baseline is the artifact's own; empty where it is another.

    A quantized file is no parent of itself, whatever lies beside the copy and however that is named. Other artifacts
    may have one file of weights and differ in their templates.
    """
    if baseline.sha256 == artifact.sha256:
        return "sha256"
    one, other = (sorted(sha for name, sha, _ in some.files if not is_text(name)) for some in (artifact, baseline))
    return "weights" if artifact.quantized and one and one == other else ""


def _check_same_dialect(artifact: Artifact, baseline: Artifact) -> None:
    if artifact.dialect.digest() != baseline.dialect.digest():
        raise ArtifactError(
            f"baseline {baseline.id} speaks {baseline.dialect.name}, but should speak what {artifact.id} does,"
            f" {artifact.dialect.name}, in the same turns",
            "give one --dialect for both, or another baseline",
        )


def _check_logits(subjects: Sequence[Subject]) -> None:
    """A mask needs logits to lie over."""
    for artifact in (one for subject in subjects for one in (subject.artifact, subject.baseline) if one):
        if artifact.format == "fake":
            raise UsageError(
                f"--decode=constrained, but {artifact.id} is a fake and has no logits to mask", "use --decode free"
            )


def _check_provider(subjects: Sequence[Subject], provider: Provider) -> None:
    """A provider asked for by name is there at all; whether it can be used shows when an artifact is opened."""
    for artifact in (one for subject in subjects for one in (subject.artifact, subject.baseline) if one):
        if artifact.format == "hf" and provider.name not in OF_TORCH:
            raise UsageError(
                f"--provider={provider.name}, but {artifact.id} is a Hugging Face folder, run by one of"
                f" {', '.join(OF_TORCH)}",
                "name one of those, or judge an ONNX export of it",
            )
        if artifact.format == "onnx" and provider.name not in (AUTO, "cpu"):
            from phi4bench.backends.session import installed_providers

            candidates(provider, installed_providers())


def _read_text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        shown = printable(str(path), 200)
        raise UsageError(f"{option}={shown!r} cannot be read ({reason})", "name a text file") from None


def _check_writable(folder: Path, option: str) -> None:
    """Create the folder and a file in it, now rather than after an hour of generating."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{option}={printable(str(folder), 200)!r} cannot be written ({error.strerror})", "name another folder"
        ) from None
