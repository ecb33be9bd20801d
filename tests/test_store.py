"""The store keeps what was made, whatever happens to the run, and gives it back for the same content alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi4bench.cases import Case, Expected, Message
from phi4bench.datasets import load_cases
from phi4bench.datasets.dataset import Dataset, digest
from phi4bench.dialects import dialect_named
from phi4bench.errors import StoreError, UsageError
from phi4bench.runfile import SavedRun, read_run, read_runs, write_run
from phi4bench.store import TranscriptStore, completion_from_json, completion_to_json, default_cache_dir, identity_key
from phi4bench.tools import Tool
from phi4bench.transcripts import Completion, Transcript

IDENTITY = {"weights": "ab", "threads": 2}
DONE = Completion("hello", (1, 2), "stop", 1.5, 0.25, -3.0, 40)


def test_what_is_put_is_there_for_the_next_one(tmp_path: Path) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get("k") is None
        store.put("k", "case-1", DONE)
        store.add(Transcript("case-2", "l", DONE))
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get("k") == DONE
        assert store.get("l") == DONE
        assert (len(store), store.skipped) == (2, 0)


@pytest.mark.parametrize(
    "other", [{"weights": "ac", "threads": 2}, {"weights": "ab", "threads": 1}, {"weights": "ab"}], ids=str
)
def test_another_identity_finds_nothing(tmp_path: Path, other: dict[str, object]) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put("k", "c", DONE)
    with TranscriptStore.open(tmp_path, other) as store:
        assert store.get("k") is None


def test_the_order_of_an_identitys_keys_does_not_matter() -> None:
    assert identity_key({"a": 1, "b": {"c": 2, "d": 3}}) == identity_key({"b": {"d": 3, "c": 2}, "a": 1})


def test_the_first_line_says_what_the_file_is_for(tmp_path: Path) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        header = json.loads(store.path.read_text().splitlines()[0])
    assert header == {"schema": "phi4bench.store/1", "identity": IDENTITY}


@given(
    st.builds(
        Completion,
        text=st.text(),  # hypothesis leaves surrogates out; the case below adds them
        token_ids=st.lists(st.integers(0, 2**31)).map(tuple),
        finish=st.sampled_from(["stop", "length"]),
        first_token_ms=st.none() | st.floats(0, 1e6),
        token_ms=st.none() | st.floats(0, 1e6),
        margin=st.none() | st.floats(-1e3, 1e3),
        prompt_tokens=st.none() | st.integers(0, 10**6),
    )
)
@settings(max_examples=100, deadline=None)
def test_a_completion_comes_back_as_it_went_in(completion: Completion) -> None:
    assert completion_from_json(json.loads(json.dumps(completion_to_json(completion)))) == completion


def test_text_that_is_no_unicode_is_kept(tmp_path: Path) -> None:
    odd = replace(DONE, text="\ud800 \x00 \u2028 \n end")
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put("k", "c", odd)
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get("k") == odd


@pytest.mark.parametrize("cut", [1, 5, 40], ids=["line-end", "a-little", "half"])
def test_a_torn_last_line_is_cut_off_and_the_rest_goes_on(tmp_path: Path, cut: int) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put("k", "c", DONE)
        store.put("torn", "c", DONE)
    os.truncate(store.path, store.path.stat().st_size - cut)
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get("k") == DONE
        assert store.get("torn") is None
        store.put("torn", "c", DONE)
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert (len(store), store.skipped) == (2, 0)


@pytest.mark.parametrize("size", [0, 7], ids=["empty", "torn-header"])
def test_a_file_without_a_whole_header_gets_one(tmp_path: Path, size: int) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        pass
    os.truncate(store.path, size)
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put("k", "c", DONE)
    lines = store.path.read_text().splitlines()
    assert json.loads(lines[0])["identity"] == IDENTITY
    assert len(lines) == 2


@pytest.mark.parametrize(
    "broken",
    [b"\xff", b"[]", b"{}", b'{"key": 1, "completion": {}}', b'{"key": "x", "completion": {"text": 3}}', b"[" * 9999],
    ids=["bytes", "list", "empty", "key", "text", "deep"],
)
def test_a_broken_line_is_passed_over_and_counted(tmp_path: Path, broken: bytes) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put("k", "c", DONE)
    with store.path.open("ab") as file:
        file.write(broken + b"\n")
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.skipped == 1
        assert store.get("k") == DONE


@pytest.mark.parametrize("key", ["k", "0" * 64], ids=["any-key", "sha256"])
def test_an_answer_that_was_overwritten_in_its_middle_is_none(tmp_path: Path, key: str) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put(key, "c", DONE)
    store.path.write_bytes(store.path.read_bytes().replace(b"hello", b"jello"))
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get(key) is None
        assert store.skipped == 1
        store.put(key, "c", DONE)
        assert store.get(key) == DONE


@pytest.mark.parametrize("key", ["k", "0" * 64], ids=["any-key", "sha256"])
def test_an_answer_without_its_checksum_is_none(tmp_path: Path, key: str) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        store.put(key, "c", DONE)
    line = store.path.read_bytes()
    store.path.write_bytes(line[: line.rindex(b',"sum"')] + b"}\n")
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get(key) is None
        assert store.skipped == 1


def test_another_process_is_seen_after_a_refresh(tmp_path: Path) -> None:
    with TranscriptStore.open(tmp_path, IDENTITY) as one, TranscriptStore.open(tmp_path, IDENTITY) as other:
        other.put("k", "c", DONE)
        assert one.get("k") is None
        one.refresh()
        assert one.get("k") == DONE


WRITER = """
    import sys
    from pathlib import Path
    from phi4bench.store import TranscriptStore
    from phi4bench.transcripts import Completion

    name, count = sys.argv[2], int(sys.argv[3])
    with TranscriptStore.open(Path(sys.argv[1]), {"weights": "ab", "threads": 2}) as store:
        for number in range(count):
            store.put(f"{name}-{number}", "c", Completion("x" * 3000, (number,)))
            print(number, flush=True)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    code = textwrap.dedent(WRITER)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    children = [writer(tmp_path, name, 150) for name in ("a", "b", "c")]
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert (len(store), store.skipped) == (450, 0)


