# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Turns frames into single requests: the families of each tool, and the recipes that draw values and the right call. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from phi4bench.calls import Call
from phi4bench.cases import Rule
from phi4bench.phrasing import errands, frames, search_frames, tasks, values, words
from phi4bench.phrasing.decor import dress
from phi4bench.phrasing.engine import Drawn, Family, Pool, Split, Values, compile_frames

TOOLS = ("read", "write", "edit", "bash", "grep", "glob")


def _path(draw: Values, unlike: tuple[str, ...] = ()) -> str:
    maker = values.confusing_path if draw.confusing and draw.rng.random() < 0.3 else values.path
    return draw.fit(maker, unlike)


def either_slash(place: str) -> Rule:
    """A folder is the same with and without a slash at its end, and a relative place with and without `./`."""
    bare = place.rstrip("/")
    name = bare.rsplit("/", 1)[-1]
    is_file = not place.endswith("/") and ("." in name[1:] or name in (*words.PLAIN_FILES, *words.DOTFILES))
    forms = [bare] if is_file else [bare, f"{bare}/"]
    if not (bare.startswith((".", "/", "~")) or bare[1:2] == ":"):
        forms += [f"./{form}" for form in forms]
    return Rule(accept=tuple(form for form in forms if form != place))


def with_line_end(content: str) -> Mapping[str, Rule]:
    """A file may end its last line."""
    return {"content": Rule(accept=(content + "\n",))} if content else {}


def read(draw: Values) -> Drawn:
    path = _path(draw)
    return Drawn({"P": path}, Call("read", {"file_path": path}))


def write(draw: Values) -> Drawn:
    path = _path(draw)
    maker = values.confusing_text if draw.confusing and draw.rng.random() < 0.5 else values.content
    content = draw.fit(maker, (path,))
    return Drawn(
        {"P": path, "X": content}, Call("write", {"file_path": path, "content": content}), with_line_end(content)
    )


def write_empty(draw: Values) -> Drawn:
    path = _path(draw)
    return Drawn({"P": path}, Call("write", {"file_path": path, "content": ""}))


def edit(draw: Values) -> Drawn:
    path = _path(draw)
    old_maker, new_maker = values.replaced(draw.rng)
    if draw.confusing and draw.rng.random() < 0.4:
        old_maker = new_maker = values.confusing_text
    old = draw.fit(old_maker, (path,))
    new = draw.fit(new_maker, (path, old))
    return Drawn(
        {"P": path, "A": old, "B": new}, Call("edit", {"file_path": path, "old_string": old, "new_string": new})
    )


def edit_deletion(draw: Values) -> Drawn:
    path = _path(draw)
    maker = draw.rng.choice((values.code_line, values.code_line, values.identifier, values.sentence))
    old = draw.fit(maker, (path,))
    return Drawn({"P": path, "A": old}, Call("edit", {"file_path": path, "old_string": old, "new_string": ""}))


_OTHERS_WORDS = (
    "cat",
    "grep",
    "find",
    "ls",
    "head",
    "tail",
    "sed",
    "echo",
    "touch",
    "wc",
    "rm",
    "cp",
    "mv",
    "git grep",
)


def shell_like(rng: random.Random) -> str:
    """A command that does by shell what another tool does."""
    while True:
        command = values.command(rng)
        if command.startswith(_OTHERS_WORDS):
            return command


def unmistakable(rng: random.Random) -> str:
    """A command that, said alone, can only be meant for the shell."""
    while True:
        command = values.command(rng)
        if not command.startswith(("cat", "grep", "find", "head", "tail", "sort", "diff", "touch", "man", "which")):
            return command


def bash(draw: Values) -> Drawn:
    command = draw.fit(shell_like if draw.confusing and draw.rng.random() < 0.6 else values.command)
    return Drawn({"C": command}, Call("bash", {"command": command}))


def bash_bare(draw: Values) -> Drawn:
    command = draw.fit(unmistakable)
    return Drawn({"C": command}, Call("bash", {"command": command}))


def _task(name: str) -> Callable[[Values], Drawn]:
    """The recipe of one chore of `tasks`."""
    task = tasks.TASKS[name]
    slots = [slot for slot in _TASK_VALUES if "{" + slot + "}" in task.command]

    def draw_task(draw: Values) -> Drawn:
        texts: dict[str, str] = {}
        for slot in slots:
            texts[slot] = draw.fit(_TASK_VALUES[slot], tuple(texts.values()))
        right, *others = (_filled(command, texts) for command in (task.command, *task.accept))
        return Drawn(texts, Call("bash", {"command": right}), {"command": Rule(accept=tuple(others))} if others else {})

    return draw_task


def _filled(command: str, texts: Mapping[str, str]) -> str:
    for slot, text in texts.items():
        command = command.replace("{" + slot + "}", text)
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


