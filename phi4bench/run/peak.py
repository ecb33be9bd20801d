"""The most memory that this process has held. Asks the system; touches nothing else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

STATUS, MAPS = Path("/proc/self/status"), Path("/proc/self/smaps_rollup")


@dataclass
class Peak:
    """Looks at the process's memory, again and again. `counted_often`: some lay in more than one place when it did.

    A prefix that is mapped into rows (`backends.rowmemory`) is one place of memory, but the kernel counts it for each
    of them, in its own peak too.
    """

    counted_often: bool = False

    def bytes(self) -> int:
        """The kernel's peak. Once memory was counted often: what is held now, each place of memory once.

        Linux keeps the parent's peak in a started child's `ru_maxrss`, so `VmHWM` is read where it exists.
        """
        try:
            held = _bytes_in(STATUS)
        except OSError:
            return _by_usage()
        shared = held.get("RssShmem", 0)
        try:
            once = _bytes_in(MAPS)["Pss_Shmem"] if shared else 0
        except (OSError, KeyError):  # before Linux 5.9: the kernel's peak is the most that it can have been
            return held["VmHWM"]
        self.counted_often = self.counted_often or shared > 2 * once
        return held["VmRSS"] - shared + once if self.counted_often else held["VmHWM"]


def _bytes_in(file: Path) -> dict[str, int]:
    """Lines such as `VmHWM:  1234 kB`."""
    parts = (line.split() for line in file.read_text().splitlines())
    return {words[0].removesuffix(":"): int(words[1]) * 1024 for words in parts if words[-1] == "kB"}


def _by_usage() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


peak_rss_bytes = Peak().bytes