def test_a_killed_run_loses_nothing_that_it_had_put(tmp_path: Path) -> None:
    child = writer(tmp_path, "a", 100_000)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(50)]
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.skipped == 0
        assert all(store.get(f"a-{number}") for number in told)


def test_a_full_disk_keeps_what_was_stored_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TranscriptStore.open(tmp_path, IDENTITY)
    store.put("k", "c", DONE)
    whole = store.path.read_bytes()

    def half(descriptor: int, data: bytes) -> int:
        return real_write(descriptor, data[: len(data) // 2])

    real_write = os.write
    monkeypatch.setattr(os, "write", half)
    said = f"{store.path} cannot be written: No space left on device; everything before is kept, but with --no-cache:"
    with pytest.raises(StoreError, match=said):
        store.put("l", "c", DONE)
    assert store.path.read_bytes() == whole
    assert store.get("l") is None

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(StoreError, match="No space left on device"):
        store.put("l", "c", DONE)
    store.close()


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used as a cache: Not a directory; name a folder"):
        TranscriptStore.open(tmp_path / "file" / "cache", IDENTITY)


def test_the_cache_is_its_owners_alone(tmp_path: Path) -> None:
    with TranscriptStore.open(tmp_path / "new", IDENTITY) as store:
        assert store.path.stat().st_mode & 0o777 == 0o600
        assert store.path.parent.stat().st_mode & 0o777 == 0o700


def test_the_default_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/c")
    assert default_cache_dir() == Path("/var/c/phi4bench")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache_dir() == Path.home() / ".cache" / "phi4bench"


def test_a_user_without_a_home_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(UsageError, match="no home directory to keep completions in; name a folder with --cache-dir"):
        TranscriptStore.open(None, {})


# --- a run on disk ------------------------------------------------------------------------------------------------

CARD = {
    "id": "nano-int8", "spec": "nano-int8", "sha256": "ab", "format": "onnx", "precision": "int8", "bytes": 9,
    "dialect": "tool_use", "inferred": [], "files": [],
}  # fmt: skip
TOOL = Tool("read", "", {"type": "object", "properties": {"path": {"type": "string"}}})


def run_of(cases: tuple[Case, ...], completions: tuple[Completion | None, ...]) -> SavedRun:
    dataset = Dataset(cases, "some/where.jsonl", digest(cases), "where", ("a note",))
    return SavedRun(CARD, dialect_named("tool_use"), dataset, completions, {"mode": "free"})


def case_with(name: str, tools: tuple[Tool, ...], toolset: str) -> Case:
    return Case(name, "single", "g", tools, (Message("user", "hi"),), Expected(), toolset)


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    odd = replace(DONE, text="\ud800")
    run = run_of((case_with("a", (TOOL,), "mine"), case_with("b", (TOOL,), "")), (odd, None))
    path = write_run(tmp_path, run)
    assert path == tmp_path / "transcripts" / "nano-int8.jsonl"
    assert read_runs(tmp_path) == read_runs(path) == (run,)
    assert [one.name for one in path.parent.iterdir()] == ["nano-int8.jsonl"]


def test_two_tool_sets_of_one_name_stay_two(tmp_path: Path) -> None:
    other = replace(TOOL, description="another")
    run = run_of((case_with("a", (TOOL,), "mine"), case_with("b", (other,), "mine")), (DONE, DONE))
    back = read_run(write_run(tmp_path, run))
    assert [case.tools for case in back.dataset.cases] == [(TOOL,), (other,)]


def test_a_run_whose_cases_were_changed_says_so(tmp_path: Path) -> None:
    path = write_run(tmp_path, run_of((case_with("a", (TOOL,), "mine"),), (DONE,)))
    path.write_text(path.read_text().replace('"content": "hi"', '"content": "ho"'))
    back = read_run(path)
    assert back.dataset.notes[-1] == "the cases were changed after the run"
    assert back.dataset.sha256 == digest(back.dataset.cases)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(lambda text: text[:-9], "cut off", id="cut-off"),
        pytest.param(lambda text: text.replace('"text": "hello"', '"text": 1'), ":2: not a saved run", id="completion"),
        pytest.param(lambda text: text.replace('"style": "', '"style": "x'), ":1: not a saved run", id="dialect"),
        pytest.param(lambda text: text.replace("transcripts/1", "transcripts/9"), ":1: not a saved run", id="schema"),
        pytest.param(lambda text: text.replace('"facts": {}', '"facts": []'), ":1: .*facts is no object", id="facts"),
        pytest.param(lambda text: text.replace('"id": "nano', '"name": "nano'), ":1: not a saved run", id="no-id"),
        pytest.param(
            lambda text: text.replace('"sha256": "ab"', '"sha256": {}'), "artifact.sha256 is no text", id="card"
        ),
        pytest.param(lambda text: text.replace('"bytes": 9', '"size": 9'), "artifact.bytes is no whole", id="no-size"),
        pytest.param(lambda text: text.splitlines()[0] + "\n", "0 cases, but the header says 1", id="lines-missing"),
        pytest.param(lambda text: "", "not a saved run", id="empty"),
    ],
)
def test_a_damaged_run_is_one_line(tmp_path: Path, damage: object, says: str) -> None:
    path = write_run(tmp_path, run_of((case_with("a", (TOOL,), ""),), (DONE,)))
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(StoreError, match=says):
        read_run(path)