def _place(draw: Values, unlike: tuple[str, ...]) -> str:
    return draw.fit(values.folder if draw.rng.random() < 0.62 else values.path, unlike)


def _pattern(draw: Values) -> str:
    if draw.confusing and draw.rng.random() < 0.3:
        return draw.fit(values.confusing_text)
    return draw.fit(values.pattern if draw.rng.random() < 0.7 else values.identifier)


def search(pattern: str, place: str) -> tuple[Call, Mapping[str, Rule]]:
    """Text that is no regular expression may be escaped to be none."""
    escaped = re.sub(r"[.$?{}]", r"\\\g<0>", pattern)
    is_text = escaped != pattern and not set("\\*+|^[]()") & set(pattern) and not pattern.endswith("$")
    rules = {"path": either_slash(place)} | ({"pattern": Rule(accept=(escaped,))} if is_text else {})
    return Call("grep", {"pattern": pattern, "path": place}), rules


def grep(draw: Values) -> Drawn:
    pattern = _pattern(draw)
    place = _place(draw, (pattern,))
    return Drawn({"Q": pattern, "Z": place}, *search(pattern, place))


def grep_folder(draw: Values) -> Drawn:
    pattern = _pattern(draw)
    place = draw.fit(values.folder, (pattern,))
    return Drawn({"Q": pattern, "Z": place}, *search(pattern, place))


def grep_everywhere(draw: Values) -> Drawn:
    pattern = _pattern(draw)
    return Drawn({"Q": pattern}, *search(pattern, "."))


def grep_defined(draw: Values) -> Drawn:
    name = draw.fit(values.identifier)
    openers = ("def ", "class ", "function ", "func ", "fn ", "def\\s+", "class\\s+")
    accept = (*(f"{opener}{name}" for opener in openers), f"def {name}\\(", f"(def|class) {name}")
    rules = {"pattern": Rule(accept=accept), "path": either_slash(".")}
    return Drawn({"S": name}, Call("grep", {"pattern": name, "path": "."}), rules)


def glob(draw: Values) -> Drawn:
    pattern = draw.fit(values.glob)
    return Drawn({"G": pattern}, Call("glob", {"pattern": pattern}))


def _ending(shown: str, ending: str, place: str = "") -> Drawn:
    """All files with `ending`, below `place` or anywhere."""
    prefix = f"{place.rstrip('/')}/" if place else ""
    endings = (ending, *words.OTHER_ENDINGS.get(ending, ()))
    right = [f"{prefix}{deep}*.{each}" for each in endings for deep in ("**/", "")]
    together = ["{" + ",".join(each) + "}" for each in words.ENDINGS_TOGETHER.get(shown, ())]
    right += [f"{prefix}{deep}*.{each}" for each in together for deep in ("**/", "")]
    if not (prefix.startswith((".", "/", "~")) or prefix[1:2] == ":"):
        right += [f"./{each}" for each in right]
    texts = {"L": shown, "E": shown, "D": place}
    return Drawn(texts, Call("glob", {"pattern": right[0]}), {"pattern": Rule(accept=tuple(right[1:]))})


def glob_language(draw: Values) -> Drawn:
    language = values.pick(draw.rng, _LANGUAGE_NAMES)
    return _ending(language, words.LANGUAGES[language])


def glob_language_in(draw: Values) -> Drawn:
    language = values.pick(draw.rng, _LANGUAGE_NAMES)
    return _ending(language, words.LANGUAGES[language], draw.fit(values.folder))


def _shown_ending(draw: Values) -> tuple[str, str]:
    ending = values.pick(draw.rng, words.EXTENSIONS)
    return values.pick(draw.rng, (f".{ending}", f".{ending}", f"*.{ending}", f"`.{ending}`", f"'.{ending}'")), ending


def glob_ending(draw: Values) -> Drawn:
    return _ending(*_shown_ending(draw))


def glob_ending_in(draw: Values) -> Drawn:
    return _ending(*_shown_ending(draw), place=draw.fit(values.folder))


def glob_folder(draw: Values) -> Drawn:
    place = draw.fit(values.folder)
    prefix = place.rstrip("/")
    rules = {"pattern": Rule(accept=(f"{prefix}/**", f"{prefix}/**/*"))}
    return Drawn({"D": place}, Call("glob", {"pattern": f"{prefix}/*"}), rules)


def _anywhere(name: str) -> tuple[str, Mapping[str, Rule]]:
    return f"**/{name}", {"pattern": Rule(accept=(name, f"./**/{name}"))}


def glob_called(draw: Values) -> Drawn:
    name = draw.fit(values.file_name)
    right, rules = _anywhere(name)
    return Drawn({"N": name}, Call("glob", {"pattern": right}), rules)


def glob_starting(draw: Values) -> Drawn:
    name = draw.fit(values.file_stem)
    right, rules = _anywhere(f"{name}*")
    return Drawn({"S": name}, Call("glob", {"pattern": right}), rules)


