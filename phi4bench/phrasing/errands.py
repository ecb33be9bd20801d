# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Requests that name a purpose instead of a tool's own act, and errands that one shell command does. Data and recipes; pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from phi4bench.calls import Call
from phi4bench.cases import Rule
from phi4bench.phrasing import values
from phi4bench.phrasing.engine import Drawn, Values

READ_PURPOSE_ORDERS = """
    !(summarize|summarise|explain|describe|review|document|proofread|analyze|analyse|sum up|go over|comment on|double-check|familiarize yourself with|study) (the file |the code in |the source of |my |){P}
    (explain|describe|tell me|show me|figure out|find out) how {P} (works|is built|is organised|is structured)
    (explain|describe|tell me|figure out|find out) what {P} (does|is for|is about|is good for|is doing)
    !(check|tell me|see|find out|let me know|verify) (whether|if) {P} (is ok|looks right|is complete|is up to date|is correct|makes sense|is still valid|looks sane)
    (give|write) me a (summary|short summary|description|quick overview|review) of {P}
    !(check|find out|tell me|see) which (version|port|settings|options|functions|classes|dependencies|scripts|fields) {P} (has|defines|declares|lists|uses|sets)
    help me (understand|review|with|debug|improve|make sense of) {P}
"""
READ_PURPOSE_QUESTIONS = """
    how does {P} (work|start|end|do its job)?
    what does (the code in |the script |the file |){P} (do|do exactly|really do|actually do)?
    what is {P} (for|about|used for|good for|doing)?
    !is (there anything odd in |there a bug in |there something wrong with |there anything missing from ){P}?
    is {P} (ok|correct|complete|up to date|still valid|in good shape|any good)?
    does {P} (look right|look ok|make sense|seem right|still make sense) (to you|)?
    !which (settings|options|functions|classes|dependencies|scripts|fields|lines|versions|keys) (are in|are set in|do we have in|are defined in|are listed in) {P}?
    what do you think of {P}?
    can you (summarize|explain|review|go over|describe) {P} for me?
    could you (look over|double-check|proofread|check) {P}?
"""
READ_PURPOSE_REMARKS = """
    i (need|want|would like) a (summary|short summary|quick summary|review|description) of {P}
    i don't (understand|get|see what's wrong with|know) {P}, (explain it|please explain it|help me with it|what does it do?)
    i have to (document|present|review|explain|change|port|translate) {P} (today|tomorrow|soon|next week) (and must know what it looks like|so i need to see it|and haven't seen it yet|, let me read it first)
    !i (think|guess|suspect|believe|bet) (that |){P} (is to blame|is the problem|is the culprit|causes this|has the mistake), (open it|have a look|check it|look into it|let me see it)
    (it|all of it|everything|that|the answer|the list) should (all |)be (in|inside) {P}, (check|have a look|look there|open it)
    !the (reason|mistake|problem|bug|setting|answer|list) must be (in|somewhere in) {P}, (check|have a look|look there|open it)
    before i (change|delete|touch|edit|merge|rename) {P} i (want|need|have) to (see|read) (it|what's in it|what it says)
    before i (change|delete|touch|edit|merge|rename) {P} i (want|need|have) to know (what's in it|what it says)
    we'll (need|talk about|go through|start with) {P}, (open it|so open it|so show it|please open it)
    my (build|test|deploy|release|demo) fails (and|because of something in|, it must be) {P}, (have a look|open it|show it to me|check it)
"""