@pytest.mark.parametrize("name", ["../nano", "a/b", ".nano"])
def test_a_run_is_written_nowhere_but_into_its_folder(tmp_path: Path, name: str) -> None:
    run = run_of((case_with("a", (TOOL,), ""),), (DONE,))
    with pytest.raises(StoreError, match="but should be a file name"):
        write_run(tmp_path, replace(run, artifact={**run.artifact, "id": name}))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_former_run(tmp_path: Path) -> None:
    path = write_run(tmp_path, run_of((case_with("a", (TOOL,), ""),), (DONE,)))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="zip"):
        write_run(tmp_path, run_of((case_with("a", (TOOL,), ""),), ()))
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_folder_without_transcripts_says_which_to_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no transcripts; name the folder that --report named"):
        read_runs(tmp_path)
    with pytest.raises(StoreError, match="is not there"):
        read_runs(tmp_path / "nope")


def test_a_saved_dataset_is_judged_as_the_file_was(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    case = {"id": "a", "scenario": "irrelevant", "group": "g", "tools": "claude_code", "expected": {"calls": []}}
    path.write_text(json.dumps(case | {"messages": [{"role": "user", "content": "hi"}]}))
    dataset = load_cases([str(path)])
    run = SavedRun(CARD, dialect_named("hermes"), dataset, (DONE,))
    assert read_run(write_run(tmp_path, run)).dataset == dataset


def test_a_store_that_is_only_written_to_keeps_all_on_disk_and_nothing_in_memory(tmp_path: Path) -> None:
    for _ in range(2):
        with TranscriptStore.open(tmp_path, IDENTITY, reads=False) as store:
            assert len(store) == 0
            store.put("k", "case-1", DONE)
            assert (len(store), store.get("k")) == (0, None)
    with TranscriptStore.open(tmp_path, IDENTITY) as store:
        assert store.get("k") == DONE
