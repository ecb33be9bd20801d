"""Makes slot values: paths, folders, contents, edits, commands, patterns, globs. Pure; each maker takes a `Random`."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence

from phi4bench.phrasing import words

_LETTERS = string.ascii_lowercase
_MIXED = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


def pick(rng: random.Random, items: Sequence[str]) -> str:
    return items[int(rng.random() * len(items))]


def gibberish(rng: random.Random) -> str:
    """A short random name, so that copying cannot lean on known words."""
    draw = rng.random()
    letters = _LETTERS if draw < 0.6 else _MIXED
    return pick(rng, _LETTERS) + "".join(pick(rng, letters) for _ in range(rng.randint(1, 8)))


def stem(rng: random.Random) -> str:
    return gibberish(rng) if rng.random() < 0.15 else pick(rng, words.STEMS)


def number(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.5:
        return str(rng.randint(2, 99))
    return str(rng.randint(100, 9999)) if draw < 0.9 else str(rng.randint(10_000, 99_999))


_CONFUSING = (
    "read",
    "write",
    "edit",
    "bash",
    "grep",
    "glob",
    "search",
    "find",
    "replace",
    "list",
    "open",
    "run",
    "create",
    "delete",
)


def file_stem(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.40:
        return stem(rng)
    if draw < 0.58:
        return f"{stem(rng)}_{stem(rng)}"
    if draw < 0.68:
        return f"{stem(rng)}-{stem(rng)}"
    if draw < 0.76:
        return stem(rng).capitalize() + stem(rng).capitalize()
    if draw < 0.80:
        return stem(rng) + stem(rng).capitalize()
    if draw < 0.86:
        return f"test_{stem(rng)}"
    if draw < 0.92:
        return f"{stem(rng)}{rng.randint(0, 99)}"
    if draw < 0.96:
        return f"{stem(rng)}.{stem(rng)}"
    return f"{stem(rng)}_v{rng.randint(1, 9)}" if draw < 0.98 else stem(rng).upper()


def file_name(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.80:
        return f"{file_stem(rng)}.{pick(rng, words.EXTENSIONS)}"
    if draw < 0.92:
        return pick(rng, words.PLAIN_FILES)
    return pick(rng, words.DOTFILES) if draw < 0.97 else pick(rng, words.PLAIN_FILES[:21])


def _folder_part(rng: random.Random) -> str:
    return pick(rng, words.DIRECTORIES) if rng.random() < 0.6 else stem(rng)


def folder(rng: random.Random) -> str:
    """A folder as people name it, now and then with a slash at its end."""
    draw = rng.random()
    if draw < 0.42:
        path = _folder_part(rng)
    elif draw < 0.70:
        path = f"{_folder_part(rng)}/{stem(rng)}"
    elif draw < 0.78:
        path = f"{_folder_part(rng)}/{stem(rng)}/{stem(rng)}"
    elif draw < 0.84:
        path = f"./{_folder_part(rng)}"
    elif draw < 0.89:
        path = f"../{_folder_part(rng)}"
    elif draw < 0.96:
        path = f"{pick(rng, words.ROOTS)}/{stem(rng)}"
    else:
        path = pick(rng, words.ROOTS)
    return path + "/" if rng.random() < 0.22 else path


def path(rng: random.Random) -> str:
    """A file's path, of any shape."""
    draw = rng.random()
    if draw < 0.40:
        return file_name(rng)
    if draw < 0.66:
        return f"{_folder_part(rng)}/{file_name(rng)}"
    if draw < 0.80:
        return f"{_folder_part(rng)}/{stem(rng)}/{file_name(rng)}"
    if draw < 0.84:
        return f"./{file_name(rng)}"
    if draw < 0.87:
        return f"./{_folder_part(rng)}/{file_name(rng)}"
    if draw < 0.90:
        return f"../{file_name(rng)}"
    if draw < 0.97:
        return f"{pick(rng, words.ROOTS)}/{file_name(rng)}"
    return f"{_folder_part(rng)}/{stem(rng)}/{stem(rng)}/{file_name(rng)}"


def confusing_path(rng: random.Random) -> str:
    """A path that names another tool's doing."""
    name = f"{pick(rng, _CONFUSING)}{pick(rng, ('_', '-', '', '_'))}{stem(rng)}"
    ending = pick(rng, words.EXTENSIONS)
    return f"{name}.{ending}" if rng.random() < 0.5 else f"{_folder_part(rng)}/{name}.{ending}"


def confusing_text(rng: random.Random) -> str:
    """A text that reads like a request to another tool."""
    word = stem(rng)
    return pick(rng, (
        f"grep {word}", f"run {word}", f"read {word}", f"write {word}", f"find {word}", f"open {word}", f"list {word}",
        f"cat {word}.txt", f"search for {word}", f"edit {word}", f"replace {word}", f"create {word}", f"bash {word}",
        f"glob {word}", f"def read_{word}", f"grep_{word}", f"run_{word}", f"write_{word}", f"open_{word}",
        f"find{word.capitalize()}",
        f"{word} *.py", f"ls {word}", f"delete {word}", f"show {word}", f"rm {word}",
    ))  # fmt: skip


_FILLED = "wvundcrhpefWV"