WRITE_PURPOSE_ORDERS = """
    (jot down|note down|note|record|log|park|leave|keep|preserve|capture) {X} in (the new file |a new file |a file called ){P}
    (set up|prepare|provide|supply|scaffold|draft|compose|produce) {P}, (it only has to hold|all it needs is|it just needs|it should just say|with nothing but) {X}
    (start|begin|redo|rewrite|restart) {P} from scratch: {X} (is all it should contain|is all it needs|is the whole content|and nothing else)
    (give|hand) me a (file|new file) {P} with {X} in it
    make a (small|short|tiny|simple) (file|script|config|note) {P} (with|that says|containing) {X}
    let there be (a|a file) {P} (with|that says|containing) {X}
"""
WRITE_PURPOSE_REMARKS = """
    (this goes|the following goes) into {P}, which (you have to create|doesn't exist yet|is new|has to be created): {X}
    {P} (needs|wants|gets|requires|takes) (just this|this text|this content): {X}
    our {P} should (read|say|just say|contain): {X}
    {X}, (save that|store that) (as|in) {P}
    {X}, (save that|write that) (to|into) {P}
    {X}, put that (in|into) {P}
    {X}, keep that (as|in) {P}
    (somebody|everyone|the intern|the team) (keeps asking for|needs|wants) {P}, (create it|write it|make it) with {X}
    throw away whatever is in {P} and (write|put|save) {X} (there|in it|instead)
"""

EDIT_PURPOSE_REMARKS = """
    (somebody|someone|i|we|they) (wrote|put|typed|used|left) {A} in {P}, (make it|make that|it should be|change it to|please make it|it has to be) {B}
    {P} (says|has|uses|contains|reads|mentions|still says|still has) {A} (today|now|at the moment|right now|), (make it|change that to|it should be|please make it|i'd rather have|we want) {B}
    {P} (runs on|depends on|points to|refers to|is set to|still uses|relies on|listens on) {A}, (switch it to|change it to|update it to) {B}
    (the line|the code|the text|the value|the name|the setting|the number) in {P} is wrong, {A} should (have been|be|read|say) {B}
    {A} in {P} (is wrong|is a typo|is outdated|is old|is a mistake), (it should be|it must be|make it|it has to be|we want|change it to) {B}
    we (moved|switched|went|changed) from {A} to {B}, (update|adjust|fix|change) {P} (accordingly|please|for that|)
    the team (would rather have|prefers|wants|agreed on) {B} (instead of|rather than|and not|over) {A} in {P}
    {A} (is going away|is deprecated|is no longer valid|is outdated|no longer works), (switch|update) {P} (over |)to {B}
    it's {B} now, (not|no longer) {A}, (so update|so fix|please fix|please correct) {P}
"""
EDIT_PURPOSE_ORDERS = """
    (bump|upgrade|downgrade) {P} from {A} to {B}
    (bump|set|move) (the version|the number|the value|the setting|the limit|the port) in {P} from {A} to {B}
    (open|go to|edit|take|modify|adapt) {P} and (change|convert|rename) {A} to {B}
    (open|go to|edit|take|modify|adapt) {P} and (turn|change|make|convert) {A} into {B}
    (modify|edit|fix|patch|adapt|correct) {P}, {A} (must be|should be|has to be|needs to be|becomes|is to be) {B}
    (rename|change) the (class|function|variable|method|key|field|setting|constant) {A} to {B} in {P}
"""
EDIT_DELETION_PURPOSE_REMARKS = """
    i don't (want|need|like) {A} in {P} (any more|anymore|any longer), (drop it|remove it|take it out|delete it|kill it)
    {A} (is not needed|has no place|is useless|isn't used|must not stay) in {P}, (drop it|remove it|take it out|delete it)
    {P} (still has|still contains|contains) {A}, (drop it|remove it|take it out|delete that|get rid of it)
"""

