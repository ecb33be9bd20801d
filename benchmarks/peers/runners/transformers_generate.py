"""Hugging Face `generate` over the prompts, greedily: batch by batch in their order, padded on the left."""

from __future__ import annotations

from time import perf_counter

import torch
from order import answer, read_order, until_end
from transformers import AutoModelForCausalLM, AutoTokenizer

order = read_order()
torch.set_num_threads(order.threads)
tokenizer = AutoTokenizer.from_pretrained(order.model, padding_side="left")
model = AutoModelForCausalLM.from_pretrained(order.model, dtype=order.precision).eval()
found: dict[str, list[int]] = {}
other = 0
started = perf_counter()
for start in range(0, len(order.prompts), order.batch):
    chunk = order.prompts[start : start + order.batch]
    inputs = tokenizer([one.text for one in chunk], return_tensors="pt", padding=True, add_special_tokens=False)
    kept = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    made = model.generate(**kept, max_new_tokens=order.max_new_tokens, do_sample=False)
    width = kept["input_ids"].shape[1]
    for prompt, row, mask, ids in zip(chunk, made.tolist(), kept["attention_mask"], kept["input_ids"], strict=True):
        found[prompt.case_id] = until_end(row[width:], order.eos)
        other += ids[mask.bool()].tolist() != prompt.ids
answer(order, found, perf_counter() - started, other)
