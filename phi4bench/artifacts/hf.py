"""A Hugging Face folder: its configuration and its safetensors, and why one may not be run. Loads no weights.

Nothing here executes what a folder holds: pickled weights and a repository's own code are refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from phi4bench.artifacts.safetensors import elements_by_type
from phi4bench.errors import ArtifactError, UsageError
from phi4bench.printable import printable

WEIGHTS = "model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
INDEX = f"{WEIGHTS}.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
EXTRA = "pip install 'phi4bench[hf]'"
FLOATS = ("fp32", "bf16", "fp16")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len")
"""What configurations call it: nearly all; GPT-2, and those of its kind; MPT."""
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class HfFolder:
    """`weights`: the safetensors files, and their index where there is one. `precision`: of most of their numbers.

    `context`: in tokens, prompt and answer together. `eos`: ids that end a turn. `vocabulary`: width of the logits.
    """

    weights: tuple[Path, ...]
    precision: str
    context: int
    eos: frozenset[int]
    vocabulary: int
    elements: int
    own_code: bool


def read_hf(folder: Path) -> HfFolder:
    """Raises `ArtifactError`, one line, for a folder that cannot be run as it is."""
    config = _json(folder / "config.json")
    weights = _weights(folder)
    shown = f"'{printable(str(folder), 300)}'"
    quantization = config.get("quantization_config")
    if quantization is not None:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization
        raise ArtifactError(
            f"{shown} is quantized ({printable(str(method), 60)}), but should hold fp32, bf16 or fp16 weights",
            "name the folder that it was made from, or judge an ONNX export of it",
        )
    if (folder / ADAPTER_CONFIG).is_file():
        raise ArtifactError(
            f"{shown} holds an adapter beside its weights, which transformers would load unasked",
            f"merge it into them (merge_and_unload, save_pretrained), or judge a folder without {ADAPTER_CONFIG}",
        )
    if config.get("transformers_weights") not in (None, WEIGHTS):
        named = printable(repr(config["transformers_weights"]), 60)
        raise ArtifactError(
            f"{shown}: config.json has transformers_weights={named}, by which transformers loads other weights",
            f"take it out, and call the weights {WEIGHTS}",
        )
    if not (folder / "tokenizer.json").is_file():
        raise ArtifactError(
            f"{shown} has no tokenizer.json",
            "copy the model's own; a tokenizer of the slow kind is converted by AutoTokenizer's save_pretrained",
        )
    counts: Counter[str] = Counter()
    for path in weights:
        if path.suffix == ".safetensors":
            counts += elements_by_type(path)
    precision = max(FLOATS, key=lambda name: counts[name])
    if not counts[precision]:
        raise ArtifactError(f"{shown} holds {', '.join(counts) or 'no tensors'}, but should hold fp32, bf16 or fp16")
    generation = folder / "generation_config.json"
    stops = _json(generation).get("eos_token_id") if generation.is_file() else None
    try:
        # Where both name stops, generation's count: so do `generate` and the model builder read them.
        listed = stops if stops is not None else config.get("eos_token_id")
        return HfFolder(
            weights=weights,
            precision=precision,
            context=int(config[next((name for name in _CONTEXT if name in config), _CONTEXT[0])]),
            eos=frozenset(int(one) for one in (listed if isinstance(listed, list) else [listed]) if one is not None),
            vocabulary=int(config["vocab_size"]),
            elements=counts.total(),
            own_code="auto_map" in config,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = printable(f"{type(error).__name__}: {error}", 120)
        raise ArtifactError(
            f"'{printable(str(folder / 'config.json'), 300)}' does not describe a decoder of text ({reason})",
            "a causal language model's config.json has 'max_position_embeddings' and 'vocab_size'",
        ) from None


def check_installed() -> None:
    """`UsageError` naming the extra, where torch or transformers is missing. Imports neither."""
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise UsageError(f"a Hugging Face folder is run by transformers: {' and '.join(missing)} not installed", EXTRA)


def fetch(spec: str) -> tuple[Path, str, str]:
    """The folder of `hf:org/name@revision` in huggingface's cache, the repository's name, and a line on the revision.

    What is not there yet is downloaded, unless HF_HUB_OFFLINE is set; pickles and code never are.
    """
    shown = f"'{printable(spec, 200)}'"
    match = _REPOSITORY.fullmatch(spec.removeprefix("hf:"))
    if match is None:
        raise ArtifactError(f"{shown} should be hf:organisation/name@revision", "for example hf:microsoft/phi-4@main")
    if find_spec("huggingface_hub") is None:
        raise UsageError(f"{shown} names a Hugging Face repository: huggingface_hub is not installed", EXTRA)
    from huggingface_hub import snapshot_download

    name, revision = match["name"], match["revision"] or "main"
    wanted = ["*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.txt", "tokenizer.model"]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:  # offline, unknown, gated, no space: its classes share no base
        raise ArtifactError(shown + " " + _why_not_had(error), _HOW_TO_GET.format(name, revision)) from None
    return folder, name.rpartition("/")[2], f"revision {revision}: commit {folder.name}"


_HOW_TO_GET = "run `hf download {} --revision {}` where there is a network, or name a folder"
_REASONS = {
    "GatedRepoError": "is gated: its terms are to be accepted on its page, and `hf auth login` to be run",
    "RepositoryNotFoundError": "is no repository that can be seen from here; a private one needs `hf auth login`",
    "RevisionNotFoundError": "is a repository without that revision",
    "OfflineModeIsEnabled": "is not in Hugging Face's cache, and HF_HUB_OFFLINE is set",
    "LocalEntryNotFoundError": "is not in Hugging Face's cache, and its hub cannot be reached",
}
"""By the class of huggingface_hub's error, whose own words fill a screen; a subclass stands before its base."""


