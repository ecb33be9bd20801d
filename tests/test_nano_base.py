"""nano-base: general calls hold nothing of the six tools, mean what they say, and a killed run of tables goes on."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from phi4bench.datasets import load_cases
from phi4bench.datasets.toolsets import Toolsets
from phi4bench.dialects import dialect_named
from phi4bench.phrasing import words
from phi4bench.phrasing.requests import FAMILIES
from trainers.faults import TrainingError
from trainers.merge import adapter_sha256
from trainers.nano import general, lora_page, tables
from trainers.nano import tokenizer as tokenizers

SIX = Toolsets()("claude_code")
QUOTED = r"(?:'[^']*'|\"[^\"]*\"|`[^`]*`)"
PROGRAMS = "|".join({re.escape(one.split()[0]) for one in words.COMMANDS if one and "{" not in one.split()[0]})
SLOTS = {"C": rf"(?:{QUOTED}|(?:{PROGRAMS})(?: .*)?)"}
"""What stands in a slot: a command begins with a program's name, where it is not quoted; other values have no space."""
DIALECT = dialect_named("tool_use")


def drawn(count, seed=1):
    rng = random.Random(seed)
    for _ in range(count):
        offered = general.offers(rng)
        yield offered, general.example(rng, offered)


def frames():
    """Each family of requests to the six tools, as its longest fixed text and a pattern."""
    for family in (one for families in FAMILIES.values() for one in families):
        fixed = [piece.casual for piece in family.pieces if not piece.slot]
        if not any(re.search(r"\w", text) for texts in fixed for text in texts):
            continue  # nothing but a value
        parts = (_slot(piece.slot) if piece.slot else _either(piece.casual) for piece in family.pieces)
        alone = [texts[0] for texts in fixed if len(texts) == 1]
        yield max(alone, key=len, default=""), "".join(parts)


def _slot(name):
    return SLOTS.get(name, rf"(?:\S+|{QUOTED})")


def _either(texts):
    return f"(?:{'|'.join(map(re.escape, texts))})"


def test_none_of_the_six_tools_is_named_or_taken_for_a_general_one():
    names = {tool.name for tool in SIX}
    arguments = {name for tool in SIX for name in tool.parameters}
    parts = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
    for offered, made in drawn(1000):
        text = DIALECT.render(made.case.question()).text + made.reply + DIALECT.render_calls(made.case.expected.calls)
        assert names.isdisjoint(word.lower() for word in parts.findall(text)), text
        assert arguments.isdisjoint(name for one in offered for name in one.tool.parameters)
    rng = random.Random(3)
    assert names.isdisjoint(word.lower() for _ in range(2000) for word in parts.findall(general.echo(rng)))


def test_the_bases_tokenizer_has_no_piece_that_the_base_never_reads():
    """What it is made from is drawn like what is learned from; the six tools' names are spelled in several pieces."""
    made = tokenizers.build(DIALECT, tokenizers.general_corpus(DIALECT, 400, seed=1), 700)
    pieces = [piece for piece in made.get_vocab() if len(piece) > 1 and not piece.startswith("<")]
    texts = "".join(tokenizers.general_corpus(DIALECT, 400, seed=1))
    assert len(pieces) > 300
    assert [piece for piece in pieces if piece.isascii() and piece not in texts] == []
    for name in ("grep", "bash", "file_path", "old_string"):
        assert len(made.encode(name).ids) > 1


def test_no_general_request_is_a_frame_of_the_six_tools():
    rng, known = random.Random(2), list(frames())
    assert len(known) > 5000
    tried = 0
    for _ in range(60):
        for offer in general.offers(rng):
            said = general.asked(rng, offer)[0].lower().replace("'s", "s")
            found = [pattern for fixed, pattern in known if fixed in said and re.fullmatch(pattern, said)]
            assert not found, said
            tried += 1
    assert tried > 200


def test_the_frames_are_told_from_general_requests():
    known = list(frames())
    for said in ("open src/a.py", "run git status -s", "what does notes.txt say?", 'create todo.md with "buy milk"'):
        assert any(re.fullmatch(pattern, said.replace("'s", "s")) for fixed, pattern in known if fixed in said), said


