"""From a SPEC to an artifact: finds its files, checks that they belong together, infers what no manifest says.

Reads files and loads no weights. Every fault is one `ArtifactError` line.
"""

from __future__ import annotations

import json
from pathlib import Path

from phi4bench.artifacts.artifact import Artifact, clean_id, files_sha256, is_text, short_id
from phi4bench.artifacts.hashing import file_sha256
from phi4bench.artifacts.hf import check_installed, fetch, read_hf
from phi4bench.artifacts.manifest import MANIFEST, RANDOM, Manifest, read_manifest
from phi4bench.artifacts.onnxfile import NARROW, PACKED, OnnxFile, read_onnx
from phi4bench.artifacts.protobuf import WireError
from phi4bench.artifacts.speech import choose_dialect
from phi4bench.artifacts.tokenizer import check_tokenizer
from phi4bench.artifacts.unapplied import unapplied
from phi4bench.counting import counted
from phi4bench.dialects import Dialect
from phi4bench.errors import ArtifactError
from phi4bench.nearby import expanded, is_there, no_such_path
from phi4bench.printable import printable, without_secrets
from phi4bench.targets import is_quantized

CONFIGURATION = (
    "genai_config.json", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model",
    "chat_template.jinja", "chat_template.json",
)  # fmt: skip
"""Files next to the model that its answers depend on. The manifest and the model card are not among them."""
_FEW = 0.1
"""For each number in a float type, as many of 8 bits or less are a mask or a constant; more are weights."""
SUPPORTED = (
    "judged now: an .onnx file or its folder as onnxruntime-genai's builder writes them, or a Hugging Face folder"
)


def open_artifact(spec: str, dialect: str | Dialect | None = None, cache_dir: Path | None = None) -> Artifact:
    """The artifact that `spec` names, checked and hashed; `ArtifactError` for everything that a user can get wrong.

    `dialect`: a name, the path of a dialect file, or a dialect; `None`: the manifest's, else inferred.
    `cache_dir`: where digests of large files are remembered; `None`: the default cache.
    """
    try:
        return _open(spec, dialect, cache_dir)
    except OSError as error:  # such as a name in the manifest that is longer than a name can be
        raise ArtifactError(
            f"{_quoted(str(error.filename))} cannot be read: {error.strerror}", "name readable files"
        ) from None


def _open(spec: str, dialect: str | Dialect | None, cache_dir: Path | None) -> Artifact:
    if spec.startswith("hf:"):
        folder, name, said = fetch(spec)
        return _open_hf(spec, folder, read_manifest(folder) or Manifest(), dialect, cache_dir, name, (said,))
    if spec.startswith(("http://", "https://")):
        raise ArtifactError(f"{_quoted(without_secrets(spec))} names a server, which cannot be judged yet", SUPPORTED)
    path = expanded(spec)
    if not spec or not is_there(path):
        raise ArtifactError(printable(_missing(spec)))
    manifest = read_manifest(path if path.is_dir() else path.parent)
    if path.name == MANIFEST:
        path = path.parent
    if manifest is not None and manifest.format == "fake":
        return _open_fake(spec, path if path.is_dir() else path.parent, manifest, dialect)
    if path.is_dir() and _is_hugging_face(path):
        return _open_hf(spec, path, manifest or Manifest(), dialect, cache_dir)
    model_file = path
    if path.is_dir():
        model_file = _model_in(path)
        _check_named(model_file)
    if model_file.suffix != ".onnx":
        raise ArtifactError(f"{_quoted(spec)} is no .onnx file", SUPPORTED)
    return _open_onnx(spec, model_file, manifest or Manifest(), dialect, cache_dir)