def _why_not_had(error: Exception) -> str:
    from huggingface_hub import constants

    known = {kind.__name__ for kind in type(error).__mro__}
    if "LocalEntryNotFoundError" in known and constants.HF_HUB_OFFLINE:
        return _REASONS["OfflineModeIsEnabled"]
    words = printable(" ".join(str(error).split()), 100)
    return next((reason for name, reason in _REASONS.items() if name in known), f"cannot be had ({words})")


def _weights(folder: Path) -> tuple[Path, ...]:
    shown = f"'{printable(str(folder), 300)}'"
    index = folder / INDEX
    if index.is_file():
        shards = _json(index).get("weight_map")
        listed = list(shards.values()) if isinstance(shards, dict) else []
        if not listed or any(not isinstance(name, str) or Path(name).name != name for name in listed):
            raise ArtifactError(f"'{printable(str(index), 300)}' does not list files beside it", "copy it again")
        names = sorted(set(listed))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ArtifactError(f"{shown} lacks {printable(missing[0], 100)}, which its index lists", "copy it too")
        if (folder / WEIGHTS).is_file() and WEIGHTS not in names:
            raise ArtifactError(
                f"{shown} holds {WEIGHTS} and {INDEX}: transformers loads the first and passes the shards over",
                "remove the one that is not the model's",
            )
        return (*(folder / name for name in names), index)
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise ArtifactError(
            f"{shown} is a Hugging Face folder with pickled weights ({printable(pickles[0], 100)}), which can run"
            " code when they are loaded and are refused",
            "save it again as safetensors: model.save_pretrained(FOLDER, safe_serialization=True)",
        )
    raise ArtifactError(f"{shown} is a Hugging Face folder without {WEIGHTS}", "copy the weights too")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(data, dict):
            raise TypeError("no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        shown = f"'{printable(str(path), 300)}'"
        raise ArtifactError(f"{shown} cannot be read ({printable(str(error), 120)})", "copy it again") from None
    return data