def test_a_call_fits_its_tool_and_takes_its_values_from_the_request():
    for offered, made in drawn(400, seed=4):
        tools = {one.tool.name: one.tool for one in offered}
        said = made.case.messages[-1].content.lower()
        for call in made.case.expected.calls:
            tool = tools[call.name]
            assert not list(Draft202012Validator(tool.schema).iter_errors(dict(call.arguments))), call
            assert all(str(value).lower() in said for value in call.arguments.values()), (said, call)
        assert made.case.expected.calls or made.reply


def test_the_same_seed_draws_the_same_and_sets_differ():
    first, again = (list(drawn(20, seed=5)) for _ in range(2))
    assert first == again
    assert len({tuple(one.tool.name for one in offered) for offered, _ in first}) == 20


def count(passed, total=100):
    return {"passed": passed, "total": total}


def row(name, tool, parameter, rank=None):
    levels = {"detection": count(99), "parsing": count(98), "tool": count(tool), "parameter": count(parameter)}
    made = {"name": name, "bytes": 1000, "levels": levels | {"abstention": count(9, 10)}, "per_tool": {"grep": levels}}
    made |= {"tier": "GOOD", "verdict": "reject", "seconds": 12.0}
    if rank is None:
        return made
    return made | {"rank": rank, "fit": {"gap": 0.01, "perplexity": 1.2}}


def results(*rows):
    recipe, end = (
        {"seed": 1, "minutes": 5.0},
        {"minutes": 5.0, "step": 70, "tokens": 10**6, "learned": 10**6, "loss": 2},
    )
    return {"base": {"recipe": recipe, "end": end}, "examples": 10, "settings": "--lr 1", "notes": "", "rows": rows}


def test_the_page_shows_before_and_after_and_each_rank():
    page = f"before\n{lora_page.BEGIN}\nNot run.\n{lora_page.END}\nafter\n"
    rows = [row("base", 71, 20), row("r8", 90, 80, 8), row("r16", 95, 80, 16), row("r8-int4", 89, 78)]
    made = lora_page.put(page, results(*rows))
    assert made.startswith("before\n")
    assert made.endswith(f"{lora_page.END}\nafter\n")
    assert "Not run." not in made
    assert "| parameter | 20.0% (20/100) | 80.0% (80/100) | +60.0 |" in made  # rank 8: as good, and smaller
    assert "| grep | 99.0 → 99.0% | 98.0 → 98.0% | 71.0 → 90.0% | 20.0 → 80.0% |" in made
    assert "| parameter | 80.0% (80/100) | 78.0% (78/100) |" in made
    assert lora_page.put(made, results(*rows)) == made
    longer = results(*rows)
    longer["base"]["recipe"]["start"] = "runs/first"
    assert "nano-base: seed 1, going on from `runs/first`, 5 of 5 minutes" in lora_page.put(made, longer)


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [
        pytest.param(71, 96, [True, True, True], id="as-the-guide-says"),
        pytest.param(60, 96, [False, True, True], id="a-worse-base"),
        pytest.param(80, 95, [True, False, False], id="a-smaller-gain"),
    ],
)
def test_what_held_of_the_guide_is_said(before, after, held):
    said = [line for line in lora_page.expectations(row("base", before, 0), row("r8", after, 0, 8)) if line[:1] == "-"]
    assert [line.endswith("which held") for line in said] == held


def test_a_page_without_markers_is_left_alone():
    with pytest.raises(ValueError, match="no place for the tables"):
        lora_page.put("text", results(row("base", 1, 1)))


@pytest.fixture
def chain(monkeypatch):
    """A chain whose steps leave the files that tell that they are done; `broken`: a step that fails, and where."""
    done, broken = [], []

    def main(command):
        if command in broken:
            return 3
        done.append(command)
        place = Path(command[command.index("--out") + 1]) if "--out" in command else Path(command[1])
        if command[0] == "data":
            place.write_text("{}\n" * int(command[command.index("--count") + 1]))
        elif command[0] == "sft":
            (place / "adapter").mkdir(parents=True, exist_ok=True)
            for name in ("adapter_config.json", "adapter_model.safetensors", "phi4bench.json"):
                (place / "adapter" / name).write_text("{}")
            fit = {"kept": {"step": 1}, "gap": 0.0, "ratio": 1.0, "perplexity": 1.0, "band": "", "verdict": ""}
            (place / "overfitting.json").write_text(json.dumps(fit))
            rank = int(command[command.index("--rank") + 1])
            (place / "settings.json").write_text(json.dumps({"settings": {"rank": rank}}))
        elif command[0] == "merge":
            (place / "merged").mkdir()
            told = {"schema": "phi4bench.artifact/1", "recipe": {"adapter_sha256": adapter_sha256(place / "adapter")}}
            (place / "merged" / "phi4bench.json").write_text(json.dumps(told))
        return 0

    monkeypatch.setattr("trainers.__main__.main", main)
    monkeypatch.setattr(tables, "judged", lambda study, name, folder: {**row(name, 50, 50), "seconds": None})
    return done, broken