def _open_fake(spec: str, folder: Path, manifest: Manifest, dialect: str | Dialect | None) -> Artifact:
    """A folder whose manifest declares a behaviour instead of weights; it proves the suites."""
    weights = sorted([*folder.glob("*.onnx"), *folder.glob("*.safetensors")])
    if weights:  # which would not be run, and be promoted for another's answers
        raise ArtifactError(
            f"{_quoted(folder / MANIFEST)}: format='fake', but {printable(weights[0].name, 100)} lies beside it",
            "a fake's folder holds no weights: correct the manifest, or remove it",
        )
    if not manifest.behaviour:
        raise ArtifactError(f"{_quoted(folder / MANIFEST)}: 'behaviour' is missing", "a fake's manifest names one")
    answers = folder / manifest.answers if manifest.answers else None
    if answers is not None and not answers.is_file():
        raise ArtifactError(f"{_quoted(answers)} is not there", "'answers' names a case file in the fake's folder")
    parts = [folder / MANIFEST] + ([answers] if answers else [])
    files = tuple((part.name, file_sha256(part), part.stat().st_size) for part in parts)
    chosen, inferred = choose_dialect(folder, manifest, dialect or manifest.dialect or "tool_use")
    return Artifact(
        spec=spec,
        id=short_id(folder / MANIFEST),
        path=folder,
        format="fake",
        files=files,
        sha256=files_sha256(files),
        bytes=sum(size for _, _, size in files),
        precision=manifest.precision or "fp32",
        parent=_parent(folder, manifest),
        parent_sha256=manifest.parent_sha256,
        dialect=chosen,
        dialect_inferred=inferred,
        model_file=folder / MANIFEST,
        tokenizer_dir=folder,
        behaviour=manifest.behaviour,
        random_weights=manifest.weights == RANDOM,
        answers=answers,
    )


def _open_onnx(
    spec: str, model_file: Path, manifest: Manifest, dialect: str | Dialect | None, cache_dir: Path | None
) -> Artifact:
    folder = model_file.parent
    onnx = _read(model_file)
    _check_decoder(model_file, onnx)
    external = _external_files(model_file, onnx)
    adapter = _adapter(folder, manifest)
    for name, what in (("genai_config.json", "the model builder writes it"), ("tokenizer.json", "the model's own")):
        if not (folder / name).is_file():
            raise ArtifactError(f"{_quoted(folder)} has no {name}", f"copy it next to {model_file.name}; {what}")
    check_tokenizer(folder, onnx.logits_size)
    said: list[str] = []
    found, why = infer_precision(onnx)
    precision = manifest.precision or found
    if not manifest.precision:
        said.append(f"precision {precision}: inferred from {why}")
    elif (found == "int8" and precision == "int4") or (is_quantized(found) and not is_quantized(precision)):
        # It would get a wider margin than is its due, or be spared the comparison with its parent.
        raise ArtifactError(
            f"{_quoted(folder / MANIFEST)}: precision={precision!r}, but its graph is {found}: {why}", "correct it"
        )
    chosen, inferred = choose_dialect(folder, manifest, dialect)
    configuration = [folder / name for name in CONFIGURATION if (folder / name).is_file()]
    files = tuple(
        (part.relative_to(folder).as_posix(), _sha256(part, cache_dir), part.stat().st_size)
        for part in (model_file, *external, *([adapter] if adapter else []), *configuration)
    )
    return Artifact(
        spec=spec,
        id=short_id(model_file),
        path=folder,
        format="onnx",
        files=files,
        sha256=files_sha256(files),
        bytes=sum(size for name, _, size in files if not is_text(name)),
        precision=precision,
        parent=_parent(folder, manifest),
        parent_sha256=manifest.parent_sha256,
        dialect=chosen,
        dialect_inferred=(*said, *inferred, *unapplied(folder / "genai_config.json", "search")),
        model_file=model_file,
        tokenizer_dir=folder,
        logits_size=onnx.logits_size,
        adapter=adapter,
        random_weights=manifest.weights == RANDOM,
    )


