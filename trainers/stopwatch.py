"""How long a run has trained, over all the times that it was begun again. Needs transformers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Stopwatch(TrainerCallback):
    """Puts `seconds` into every line of the Trainer's log. A resumed run goes on from its checkpoint's last line.

    What a killed run did after its last checkpoint is done again, and counts once.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        before = max((float(line["seconds"]) for line in state.log_history if "seconds" in line), default=0.0)
        self.began = self.clock() - before

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.log_history:
            state.log_history[-1]["seconds"] = round(self.clock() - self.began, 3)
