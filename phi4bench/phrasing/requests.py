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
from phi4bench.phrasing.errands import from_here

TOOLS = ("read", "write", "edit", "bash", "grep", "glob")


def _path(draw: Values, unlike: tuple[str, ...] = ()) -> str:
    maker = values.confusing_path if draw.confusing and draw.rng.random() < 0.3 else values.path
    return draw.fit(maker, unlike)


def either_slash(place: str) -> Rule:
    """A folder is the same with and without a slash at its end, and a place below this one with and without `./`."""
    bare = place.rstrip("/")
    name = bare.rsplit("/", 1)[-1]
    is_file = not place.endswith("/") and ("." in name[1:] or name in (*words.PLAIN_FILES, *words.DOTFILES))
    forms = [bare] if is_file else [bare, f"{bare}/"]
    return Rule(accept=tuple(form for each in forms for form in from_here(each) if form != place))


def with_line_end(content: str) -> Mapping[str, Rule]:
    """A file may end its last line."""
    return {"content": Rule(accept=(content + "\n",))} if content else {}


def read(draw: Values) -> Drawn:
    path = _path(draw)
    return Drawn({"P": path}, Call("read", {"file_path": path}))


def read_purpose(draw: Values) -> Drawn:
    """A file of one's own: what a `.gitignore` is for, one can tell without a look."""
    while True:
        drawn = read(draw)
        if drawn.texts["P"].removeprefix("./") not in (*words.PLAIN_FILES, *words.DOTFILES):
            return drawn
        draw.drawn.pop()


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


def _edit_of(*makers: Callable[[random.Random], str]) -> Callable[[Values], Drawn]:
    """The recipe of an edit of one kind of text, by one of `makers`."""

    def draw_edit(draw: Values) -> Drawn:
        path, maker = _path(draw), draw.rng.choice(makers)
        old = draw.fit(maker, (path,))
        new = draw.fit(maker, (path, old))
        arguments = {"file_path": path, "old_string": old, "new_string": new}
        return Drawn({"P": path, "A": old, "B": new}, Call("edit", arguments))

    return draw_edit


def edit_deletion(draw: Values) -> Drawn:
    path = _path(draw)
    maker = draw.rng.choice((values.code_line, values.code_line, values.identifier, values.sentence))
    old = draw.fit(maker, (path,))
    return Drawn({"P": path, "A": old}, Call("edit", {"file_path": path, "old_string": old, "new_string": ""}))


_OTHERS_WORDS = (
    "cat", "grep", "find", "ls", "head", "tail", "sed", "echo", "touch", "wc", "rm", "cp", "mv", "git grep",
)  # fmt: skip


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


def _place(draw: Values, unlike: tuple[str, ...]) -> str:
    return draw.fit(values.folder if draw.rng.random() < 0.62 else values.path, unlike)


def _pattern(draw: Values) -> str:
    if draw.confusing and draw.rng.random() < 0.3:
        return draw.fit(values.confusing_text)
    return draw.fit(values.pattern if draw.rng.random() < 0.7 else values.identifier)


_EXPRESSION = re.compile(r"[\\^|]|\.\*|\]\+|\]\{|\$$|s\?:")
_ESCAPED = tuple(
    re.compile(f"[{re.escape(signs)}]") for signs in (".$?{}()[]*+", "$?{}()[]*+", ".$?{([*+)", "$?{([*+)", "$")
)
"""What an escape may be put before, a dot and what closes a bracket or not."""


def search(pattern: str, place: str) -> tuple[Call, Mapping[str, Rule]]:
    """Text that is no regular expression may be escaped to be none."""
    escaped = dict.fromkeys(signs.sub(r"\\\g<0>", pattern) for signs in _ESCAPED)
    accept = () if _EXPRESSION.search(pattern) else tuple(form for form in escaped if form != pattern)
    rules = {"path": either_slash(place)} | ({"pattern": Rule(accept=accept)} if accept else {})
    return Call("grep", {"pattern": pattern, "path": place}), rules


def _grep_in(
    where: Callable[[Values, tuple[str, ...]], str], what: Callable[[Values], str]
) -> Callable[[Values], Drawn]:
    """The recipe of a search `where` there is, for `what`."""

    def draw_search(draw: Values) -> Drawn:
        pattern = what(draw)
        place = where(draw, (pattern,))
        return Drawn({"Q": pattern, "Z": place}, *search(pattern, place))

    return draw_search


