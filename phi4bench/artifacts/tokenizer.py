"""Whether the tokenizer next to a model can be the model's own. Reads tokenizer.json and genai_config.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from phi4bench.errors import ArtifactError
from phi4bench.printable import printable

_SMALLEST_SHARE = 0.5
"""Vocabularies are padded, by some percent at most; a tokenizer that knows under half the logits is another model's."""


def check_tokenizer(
    folder: Path, logits_size: int | None, special_ids: Sequence[tuple[str, int]] | None = None
) -> None:
    """`ArtifactError` where the tokenizer cannot be loaded or cannot have been the model's in training.

    `special_ids`: control tokens by the name that the configuration gives them; `None`: read from genai_config.json.
    """
    path = folder / "tokenizer.json"
    highest, known = _ids(path)
    shown = printable(str(path))
    if logits_size is not None and highest >= logits_size:
        raise ArtifactError(
            f"'{shown}' is another model's: it has token {highest}, but the logits have only {logits_size} entries",
            "copy the tokenizer that the model was trained with",
        )
    if logits_size is not None and known < _SMALLEST_SHARE * logits_size:
        raise ArtifactError(
            f"'{shown}' is another model's: it knows {known} tokens, but the logits have {logits_size} entries",
            "copy the tokenizer that the model was trained with",
        )
    config = "genai_config.json" if special_ids is None else "the configuration"
    for name, token in _special_ids(folder / "genai_config.json") if special_ids is None else special_ids:
        if token > highest:
            raise ArtifactError(
                f"'{shown}' is another model's: {config} has {name}={token}, but its last token is {highest}",
                "copy the tokenizer that the model was trained with",
            )


def _ids(path: Path) -> tuple[int, int]:
    """The highest token id of the tokenizer, and how many tokens it knows."""
    from tokenizers import Tokenizer

    try:
        vocabulary = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare exceptions, and where its Rust panics one that is none
        raise ArtifactError(
            f"'{printable(str(path))}' cannot be loaded ({printable(str(error), 120)})",
            "copy the tokenizer.json that the model was trained with",
        ) from None
    if not vocabulary:
        raise ArtifactError(f"'{printable(str(path))}' knows no tokens", "copy the model's own tokenizer.json")
    return max(vocabulary.values()), len(vocabulary)


def _special_ids(path: Path) -> list[tuple[str, int]]:
    """The control tokens that the configuration names, and a check that it is one."""
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
        model = config["model"]
        if not isinstance(model, dict):
            raise TypeError("'model' is no object")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"'{printable(str(path))}' is broken ({printable(str(error), 120)})",
            "export the model again, or copy the file again",
        ) from None
    named = {name: model.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    listed = {name: value if isinstance(value, list) else [value] for name, value in named.items()}
    return [(name, token) for name, tokens in listed.items() for token in tokens if type(token) is int]