GREP_PURPOSE_QUESTIONS = """
    (who|what|which code|which file|which module) (uses|calls|mentions|sets|imports|needs|includes|touches) {Q} in {Z}?
    are there any (usages|uses|mentions|traces|occurrences|leftovers) of {Q} (left |still |)in {Z}?
    is {Q} (mentioned|used|called|referenced|set|hard-coded|imported) (anywhere |somewhere |)(in|inside|under) {Z}?
    do we (still |)(use|call|mention|have|need|import) {Q} (anywhere |somewhere |)(in|inside|under) {Z}?
    which (file|template|module|line|script|page) (in|under|of) {Z} (produces|prints|has|sets|contains|shows|raises) {Q}?
"""
GREP_PURPOSE_REMARKS = """
    (our users|people|customers|we) (see|get|report|keep seeing) {Q} and i (want|need|would like) to know (where in {Z} it comes from|which file in {Z} has it|what in {Z} prints it)
    {Q} must be (somewhere|hidden|used) in {Z}, (find it|look for it|search for it|track it down)
    i need (all the|the|all) lines (that contain|with|mentioning|containing) {Q} (in|from|of|inside) {Z}
    i need (all the|the|all) places (that contain|with|mentioning|containing) {Q} (in|inside) {Z}
    i (can't|cannot) find {Q} in {Z}, (search for it|please look|look for it)
"""
GREP_EVERYWHERE_PURPOSE_QUESTIONS = """
    where's {Q} (mentioned|used|called|set|imported|defined) (in this project|in this repo|in the code|around here|)?
    (who|what) (uses|calls|mentions|imports|sets|needs) {Q} (in this project|in the code|around here|here|)?
    do we (still |)(use|call|mention|have|import) {Q} (anywhere|somewhere|in the code|in this project)?
    is {Q} (used|mentioned|called|needed|referenced) (anywhere|at all|somewhere in the code|in this repo)?
"""
GREP_EVERYWHERE_PURPOSE_REMARKS = """
    (somebody|someone|i|we) (hard-coded|used|left|put|wrote) {Q} (somewhere|and i can't remember where|and now i can't find it), (check all of the code|search the whole project|find it|please look everywhere|where is it?)
    {Q} must be somewhere in (the project|the code|this repo), (find it|look for it|where is it?|track it down)
    i need every (place|line|file) (that mentions|with|that uses|containing) {Q} (in the project|in the repo|in the code|)
"""

GLOB_CALLED_PURPOSE_QUESTIONS = """
    (which|what) (folder|directory) is {N} in?
    where (is|did i put|do we keep|can i find|did we put) (the file |){N}?
    do we have (a|a file called|a file named|any) {N} (here|somewhere|anywhere|in this project|)?
    which files are (called|named) {N}?
"""
GLOB_CALLED_PURPOSE_REMARKS = """
    i (can't|cannot) find {N}, (which folder is it in?|where is it?|find out where it is|locate it|look for the file)
    {N} must be (around here|somewhere here|in some folder|in this project), (find it|locate it|where is it?)
"""
GLOB_ENDING_PURPOSE_ORDERS = """
    (list|show me|find|give me|collect) (everything|anything) (that ends in|ending in|ending with|that ends with|with the extension|with the ending) {E}
    (list|show me|find|give me|get me) (all|all the|the|every one of the|any) {E} files (of this project|in this repo|we have|around|you can find|wherever they are|)
    tell me the names of all (the |){E} files
"""
GLOB_ENDING_PURPOSE_QUESTIONS = """
    (are there|do we have|have we got) any {E} files (in here|here|around|in this project|in this repo|)?
    which (files|of the files) end (in|with) {E}?
    what {E} files (are there|do we have|exist here|are around)?
"""
GLOB_ENDING_IN_PURPOSE_QUESTIONS = """
    (are there|do we have|have we got) any {E} files (in|under|inside) {D}?
    which (files|of the files|files by name) (in|under) {D} end (in|with) {E}?
    what {E} files (are|do we have|lie) (in|under|inside) {D}?
"""
GLOB_ENDING_IN_PURPOSE_REMARKS = """
    all {E} (files |)(in|under|below) {D} (please|pls|)
    give me a list of the {E} files (in|under|below) {D}
    i (need|want) (the names of |a list of |)(all the|the|all) {E} files (in|under|below) {D}
"""
GLOB_LANGUAGE_PURPOSE_QUESTIONS = """
    (are there|do we have|have we got) any {L} (files|sources) (in here|here|around|in this project|in this repo|)?
    what {L} files (are there|do we have|exist here|are around)?
    where are (the|all the|our) {L} files?
"""