def _folder(draw: Values, unlike: tuple[str, ...]) -> str:
    return draw.fit(values.folder, unlike)


def _everywhere(draw: Values, unlike: tuple[str, ...]) -> str:
    return "."


def _name(draw: Values) -> str:
    return draw.fit(values.identifier)


def grep_defined(draw: Values) -> Drawn:
    name = draw.fit(values.identifier)
    openers = ("def ", "class ", "function ", "func ", "fn ", "def\\s+", "class\\s+")
    accept = (*(f"{opener}{name}" for opener in openers), f"def {name}\\(", f"(def|class) {name}")
    rules = {"pattern": Rule(accept=accept), "path": either_slash(".")}
    return Drawn({"S": name}, Call("grep", {"pattern": name, "path": "."}), rules)


def glob(draw: Values) -> Drawn:
    pattern = draw.fit(values.glob)
    return Drawn({"G": pattern}, Call("glob", {"pattern": pattern}))


def glob_files(draw: Values) -> Drawn:
    return _of_all_folders(glob(draw))


def _of_all_folders(drawn: Drawn) -> Drawn:
    """All `*.py` files may be those of all folders."""
    pattern = drawn.texts["G"]
    return drawn if "/" in pattern else replace(drawn, rules={"pattern": Rule(accept=(f"**/{pattern}",))})


def _ending(shown: str, ending: str, place: str = "") -> Drawn:
    """All files with `ending`, below `place` or anywhere."""
    prefix = f"{place.rstrip('/')}/" if place else ""
    endings = (ending, *words.OTHER_ENDINGS.get(shown, ()))
    right = [f"{prefix}{deep}*.{each}" for each in endings for deep in ("**/", "")]
    together = ["{" + ",".join(each) + "}" for each in words.ENDINGS_TOGETHER.get(shown, ())]
    right += [f"{prefix}{deep}*.{each}" for each in together for deep in ("**/", "")]
    right += [form for each in right for form in from_here(each)[1:]]
    texts = {"L": shown, "E": shown, "D": place}
    return Drawn(texts, Call("glob", {"pattern": right[0]}), {"pattern": Rule(accept=tuple(right[1:]))})


def glob_language(draw: Values) -> Drawn:
    language = values.pick(draw.rng, _LANGUAGE_NAMES)
    return _ending(language, words.LANGUAGES[language])


def glob_language_in(draw: Values, language: str = "", place: str = "") -> Drawn:
    language = language or values.pick(draw.rng, _LANGUAGE_NAMES)
    return _ending(language, words.LANGUAGES[language], place or draw.fit(values.folder))


# What is called an `.env` file is called `.env`.
_ENDINGS = tuple(ending for ending in words.EXTENSIONS if ending != "env")


def _shown_ending(draw: Values) -> tuple[str, str]:
    ending = values.pick(draw.rng, _ENDINGS)
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
    return f"**/{name}", {"pattern": Rule(accept=(name, f"./{name}", f"./**/{name}"))}


def _bare_name(rng: random.Random) -> str:
    while True:
        name = values.file_name(rng)
        if "/" not in name:
            return name


def glob_called(draw: Values) -> Drawn:
    name = draw.fit(_bare_name)
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
    "read": read, "read_purpose": read_purpose, "write": write, "write_empty": write_empty, "edit": edit,
    "edit_name": _edit_of(values.identifier), "edit_number": _edit_of(values.number, values.version),
    "edit_deletion": edit_deletion, "bash": bash, "bash_bare": bash_bare,
    "grep": _grep_in(_place, _pattern), "grep_name": _grep_in(_place, _name),
    "grep_folder": _grep_in(_folder, _pattern), "grep_folder_name": _grep_in(_folder, _name),
    "grep_everywhere": _grep_in(_everywhere, _pattern), "grep_everywhere_name": _grep_in(_everywhere, _name),
    "grep_defined": grep_defined, "glob": glob, "glob_files": glob_files, "glob_language": glob_language,
    "glob_language_in": glob_language_in, "glob_ending": glob_ending, "glob_ending_in": glob_ending_in, "glob_called": glob_called,
    "glob_starting": glob_starting, "glob_containing": glob_containing,
    "glob_folder": glob_folder, **errands.RECIPES, **tasks.RECIPES,
}  # fmt: skip

