"""Chores told in words that the shell does: what people say, and the commands that do it. Data only.

A task is its frames, its command, and further commands that are as right. Slots are filled alike in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    frames: str
    command: str
    accept: tuple[str, ...] = ()


TASKS = {
    "rm-r": Task("""
        (delete|remove|get rid of|wipe) the (folder|directory) {D}
        (delete|remove) the (folder|directory) {D} (and everything in it|with all its contents|completely)
    """, "rm -r {D}", ("rm -rf {D}", "rm -fr {D}", "rm -R {D}")),
    "commit": Task("""
        commit (my changes|everything|the changes|this|) with (the message|message) '{M}'
        make a commit (with the message|saying) '{M}'
        git commit with the message '{M}'
    """, "git commit -m '{M}'", ('git commit -m "{M}"', "git commit -am '{M}'", 'git commit -am "{M}"')),
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
        (count|give me|tell me the number of) the lines (in|of) {P}
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