BASH_MKDIR_ORDERS = """
    (create|make|add|set up) (a directory|a folder|a new directory|a new folder|the directory|the folder|an empty folder|an empty directory) (called|named|at) {D}
    (create|make|add) (the |a |)(directory|folder) {D}
    mkdir {D}
"""
BASH_MKDIR_REMARKS = """
    i (need|want) a (directory|folder|new folder) (called|named) {D}
    we need a (directory|folder) {D}, (create it|make one|please make it)
"""
BASH_MOVE_ORDERS = """
    (rename|move) (the file |){P} to {O}
    move {P} (over to|so that it becomes|and call it) {O}
    give {P} the new name {O}
"""
BASH_MOVE_REMARKS = """
    {P} should be (called|named) {O}, (rename it|please rename it|rename the file)
    the file {P} (moves|has to move|needs to move|goes) to {O}
"""
BASH_COPY_ORDERS = """
    (copy|duplicate) (the file |){P} (to|as) {O}
    make a copy of {P} (called|named|at|as) {O}
    (back up|backup) {P} (as|to) {O}
"""
BASH_COPY_REMARKS = """
    i (need|want) a copy of {P} (called|named|at|as) {O}
"""
BASH_DELETE_ORDERS = """
    (delete|remove|erase|get rid of|throw away|trash) the file {P}
    (delete|remove|erase) {P} (from disk|from the disk|, the whole file|for good|completely)
"""
BASH_DELETE_REMARKS = """
    the file {P} is not needed (any more|anymore|any longer), (delete it|remove it)
"""
BASH_LOG_ORDERS = """
    (show me|list|print|give me|get|let me see) the (last|latest|most recent|newest) {W} (commits|git commits|commits in git|commits on this branch)
"""
BASH_LOG_QUESTIONS = """
    what (are|were) the (last|latest|most recent) {W} commits?
"""
BASH_BRANCH_ORDERS = """
    (create|make|start|open) (a|a new|a fresh) (branch|git branch) (called|named) {S} and (switch to it|check it out|change to it|go to it)
    (check out|switch to) a (new|fresh) branch (called|named) {S}
"""
BASH_BRANCH_REMARKS = """
    i (need|want) to (be|work) on a (new|fresh) branch (called|named) {S}
"""
BASH_PIP_ORDERS = """
    (install|add|get) (the package |the library |){S} (with|using|through|via) pip
    pip install {S}
"""
BASH_NPM_ORDERS = """
    (install|add|get) (the package |the library |){S} (with|using|through|via) npm
    npm install {S}
"""
BASH_CHMOD_ORDERS = """
    (make|mark) (the file |the script |){P} (executable|runnable)
    give {P} (execute permission|the executable bit)
"""
BASH_PYTEST_ORDERS = """
    (run|execute|start) the tests in {P} with pytest
    (run|execute|try) pytest on {P}
    run {P} (with|through|under) pytest
"""
BASH_SCRIPT_ORDERS = """
    (run|execute|start) (the script |){P} with {W}
    use {W} to (run|execute|start) {P}
"""


def _plain(make: Callable[..., str]) -> Callable[..., str]:
    """Values that a shell takes without quotes."""

    def made(rng: random.Random) -> str:
        while True:
            value = make(rng)
            if value and all(letter.isalnum() or letter in "._-/" for letter in value) and value[0] not in "-":
                return value

    made.__name__ = make.__name__
    return made


_PATH, _FOLDER, _STEM = _plain(values.path), _plain(values.folder), _plain(values.stem)


QUOTES = ("", "'", '"')
"""A shell takes one word to be the same with and without them."""


def from_here(place: str) -> tuple[str, ...]:
    """`place`, and where it is below this folder, with and without `./`."""
    if place.rstrip("/") in (".", "..") or place.startswith(("../", "/", "~")) or place[1:2] == ":":
        return (place,)
    return (place, place[2:] if place.startswith("./") else f"./{place}")


def _does(texts: Mapping[str, str], command: str, *others: str) -> Drawn:
    return Drawn(texts, Call("bash", {"command": command}), {"command": Rule(accept=others)})


def _mkdir(draw: Values) -> Drawn:
    place = draw.fit(_FOLDER)
    bare = place.rstrip("/")
    places = (*from_here(place), *from_here(bare if place != bare else f"{bare}/"))
    right, *others = (
        f"{verb} {quote}{one}{quote}" for one in places for verb in ("mkdir", "mkdir -p") for quote in QUOTES
    )
    return _does({"D": place}, right, *others)