def fill(rng: random.Random, pattern: str) -> str:
    """`{w}` and its kin in `pattern` become words, names, numbers and paths; `{{` and `}}` are braces."""
    if "{" not in pattern:
        return pattern
    out: list[str] = []
    rest = pattern
    while rest:
        before, brace, rest = rest.partition("{")
        out.append(before.replace("}}", "}"))
        if not brace:
            break
        if len(rest) > 1 and rest[1] == "}" and rest[0] in _FILLED:
            out.append(_hole(rng, rest[0], pattern))
            rest = rest[2:]
        else:
            out.append("{")
            rest = rest[1:] if rest[:1] == "{" else rest
    return "".join(out)


def _hole(rng: random.Random, letter: str, pattern: str) -> str:
    if letter in "wv":
        return stem(rng)
    if letter == "u":
        return pick(rng, words.VERBS)
    if letter == "n":
        return number(rng) if "[A-Z]" not in pattern and "\\d{" not in pattern else str(rng.randint(2, 9))
    if letter == "d":
        return (
            pick(rng, words.DIRECTORIES) if "class" not in pattern and "##" not in pattern else stem(rng).capitalize()
        )
    if letter == "c":
        return stem(rng).capitalize()
    if letter == "r":
        return gibberish(rng)
    if letter == "h":
        return "".join(pick(rng, _HEX) for _ in range(rng.choice((4, 7, 8))))
    if letter == "p":
        return path(rng)
    if letter in "ef":
        return pick(rng, words.EXTENSIONS)
    return stem(rng).upper()


def command(rng: random.Random) -> str:
    return fill(rng, pick(rng, words.COMMANDS))


def pattern(rng: random.Random) -> str:
    return fill(rng, pick(rng, words.PATTERNS))


def identifier(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.3:
        return stem(rng)
    if draw < 0.55:
        return f"{pick(rng, words.VERBS)}_{stem(rng)}"
    if draw < 0.7:
        return pick(rng, words.VERBS) + stem(rng).capitalize()
    if draw < 0.8:
        return stem(rng).capitalize() + stem(rng).capitalize()
    if draw < 0.88:
        return f"{stem(rng)}_{stem(rng)}".upper()
    return gibberish(rng) if draw < 0.94 else f"{stem(rng)}_{stem(rng)}"


def glob(rng: random.Random) -> str:
    return fill(rng, pick(rng, words.GLOBS))


def code_line(rng: random.Random) -> str:
    return fill(rng, pick(rng, words.CODE))


def sentence(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.45:
        return pick(rng, words.PROSE)
    text = f"{pick(rng, words.SUBJECTS)} {pick(rng, words.PREDICATES)}"
    if draw < 0.6:
        return text
    if draw < 0.8:
        return text[0].upper() + text[1:] + pick(rng, (".", "!", "", "."))
    return f"{stem(rng)} {stem(rng)}" if draw < 0.9 else f"{stem(rng)} {stem(rng)} {stem(rng)}"


def content(rng: random.Random) -> str:
    """What goes into a new file: a word, a sentence, code, JSON, sometimes two or three lines."""
    draw = rng.random()
    if draw < 0.30:
        return sentence(rng)
    if draw < 0.42:
        return stem(rng)
    if draw < 0.74:
        return code_line(rng)
    if draw < 0.80:
        return number(rng)
    if draw < 0.84:
        return f"{stem(rng)},{stem(rng)},{stem(rng)}"
    if draw < 0.87:
        return identifier(rng)
    lines = [
        pick(rng, (code_line(rng), sentence(rng), stem(rng), f"    {code_line(rng)}")) for _ in range(rng.randint(2, 3))
    ]
    return "\n".join(lines).strip()


def version(rng: random.Random) -> str:
    return f"{rng.randint(0, 9)}.{rng.randint(0, 30)}" + (f".{rng.randint(0, 20)}" if rng.random() < 0.7 else "")


def replaced(rng: random.Random) -> tuple[Callable[[random.Random], str], Callable[[random.Random], str]]:
    """Makers of an old and a new text that belong together."""
    draw = rng.random()
    if draw < 0.36:
        return identifier, identifier
    if draw < 0.46:
        return stem, stem
    if draw < 0.57:
        return number, number
    if draw < 0.65:
        return version, version
    if draw < 0.75:
        return code_line, code_line
    if draw < 0.84:
        return sentence, sentence
    if draw < 0.90:
        return assignment, assignment
    return (code_line, identifier) if draw < 0.95 else (identifier, code_line)


def assignment(rng: random.Random) -> str:
    name = pick(
        rng, ("debug", "port", "timeout", "host", "mode", "retries", "verbose", "level", "name", stem(rng), stem(rng))
    )
    value = pick(rng, ("true", "false", "True", "False", number(rng), stem(rng), f"'{stem(rng)}'", f'"{stem(rng)}"'))
    return name + pick(rng, ("=", " = ", ": ")) + value


def echoed(rng: random.Random) -> str:
    """Any value, or a short random string: what copying is learnt on before the requests."""
    draw = rng.random()
    if draw < 0.25:
        return "".join(pick(rng, _MIXED + "_-./") for _ in range(rng.randint(3, 14)))
    if draw < 0.40:
        return " ".join(gibberish(rng) for _ in range(rng.randint(1, 4)))
    return (path, path, command, pattern, glob, content, code_line, identifier, sentence, folder, assignment)[
        int(rng.random() * 11)
    ](rng)
