"""onnxruntime-genai, one case at a time: a new generator for each, as its examples have it.

Prompts come as token ids, so that reading text costs it nothing.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import onnxruntime_genai as og
from order import answer, read_order, until_end

order = read_order()
model = og.Model(order.model)
found: dict[str, list[int]] = {}
started = perf_counter()
for prompt in order.prompts:
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=len(prompt.ids) + order.max_new_tokens, do_sample=False)
    generator = og.Generator(model, params)
    generator.append_tokens(np.asarray(prompt.ids, np.int32))
    tokens: list[int] = []
    while not generator.is_done():
        generator.generate_next_token()
        tokens.append(int(generator.get_next_tokens()[0]))
    found[prompt.case_id] = until_end(tokens, order.eos)
answer(order, found, perf_counter() - started)
