"""Chores told in words that the shell does: what people say, and the commands that do it. Data and recipes; pure.

A task is its frames, its command, and further commands that are as right. Slots are filled alike in all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from phi4bench.calls import Call
from phi4bench.cases import Rule
from phi4bench.phrasing import values
from phi4bench.phrasing.engine import Drawn, Values
from phi4bench.phrasing.errands import QUOTES, from_here


@dataclass(frozen=True)
class Task:
    frames: str
    command: str
    accept: tuple[str, ...] = ()


TASKS = {
    "rm-r": Task("""
        (delete|remove|get rid of|wipe) the (folder|directory) {D}
        (delete|remove) the (folder|directory) {D} (and everything in it|with all its contents|completely)
    """, "rm -r {D}", ("rm -rf {D}", "rm -fr {D}", "rm -R {D}", "rm -r {D}/", "rm -rf {D}/", "rm -fr {D}/",
        "rm -R {D}/")),
    "commit": Task("""
        commit (my changes|everything|the changes|this|) with (the message|message) '{M}'
        make a commit (with the message|saying) '{M}'
        git commit with the message '{M}'
    """, "git commit -m '{M}'", ('git commit -m "{M}"', "git commit -am '{M}'", 'git commit -am "{M}"',
        "git add -A && git commit -m '{M}'", 'git add -A && git commit -m "{M}"',
        "git add . && git commit -m '{M}'", 'git add . && git commit -m "{M}"')),
    "checkout": Task("""
        (switch to|check out|checkout|go to|change to) (the branch|branch|the git branch) {W}
    """, "git checkout {W}", ("git switch {W}",)),
    "make": Task("""
        (run|build|execute) the make target {W}
        (run|build) the target {W} (with|using) make
    """, "make {W}"),
    "npm-run": Task("""
        (run|execute|start) the npm script {W}
        (run|start) the script {W} (with|using) npm
    """, "npm run {W}", ("npm run-script {W}",)),
    "wc": Task("""
        (count|tell me the number of) the lines (in|of) {P}
        how many lines (does {P} have|are in {P}|are there in {P})?
        count how many lines {P} has
    """, "wc -l {P}", ("wc -l < {P}", "cat {P} | wc -l")),
    "kill": Task("""
        (kill|stop|end|terminate) (process|the process|the process with id|pid) {I}
    """, "kill {I}", ("kill -9 {I}", "kill -15 {I}", "kill -TERM {I}")),
    "download": Task("""
        (download|fetch) {U}
        (download|fetch|get) (the file at|the file from|the page at) {U}
    """, "curl -O {U}", ("wget {U}", "curl {U}", "curl -LO {U}", "curl -L -O {U}", "curl -L {U}", "curl -OL {U}")),
}  # fmt: skip


def _recipe(task: Task) -> Callable[[Values], Drawn]:
    slots = [slot for slot in _TASK_VALUES if "{" + slot + "}" in task.command]

    def draw_task(draw: Values) -> Drawn:
        texts: dict[str, str] = {}
        for slot in slots:
            texts[slot] = draw.fit(_TASK_VALUES[slot], tuple(texts.values()))
        quotable = not any(text.startswith("~") for text in texts.values())
        right, *others = dict.fromkeys(
            _filled(command, {**texts, **placed}, quote)
            for placed in _from_here(texts)
            for command in (task.command, *task.accept)
            for quote in (QUOTES if quotable else ("",))
        )
        return Drawn(texts, Call("bash", {"command": right}), {"command": Rule(accept=tuple(others))} if others else {})

    return draw_task


def _from_here(texts: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Each way to write the place among `texts`; none is among some."""
    return [{slot: form} for slot in texts if slot in "PD" for form in from_here(texts[slot])] or [{}]


def _filled(command: str, texts: Mapping[str, str], quote: str) -> str:
    """`command` with `texts` for its slots; a place, a name and an address are one word, in a `quote` or in none."""
    for slot, text in texts.items():
        command = command.replace("{" + slot + "}", quote + text + quote if slot in "PDWU" else text)
    return command


def _plain_folder(rng: random.Random) -> str:
    return values.folder(rng).rstrip("/")


def _package(rng: random.Random) -> str:
    return values.pick(rng, (values.stem(rng), f"{values.stem(rng)}-{values.stem(rng)}"))


def _message(rng: random.Random) -> str:
    while True:
        text = values.sentence(rng)
        if "'" not in text:
            return text


_TASK_VALUES: Mapping[str, Callable[[random.Random], str]] = {
    "P": values.path, "D": _plain_folder, "W": _package, "M": _message, "I": values.number,
    "U": lambda rng: f"https://{values.stem(rng)}.example.com/{values.file_name(rng)}",
}  # fmt: skip


RECIPES: Mapping[str, Callable[[Values], Drawn]] = {f"task-{name}": _recipe(task) for name, task in TASKS.items()}
