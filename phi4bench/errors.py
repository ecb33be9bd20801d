"""What can go wrong, told as a story: the user's request, the files, the artifact, the run.

A harness fault raises one of these. A model's fault never does: it is scored.
"""

from __future__ import annotations


class Phi4benchError(Exception):
    """A fault outside the model under judgement; `str()` is one line that says what and what to do.

    The line reads *subject=value, but should be X [where]*, then the `hint`.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}; {hint}" if hint else what)


class UsageError(Phi4benchError):
    """The request itself cannot be carried out: an option, a name, a path, a folder that cannot be written."""


class CaseFileError(UsageError):
    """A case file does not say what a case file must; `what` begins with `file:line:`."""


class TargetsError(UsageError):
    """A targets file is missing, unreadable or contradicts another one."""


class ArtifactError(UsageError):
    """The thing named by `--model` or `--baseline` is not an artifact that can be judged."""


class DialectError(UsageError):
    """A dialect that is not known, or a dialect file that does not declare one."""


class BackendError(Phi4benchError):
    """An artifact stopped working while it was being run (NaN logits, a crash, out of memory)."""


class CrashError(BackendError):
    """The process that ran an artifact died, or its logits were no numbers: it is broken, and not merely in want."""


class StoreError(Phi4benchError):
    """Transcripts that cannot be written or read back."""
