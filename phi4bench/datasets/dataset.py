"""A dataset: the cases of one run, and what identifies them. Reads no files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from phi4bench.cases import Case
from phi4bench.datasets.casejson import case_to_json, tool_to_json


@dataclass(frozen=True)
class Dataset:
    """The cases of one run. `path`: what the user named, for people to read.

    `sha256`: over the cases with the tools they offer, so it names what was asked wherever the files lie and however
    they are spaced. `notes`: lines to print about what was left out or changed on the way in.
    """

    cases: tuple[Case, ...]
    path: str
    sha256: str
    name: str
    notes: tuple[str, ...] = ()


def digest(cases: Sequence[Case]) -> str:
    """sha256 over the cases in order, each tool set written once."""
    digest = hashlib.sha256()
    toolsets: dict[tuple[str, int], str] = {}
    for case in cases:
        key = (case.toolset, id(case.tools))
        if case.toolset and key not in toolsets:
            tools = json.dumps([tool_to_json(tool) for tool in case.tools], sort_keys=True)
            toolsets[key] = hashlib.sha256(tools.encode()).hexdigest()
        line = json.dumps(case_to_json(case), sort_keys=True) + toolsets.get(key, "") + "\n"
        digest.update(line.encode())
    return digest.hexdigest()
