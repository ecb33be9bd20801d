"""What a folder's own settings ask of generating, and the suites do not do. Reads one file of settings."""

from __future__ import annotations

import json
from pathlib import Path

from phi4bench.calls import Json
from phi4bench.printable import printable

_CHANGE_NOTHING: dict[str, tuple[Json, ...]] = {
    "do_sample": (False,),
    "num_beams": (1,),
    "repetition_penalty": (1,),
    "no_repeat_ngram_size": (0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "penalty_alpha": (0,),
    "guidance_scale": (1,),
    "exponential_decay_length_penalty": (),
    "sequence_bias": ([], {}),
    "bad_words_ids": ([],),
    "suppress_tokens": ([],),
    "begin_suppress_tokens": ([],),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "stop_strings": ([], ""),
}
"""The settings, by their names in transformers, that make another answer of the same logits, and with which values
they do not; null never does. What shapes sampling alone comes with `do_sample`."""


def unapplied(path: Path, section: str = "") -> list[str]:
    """A printable line on what is asked for and not applied; none where nothing is, or there is no such file.

    `section`: where in the file the settings stand. The file has been read once, as a JSON object.
    """
    found = json.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    settings = found.get(section) if section else found
    if not isinstance(settings, dict):
        return []
    asked = [
        f"{name}={printable(json.dumps(settings[name]), 60)}"
        for name, neutral in _CHANGE_NOTHING.items()
        if settings.get(name) not in (None, *neutral)
    ]
    return [f"{path.name} asks for {', '.join(asked)}: not applied, for decoding is greedy"] if asked else []
