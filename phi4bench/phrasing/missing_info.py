# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Makes requests that lack an argument, and calls that failed and are to be tried again. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from phi4bench.calls import Call
from phi4bench.cases import Rule
from phi4bench.phrasing import multi_turn, requests, values
from phi4bench.phrasing.decor import dress
from phi4bench.phrasing.engine import Family, Kind, Pool, Split, Values, compile_frames
from phi4bench.phrasing.talk import Example, talk
from phi4bench.tools import Tool

# What is missing, the frames that leave it out, and the questions that ask for it.
ASKS = {
    "read-no-path": ("""
        (read|open|show me|display|print|view|load|inspect|check|pull up|take a look at) (the file|a file|that file|one of my files|the right file)
        what does (the file|that file) (say|contain|look like)?
        (show me|give me|print) (the contents|what's in the file|the contents of the file|the content of that file)
        i (want|need|would like) to (see|read|open|look at) (a file|the file|one file)
        (open|read) (something|it) (for me|please|)
        show me something (please|)
    """, ("Which file should I read?", "Which file do you mean?", "What is the path of the file?", "Which file would you like to see?")),
    "write-no-path": ("""
        (create|write|make) a file (with|containing|that says) {X}
        (write|save|put|store) {X} (to a file|into a file|in a new file|somewhere)
        (save|write) {X}
        i need a (file|new file) (that says|with|containing) {X}
    """, ("Where should I save it?", "What should the file be called?", "Which file should I write it to?", "What path should the new file have?")),
    "write-no-content": ("""
        (write to|write something to|put something in|save something to|put some text in) {P}
        (create|write|make) {P} (with my text|with some content|with the content i have in mind|with the usual content|with the text from yesterday)
        (overwrite|replace) (the contents of |){P} (with something else|with something new|with new content|with other text)
        i want {P} to (have new content|say something else|contain something)
        (fill|populate) {P} (for me|with something|with content)
    """, ("What should the file contain?", "What should I write into it?", "Which content should it have?", "What text should go into the file?")),
    "edit-no-path": ("""
        (change|rename|turn|update) {A} (to|into) {B}
        (replace|substitute) {A} (with|by) {B}
        (swap|exchange) {A} for {B}
        (change|rename) {A} to {B} in (the file|a file|that file)
        replace {A} with {B} in (the file|a file|that file)
        {A} should be {B}
        use {B} instead of {A}
        i want {A} (changed to|replaced with) {B}
    """, ("In which file?", "Which file should I change?", "Which file is that in?", "Where should I make that change?")),
    "edit-no-new": ("""
        (change|replace|rename|update|edit) {A} in {P}
        in {P}, (change|rename|replace) {A}
        (change|replace|rename) {A} in {P} (to something else|with something better|by something else)
        {A} in {P} (should be something else|is wrong, change it|needs another name)
    """, ("What should I replace it with?", "What should the new text be?", "What should it say instead?", "Which text should take its place?")),
    "edit-no-old": ("""
        (edit|modify|change|update|adjust|fix) (the file |){P}
        make (a change|some changes|an edit|the edit) (in|to) {P}
        (change|replace) (something|a line|a word|the value|the name) in {P}
        {P} (needs a change|needs an edit|has to be changed|should be edited)
    """, ("What should I change in it?", "What exactly should I change?", "Which text should I change, and to what?", "What is the change?")),
    "bash-no-command": ("""
        (run|execute|launch|try|start) (a command|the command|that command|something in the terminal|a shell command|something|it)
        (run|execute) (the usual command|my command|the script|the thing from yesterday|some command)
        (i want|i need) you to run (a command|something|a shell command)
        (use|open) the (shell|terminal) (for me|for something|to do it|)
        what does the command (print|output)?
    """, ("Which command should I run?", "What command should I run?", "What should I run?", "Which command do you mean?")),
    "grep-no-pattern": ("""
        (search|scan|grep|look through|search through) {Z} (for it|for me|for something|for that|for the text|)
        (find|look for) (it|something|that|the text|the thing) in {Z}
        (do|run) a search in {Z}
        i (want|need) to (search|find something in|look for something in) {Z}
        (search|grep) (the code|the project|everything) (for it|for something|for me)
        (find|show me|list) (all the occurrences|every occurrence|all matches|the matching lines) in {Z}
        where is it used in {Z}?
    """, ("What should I search for?", "What text should I look for?", "Which pattern should I search for?", "What are you looking for?")),
    "glob-no-pattern": ("""
        (find|list|show me|look for|locate) (some files|certain files|the files i need|a few files) (for me|please|)
        (find|look for|locate) (files|the files|the file) (for me|please|)
        (find|list) (the files that match|files by pattern|files matching the pattern)
        (do|run) a (glob|file search|glob search)
        (which|what) files match?
        glob (something|files|it) (for me|)
        i'm looking for (a file|some files|certain files|the right files)
    """, ("Which files are you looking for?", "What pattern should the files match?", "Which file names should I look for?", "What should the names match?")),
}  # fmt: skip