def _open_hf(
    spec: str,
    folder: Path,
    manifest: Manifest,
    dialect: str | Dialect | None,
    cache_dir: Path | None,
    name: str = "",
    said: tuple[str, ...] = (),
) -> Artifact:
    """`name`: for the id, where the folder's own says nothing. The precision is that of the weights as they lie."""
    found = read_hf(folder)
    check_tokenizer(folder, found.vocabulary, [("eos_token_id", one) for one in sorted(found.eos)])
    chosen, inferred = choose_dialect(folder, manifest, dialect)
    check_installed()
    configuration = [folder / one for one in CONFIGURATION if (folder / one).is_file()]
    files = tuple(
        (part.name, _sha256(part, cache_dir), part.stat().st_size) for part in (*found.weights, *configuration)
    )
    return Artifact(
        spec=spec,
        id=clean_id(name) if name else short_id(folder / MANIFEST),
        path=folder,
        format="hf",
        files=files,
        sha256=files_sha256(files),
        bytes=sum(size for one, _, size in files if not is_text(one)),
        precision=found.precision,
        parent=_parent(folder, manifest),
        parent_sha256=manifest.parent_sha256,
        dialect=chosen,
        dialect_inferred=(
            *said,
            f"precision of its weights: {found.precision} ({counted(found.elements, 'number')})",
            *inferred,
            *unapplied(folder / "generation_config.json"),
        ),
        model_file=found.weights[0],
        tokenizer_dir=folder,
        logits_size=found.vocabulary,
        random_weights=manifest.weights == RANDOM,
    )


def _is_hugging_face(folder: Path) -> bool:
    """A config.json and no ONNX model; an adapter alone is none."""
    return (
        (folder / "config.json").is_file()
        and not any(folder.glob("*.onnx"))
        and not (folder / "adapter_config.json").is_file()
    )


def _model_in(folder: Path) -> Path:
    """The model of a folder: `model.onnx`, or the only .onnx file there is."""
    if (folder / "model.onnx").is_file():
        return folder / "model.onnx"
    models = sorted(folder.glob("*.onnx"))
    if len(models) == 1:
        return models[0]
    shown = _quoted(folder)
    if models:
        names = printable(", ".join(model.name for model in models), 300)
        raise ArtifactError(f"{shown} holds several models: {names}", "name the one to judge")
    if not any(folder.iterdir()):
        raise ArtifactError(f"{shown} is an empty folder", SUPPORTED)
    if (folder / "adapter_config.json").is_file():
        raise ArtifactError(
            f"{shown} is a PEFT adapter, which is not judged by itself",
            "merge it into its base (merge_and_unload, save_pretrained) and judge the merged folder",
        )
    below = sorted(str(model.relative_to(folder)) for model in folder.glob("*/*.onnx"))[:5]
    hint = f"did you mean one of {printable(', '.join(below), 300)}?" if below else SUPPORTED
    raise ArtifactError(f"{shown} holds no .onnx file", hint)


