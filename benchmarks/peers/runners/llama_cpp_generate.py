"""llama.cpp by its Python package, greedily, one case at a time; it keeps the prefix shared with the last prompt.

Prompts come as token ids, so that reading text costs it nothing.
"""

from __future__ import annotations

from itertools import islice
from time import perf_counter

from llama_cpp import Llama
from order import answer, read_order, until_end

order = read_order()
longest = max(len(one.ids) for one in order.prompts)
model = Llama(order.model, n_ctx=longest + order.max_new_tokens, n_threads=order.threads, verbose=False)
found: dict[str, list[int]] = {}
started = perf_counter()
for prompt in order.prompts:
    tokens: list[int] = []
    for token in islice(model.generate(prompt.ids, temp=0.0), order.max_new_tokens):
        tokens.append(token)
        if token == order.eos:
            break
    found[prompt.case_id] = until_end(tokens, order.eos)
answer(order, found, perf_counter() - started)
