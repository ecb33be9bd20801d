"""Runs a Hugging Face folder greedily in transformers, in the precision in which its weights are stored.

It and `padded_rows` alone import torch and transformers, and only when a model is opened. Weights are safetensors, and
a repository's own code is never run. Many rows decode together, padded on the left; each prompt is read on its own,
after the prefix that it shares, which is computed once. The order of tokens is `lane`'s, as in the ONNX backend.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from phi4bench.artifacts.hf import EXTRA, HfFolder, read_hf
from phi4bench.backends.answering import Answering, Done, Work
from phi4bench.backends.handout import Coming, Handout
from phi4bench.backends.job import Job
from phi4bench.backends.kv import Rows
from phi4bench.backends.longrope import SwitchingRow
from phi4bench.backends.memory import (
    FREE_SHARE,
    ROWS_ON_A_DEVICE,
    NextJob,
    fewer_note,
    is_out_of_memory,
    with_fewer_rows,
)
from phi4bench.backends.padded_rows import PaddedRows, cache_argument, takes_positions
from phi4bench.backends.providers import AUTO, BEST, OF_TORCH, Provider
from phi4bench.backends.reader import PromptReader, Tokenizer
from phi4bench.backends.reasons import one_line
from phi4bench.backends.session import instruction_set
from phi4bench.calls import Json
from phi4bench.counting import counted
from phi4bench.errors import ArtifactError, BackendError, Phi4benchError, UsageError
from phi4bench.machine import free_memory_bytes

ROWS = 16
CACHES = 2
"""A step makes a new cache of all rows while it reads the one before."""
LONG_TOKENS = 4096
"""A case that may grow beyond this, or over the switch of rotary tables, runs alone, as in the ONNX backend."""
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


class HfBackend(Answering):
    """A loaded model."""

    def __init__(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        *,
        name: str,
        precision: str,
        threads: int | None = None,
        provider: Provider = BEST,
        batch: int | None = None,
    ) -> None:
        super().__init__(name, tokenizer, threads, batch)
        self._torch, _ = libraries()
        self._precision = precision
        self._device = self._chosen(provider)
        self._rows = batch or (ROWS if self._device == "cpu" else ROWS_ON_A_DEVICE)
        self._torch.set_num_threads(self._threads)
        if self._device != "cpu":
            disable_cudnn_attention(self._torch)
        config = read_hf(folder)
        self._model: Any = load(folder, config, name, precision, self._device)
        if not takes_positions(self._model):
            self._rows = 1
            self.notes.append("one case at once: the model counts positions by itself, and padding with them")
        self._switch = table_switch(self._model.config)
        self._long = min(LONG_TOKENS, self._switch or LONG_TOKENS)
        self._reader = PromptReader(name, tokenizer, config.context, config.eos, self._model.config.vocab_size)

    def identity(self) -> dict[str, Json]:
        return {
            "runtime": "transformers",
            "version": version("transformers"),
            "torch": str(self._torch.__version__),
            "device": "cpu" if self._device == "cpu" else self._torch.cuda.get_device_name(self._device),
            "precision": self._precision,
            "attention": str(getattr(self._model.config, "_attn_implementation", "")),
            "threads": self._threads,
            "rows": self._rows,
            "cache_bytes": "what is free",
            "padding": "left",
            "prefix": "computed apart from the rest",
            "long_tokens": self._long,
            **({"read_again_beyond": self._switch} if self._switch else {}),
            "machine": instruction_set(),
        }

    def close(self) -> None:
        self._model = None
        gc.collect()

    def _chosen(self, provider: Provider) -> str:
        """torch's name of the device."""
        if provider.name not in OF_TORCH:
            raise UsageError(
                f"{self._name}: provider={provider.name!r}, but a Hugging Face folder is run by one of"
                f" {', '.join(OF_TORCH)}",
                "name one of those, or judge an ONNX export of it",
            )
        count = int(self._torch.cuda.device_count()) if self._torch.cuda.is_available() else 0
        ignored = [key for key, _ in provider.options if key != "device_id"]
        if ignored:
            self.notes.append(f"{', '.join(ignored)}: onnxruntime's own, and nothing to transformers")
        if provider.graph_optimization != BEST.graph_optimization:
            level = provider.graph_optimization
            self.notes.append(f"--graph-optimization {level}: of ONNX files, and nothing to transformers")
        if provider.name == "cpu" or (provider.name == AUTO and not count):
            return "cpu"
        if provider.device_id >= count:
            raise UsageError(
                f"provider={provider.name!r}, device {provider.device_id}, but torch sees"
                f" {counted(count, 'CUDA device')}",
                "name cpu, or install torch for CUDA",
            )
        return f"cuda:{provider.device_id}"

    def _run_all(self, coming: Coming, work: Work[Done]) -> Iterator[tuple[int, Done]]:
        while jobs := coming.take():
            short = [job for job in jobs if len(job.ids) + job.cap <= self._long]
            long = [job for job in jobs if len(job.ids) + job.cap > self._long]
            yield from self._run(short, self._rows, work, coming=None if long else coming)
            yield from self._run(long, 1, work)

    def _run_as_they_come(
        self, jobs: Sequence[Job], work: Work[Done], again: Callable[[], None]
    ) -> Iterator[tuple[int, Done]]:
        yield from self._run(jobs, self._rows, work, again)

    def _run(
        self,
        jobs: Sequence[Job],
        rows: int,
        work: Work[Done],
        again: Callable[[], None] = lambda: None,
        coming: Coming | None = None,
    ) -> Iterator[tuple[int, Done]]:
        """`coming`: portions that go on in the same rows as far as they fit."""
        assert self._model is not None, "the backend is closed"
        if not jobs:
            return
        longest, most_new = max(len(job.ids) for job in jobs), max(job.cap for job in jobs)

        def fits(further: Sequence[Job]) -> bool:
            return all(len(job.ids) <= longest and job.cap <= most_new for job in further)

        def run(next_job: NextJob, _: int, rows: int) -> Iterator[tuple[int, Done]]:
            self.at_once = rows
            made: Rows = PaddedRows(self._model)
            made = SwitchingRow(made, self._switch) if self._switch and rows == 1 else made
            return work(made, rows, next_job)

        if self._switch and any(len(job.ids) + job.cap > self._switch for job in jobs):
            rows = 1
        try:
            fitting, wanted = max(1, self._rows_in_memory(jobs, rows)), min(rows, len(jobs))
            if coming is not None and coming.peek():
                wanted = rows
            rows = min(rows, fitting)
            if self._asked and fitting < wanted:
                self._note(fewer_note(rows, self._asked))
            handout = Handout(jobs, partial(coming.take_if, fits) if coming else tuple)
            yield from with_fewer_rows(handout, 1, rows, run, self.notes.append, again, self._name)
        except Phi4benchError:
            raise
        except Exception as error:  # of torch, of transformers, of a model's own code in it
            raise BackendError(
                f"{self._name}: transformers failed while running it ({type(error).__name__}: {one_line(error)})",
                "see whether it runs with one case (--limit 1)",
            ) from error

    def _rows_in_memory(self, jobs: Sequence[Job], rows: int) -> int:
        """How many of these cases fit at once: all where nothing says what is free; on a device by torch's own count.

        That knows AMD's devices too, and what torch keeps for its next tensors is free to it.
        """
        if self._device == "cpu":
            left = free_memory_bytes()
            if left is None:
                return rows
            free = left
        else:
            cuda = self._torch.cuda
            free, _ = cuda.mem_get_info(self._device)
            free += cuda.memory_reserved(self._device) - cuda.memory_allocated(self._device)
        tokens = max(len(job.ids) for job in jobs) + max(job.cap for job in jobs)  # the longest beside each other
        return int(FREE_SHARE * free) // (CACHES * tokens * token_bytes(self._model))


