"""Trains nano from scratch: echo first, so that copying forms, then generated conversations.

Settings that a trial on two cores found: eager attention is the fastest there, in bf16 where the CPU has it; Muon on
the matrices and AdamW on the rest breaks the copying plateau sooner than AdamW alone. A checkpoint every two minutes
lets a killed run go on.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from transformers import DynamicCache, Phi3Config, Phi3ForCausalLM

from phi4bench.backends.hf import disable_cudnn_attention
from phi4bench.machine import describe
from trainers.faults import TrainingError
from trainers.nano import workers
from trainers.nano.batches import IGNORED, Batch, Encoder, Source, batches
from trainers.nano.muon import Muon
from trainers.nano.readers import read


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights, apart from the machine's speed (`minutes` is a budget of wall time).

    After `hardest_after` of the budget only the `hardest_share` of the rows, by their loss, is learned from. `start`: a
    folder with a nano to go on from, instead of from random weights (copying has formed there: no echo first).
    `workers`: processes, which each train on batches of their own; on `cuda` one trains, and they make its batches.

    `vocabulary` must differ from every other matrix's output size: the exporter takes any matrix of that size for the
    head.
    """

    seed: int = 20261121
    vocabulary: int = 1024
    hidden: int = 256
    ffn: int = 768
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    context: int = 1024
    minutes: float = 72.0
    echo_seconds: float = 90.0
    warmup_steps: int = 100
    decay_share: float = 0.6
    matrix_lr: float = 3e-3
    other_lr: float = 3e-3
    weight_decay: float = 0.05
    batch_tokens: int = 4096
    hardest_share: float = 0.3
    hardest_after: float = 0.5
    workers: int = 2
    start: str = ""
    device: str = "cpu"


def new_model(recipe: Recipe, end: int) -> Phi3ForCausalLM:
    """A randomly initialised Phi-3 of the recipe's shape, tied embeddings, on the recipe's device."""
    torch.manual_seed(recipe.seed)
    return Phi3ForCausalLM(
        Phi3Config(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.hidden,
            intermediate_size=recipe.ffn,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.kv_heads,
            max_position_embeddings=recipe.context,
            original_max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=end,
            eos_token_id=end,
            attn_implementation="eager" if recipe.device == "cpu" else "sdpa",
        )
    ).to(recipe.device)


