"""The request grammar: a key takes every answer that is as right, and no case of the test split has two right ones."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator

import pytest

from phi4bench.calls import Call
from phi4bench.cases import Case, Rule
from phi4bench.datasets.shipped import fixtures_dir
from phi4bench.phrasing import Example, example, irrelevant, missing_info, multi_turn, parallel, requests
from phi4bench.phrasing.engine import Drawn, Pool, Values, compile_frames
from phi4bench.phrasing.flags import with_flag
from phi4bench.phrasing.talk import places_from_here
from phi4bench.tools import Tool

SIX = tuple(
    Tool(tool["name"], tool["description"], tool["inputSchema"])
    for tool in json.loads((fixtures_dir() / "tools" / "claude_code.json").read_text(encoding="utf-8"))["tools"]
)


@pytest.fixture(scope="module")
def conversations() -> list[Example]:
    rng = random.Random(17)
    return [example(rng, "test", SIX, "multi_turn") for _ in range(3000)]


def of(conversations: list[Example], *names: str) -> Iterator[Case]:
    found = [
        made.case for made in conversations if made.case.group.startswith(tuple(f"multi_turn/{n}/" for n in names))
    ]
    assert len(found) > 5
    yield from found


def accepted(case: Case, argument: str) -> set[str]:
    rules = case.expected.rules[0] if case.expected.rules else {}
    (call,) = case.expected.calls
    return {str(call.arguments[argument]), *(str(form) for form in rules[argument].accept if argument in rules)}


@pytest.mark.parametrize(
    ("command", "flag", "others"),
    [
        pytest.param("ls -la src", "-h", {"ls -h -la src", "ls -la -h src", "ls -lah src"}, id="among-flags"),
        pytest.param("npm install left", "-q", {"npm install -q left"}, id="behind-a-subcommand"),
        pytest.param("pytest tests/a.py", "-v", {"pytest -v tests/a.py"}, id="before-the-file"),
        pytest.param("git push origin main", "-f", {"git push -f origin main", "git push origin -f main"}, id="git"),
        pytest.param("npm test", "--watch", {"npm test -- --watch"}, id="handed-on"),
        pytest.param("pytest -x -k cart", "-q", {"pytest -q -x -k cart", "pytest -x -q -k cart"}, id="no-value-lost"),
        pytest.param("git commit -m 'a b'", "-q", {"git commit -q -m 'a b'"}, id="no-quote-broken"),
        pytest.param("python run.py", "-v", set(), id="not-the-interpreter-s"),
        pytest.param("make clean", "-f", set(), id="not-with-a-value-behind-it"),
    ],
)
def test_a_flag_stands_at_the_end_or_wherever_it_means_the_same(command, flag, others):
    first, *rest = with_flag(command, flag)
    assert first == f"{command} {flag}"
    assert set(rest) == others


@pytest.mark.parametrize(
    ("call", "argument", "others"),
    [
        pytest.param(Call("read", {"file_path": "a/b.py"}), "file_path", ("./a/b.py",), id="read"),
        pytest.param(Call("grep", {"pattern": "x", "path": "./a"}), "path", ("a",), id="grep"),
        pytest.param(Call("glob", {"pattern": "**/*.py"}), "pattern", ("./**/*.py",), id="glob"),
        pytest.param(Call("read", {"file_path": "/a.py"}), "file_path", (), id="from-the-root"),
        pytest.param(Call("read", {"file_path": "../a.py"}), "file_path", (), id="from-above"),
        pytest.param(Call("read", {"file_path": "C:/a.py"}), "file_path", (), id="from-a-drive"),
    ],
)
def test_only_a_relative_path_is_the_same_from_here(call, argument, others):
    assert places_from_here(call, {})[argument].accept == others


@pytest.mark.parametrize(
    ("recipe", "path"),
    [
        pytest.param("bash_delete", "P", id="rm"),
        pytest.param("bash_move", "P", id="mv-from"),
        pytest.param("bash_move", "O", id="mv-to"),
        pytest.param("bash_mkdir", "D", id="mkdir"),
        pytest.param("bash_script", "P", id="a-script"),
        pytest.param("task-rm-r", "D", id="rm-r"),
        pytest.param("task-wc", "P", id="wc"),
    ],
)
def test_a_shell_finds_a_relative_path_from_here_too(recipe, path):
    for seed in range(100):
        drawn = requests.RECIPES[recipe](Values(random.Random(seed), "test"))
        place = drawn.texts[path]
        other = place[2:] if place.startswith("./") else f"./{place}"
        right = str(drawn.call.arguments["command"])
        elsewhere = place.startswith(("../", "/", "~")) or place[1:2] == ":"
        assert (right.replace(f" {place}", f" {other}", 1) in drawn.rules["command"].accept) == (not elsewhere), right


def said_with(monkeypatch, recipe: str, words: str, texts: dict[str, str], call: Call) -> set[str]:
    """What is right where the family that says `words` draws `texts`."""
    families = compile_frames(call.name, recipe, "order", f"@{words}")
    monkeypatch.setitem(requests.POOLS, call.name, Pool(families))
    monkeypatch.setitem(requests.RECIPES, recipe, lambda draw: Drawn(texts, call))
    drawn = requests.request(random.Random(1), "test", call.name, Values(random.Random(1), "test")).drawn
    ((argument, right),) = call.arguments.items()
    return {str(form) for form in (right, *drawn.rules.get(argument, Rule()).accept)}


@pytest.mark.parametrize(
    ("words", "new", "also"),
    [
        pytest.param("rename {P} to {O}", "b.py", "mv src/a.py src/b.py", id="rename"),
        pytest.param("give {P} the new name {O}", "b.py", "mv src/a.py src/b.py", id="new-name"),
        pytest.param("move {P} and call it {O}", "b.py", "mv src/a.py src/b.py", id="call"),
        pytest.param("back up {P} as {O}", "b.py", "mv src/a.py src/b.py", id="as"),
        pytest.param("move {P} to {O}", "b.py", "", id="a-move-names-the-place"),
        pytest.param("rename {P} to {O}", "lib/b.py", "", id="a-name-with-its-place"),
    ],
)
def test_what_is_called_something_anew_may_stay_in_its_folder(monkeypatch, words, new, also):
    call = Call("bash", {"command": f"mv src/a.py {new}"})
    taken = said_with(monkeypatch, "bash_move", words, {"P": "src/a.py", "O": new}, call)
    assert taken >= {also} - {""}
    assert bool(also) == (len(taken) > 1)


@pytest.mark.parametrize(
    ("words", "everywhere"),
    [
        pytest.param("list files with names like {G}", True, id="names-like"),
        pytest.param("look for file names matching {G}", True, id="file-names"),
        pytest.param("list files whose path matches {G}", False, id="a-path"),
        pytest.param("print me the names of files like {G}", False, id="names-of-files"),
    ],
)
def test_names_of_files_are_those_of_all_folders(monkeypatch, words, everywhere):
    taken = said_with(monkeypatch, "glob", words, {"G": "*.py"}, Call("glob", {"pattern": "*.py"}))
    assert ("**/*.py" in taken) == everywhere


@pytest.mark.parametrize(
    ("words", "also"),
    [
        pytest.param("the file is called {O}", {"src/b.py"}, id="a-name"),
        pytest.param("the path should be {O}", set(), id="a-path"),
    ],
)
def test_a_file_that_is_called_otherwise_may_be_in_the_folder_that_was_named(words, also):
    (family,) = compile_frames("x", "read-corrected", "remark", words)
    assert missing_info.beside("src/a.py", "b.py", family) == tuple(also)
    assert missing_info.beside("src/a.py", "lib/b.py", family) == ()
    assert missing_info.beside("a.py", "b.py", family) == ()


def test_what_is_installed_is_no_path():
    drawn = requests.RECIPES["bash_pip"](Values(random.Random(1), "test"))
    assert not [form for form in drawn.rules["command"].accept if "./" in str(form)]


def test_a_path_at_home_is_never_quoted(conversations):
    for case in of(conversations, "it-after-edit>remove", "it-after-glob>remove", "it-after-edit>python"):
        assert not [form for form in accepted(case, "command") if re.search(r"['\"]~", form)]
        assert any("'" in form for form in accepted(case, "command")) == (" ~" not in min(accepted(case, "command")))


@pytest.mark.parametrize("before", ["read", "write"])
def test_a_change_to_a_file_that_was_shown_is_to_one_of_its_lines(conversations, before):
    for case in of(conversations, f"it-after-{before}>edit", f"it-after-{before}>delete"):
        shown = [message for message in case.messages if message.role == "tool"][-1].content
        if before == "write":
            shown = str([m for m in case.messages if m.calls][-1].calls[0].arguments["content"])
        for old in (
            accepted(case, "old_string")
            if case.group.count(">delete")
            else {case.expected.calls[0].arguments["old_string"]}
        ):
            assert shown.count(str(old)) == 1
            assert old != shown


def test_a_file_that_is_searched_was_not_shown_whole(conversations):
    for case in of(conversations, "it-after-read>grep"):
        assert re.search(r"\n\[\d+ more lines\]$", [m.content for m in case.messages if m.role == "tool"][-1])
    assert not [made for made in conversations if made.case.group.startswith("multi_turn/it-after-write>grep")]


def test_the_same_place_is_where_hits_were_in_more_than_one_file_or_the_file_itself(conversations):
    for case in of(conversations, "same-grep>pattern"):
        place = case.expected.calls[0].arguments["path"]
        hits = [m.content for m in case.messages if m.role == "tool"][-1].splitlines()
        assert len(hits) > 1 or hits[0].startswith(f"{place}:")


def test_another_kind_of_files_may_be_looked_for_where_the_first_was(conversations):
    places = 0
    for case in of(conversations, "same-glob>language"):
        asked = str([m for m in case.messages if m.calls][-1].calls[0].arguments["pattern"])
        place, _, ending = asked.rpartition("*.")
        assert ending.isalnum()
        place = place.removesuffix("**/").removeprefix("./")
        places += bool(place)
        wanted = str(case.expected.calls[0].arguments["pattern"]).removeprefix("**/")
        assert f"{place}{wanted}" in accepted(case, "pattern")
    assert places


@pytest.mark.parametrize(
    ("asked", "names", "also"),
    [
        pytest.param("src/**/*.py", "*.md", {"src/**/*.md", "src/*.md"}, id="below-a-folder"),
        pytest.param("src/*.py", "*.md", {"src/**/*.md", "src/*.md"}, id="in-a-folder"),
        pytest.param("**/Dockerfile", "*.md", {"**/*.md"}, id="in-all-folders"),
        pytest.param("*.py", "*.md", set(), id="here"),
        pytest.param("src/**/*.py", "lib/*.md", set(), id="elsewhere"),
    ],
)
def test_another_glob_may_be_meant_where_the_first_was(asked, names, also):
    assert set(multi_turn.where_it_was(asked, names)) == also


def test_a_glob_of_mere_names_is_taken_where_the_first_was(conversations):
    places = 0
    for case in of(conversations, "same-glob>glob"):
        asked = str([m for m in case.messages if m.calls][-1].calls[0].arguments["pattern"])
        names = str(case.expected.calls[0].arguments["pattern"])
        also = multi_turn.where_it_was(asked, names)
        assert not also or accepted(case, "pattern") >= set(also)
        places += bool(also)
    assert places > 5


def test_nothing_is_asked_for_that_a_search_or_anything_at_all_would_answer():
    words = {family.words for family in missing_info.ASK_POOL.of["test"]}
    assert "find files matching the pattern" in words
    assert not words & {"show me a few files please", "glob files", "write something to {p}", "update {a} to {b}"}
    assert not any(family.recipe == "edit-no-path" for family in missing_info.ASK_POOL.of["test"])


def test_a_path_that_an_error_suggests_shares_a_name_with_the_wrong_one():
    rng = random.Random(5)
    suggested = [
        made
        for made in (missing_info.retrying(rng, "test", SIX).case for _ in range(600))
        if "-suggested/" in made.group
    ]
    assert len(suggested) > 50
    for case in suggested:
        key = "path" if case.expected.calls[0].name == "grep" else "file_path"
        wrong = str([m for m in case.messages if m.calls][-1].calls[0].arguments[key]).rstrip("/")
        right = str(case.expected.calls[0].arguments[key])
        name, stem = wrong.rpartition("/")[2], wrong.rpartition(".")[0]
        assert right.endswith(f"/{name}") or right.startswith(f"{stem}."), (wrong, right)


def test_no_arithmetic_is_kept_from_the_shell():
    assert not any("{i}" in family.words for family in irrelevant.POOL.of["test"] if family.recipe == "general")


def test_what_a_command_of_the_project_does_is_not_known_without_a_look():
    assert not any("{c}" in family.words for family in irrelevant.POOL.of["test"] if family.recipe == "concept")


def test_what_is_typed_in_a_shell_wipes_a_folder_or_may_match_names_is_never_tested():
    words = [family.words for pool in requests.POOLS.values() for family in pool.of["test"]]
    disputed = ("grep -r", "wipe the directory", "wipe the folder", "match {q} against the files")
    assert not [said for said in words if said.startswith(disputed)]
    assert "wipe the contents of {p}" in words


def test_nothing_is_searched_for_elsewhere_on_a_condition_that_does_not_hold():
    words = [family.words for family in multi_turn.POOL.of["test"] if family.recipe == "same-grep>place"]
    assert words
    assert not [said for said in words if said.startswith("if its not there")]


def test_a_place_or_a_command_that_anybody_may_choose_is_not_asked_for():
    families = missing_info.ASK_POOL.of["test"]
    assert not [f.words for f in families if f.recipe == "write-no-path" and "somewhere" in f.words]
    assert not [f.words for f in families if f.recipe == "bash-no-command" and "something" in f.words]


def test_commands_are_not_joined_as_a_shell_would_join_them():
    made = [parallel.example(random.Random(seed), "test", SIX).case for seed in range(3000)]
    lists = [case for case in made if case.group.startswith("parallel/bash-list")]
    assert len(lists) > 100
    for case in lists:
        one, other = (call.arguments["command"] for call in case.expected.calls[-2:])
        assert f"{one} & {other}" not in case.messages[-1].content


def test_nobody_says_let_us_show_me(conversations):
    said = [m.content for made in conversations for m in made.case.messages if m.role == "user"]
    assert not [
        text for text in said if re.search(r"(?i)\b(let's|we should|i (need|want|have) to) (show|tell|give) me", text)
    ]


def test_a_correction_is_led_by_no_reason(conversations):
    said = [case.messages[-1].content for case in of(conversations, "same-glob>glob", "undo-edit>undo")]
    assert not [text for text in said if re.search(r"(?i)(\. |, |! |- )(wait, no|hang on|that was)\b", text)]


def test_a_change_to_the_wrong_file_is_trained_on_but_never_tested():
    tested = [f.words for f in multi_turn.POOL.of["test"] if f.recipe in ("same-write>path", "same-edit>path")]
    assert tested
    assert not [words for words in tested if "wrong file" in words]
