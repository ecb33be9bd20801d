"""From completions to a judgement: scores, gates, verdict. `assess` and `conclude` need no model, so a run can be re-scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from phi4bench.artifacts import Artifact
from phi4bench.backends import Decoding
from phi4bench.calls import Json
from phi4bench.cases import Case
from phi4bench.errors import Phi4benchError, UsageError
from phi4bench.gates import GateResult, Outcome, RegressionResult, Verdict, judge_levels, judge_regression, tier, verdict
from phi4bench.levels import LEVELS, Score, score
from phi4bench.printable import printable
from phi4bench.run.generation import Generation, Settings, generate, render
from phi4bench.run.plan import Plan, Subject
from phi4bench.run.progress import Progress
from phi4bench.targets import Targets

REGRESSION = "regression."
SUITE_GATES = (*LEVELS, "abstention", *(REGRESSION + name for name in (*LEVELS, "abstention")))
"""The gates that a suite judges now. A required gate of another name is INCONCLUSIVE: nothing measures it."""