_ERRORS = {
    "suggested": """
        (no such file|file not found|cannot find|does not exist|path not found|ENOENT|error: no such file|not found): {P}. (did you mean {O}?|did you perhaps mean {O}?|closest match: {O}|maybe you meant {O}|similar file: {O}|similar: {O}|a similar file exists: {O}|try {O}|use {O} instead|the file is at {O}|it was moved to {O}|it is now {O})
        {P} (does not exist|was not found|is not a file|has been moved|was renamed|is missing); (did you mean {O}?|the new path is {O}|use {O}|try {O}|closest match: {O}|see {O}|there is {O}|perhaps {O})
        [Errno 2] No such file or directory: {P}. (did you mean {O}?|closest: {O}|there is {O}|candidates: {O})
        (ERROR|Error|failed|failure|fatal|read error|FileNotFoundError|invalid path): (could not open|unable to open|unable to access|couldn't locate|nothing found at|no entry for) {P}; (did you mean {O}?|nearest match {O}|a file with a close name is {O}|the closest existing path is {O}|please use {O})
        (there is no|found no|we have no|could not find any) {P} (in this workspace|in the project|here|on disk), (but there is {O}|but {O} exists|only {O}|the nearest is {O}|try {O})
        {P}: (no such file or directory|not found|missing|no match|cannot be opened|stat failed) - (suggestion: {O}|did you mean {O}?|closest path: {O}|see {O}|known as {O}|try {O})
        {P} (is gone|no longer exists|is deprecated|has a new location|was relocated); (look at {O}|its new location is {O}|use {O} from now on|it lives in {O} now|it became {O})
        (the path|path) {P} (is wrong|is invalid|is not valid|does not resolve|could not be resolved), (should be {O}|expected {O}|the valid path is {O}|should it be {O}?|correct path: {O})
        (typo in|bad path|unknown path|unknown file|unresolved path|no match for) {P}, (1 suggestion: {O}|best guess: {O}|one candidate: {O}|most similar: {O}|perhaps you want {O}|how about {O}?)
        (cannot stat|open failed for|lookup failed for|access failed for) {P}: (not found, nearest is {O}|missing, try {O} instead|it has moved to {O}|the file was renamed to {O}|renamed, now {O})
        (note|hint|info): {P} (was renamed to|has moved to|was moved to|is now at|has been replaced by) {O}; (nothing was done|the call was not carried out|use the new path|call again with the new path)
        @(could not open|unable to open|failed to open|could not find|nothing at) {P}. (perhaps you mean {O}|the nearest name is {O}|a file with a similar name is {O}|look at {O} instead|it lives at {O} now|the current path is {O})
        @{P}: (no such path|missing|unknown path|no file of that name); (nearest: {O}|perhaps {O}?|the name is {O} now|moved to {O}|you may want {O})
        @error 404: {P} (is gone|is unknown|could not be opened). (suggestion: {O}|replacement: {O}|{O} exists|did you want {O}?)
    """,
    "transient": """
        (timeout|timed out|the operation timed out|request timed out|connection reset|temporary failure|temporarily unavailable|resource busy|the tool is busy|rate limit reached|service unavailable|lock held by another process|internal error|network error|too many open files|worker restarted|interrupted|device busy|the sandbox was starting), (please try again|try again|retry|please retry|try once more|retry the call|try again now|call it again|a retry should work|safe to retry)
        (error|warning|failure|temporary error): (timed out|busy|interrupted|not ready yet|overloaded|connection lost|lock timeout). (try again|please retry|retry|call again|please try once more|just retry)
        (429 too many requests|503 service unavailable|502 bad gateway|504 gateway timeout|HTTP 503|status 429|EAGAIN|ETIMEDOUT|EBUSY|ECONNRESET)(: |, | - )(try again|please retry|retry in a moment|retry the same call|try the call again|repeat the request)
        (could not|unable to|failed to) (reach the server|get a lock|acquire the lock|start a worker|connect to the sandbox|finish in time|reach the file system); (try again|please try again|retry|it may work on a second try|repeat the call|this is temporary, retry)
        (the sandbox|the tool|the server|the worker|the backend|the environment) (is restarting|was restarting|is warming up|is overloaded|crashed and was restarted|is briefly unavailable|did not respond in time)(. |, |; )(try again|please retry|retry the call|call again|send the same call again|make the call again)
        (nothing was done|no result|the call was not carried out|the call was dropped|the call was cancelled|call aborted): (timeout|timed out|connection lost|the worker was busy|deadline exceeded|lost connection to the sandbox). (retry|try again|please try once more|repeat it|please repeat the call|it is safe to try again)
        (deadline exceeded|connection refused|connection closed|broken pipe|socket hang up|out of workers|queue full|stale handle|read timeout|quota briefly exceeded). (this is transient, retry|this is temporary, please try again|retry the same request|a second attempt should succeed|this usually goes away on a retry|try that again)
        (please retry|retry|try again|please try again|repeat the call): (temporary error|the request timed out|the system was busy|the connection dropped|a lock was held|the service was starting up|an unexpected hiccup)
        (oops|sorry|hmm), (something went wrong on our side|the request got lost|that took too long|we were busy), (try again|please try again|try once more|give it another try)
        @(the request was dropped|the server hung up|the queue is full|the process was restarted|the pipe broke|deadlock detected|the host did not answer in time|the runner is warming up), (run it again|send it again|repeat the call|please repeat it|another attempt should do|make the call once more)
        @(EAGAIN|HTTP 503|HTTP 429): (repeat the request|make the same call again|the same call may succeed now)
    """,
    "corrected": """
        (sorry, i meant|oh, i meant|i meant|my mistake, it's|my bad, it's|oops, i meant|ah, it is called|sorry, it's|it's|it should be|right, the path is|typo, i meant|wrong name, it is|i mistyped, it's|try|then try|use|then use|ok, then) {O}
        (sorry|oh|oops|my mistake|my bad|hm), (the file is|the path is|the right path is|it was renamed to|it moved to|the right name is|i mean) {O}
        {O} (is the right one|is what i meant|, sorry|, my mistake|is the correct path|it is|then|instead)
        (the right file is|the correct path is|it has been moved to|we renamed it to|the file is now) {O}
        (then it must be|it must be|that must be|then it's probably|i think it's|it's actually|it's really|it's called|now it's|you'll find it at) {O}
        (can you|could you|would you) (try|use|take|do it with) {O}( instead| then|)?
        (i gave you the wrong path|i got the path wrong|i had the wrong name|i typed the old path|i remembered the old name|i mixed up the names), (it's|it should be|use|i wanted|the real one is) {O}
        (of course|ah yes|ah right|ah ok|i see|ok|hmm|true|whoops|argh), (it's|it's at|i wanted|that should be|make that|take|try it with|it should have been) {O}
        (what about|how about|does it work with|and with) {O}?
        (the one i want|the one i need|what i wanted|what i was thinking of|the path i had in mind|the name i was looking for) is {O}
        (do|try|repeat) (it|that|the same) (with|for|on) {O} (instead|then)
        (that one|it|the old one) (was moved to|was renamed to|got renamed to|now lives at|has become|moved, it's now|was renamed, use) {O}
        {O} (should work|should exist|is where it is now|is the new path|is the one i want|is the real path|would be the right one|is what it's called now)
        (not that|forget that one|scratch that|ignore that path), (use|take|it's|i want|go with) {O}
        (a typo|typo|spelling mistake|small mistake|slip|bad path|wrong path)(, | on my side, )(it's|use|it should say|i wanted) {O}
        @(pardon|apologies|whoops|ah), (the name is|it is named|the file is called|the path should be|i wanted) {O}
        @{O} (was what i had in mind|is the one i want|is the proper name|would be the right path)
        @(the proper name is|its name is|the actual path is|the file is called|you'll find it at|it lives at|look for it at) {O}
        @i (misspelled it|got the name wrong|had the wrong path), (it is|make it|take) {O}
    """,
}
_SAID = (
    "There is no such file.",
    "That file does not exist.",
    "I can't find that file.",
    "No such file; which one do you mean?",
    "The file was not found.",
)