def _two(verb: str, *variants: str) -> Callable[[Values], Drawn]:
    def recipe(draw: Values) -> Drawn:
        one = draw.fit(_PATH)
        other = draw.fit(_PATH, (one,))
        right, *others = (
            f"{text} {quote}{first}{quote} {quote}{second}{quote}"
            for first in from_here(one)
            for second in from_here(other)
            for text in (verb, *variants)
            for quote in QUOTES
        )
        return _does({"P": one, "O": other}, right, *others)

    return recipe


def in_its_folder(drawn: Drawn) -> Drawn:
    """`drawn`, whose new name may be meant in the old one's folder where it is no more than a name."""
    folder, _, _ = drawn.texts["P"].rpartition("/")
    name, rule = drawn.texts["O"], drawn.rules.get("command", Rule())
    if not folder or "/" in name:
        return drawn
    split = (str(form).rpartition(name) for form in (drawn.call.arguments["command"], *rule.accept))
    there = dict.fromkeys(
        f"{verb.removesuffix('./')}{place}{quote}"
        for verb, _, quote in split
        for place in from_here(f"{folder}/{name}")
    )
    return replace(drawn, rules={"command": replace(rule, accept=(*rule.accept, *there))})


def _one(slot: str, make: Callable[..., str], verb: str, *variants: str) -> Callable[[Values], Drawn]:
    def recipe(draw: Values) -> Drawn:
        one = draw.fit(make)
        forms = from_here(one) if slot == "P" else (one,)
        right, *others = (
            f"{text} {quote}{form}{quote}" for form in forms for text in (verb, *variants) for quote in QUOTES
        )
        return _does({slot: one}, right, *others)

    return recipe


_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twenty": 20,
}


def _log(draw: Values) -> Drawn:
    word = values.pick(draw.rng, tuple(_NUMBERS))
    number = _NUMBERS[word]
    counts = (f"-{number}", f"-n {number}", f"-n{number}", f"--max-count={number}")
    forms = (form for count in counts for form in (count, f"--oneline {count}", f"{count} --oneline"))
    right, *others = (f"git log {form}" for form in forms)
    shown = word if draw.rng.random() < 0.5 else str(number)
    return _does({"W": shown}, right, *others)


_RUNNERS = {
    "py": ("python", "python3"),
    "sh": ("bash", "sh"),
    "js": ("node",),
    "rb": ("ruby",),
    "pl": ("perl",),
    "php": ("php",),
}


def _script(draw: Values) -> Drawn:
    ending = values.pick(draw.rng, tuple(_RUNNERS))
    runner = values.pick(draw.rng, _RUNNERS[ending])
    path = draw.fit(lambda rng: _PATH(rng).rsplit(".", 1)[0].rstrip("/") + f".{ending}")
    right, *others = (f"{runner} {quote}{one}{quote}" for one in from_here(path) for quote in QUOTES)
    return _does({"P": path, "W": runner}, right, *others)


RECIPES: Mapping[str, Callable[[Values], Drawn]] = {
    "bash_mkdir": _mkdir,
    "bash_move": _two("mv", "git mv", "mv -f"),
    "bash_copy": _two("cp", "cp -p", "cp -r", "cp -a"),
    "bash_delete": _one("P", _PATH, "rm", "rm -f", "git rm"),
    "bash_log": _log,
    "bash_branch": _one("S", _STEM, "git checkout -b", "git switch -c", "git switch --create"),
    "bash_pip": _one("S", _STEM, "pip install", "pip3 install", "python -m pip install", "python3 -m pip install"),
    "bash_npm": _one("S", _STEM, "npm install", "npm i", "npm install --save", "npm add"),
    "bash_chmod": _one("P", _PATH, "chmod +x", "chmod a+x", "chmod u+x", "chmod 755"),
    "bash_pytest": _one("P", _PATH, "pytest", "python -m pytest", "python3 -m pytest", "pytest -q", "pytest -v"),
    "bash_script": _script,
}
"""Recipes of the shell's errands; the other frames here use the recipe that their constant's name begins with."""

SHARES: Mapping[str, float] = dict.fromkeys(RECIPES, 0.35)