def test_tables_go_on_where_a_step_failed(chain, tmp_path):
    done, broken = chain
    base, out, page = tmp_path / "nano-base", tmp_path / "out", tmp_path / "page.md"
    for folder in (base, out):
        folder.mkdir()
    (base / "model.safetensors").touch()
    page.write_text(f"{lora_page.BEGIN}\n{lora_page.END}\n")
    given = {"base": base, "out": out, "ranks": [8, 16], "examples": 2, "lr": "1", "epochs": "1", "threads": "1"}
    given |= {"evaluate_every": "50", "parallel": 1, "limit": None, "notes": "", "into": page}
    broken.append(("merge", str(out / "r16")))
    with pytest.raises(TrainingError, match="merge"):
        tables.make(**given)
    assert "| 8 |" in page.read_text()
    assert "| 16 |" not in page.read_text()
    seconds = json.loads((out / "tables.json").read_text())["rows"][1]["seconds"]
    broken.clear()
    first = list(done)
    tables.make(**given)
    again = done[len(first) :]
    assert ("merge", str(out / "r8")) not in again
    assert ("merge", str(out / "r16")) in again
    rows = json.loads(page.with_suffix(".json").read_text())["rows"]
    assert [one["name"] for one in rows] == ["base", "r8", "r16", "r8-int8", "r8-int4"]
    assert rows[1]["seconds"] == seconds


def test_training_data_of_another_are_neither_removed_nor_replaced(tmp_path):
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "train.jsonl").write_text("theirs")
    given = {"base": tmp_path, "out": tmp_path, "ranks": [8], "examples": 2, "lr": "1", "epochs": "1", "threads": "1"}
    given |= {"evaluate_every": "50", "parallel": 1, "limit": None, "notes": "", "into": None}
    with pytest.raises(TrainingError, match="`python -m trainers data` ended with exit code 4"):
        tables.make(**given)
    assert (tmp_path / "train.jsonl").read_text() == "theirs"


def test_ranks_tuned_at_once_are_not_tuned_again_and_one_that_failed_is_named(monkeypatch, tmp_path):
    study, ran = tables.Study(tmp_path / "base", tmp_path, (8, 16, 32), 2, ("--lr", "1")), []

    def trial(folder, command, environment):
        ran.append(folder.name)
        assert command[:1] + command[-4:] == ("sft", "--rank", folder.name[1:], "--lr", "1")
        return "out of disk" if folder.name == "r16" else ""

    monkeypatch.setattr(tables, "run_trial", trial)
    (study.run(8) / "adapter").mkdir(parents=True)
    (study.run(8) / "adapter" / "phi4bench.json").touch()
    with pytest.raises(TrainingError, match=r"rank 16: out of disk; the same command goes on"):
        tables.tuned_at_once(study, 2)
    assert sorted(ran) == ["r16", "r32"]


def test_a_report_on_a_sample_is_none_on_all_cases(tmp_path):
    every = len(load_cases().cases)
    report = tmp_path / "report.json"
    for cases, limit, right in ((40, 40, True), (40, None, False), (every, None, True), (every, every + 1, True)):
        one = {"artifact": {"sha256": "a"}, "dataset": {"cases": cases}}
        report.write_text(json.dumps({"artifacts": [one]}))
        assert tables.is_report_of(report, "a", limit) is right
        assert not tables.is_report_of(report, "b", limit)


def test_a_made_up_word_that_comes_twice_names_one_argument(monkeypatch):
    monkeypatch.setattr(general, "_syllables", lambda rng: "bo")
    monkeypatch.setattr(general.catalogue, "NOUNS", ("fig", "oak", "elm"))
    for seed in range(50):
        names = [names for one in general._invented(random.Random(seed)).parameters for names in one.names]
        assert len(set(names)) == len(names)