def _families() -> tuple[list[Family], list[Family]]:
    asks: list[Family] = []
    for name, (frames, _) in ASKS.items():
        made = compile_frames(f"missing_info/{name}", name, "order", frames)
        total = sum(family.weight for family in made)
        asks += [replace(f, kind=_kind(f), weight=f.weight / total) for f in made]
    retries: list[Family] = []
    for script, frames in _ERRORS.items():
        for tool in requests.TOOLS if script == "transient" else ("read", "edit", "grep"):
            made = compile_frames(f"missing_info/{tool}-{script}", f"{tool}-{script}", "remark", frames)
            total = sum(family.weight for family in made)
            share = 2.0 if tool in ("write", "bash", "glob") else 0.7
            retries += [replace(f, weight=f.weight / total * share) for f in made]
    return asks, retries


def _kind(family: Family) -> Kind:
    first = family.pieces[0].text[0] if family.pieces[0].text else ""
    if family.pieces[-1].text and family.pieces[-1].text[0].endswith("?"):
        return "question"
    return "remark" if not first or first.startswith(("I ", "I'", "in ")) else "order"


_ANY_WILL_DO = {
    "glob-no-pattern": (" files please", " files for me", "me a few files", "for files", "glob files", "some files"),
    "write-no-path": ("somewhere",),
    "bash-no-command": ("something",),
    "write-no-content": ("something", "some text", "some content", "with content"),
    "grep-no-pattern": ("look through", "for me"),
    "edit-no-old": ("fix ",),
}
_NAMED_AFTER_ALL = ("certain files", "the files", "something else", "something new")