# How much of a tool's requests each recipe makes, against 1 for the tool's plain one.
_SHARES = {
    "read": 1.0, "read_purpose": 1.0, "write": 1.0, "write_empty": 0.5, "edit": 1.0, "edit_deletion": 0.8, "bash": 1.0,
    "bash_bare": 2.5, "grep": 1.0, "grep_everywhere": 0.9, "grep_defined": 0.6, "glob": 1.0, "glob_language": 0.9,
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
        recipe = recipe if recipe in RECIPES else recipe.removesuffix("_purpose")
        kind = "remark" if recipe == "bash_bare" else kind
        share = _SHARES[recipe] * _KIND_SHARES[kind]
        families[tool] += compile_frames(tool, recipe, kind, text, share)  # type: ignore[arg-type]
    for name, task in tasks.TASKS.items():
        made = compile_frames("bash", f"task-{name}", "order", task.frames)
        total = sum(family.weight for family in made)
        families["bash"] += [replace(f, weight=0.6 * f.weight / total) for f in made]
    return {tool: [replace(f, recipe=_fitting(f)) for f in made] for tool, made in families.items()}


_FITTING = (
    ("grep", "grep_folder", r"files|modules|(every|any|which)-file|which-(module|script)|template|page-"),
    ("grep", "grep_folder", r"(under|across|throughout)-PLACE"),
    ("grep(_folder|_everywhere)?", r"\g<0>_name", r"\b(call|calls|called|callers|imports?|imported|handled)\b"),
    ("grep(_folder|_everywhere)?", r"\g<0>_name", r"(text|string|word|name|phrase|symbol)-PATTERN"),
    (
        "edit",
        "edit_name",
        r"\brenam(e|ed|ing)\b|(class|function|variable|method|key|field|setting|constant|name|word)-OLD",
    ),
    ("edit", "edit_number", r"/(bump|raise|lower|upgrade|downgrade|shift|move|migrate|set)-"),
    ("glob", "glob_files", r"GLOB-file|(file|filename)-search"),
)
"""Words that only fit values of a kind: a recipe, the one that draws them, and what is in the family's name."""


def _fitting(family: Family) -> str:
    recipe = family.recipe
    for plain, fitting, said in _FITTING:
        if re.fullmatch(plain, recipe) and re.search(said, family.name):
            recipe = re.sub(f"^(?:{plain})$", fitting, recipe)
    return recipe


FAMILIES: Mapping[str, list[Family]] = _families()
# Trained on and never judged by: a listing by the shell would be as right, and so would many an expression; `grep -r`
# is what one types in a shell, what is wiped may be what the folder holds, and names are matched against files too.
DISPUTED = ("glob_folder", "grep_defined")
_DISPUTED_WORDS = ("grep -r", "wipe the folder", "wipe the directory", "match {q} against the files")
POOLS = {
    tool: Pool(families, lambda family: family.recipe in DISPUTED or family.words.startswith(_DISPUTED_WORDS))
    for tool, families in FAMILIES.items()
}
SHELL_POOL = Pool([family for family in FAMILIES["bash"] if family.recipe == "bash"])
"""The requests that show the command itself."""
CONFUSABLE_POOLS = {tool: Pool([f for f in families if f.confusable]) for tool, families in FAMILIES.items()}


def request(rng: random.Random, split: Split, tool: str, draw: Values, plain: bool = False) -> Request:
    """A request to `tool`. `plain`: without greeting, politeness or reason, as for a part of a longer one."""
    pools = CONFUSABLE_POOLS if draw.confusing and rng.random() < 0.8 else POOLS
    family = pools[tool].draw(rng, split)
    drawn = _as_said(family, RECIPES[family.recipe](draw))
    return Request(family, dress(rng, family, dict(drawn.texts), plain), drawn)


_OF_NAMES = re.compile(r"file ?names?|names (like|match)|named like")
_CALLED = re.compile(r"name|call| as \{o\}|back ?up")


def _as_said(family: Family, drawn: Drawn) -> Drawn:
    """`drawn`, and what the words of `family` make as right."""
    if family.recipe == "glob" and _OF_NAMES.search(family.words):
        return _of_all_folders(drawn)
    if "O" in drawn.texts and _CALLED.search(family.words):
        return errands.in_its_folder(drawn)
    return drawn
