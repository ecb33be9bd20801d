"""Makes conversations whose next call depends on earlier turns. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from phi4bench.calls import Call
from phi4bench.cases import Message, Rule
from phi4bench.phrasing import disputed, errands, flags, follow_ups, repeats, requests, two_steps, values
from phi4bench.phrasing.decor import dress
from phi4bench.phrasing.engine import Family, Pool, Split, compile_frames, split_of
from phi4bench.phrasing.talk import Example, Talk, line_with, matching_path, result_of, talk
from phi4bench.tools import Tool

Rules = Mapping[str, Rule]
Answer = tuple[Call, Rules]
_NO_RULES: Rules = {}

# ---- an exchange about one file, then "it"


def _after_one(made: Talk, context: str) -> str:
    """An earlier exchange that leaves one file in mind, whose path is returned."""
    if context in ("read", "write", "edit"):
        return str(made.exchange(context).call.arguments["file_path"])
    if context == "glob":
        asked = requests.request(made.rng, made.split, "glob", made.draw)
        path = matching_path(made, str(asked.call.arguments["pattern"]))
        made.user(asked.text)
        made.call(asked.call, path)
    else:
        asked = requests.request(made.rng, made.split, "grep", made.draw)
        while asked.call.arguments["path"] != ".":
            asked = requests.request(made.rng, made.split, "grep", made.draw)
        path = made.draw.fit(values.path)
        made.user(asked.text)
        line = line_with(made, str(asked.call.arguments["pattern"]))
        made.call(asked.call, f"{path}:{made.rng.randint(1, 300)}: {line}")
    made.remark(asked.call)
    return path


def _shown(made: Talk) -> str:
    """All of the file that was read or written last."""
    *_, call, result, _ = made.messages
    return str(call.calls[0].arguments.get("content", result.content))


def _single_lines(made: Talk) -> list[str]:
    """Lines, of several, that a file that was shown has once: what there is to change."""
    shown = _shown(made)
    lines = shown.split("\n")
    mine = [line for line in lines if line == line.strip() != "" and split_of(line) == made.split]
    return [line for line in mine if len(lines) > 1 and shown.count(line) == 1]


def _act(made: Talk, action: str, path: str, texts: dict[str, str], known: Sequence[str] = ()) -> Answer:
    """The call that does `action` to `path`; what the request must show is put into `texts`.

    `known`: what there is to change or delete, where that is known.
    """
    draw = made.draw
    if action == "READ":
        return Call("read", {"file_path": path}), _NO_RULES
    if action == "GREP":
        texts["Q"] = draw.fit(values.pattern if made.rng.random() < 0.5 else values.identifier, (path, *draw.drawn))
        return requests.search(texts["Q"], path)
    if action == "EDIT":
        old, new = values.replaced(made.rng)
        texts["A"] = values.pick(made.rng, known) if known else draw.fit(old, (path, *draw.drawn))
        texts["B"] = draw.fit(new, (path, texts["A"]))
        return Call("edit", {"file_path": path, "old_string": texts["A"], "new_string": texts["B"]}), _NO_RULES
    if action == "DELETE":
        maker = values.code_line if made.rng.random() < 0.6 else values.identifier
        texts["A"] = values.pick(made.rng, known) if known else draw.fit(maker)
        forms = [form for form in (f"{texts['A']}\n", f"\n{texts['A']}") if known and form in _shown(made)]
        call = Call("edit", {"file_path": path, "old_string": texts["A"], "new_string": ""})
        return call, {"old_string": Rule(accept=tuple(forms))} if forms else _NO_RULES
    if action == "WRITE":
        texts["X"] = draw.fit(values.content)
        rules = requests.with_line_end(texts["X"])
        return Call("write", {"file_path": path, "content": texts["X"]}), rules
    if action == "REMOVE":
        return _on_path(path, "rm", "rm -f")
    return _on_path(path, "python", "python3")


def _on_path(path: str, *verbs: str) -> Answer:
    """A command on `path`, which may stand in quotes unless the shell is to expand its `~`."""
    quotes = ("",) if path.startswith("~") else errands.QUOTES
    right, *others = (
        f"{verb} {quote}{form}{quote}" for form in errands.from_here(path) for verb in verbs for quote in quotes
    )
    return Call("bash", {"command": right}), {"command": Rule(accept=tuple(others))}


def _it(made: Talk, family: Family, context: str, action: str) -> Answer:
    path = _after_one(made, context)
    changes = action in ("EDIT", "DELETE") and context in ("read", "write")
    while (changes and not _single_lines(made)) or (action == "PYTHON" and not path.endswith(".py")):
        made.messages.clear()
        path = _after_one(made, context)
    if (context, action) == ("read", "GREP"):
        result = made.messages[-2]
        made.messages[-2] = replace(result, content=f"{result.content}\n[{made.rng.randint(20, 400)} more lines]")
    texts: dict[str, str] = {}
    answer = _act(made, action, path, texts, _single_lines(made) if changes else ())
    made.user(dress(made.rng, family, texts))
    return answer


# ---- a list, then "the second one"

_ORDINALS = (
    ("the first one", "the first", "the first file", "number one", "number 1", "the one at the top", "the top one"),
    ("the second one", "the second", "the second file", "number two", "number 2", "the 2nd one"),
    ("the third one", "the third", "the third file", "number three", "number 3", "the 3rd one"),
    ("the fourth one", "the fourth", "the fourth file", "number four", "number 4"),
)
_LAST = ("the last one", "the last", "the last file", "the last of those", "the one at the bottom", "the bottom one")


def _hit(made: Talk, path: str, pattern: str) -> str:
    return f"{path}:{made.rng.randint(1, 300)}: {line_with(made, pattern)}"


def _nth(made: Talk, family: Family, context: str, action: str) -> Answer:
    count = made.rng.choice((2, 3, 3, 4))
    asked = requests.request(made.rng, made.split, context, made.draw)
    while context == "grep" and asked.call.arguments["path"] != ".":
        asked = requests.request(made.rng, made.split, context, made.draw)
    pattern = str(asked.call.arguments["pattern"])
    paths: list[str] = []
    for _ in range(count):
        path = matching_path(made, pattern) if context == "glob" else made.draw.fit(values.path, paths)
        paths.append(made.draw.fit(values.path, paths) if path in paths else path)
    made.user(asked.text)
    lines = paths if context == "glob" else [_hit(made, path, pattern) for path in paths]
    made.call(asked.call, "\n".join(lines))
    made.remark(asked.call)
    nth = int(made.rng.random() * count)
    names = _LAST if nth == count - 1 and (made.rng.random() < 0.6) else _ORDINALS[nth]
    texts = {"n": values.pick(made.rng, names)}
    answer = _act(made, action, paths[nth], texts)
    made.user(dress(made.rng, family, texts))
    return answer


# ---- the same again


def _same(made: Talk, family: Family, context: str, action: str) -> Answer:
    asked = made.exchange(context)
    while disputed.leaves_open(made, asked, action):
        made.messages.clear()
        asked = made.exchange(context)
    arguments = dict(asked.call.arguments)
    rules: Rules = {}
    texts: dict[str, str] = {}
    seen = tuple(str(value) for value in arguments.values())
    if action == "PATH":
        key = "path" if context == "grep" else "file_path"
        texts["P"] = arguments[key] = made.draw.fit(values.path, seen)
        rules = {"content": asked.drawn.rules["content"]} if "content" in asked.drawn.rules else {}
    elif action == "PLACE":
        maker = values.folder if made.rng.random() < 0.7 else values.path
        texts["Z"] = place = made.draw.fit(lambda rng: disputed.marked(maker, rng), seen)
        arguments["path"] = place
        rules = {**asked.drawn.rules, "path": requests.either_slash(place)}
    elif action == "PATTERN":
        texts["Q"] = arguments["pattern"] = made.draw.fit(
            values.pattern if made.rng.random() < 0.5 else values.identifier, seen
        )
        rules = requests.search(texts["Q"], str(arguments["path"]))[1]
    elif action == "GLOB":
        texts["G"] = arguments["pattern"] = made.draw.fit(values.glob, seen)
        also = where_it_was(seen[0], texts["G"])
        rules = {"pattern": Rule(accept=also)} if also else _NO_RULES
    elif action == "LANGUAGE":
        drawn = requests.glob_language(made.draw)
        texts, arguments, rules = dict(drawn.texts), dict(drawn.call.arguments), drawn.rules
        below = str(seen[0]).partition("*")[0].rstrip("/")
        if below not in ("", "."):
            there = requests.glob_language_in(made.draw, texts["L"], below)
            forms = (*rules["pattern"].accept, there.call.arguments["pattern"], *there.rules["pattern"].accept)
            rules = {"pattern": Rule(accept=forms)}
    elif action == "COMMAND":
        texts["C"] = arguments["command"] = made.draw.fit(requests.unmistakable, seen)
    made.user(dress(made.rng, family, texts))
    return Call(context, arguments), rules


def where_it_was(asked: str, names: str) -> tuple[str, ...]:
    """A glob of mere `names`, said after the glob that was `asked`, may be meant for the folders of that one."""
    folders, _, _ = asked.rpartition("/")
    if not folders or "/" in names:
        return ()
    below = folders.partition("*")[0].rstrip("/")
    places = (folders, below, f"{below}/**") if below else (folders,)
    return tuple(dict.fromkeys(f"{place}/{names}" for place in places))


def _again(made: Talk, family: Family, context: str, action: str) -> Answer:
    command = made.draw.fit(flags.plain_command)
    asked = requests.SHELL_POOL.draw(made.rng, made.split)
    made.user(dress(made.rng, asked, {"C": command}))
    call = Call("bash", {"command": command})
    made.call(call, result_of(made, call))
    made.remark(call)
    texts = {"F": values.pick(made.rng, flags.FLAGS)}
    made.user(dress(made.rng, family, texts))
    if action == "FLAG":
        last, *earlier = flags.with_flag(command, texts["F"])
        return Call("bash", {"command": last}), {"command": Rule(accept=tuple(earlier))} if earlier else _NO_RULES
    return call, _NO_RULES


def _undo(made: Talk, family: Family, context: str, action: str) -> Answer:
    asked = made.exchange("edit")
    while not asked.call.arguments["new_string"]:
        made.messages.clear()
        asked = made.exchange("edit")
    path, old, new = asked.call.arguments.values()
    made.user(dress(made.rng, family, {}))
    return Call("edit", {"file_path": path, "old_string": new, "new_string": old}), _NO_RULES


# ---- one request, two steps; the first has been done


def _two_steps(made: Talk, family: Family, context: str, action: str) -> Answer:
    rng, draw = made.rng, made.draw
    first, _, second = context.partition(">")
    texts: dict[str, str] = {}
    folder = draw.fit(values.folder)
    if second == "edit" or first == "edit":
        old, new = values.replaced(rng)
        texts["A"] = draw.fit(old)
        texts["B"] = draw.fit(new, (texts["A"],))
    if "P" in _slots(family):
        texts["P"] = draw.fit(values.path)
    path = texts.get("P", "")
    if "X" in _slots(family):
        texts["X"] = draw.fit(values.content)
    if "C" in _slots(family):
        texts["C"] = draw.fit(requests.unmistakable)
    if "Q" in _slots(family):
        texts["Q"] = draw.fit(values.identifier)
    done, result, path = _first_step(made, first, texts, folder, path)
    call, rules = _second_step(made, second, texts, path)
    made.user(dress(rng, family, texts))
    made.call(done, result)
    return call, rules


def _first_step(made: Talk, tool: str, texts: dict[str, str], folder: str, path: str) -> tuple[Call, str, str]:
    """The call that has been made, its result, and the file that it was about."""
    rng, draw = made.rng, made.draw
    if tool == "grep":
        path = draw.fit(values.path)
        texts["S"] = wanted = texts.get("A") or draw.fit(values.identifier)
        line = wanted if "\n" not in wanted else wanted.splitlines()[0]
        return Call("grep", {"pattern": wanted, "path": "."}), f"{path}:{rng.randint(1, 300)}: {line}", path
    if tool == "glob":
        texts["N"] = name = draw.fit(values.file_name)
        path = f"{folder.rstrip('/')}/{name}"
        return Call("glob", {"pattern": f"**/{name}"}), path, path
    if tool == "read":
        call = Call("read", {"file_path": path})
        return call, texts["A"] if "A" in texts else result_of(made, call), path
    if tool == "write":
        call = Call("write", {"file_path": path, "content": texts["X"]})
    elif tool == "edit":
        call = Call("edit", {"file_path": path, "old_string": texts["A"], "new_string": texts["B"]})
    else:
        call = Call("bash", {"command": texts["C"]})
    return call, result_of(made, call), path


def _second_step(made: Talk, tool: str, texts: dict[str, str], path: str) -> Answer:
    """The call that is right now."""
    if tool == "read":
        return Call("read", {"file_path": path}), _NO_RULES
    if tool == "edit":
        return Call("edit", {"file_path": path, "old_string": texts["A"], "new_string": texts["B"]}), _NO_RULES
    if tool == "grep":
        return requests.search(texts["Q"], path)
    if tool == "write":
        texts["O"] = made.draw.fit(values.path, (path,))
        return Call("write", {"file_path": texts["O"], "content": texts["X"]}), requests.with_line_end(texts["X"])
    if tool == "glob":
        texts["G"] = made.draw.fit(values.glob)
        return Call("glob", {"pattern": texts["G"]}), _NO_RULES
    return Call("bash", {"command": texts["C"]}), _NO_RULES


def _slots(family: Family) -> tuple[str, ...]:
    return tuple(piece.slot for piece in family.pieces if piece.slot)


# ---- all of them

Script = Callable[[Talk, Family, str, str], Answer]


def _families() -> tuple[list[Family], dict[str, tuple[Script, str, str]]]:
    # Shares are weights of whole recipes, however many frames these have.
    families: list[Family] = []
    scripts: dict[str, tuple[Script, str, str]] = {}

    def add(script: Script, name: str, context: str, action: str, frames: str, share: int) -> None:
        key = f"{name}-{context}>{action.lower()}"
        scripts[key] = (script, context, action)
        made = compile_frames(f"multi_turn/{key}", key, "remark", frames)
        total = sum(family.weight for family in made)
        families.extend(replace(family, weight=share * family.weight / total) for family in made)

    for context in ("read", "write", "edit", "glob", "grep"):
        for action, share in (
            ("READ", 53), ("GREP", 45), ("EDIT", 42), ("DELETE", 9), ("WRITE", 22), ("REMOVE", 5), ("PYTHON", 7),
        ):  # fmt: skip
            if (context, action) in (("read", "READ"), ("write", "WRITE")):
                continue
            add(_it, "it-after", context, action, getattr(follow_ups, f"IT_{action}"), share)
    for context in ("glob", "grep"):
        for action, share in (("READ", 28), ("GREP", 12), ("EDIT", 11), ("DELETE", 4)):
            add(_nth, "nth-of", context, action, getattr(follow_ups, f"NTH_{action}"), share)
    for context, action, share in (
        ("read", "PATH", 47), ("write", "PATH", 59), ("edit", "PATH", 35), ("grep", "PLACE", 83),
        ("grep", "PATTERN", 86), ("glob", "GLOB", 109), ("glob", "LANGUAGE", 37), ("bash", "COMMAND", 76),
    ):  # fmt: skip
        add(_same, "same", context, action, getattr(repeats, f"SAME_{action}"), share)
    add(_again, "again", "bash", "SAME", repeats.AGAIN, 101)
    add(_again, "again", "bash", "FLAG", repeats.AGAIN_FLAG, 75)
    add(_undo, "undo", "edit", "UNDO", repeats.UNDO, 56)
    for context, share in (
        ("grep>read", 78), ("glob>read", 34), ("grep>edit", 23), ("glob>edit", 22), ("read>edit", 39),
        ("write>bash", 44), ("edit>bash", 26), ("bash>read", 19), ("glob>grep", 12), ("write>read", 17),
        ("edit>read", 9), ("read>write", 39), ("bash>glob", 32),
    ):  # fmt: skip
        add(_two_steps, "two-steps", context, context.partition(">")[2].upper(), two_steps.TWO_STEPS[context], share)
    return families, scripts


_FAMILIES, _SCRIPTS = _families()
POOL = Pool(_FAMILIES, disputed.is_disputed)


def example(rng: random.Random, split: Split, tools: Sequence[Tool]) -> Example:
    """A conversation; in some an unrelated exchange goes first, or the last request has nothing to do with it."""
    draw = rng.random()
    while draw < 0.12:
        made = talk(rng, split)
        for tool in rng.sample(requests.TOOLS, rng.choice((1, 1, 2))):
            made.exchange(tool)
        last = requests.request(rng, split, rng.choice((*requests.TOOLS, "glob", "bash")), made.draw)
        made.user(last.text)
        group = f"multi_turn/after-others>{last.family.name}"
        if split_of(group) == split:
            return made.end("multi_turn", group, tools, (last.call,), (last.drawn.rules,))
    made = talk(rng, split)
    family = POOL.draw(rng, split)
    script, context, action = _SCRIPTS[family.recipe]
    before: list[Message] = []
    if draw < 0.27:
        made.exchange(rng.choice(requests.TOOLS))
        before = list(made.messages)
        made.messages.clear()
    call, rules = script(made, family, context, action)
    made.messages[:0] = before
    return made.end("multi_turn", family.name, tools, (call,), (rules,))