def _disputed(family: Family) -> bool:
    """Whether a call is as right as a question: a search finds the file that a text to change is in, and what "some
    files" or "something" stands for, anybody may choose."""
    loose = any(words in family.words for words in _ANY_WILL_DO.get(family.recipe, ()))
    return family.recipe == "edit-no-path" or (loose and not any(w in family.words for w in _NAMED_AFTER_ALL))


_ASKS, _RETRIES = _families()
ASK_POOL = Pool(_ASKS, _disputed, multi_turn.POOL.of["train"])
RETRY_POOL = Pool(_RETRIES)


def asking(rng: random.Random, split: Split, tools: Sequence[Tool]) -> Example:
    """A request without an argument that only the user can give."""
    family = ASK_POOL.draw(rng, split)
    made = talk(rng, split)
    texts = _texts(made.draw, family)
    made.user(dress(rng, family, texts))
    return made.end("missing_info", family.name, tools, reply=values.pick(rng, ASKS[family.recipe][1]))


def _texts(draw: Values, family: Family) -> dict[str, str]:
    texts: dict[str, str] = {}
    slots = {piece.slot for piece in family.pieces}
    if "A" in slots:
        old, new = values.replaced(draw.rng)
        texts["A"] = draw.fit(old)
        if "B" in slots:
            texts["B"] = draw.fit(new, (texts["A"],))
    for slot, maker in (("P", values.path), ("X", values.content), ("Z", values.folder)):
        if slot in slots:
            texts[slot] = draw.fit(maker)
    return texts


