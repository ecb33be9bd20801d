"""A request grammar for six file and shell tools: what people say, and the call that answers it. Touches no files.

- `example(rng, split, tools, scenario=None)` draws one `Example`: a case of one of the six scenarios (mixed
  30/20/25/15/10, and 16 irrelevant on top of the hundred), the prose to say
  where no call is right, and the slot values in it.
- `echo(rng)` draws a short text of the train split, to learn copying from.
- `split_of(text)` says to which split a slot's value belongs, and a family by its name where its words do not decide
  (`engine.Pool`, `apart`); an example uses its own split's only.
- `shipped_split(seed, tools)` makes the test split that is shipped.
"""

from __future__ import annotations

from phi4bench.phrasing.engine import Split, split_of
from phi4bench.phrasing.shipped import shipped_split
from phi4bench.phrasing.stream import echo, example
from phi4bench.phrasing.talk import Example

__all__ = ["Example", "Split", "echo", "example", "shipped_split", "split_of"]
