"""`python -m trainers.nano all --out runs/nano`: tokenizer, training, export, checks. Resumable.

`base` trains nano-base instead, on general calls without the six tools, and `tables` fine-tunes that for them.
"""

from __future__ import annotations

import signal
import sys

from trainers.ending import ended
from trainers.nano.workers import is_first, is_member


def main() -> int:
    def work() -> object:
        from trainers.nano.steps import run  # torch comes with it, and Ctrl-C while it comes

        return run(__doc__)

    if is_member():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends us, and tells of it once
    return ended("trainers.nano", work, "the last checkpoint", is_first)


if __name__ == "__main__":
    sys.exit(main())