def retrying(rng: random.Random, split: Split, tools: Sequence[Tool]) -> Example:
    """A call failed, and what the right one is stands in the error or in the user's correction."""
    family = RETRY_POOL.draw(rng, split)
    tool, _, script = family.recipe.partition("-")
    made = talk(rng, split)
    if rng.random() < 0.15:
        made.exchange(rng.choice(requests.TOOLS))
    asked = requests.request(rng, split, tool, made.draw)
    key = "path" if tool == "grep" else "file_path"
    while script != "transient" and asked.call.arguments[key] == ".":
        asked = requests.request(rng, split, tool, made.draw)
    made.user(asked.text)
    call, rules = asked.call, asked.drawn.rules
    if script == "transient":
        text = _line(rng, family, {})
        made.call(call, text, error=True)
        return made.end("missing_info", family.name, tools, (call,), (rules,))
    wrong = str(call.arguments[key])
    any_path = script == "corrected" and rng.random() < 0.6
    right = made.draw.fit(values.path if any_path else lambda rng: _near(rng, wrong), (wrong,))
    texts = {"P": wrong, "O": right}
    if script == "suggested":
        made.call(call, _line(rng, family, texts), error=True)
    else:
        made.call(
            call,
            values.pick(
                rng,
                (
                    f"No such file: {wrong}",
                    f"{wrong}: not found",
                    f"File not found: {wrong}",
                    "No such file or directory",
                ),
            ),
            error=True,
        )
        made.assistant(values.pick(rng, _SAID))
        made.user(dress(rng, family, texts))
    again = Call(tool, {**call.arguments, key: right})
    kept = {name: rule for name, rule in rules.items() if name != key}
    if tool == "grep":
        kept[key] = requests.either_slash(right)
    if script == "corrected":
        rule = kept.get(key, Rule())
        kept[key] = replace(rule, accept=(*rule.accept, *beside(wrong, right, family)))
    return made.end("missing_info", family.name, tools, (again,), (kept,))


def beside(wrong: str, right: str, family: Family) -> tuple[str, ...]:
    """Where `right` may be meant besides: a mere name, spoken of as one, is in the folder of the `wrong` path."""
    folder, _, _ = wrong.rstrip("/").rpartition("/")
    named = re.search("name|call|spell", family.words)
    return (f"{folder}/{right}",) if folder and named and "/" not in right else ()


def _near(rng: random.Random, path: str) -> str:
    """A path that `path` may be a slip for: in another folder, or with another ending."""
    head, slash, name = path.rstrip("/").rpartition("/")
    stem = name.rpartition(".")[0]
    if rng.random() < 0.6 or not stem:
        return f"{values.folder(rng).rstrip('/')}/{name}"
    return (
        f"{head}{slash}{stem}.{values.pick(rng, ('py', 'js', 'ts', 'md', 'json', 'yml', 'yaml', 'txt', 'tsx', 'toml'))}"
    )


def _line(rng: random.Random, family: Family, texts: dict[str, str]) -> str:
    """An error as a tool prints it: no politeness, a capital mostly."""
    style = values.pick(rng, ("", "", "'", '"', "`"))
    text = "".join(style + texts[p.slot] + style if p.slot else p.text[0] for p in family.pieces)
    return text[:1].upper() + text[1:] if family.pieces[0].text and rng.random() < 0.8 else text


def example(rng: random.Random, split: Split, tools: Sequence[Tool]) -> Example:
    return asking(rng, split, tools) if rng.random() < 0.5 else retrying(rng, split, tools)