def _check_named(model_file: Path) -> None:
    """onnxruntime-genai, given the folder, runs what its configuration names: that is the file to judge."""
    config = model_file.parent / "genai_config.json"
    try:
        named = json.loads(config.read_text(encoding="utf-8-sig"))["model"]["decoder"]["filename"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # it names none; whether it is one at all is seen later
    if not isinstance(named, str) or Path(named) != Path(model_file.name):  # as `./model.onnx` too
        raise ArtifactError(
            f"{_quoted(config)} names {printable(repr(named), 100)}, but the folder's model is {model_file.name}",
            "correct it, or name the file to judge",
        )


def _read(model_file: Path) -> OnnxFile:
    try:
        return read_onnx(model_file)
    except WireError as error:
        raise ArtifactError(
            f"{_quoted(model_file)} is truncated or no ONNX model ({error})", "copy it again, whole"
        ) from None
    except OSError as error:
        raise ArtifactError(f"{_quoted(model_file)} cannot be read: {error.strerror}", "name a readable file") from None


def _check_decoder(model_file: Path, onnx: OnnxFile) -> None:
    """A decoder takes tokens and its past, and gives logits and its present."""
    cache = any(name.startswith("past_key_values") for name in onnx.inputs)
    lacks = [name for name, there in (
        ("input_ids", "input_ids" in onnx.inputs), ("past_key_values.*", cache), ("logits", "logits" in onnx.outputs),
    ) if not there]  # fmt: skip
    if lacks:
        has = printable(", ".join([*onnx.inputs, *onnx.outputs]), 160) or "none"
        raise ArtifactError(
            f"{_quoted(model_file)} is not a decoder with a KV cache: it lacks {', '.join(lacks)} (it has {has})",
            "export the model with onnxruntime-genai's model builder",
        )


def _external_files(model_file: Path, onnx: OnnxFile) -> list[Path]:
    """The files of weights beside the model, each there and long enough."""
    found = []
    for location, needed in sorted(onnx.external.items()):
        relative = Path(location)
        if not location or relative.is_absolute() or ".." in relative.parts:
            raise ArtifactError(
                f"{_quoted(model_file)} keeps weights at {_quoted(location)}, outside its folder", "export it again"
            )
        path = model_file.parent / relative
        if not path.is_file():
            raise ArtifactError(f"{_quoted(path)} is not there", f"{model_file.name} keeps weights in it; copy it too")
        size = path.stat().st_size
        if size < needed:
            raise ArtifactError(
                f"{_quoted(path)} is truncated: {size} bytes, but {model_file.name} reads {needed}",
                "copy it again, whole",
            )
        found.append(path)
    return found


def _adapter(folder: Path, manifest: Manifest) -> Path | None:
    """The adapter that the manifest names, in the model's own folder."""
    if not manifest.adapter:
        return None
    path = folder / manifest.adapter
    if Path(manifest.adapter).name != manifest.adapter or not path.is_file():
        raise ArtifactError(
            f"{_quoted(folder / MANIFEST)}: adapter={printable(manifest.adapter, 60)!r}, but should be a file in the"
            " folder",
            "copy it there, or export it again",
        )
    return path


def infer_precision(onnx: OnnxFile) -> tuple[str, str]:
    """The precision of the weights, and what it was inferred from."""
    if onnx.bits:
        narrowest = min(onnx.bits)
        mixed = " and ".join(f"{count} of {bits} bits" for bits, count in sorted(onnx.bits.items()))
        found = " and ".join(name for name in PACKED if onnx.operators.get(name)) or "operators"
        return ("int4" if narrowest <= 4 else "int8"), f"{found} ({mixed})"
    narrow = {kind: onnx.elements[kind] for kind in NARROW if onnx.elements.get(kind)}
    floats = {kind: onnx.elements.get(kind, 0) for kind in ("fp32", "fp16", "bf16")}
    few = "int4" if any(NARROW[kind] <= 4 for kind in narrow) else "int8"
    for operator in ("MatMulInteger", "DynamicQuantizeMatMul", "QLinearMatMul", "DequantizeLinear"):
        if onnx.operators.get(operator):
            return few, counted(onnx.operators[operator], f"{operator} node")
    if sum(narrow.values()) > _FEW * sum(floats.values()):  # whichever operators read them
        kinds = " and ".join(f"{number:,} in {kind}" for kind, number in narrow.items())
        return few, f"the type of its weights ({kinds})"
    widest = max(floats, key=lambda kind: floats[kind])
    return widest, f"the type of its weights ({floats[widest]:,} of them)"


def _sha256(path: Path, cache_dir: Path | None) -> str:
    try:
        return file_sha256(path, cache_dir)
    except OSError as error:
        raise ArtifactError(f"{_quoted(path)} cannot be read: {error.strerror}", "name readable files") from None


def _parent(folder: Path, manifest: Manifest) -> str | None:
    return str(folder / manifest.parent) if manifest.parent else None


def _missing(spec: str) -> str:
    if not spec or "\0" in spec:
        return f"{spec!r} is no path; name an .onnx file or its folder"
    return no_such_path(spec, "an .onnx file or its folder")


def _quoted(text: str | Path) -> str:
    return f"'{printable(str(text), 300)}'"
