"""What a LoRA step's time goes into, and what batches by length are worth: `python -m benchmarks.training`.

Two tables. A step of the real loop, with the Trainer's own work between data, forward, backward and optimizer; the
share of forward and backward is judged, step by step. Then the same conversations in three ways, in turns, one step
each: padded to 1,024 tokens, sorted by length and padded to the longest of a batch, and packed into rows of 1,024;
judged is the ratio within a round, so that whatever else the machine does falls on all three.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.commands import told
from benchmarks.readme import put_section


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="fixtures/models/nano-hf", help="(default: nano-hf)")
    parser.add_argument("--steps", type=int, default=16, help="of the first table (default: 16)")
    parser.add_argument("--rounds", type=int, default=8, help="of the second table (default: 8)")
    parser.add_argument("--examples", type=int, default=32, help="conversations a round (default: 32)")
    parser.add_argument(
        "--no-readme", action="store_true", help="print the tables, and leave benchmarks/README.md alone"
    )
    options = parser.parse_args(given)
    for name in ("steps", "rounds", "examples"):
        if getattr(options, name) < 2:
            parser.error(f"--{name}={getattr(options, name)}, but should be at least 2")
    with told(parser):
        from benchmarks.steps import report  # torch, which may be missing

        text = report(options.model, options.steps, options.rounds, options.examples)
    print(text)
    if not options.no_readme:
        put_section("training", f"## Training: `python -m benchmarks.training`\n\n{text}")


if __name__ == "__main__":
    main()