def glob_containing(draw: Values) -> Drawn:
    name = draw.fit(values.stem)
    right, rules = _anywhere(f"*{name}*")
    return Drawn({"S": name}, Call("glob", {"pattern": right}), rules)


_LANGUAGE_NAMES = tuple(words.LANGUAGES)
RECIPES: Mapping[str, Callable[[Values], Drawn]] = {
    "read": read, "write": write, "write_empty": write_empty, "edit": edit, "edit_deletion": edit_deletion,
    "bash": bash, "bash_bare": bash_bare, "grep": grep, "grep_folder": grep_folder, "grep_everywhere": grep_everywhere,
    "grep_defined": grep_defined, "glob": glob, "glob_language": glob_language, "glob_language_in": glob_language_in,
    "glob_ending": glob_ending, "glob_ending_in": glob_ending_in, "glob_called": glob_called,
    "glob_starting": glob_starting, "glob_containing": glob_containing,
    "glob_folder": glob_folder, **errands.RECIPES, **{f"task-{name}": _task(name) for name in tasks.TASKS},
}  # fmt: skip

# How much of a tool's requests each recipe makes, against 1 for the tool's plain one.
_SHARES = {
    "read": 1.0, "write": 1.0, "write_empty": 0.5, "edit": 1.0, "edit_deletion": 0.8, "bash": 1.0, "bash_bare": 2.5,
    "grep": 1.0, "grep_everywhere": 0.9, "grep_defined": 0.6, "glob": 1.0, "glob_language": 0.9,
    "glob_language_in": 0.9, "glob_ending": 0.7, "glob_ending_in": 0.7, "glob_called": 0.8, "glob_starting": 0.6,
    "glob_containing": 0.6, "glob_folder": 0.8, **errands.SHARES,
}  # fmt: skip
_KIND_SHARES = {"order": 1.0, "question": 1.5, "remark": 0.9}


@dataclass(frozen=True)
class Request:
    """One request said: its family, the text, the right call and its rules."""

    family: Family
    text: str
    drawn: Drawn

    @property
    def call(self) -> Call:
        return self.drawn.call


def _families() -> dict[str, list[Family]]:
    families: dict[str, list[Family]] = {tool: [] for tool in TOOLS}
    for constant, text in [item for module in (frames, search_frames, errands) for item in vars(module).items()]:
        if not constant.isupper() or not isinstance(text, str):
            continue
        tool = constant.split("_")[0].lower()
        recipe, kind = constant.lower(), "order"
        for ending, name in (
            ("_orders", "order"),
            ("_questions", "question"),
            ("_remarks", "remark"),
            ("_terse", "remark"),
        ):
            if recipe.endswith(ending):
                recipe, kind = recipe.removesuffix(ending), name
        recipe = recipe.removesuffix("_purpose")
        kind = "remark" if recipe == "bash_bare" else kind
        share = _SHARES[recipe] * _KIND_SHARES[kind]
        families[tool] += compile_frames(tool, recipe, kind, text, share)  # type: ignore[arg-type]
    for name, task in tasks.TASKS.items():
        made = compile_frames("bash", f"task-{name}", "order", task.frames)
        total = sum(family.weight for family in made)
        families["bash"] += [replace(f, weight=0.6 * f.weight / total) for f in made]
    families["grep"] = [replace(f, recipe="grep_folder") if _of_folder(f) else f for f in families["grep"]]
    return families


def _of_folder(family: Family) -> bool:
    """Whether the words only fit a folder: `files in {Z}`."""
    return family.recipe == "grep" and any(
        word in family.name
        for word in (
            "files",
            "modules",
            "every-file",
            "any-file",
            "which-file",
            "which-module",
            "which-script",
            "template",
            "page-",
        )
    )


FAMILIES: Mapping[str, list[Family]] = _families()
# Trained on and never judged by: a listing by the shell would be as right.
DISPUTED = ("glob_folder",)
POOLS = {tool: Pool(families, DISPUTED) for tool, families in FAMILIES.items()}
SHELL_POOL = Pool([family for family in FAMILIES["bash"] if family.recipe == "bash"])
"""The requests that show the command itself."""
CONFUSABLE_POOLS = {tool: Pool([f for f in families if f.confusable]) for tool, families in FAMILIES.items()}


def request(rng: random.Random, split: Split, tool: str, draw: Values, plain: bool = False) -> Request:
    """A request to `tool`. `plain`: without greeting, politeness or reason, as for a part of a longer one."""
    pools = CONFUSABLE_POOLS if draw.confusing and rng.random() < 0.8 else POOLS
    family = pools[tool].draw(rng, split)
    drawn = RECIPES[family.recipe](draw)
    return Request(family, dress(rng, family, dict(drawn.texts), plain), drawn)
