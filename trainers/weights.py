"""A model, or an adapter on it, loaded whole: what lacks, transformers and PEFT would fill with random numbers.

Needs torch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from phi4bench.backends.memory import is_out_of_memory
from phi4bench.backends.reasons import one_line
from phi4bench.errors import UsageError
from phi4bench.printable import printable
from trainers.base import read_json_file
from trainers.faults import TrainingError
from trainers.ranks import say

TOGETHER = "copy the folder again, whole: config.json and the weights belong together"


def load_whole(folder: Path, **options: Any) -> Any:
    """The model of a Hugging Face folder; what its weights hold besides is said. `options`: of `from_pretrained`.

    Raises `UsageError` where weights and configuration are not of one model, `TrainingError` where memory ran out.
    """
    from transformers import AutoModelForCausalLM

    shown = printable(str(folder), 200)
    try:
        with _without_its_table():
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are told below, by name
                **options,
            )
    except Exception as error:  # its exceptions share no base but this one
        if is_out_of_memory(error):
            what = f"there is no memory to load '{shown}' ({one_line(error)})"
            raise TrainingError(what, "let go what else is held there") from None
        what = f"'{shown}' cannot be loaded by transformers ({type(error).__name__}: {one_line(error)})"
        raise UsageError(what, TOGETHER) from None
    lacking = sorted(str(one) for one in report.get("missing_keys") or ())
    if lacking:
        raise UsageError(f"'{shown}': its weights lack what config.json asks for: {_some(lacking)}", TOGETHER)
    unlike = sorted(str(one[0]) for one in report.get("mismatched_keys") or ())
    if unlike:
        what = f"'{shown}': its weights have another shape than config.json says: {_some(unlike)}"
        raise UsageError(what, TOGETHER)
    unused = sorted(str(one) for one in report.get("unexpected_keys") or ())
    if unused:
        say(f"'{shown}': its weights hold what config.json does not know, left out here: {_some(unused)}")
    return model


def with_adapter(model: Any, adapter: Path, base: Path) -> Any:
    """`model`, which the folder `base` holds, with an adapter. Raises `UsageError` for half an adapter or another
    model's."""
    from peft import PeftModel
    from safetensors import SafetensorError

    shown = printable(str(adapter), 200)
    if read_json_file(adapter / "adapter_config.json").get("megatron_config"):
        what = f"'{shown}' has megatron_config, by which older PEFT runs whatever module adapter_config.json names"
        raise UsageError(what, "take megatron_config and megatron_core out of it")
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # what lacks is told below
            adapted = PeftModel.from_pretrained(model, adapter)
            report = adapted.load_adapter(str(adapter), adapted.active_adapter)  # only this one tells
    except SafetensorError as error:
        what = f"'{shown}': its adapter_model.safetensors cannot be read ({one_line(error)})"
        raise UsageError(what, "copy it again, whole") from None
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        what = f"the adapter does not fit '{printable(str(base), 200)}' ({printable(str(error), 200)})"
        raise UsageError(what, "name the base that it was trained on with --base") from None
    lacking, unused = sorted(report.missing_keys), sorted(report.unexpected_keys)
    if lacking or unused:
        does = f"lacks {_some(lacking)}" if lacking else f"holds {_some(unused)}, which has no place there"
        what = f"the adapter does not fit '{printable(str(base), 200)}': it {does}"
        raise UsageError(what, "copy the adapter again, whole, or name the base that it was trained on with --base")
    return adapted


@contextmanager
def _without_its_table() -> Iterator[None]:
    """transformers logs a table of what is told here in a line."""
    logger = logging.getLogger("transformers.modeling_utils")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return printable(names[0], 120) + more