def optimizers(model: Phi3ForCausalLM, recipe: Recipe, crew: workers.Crew) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        Muon(matrices, crew, lr=recipe.matrix_lr, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(rest, lr=recipe.other_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate(recipe: Recipe, step: int, done: float) -> float:
    """Learning-rate factor: linear warm-up, flat, then linear to zero over the last `decay_share` of the budget."""
    return min(1.0, (step + 1) / recipe.warmup_steps) * min(1.0, (1.0 - done) / recipe.decay_share)


def keep_memory() -> None:
    """Have glibc keep what is freed: a step's large tensors otherwise cost more in page faults than in arithmetic."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # malloc.h
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, -1)  # never
    mallopt(m_top_pad, 2**28)


def save_checkpoint(path: Path, state: dict[str, object]) -> None:
    """Whole or not at all: written beside, then renamed."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def fastest_precision(device: str) -> torch.dtype:
    """bf16 on a GPU and where this CPU has instructions for it, else fp32: emulated bf16 is over twice as slow. Timed,
    not asked.
    """
    if device != "cpu":
        return torch.bfloat16

    def seconds(dtype: torch.dtype) -> float:
        a, b = torch.zeros(512, 256, dtype=dtype), torch.zeros(256, 512, dtype=dtype)
        times = []
        for _ in range(8):
            began = time.perf_counter()
            torch.mm(a, b)
            times.append(time.perf_counter() - began)
        return min(times)

    return torch.bfloat16 if seconds(torch.bfloat16) < seconds(torch.float32) else torch.float32


def place_of(device: str) -> str:
    """What trains, in words: a number of cores, or a GPU's name."""
    machine = describe()
    cores = f"{machine['cores']} cores ({machine['cpu']})"
    return cores if device == "cpu" else f"one {torch.cuda.get_device_name(device)}, fed by {cores}"


def losses_of(
    model: Phi3ForCausalLM, batch: Batch, where: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> torch.Tensor:
    """Cross-entropy of each label at `where`, (rows, length), in reading order.

    The system turn is read once, and the head runs where it is needed.
    """
    with torch.autocast(batch.ids.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        past: dict[str, DynamicCache] = {}
        if batch.system.numel():
            takes = inspect.signature(model.model.forward).parameters
            cache = DynamicCache(config=model.config)
            past = {"cache" if "cache" in takes else "past_key_values": cache}  # its name before transformers 5.24
            model.model(input_ids=batch.system[None], use_cache=True, **past)
            cache.batch_repeat_interleave(len(batch.ids))
        states = model.model(input_ids=batch.ids, use_cache=bool(past), **past).last_hidden_state
        chosen = where[:, 1:]
        logits = model.lm_head(states[:, :-1][chosen])
    return torch.nn.functional.cross_entropy(logits.float(), batch.labels[:, 1:][chosen], reduction="none")


@dataclass
class Hardest:
    """Picks the rows of a batch whose answers the model finds hardest, against what it found of late.

    Most rows are soon right with near certainty and teach nothing more; a forward pass costs a third of a step.
    Source: A. Jiang and others, Accelerating Deep Learning by Focusing on the Biggest Losers (2019), arXiv:1910.00762.
    """

    share: float
    dtype: torch.dtype
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=3000))

    @torch.no_grad()
    def rows(self, model: Phi3ForCausalLM, batch: Batch) -> Batch | None:
        """`batch` with its hard rows alone; None where there is none. A row's hardness is -log p(right answer)."""
        losses = losses_of(model, batch, batch.telling, self.dtype)
        owner = batch.telling[:, 1:].nonzero()[:, 0]
        hardness = losses.new_zeros(len(batch.ids)).index_add(0, owner, losses).cpu()
        if not hardness.isfinite().all():
            return batch  # whose loss, then, stops the run
        self.recent.extend(hardness.tolist())
        kept = hardness >= torch.tensor(self.recent).quantile(1 - self.share)
        return batch.rows(kept.to(batch.ids.device)) if kept.any() else None


def train(recipe: Recipe, encoder: Encoder, source: Source, folder: Path) -> Phi3ForCausalLM:
    """Train, or go on from `folder/checkpoint.pt`; progress goes to `folder/log.jsonl` and the terminal."""
    keep_memory()
    if recipe.device != "cpu":
        disable_cudnn_attention(torch)
    crew = workers.join()
    torch.set_num_threads(1)
    model = new_model(recipe, encoder.end)
    if recipe.start:
        model.load_state_dict(Phi3ForCausalLM.from_pretrained(recipe.start, dtype=torch.float32).state_dict())
    dtype = fastest_precision(recipe.device)
    steppers, hardest = optimizers(model, recipe, crew), Hardest(recipe.hardest_share, dtype)
    checkpoint = folder / "checkpoint.pt"
    step, spent, pool, seen, taught, place = 0, 0.0, 0, 0, 0, place_of(recipe.device)
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location="cpu")
        model.load_state_dict(state["model"])
        for stepper, kept in zip(steppers, state["optimizers"], strict=True):
            stepper.load_state_dict(kept)
        step, spent, pool, seen = state["step"], state["spent"], state["pool"] + 1, state["seen"]
        taught = state["taught"]
        print(f"going on from step {step}, {spent / 60:.1f} of {recipe.minutes:.0f} minutes")

    def stream(first_pool: int, echo_only: bool) -> Iterator[Batch]:
        def of(reader: int) -> Iterator[Batch]:
            seed, tokens = recipe.seed + reader, recipe.batch_tokens
            return batches(encoder, source, seed, first_pool=first_pool, tokens=tokens, echo_only=echo_only)

        if recipe.device == "cpu":
            return of(crew.rank)
        return (batch.to(recipe.device) for batch in read(of, recipe.workers))

    def learn(batch: Batch) -> tuple[float, int]:
        """Add the gradient of one batch; returns the loss, summed, and the number of supervised tokens."""
        losses = losses_of(model, batch, batch.labels != IGNORED, dtype)
        losses.sum().backward()
        return float(losses.sum().detach()), losses.numel()

    echoing = not recipe.start and spent < recipe.echo_seconds
    coming = stream(pool, echoing)
    budget = recipe.minutes * 60
    model.train()
    began, saved_at, shown = time.perf_counter() - spent, spent, 0.0
    while spent < budget:
        if echoing and spent >= recipe.echo_seconds:
            echoing, coming = False, stream(0, False)
        batch = next(coming)
        factor = rate(recipe, step, spent / budget)
        for stepper, base in zip(steppers, (recipe.matrix_lr, recipe.other_lr), strict=True):
            for group in stepper.param_groups:
                group["lr"] = base * factor
        picky, total, supervised, learned = spent >= recipe.hardest_after * budget and not echoing, 0.0, 0, 0
        while learned < recipe.batch_tokens / 2:
            seen += batch.ids.numel() * crew.size
            part = hardest.rows(model, batch) if picky else batch
            if part is not None:
                loss, tokens = learn(part)
                total, supervised, learned = total + loss, supervised + tokens, learned + part.ids.numel()
            if learned < recipe.batch_tokens / 2:
                batch = next(coming)
        pool, loss = batch.pool, total / supervised
        if not math.isfinite(loss):
            raise TrainingError(f"loss={loss} at step {step}", f"the last good checkpoint is {checkpoint}")
        for parameter in model.parameters():
            parameter.grad /= supervised
        spent = crew.average(model.parameters(), time.perf_counter() - began)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        step, taught = step + 1, taught + learned * crew.size
        shown = loss if step == 1 else 0.95 * shown + 0.05 * loss
        if crew.rank == 0 and (step % 50 == 0 or spent >= budget):
            line = {
                "step": step,
                "minutes": round(spent / 60, 2),
                "loss": round(shown, 4),
                "tokens": seen,
                "learned": taught,
                "pool": pool,
                "on": place,
            }
            with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            minutes = f"{spent / 60:.1f}/{recipe.minutes:.0f} min"
            print(f"step {step}  {minutes}  loss {shown:.4f}  {seen / spent:,.0f} tokens/s", flush=True)
        if crew.rank == 0 and (spent - saved_at > 120 or spent >= budget):
            saved_at = spent
            counts = {"step": step, "spent": spent, "pool": pool, "seen": seen, "taught": taught}
            progress = {**counts, "recipe": asdict(recipe)}
            saved = {"model": model.state_dict(), "optimizers": [stepper.state_dict() for stepper in steppers]}
            save_checkpoint(checkpoint, {**saved, **progress})
    return model.eval()