def disable_cudnn_attention(torch: Any) -> None:
    """Leaves out cuDNN's attention, for the whole process: it plans anew for each number of rows and tokens that it
    meets. Flash and memory-efficient kernels plan nothing. What that takes on an H100 stands in docs/providers.md.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def load(folder: Path, config: HfFolder, name: str, precision: str, device: str) -> Any:
    """The model, ready to run.

    Raises, in one line, `ArtifactError` for one that cannot be loaded whole, `BackendError` where the device does not
    take it, for want of memory or otherwise.
    """
    torch, transformers = libraries()
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, DTYPES[precision]),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # its exceptions share no base but this one
        if is_out_of_memory(error):
            raise _no_memory(name, error) from None
        hint = "install a newer transformers, or judge an ONNX export of it"
        if config.own_code:
            hint = "it may need code of its own (auto_map in config.json), which is never run; " + hint
        raise ArtifactError(
            f"{name}: transformers {transformers.__version__} cannot load it ({type(error).__name__}:"
            f" {one_line(error)})",
            hint,
        ) from None
    if keeps_state(model):
        raise ArtifactError(
            f"{name}: a model of type {model.config.model_type!r} does not keep keys and values alone of what it has"
            " read, but should be of attention alone",
            "no backend here holds such a state for each of the cases that run together",
        )
    lacking = sorted(str(one) for key in ("missing_keys", "mismatched_keys") for one in report.get(key) or ())
    if lacking:  # transformers would fill them with random numbers and go on
        raise ArtifactError(
            f"{name}: its weights lack {len(lacking)} tensors that its configuration needs, {lacking[0]} among them",
            "copy the folder again, whole: config.json and the weights belong together",
        )
    try:
        return model.to(device).eval()
    except Exception as error:  # of torch, of CUDA in it
        if is_out_of_memory(error):
            raise _no_memory(name, error) from None
        raise BackendError(
            f"{name}: torch cannot put it on {device} ({type(error).__name__}: {one_line(error)})",
            "see whether torch works there at all, or give --provider cpu",
        ) from None


def keeps_state(model: Any) -> bool:
    """Whether a layer of it is recurrent or a convolution, as in Mamba, and the hybrids of those and attention; or it
    takes no cache at all, as the first GPT.
    """
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
    apart = any(not kind.endswith("attention") or kind.startswith("linear") for kind in kinds)
    return apart or bool(getattr(model, "_is_stateful", False)) or not cache_argument(model)


def _no_memory(name: str, error: Exception) -> BackendError:
    hint = "let go what else is held there, or judge a quantized export of it"
    return BackendError(f"{name}: there is no memory to load it ({one_line(error)})", hint)


def token_bytes(model: Any) -> int:
    """Of the keys and values, for each token of a row, as the configuration tells their shape."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)


def table_switch(config: Any) -> int | None:
    """Tokens up to which the model rotates by its first table (longrope); `None` where it has but one."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    if rope.get("rope_type", rope.get("type")) != "longrope":
        return None
    return int(getattr(config, "original_max_position_embeddings", None) or rope["original_max_position_embeddings"])


def libraries() -> tuple[Any, Any]:
    """torch and transformers, offline and quiet. Raises `UsageError` where one is not installed."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # the folder is here; nothing else is looked for
    try:
        import torch
        import transformers
    except ImportError as error:
        raise UsageError(f"a Hugging Face folder is run by transformers ({error})", EXTRA) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers
