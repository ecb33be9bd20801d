"""The run layer from inside: options, plans, jobs, and completions that are made only once."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from kit import write_lines

from phi4bench import completions, packed
from phi4bench.artifacts import open_artifact
from phi4bench.backends import Decoding
from phi4bench.cases import Message, Question
from phi4bench.datasets import load_cases
from phi4bench.dialects import dialect_named
from phi4bench.errors import ArtifactError, BackendError, UsageError
from phi4bench.printable import printable
from phi4bench.run import generation
from phi4bench.run.child import Interrupted, Ran
from phi4bench.run.files import write_text
from phi4bench.run.generation import Settings, generate
from phi4bench.run.jobs import (
    Setup,
    artifact_from_json,
    artifact_to_json,
    item_from_json,
    item_to_json,
    items_from_lines,
    items_to_lines,
    prompt_key,
    store_identity,
)
from phi4bench.run.options import OPTIONS, RunOptions, options_from
from phi4bench.run.plan import make_plan
from phi4bench.run.progress import Silent
from phi4bench.run.prompting import render

MakeFake = Callable[..., Path]


def parsed(**given: Any) -> Callable[[str], Any]:
    """What argparse would hand over for these options."""
    defaults = {
        name: settings.get("default", False if "action" in settings else None)
        for name, (_, settings) in OPTIONS.items()
    }
    return lambda name: (defaults | given)[name]


def options(tmp_path: Path, *models: Path, **given: Any) -> RunOptions:
    folders = {"report": str(tmp_path / "reports"), "cache_dir": str(tmp_path / "cache")}
    return options_from(parsed(model=[str(model) for model in models], **folders, **given))


class TestOptions:
    def test_defaults_are_those_of_run_options(self) -> None:
        assert options_from(parsed(model=["x"])) == RunOptions(models=("x",))

    def test_the_home_that_a_shell_leaves_after_an_equals_sign_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/mine")
        named = options_from(parsed(model=["x"], report="~/r", cache_dir="~/c", xfails="~/x", system_prompt="~/s"))
        paths = (named.report_dir, named.cache_dir, named.xfails, named.system_prompt)
        assert paths == tuple(Path("/mine") / name for name in "rcxs")
        assert options_from(parsed(model=["x"], report="~no-such-user/r")).report_dir == Path("~no-such-user/r")

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param({"limit": "1.5"}, id="half-a-case"),
            pytest.param({"threads": "-1"}, id="negative-threads"),
            pytest.param({"threads": "4000"}, id="threads-without-end"),
            pytest.param({"max_new_tokens": "0"}, id="no-tokens"),
            pytest.param({"time_limit": "inf"}, id="endless-limit"),
            pytest.param({"seed": ""}, id="empty-seed"),
            pytest.param({"slo_calls": "10001"}, id="more-calls-than-are-held-at-once"),
            pytest.param({"slo_pairs": "0"}, id="no-pairs"),
        ],
    )
    def test_a_number_out_of_range_names_its_option(self, given: dict[str, str]) -> None:
        (name,) = given
        with pytest.raises(UsageError, match=f"^{OPTIONS[name][0]}="):
            options_from(parsed(**given))

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name, (_, settings) in OPTIONS.items()
            if settings.get("action") != "store_true" and name != "decode"
        ],
    )
    def test_what_an_unset_variable_leaves_empty_is_refused(self, name: str) -> None:
        given: Any = ["x", ""] if OPTIONS[name][1].get("action") == "append" else ""
        with pytest.raises(UsageError, match=f"^{OPTIONS[name][0]}='', but should not be empty"):
            options_from(parsed(**{name: given}))


class TestPlan:
    def test_two_artifacts_of_one_name_get_distinct_ids(
        self, make_fake: MakeFake, tmp_path: Path, case_file: Path
    ) -> None:
        fakes = []
        for place in ("old", "new"):
            (tmp_path / place).mkdir()
            make_fake(name=f"{place}/model-a")
            fakes.append(tmp_path / place / "model-a")
        plan = make_plan(options(tmp_path, *fakes, cases=[str(case_file)]))
        assert len({subject.artifact.id for subject in plan.subjects}) == 2

    def test_a_baseline_that_is_also_a_candidate_keeps_its_id(
        self, make_fake: MakeFake, tmp_path: Path, case_file: Path
    ) -> None:
        parent = make_fake(name="parent")
        int8 = make_fake(name="int8", precision="int8", parent="../parent")
        plan = make_plan(options(tmp_path, parent, int8, cases=[str(case_file)]))
        baseline = plan.subjects[1].baseline
        assert baseline is not None
        assert baseline.id == plan.subjects[0].artifact.id == "parent"

    def test_a_baseline_of_another_dialect_is_no_baseline(
        self, make_fake: MakeFake, tmp_path: Path, case_file: Path
    ) -> None:
        int8, other = make_fake(name="int8", precision="int8"), make_fake(name="other")
        manifest = other / "phi4bench.json"
        manifest.write_text(manifest.read_text().replace("tool_use", "hermes"))
        with pytest.raises(ArtifactError, match="speaks hermes, but should speak what int8 does, tool_use"):
            make_plan(options(tmp_path, int8, baseline=str(other), cases=[str(case_file)]))

    def test_a_parent_that_was_changed_is_not_compared_with(
        self, make_fake: MakeFake, tmp_path: Path, case_file: Path
    ) -> None:
        make_fake(name="parent")
        int8 = make_fake(name="int8", precision="int8", parent="../parent")
        manifest = json.loads((int8 / "phi4bench.json").read_text())
        manifest["parent"]["sha256"] = "0" * 64
        (int8 / "phi4bench.json").write_text(json.dumps(manifest))
        (subject,) = make_plan(options(tmp_path, int8, cases=[str(case_file)])).subjects
        assert subject.baseline is None
        assert "is not the parent that its manifest names" in subject.no_baseline

    def test_contradicting_targets_are_named(self, make_fake: MakeFake, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"guide.*strict"):
            make_plan(options(tmp_path, make_fake(), targets=["guide", "strict"]))


class TestJobs:
    def test_an_artifact_survives_the_way_to_its_child(self, make_fake: MakeFake) -> None:
        artifact = open_artifact(str(make_fake()))
        assert artifact_from_json(json.loads(json.dumps(artifact_to_json(artifact)))) == artifact

    def test_a_prompt_survives_it_lone_surrogates_too(self, make_fake: MakeFake, case_file: Path) -> None:
        artifact = open_artifact(str(make_fake()))
        (item, *_) = render(artifact, load_cases([str(case_file)]).cases, "be brief \ud800")
        assert item_from_json(json.loads(json.dumps(item_to_json(item)))) == item

    def test_a_list_of_them_survives_it_and_shares_what_all_begin_with(
        self, make_fake: MakeFake, case_file: Path
    ) -> None:
        artifact = open_artifact(str(make_fake()))
        items = render(artifact, load_cases([str(case_file)]).cases, "be brief, ] \ud800")
        *lines, last = items_to_lines(items)
        assert [json.loads(line) for line in lines] == [item_to_json(item) for item in items]
        assert last == "\n"
        coming = iter([*lines, last, "what is said next\n"])
        found = list(items_from_lines(coming))
        assert found == list(items)
        assert found[0].prompt.segments[0] is found[-1].prompt.segments[0]
        assert list(coming) == ["what is said next\n"]
        assert not list(items_from_lines([]))

    def test_text_that_imitates_a_control_token_has_another_key(self) -> None:
        dialect = dialect_named("tool_use")
        one = dialect.render(Question("a", (), (Message("user", "hi"),)))
        segments = tuple(type(segment)(segment.text, False) for segment in one.segments)
        assert prompt_key(one) != prompt_key(type(one)(segments, one.shared, one.stop, one.call_opener))

    @pytest.mark.parametrize("threads", [1, 2])
    def test_what_changes_the_runtime_changes_the_store(self, make_fake: MakeFake, threads: int) -> None:
        artifact = open_artifact(str(make_fake()))
        setup = Setup(artifact, Decoding(), None, None)
        assert store_identity(setup, {"threads": threads}) != store_identity(setup, {"threads": 3})
        assert store_identity(setup, {}) != store_identity(Setup(artifact, Decoding(8), None, None), {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(Decoding(), None, tmp_path / "cache", {"cpu": "x"})


class TestGeneration:
    def test_where_everything_is_stored_no_child_is_started(
        self, make_fake: MakeFake, case_file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        artifact = open_artifact(str(make_fake()))
        items = render(artifact, load_cases([str(case_file)]).cases[:50], None)
        made = generate(artifact, items, settings, Silent())
        assert (made.generated, made.from_cache, made.missing) == (50, 0, 0)
        assert made.peak_rss_bytes is not None
        assert made.peak_rss_bytes > 2**20

        def no_child(*_: object) -> None:
            raise AssertionError("a child was started")

        monkeypatch.setattr(generation, "run_child", no_child)
        again = generate(artifact, items, settings, Silent())
        assert (again.generated, again.from_cache) == (0, 50)
        assert again.completions == made.completions

    def test_what_is_packed_gives_what_is_not(
        self, make_fake: MakeFake, case_file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        artifact = open_artifact(str(make_fake()))
        items = render(artifact, load_cases([str(case_file)]).cases, None)
        made = generate(artifact, items, settings, Silent())
        for module in (packed, completions):
            monkeypatch.setattr(module, "FEW", 10)
        cases = load_cases([str(case_file)]).cases
        assert isinstance(cases, packed.Packed)
        fresh = replace(settings, cache_dir=settings.cache_dir / "fresh" if settings.cache_dir else None)
        again = generate(artifact, render(artifact, cases, None), fresh, Silent())
        assert isinstance(again.completions, packed.Packed)
        assert again.generated == len(cases)
        assert [one and one.text for one in again.completions] == [one and one.text for one in made.completions]

    def test_prompts_are_chosen_by_their_places(self, make_fake: MakeFake, case_file: Path) -> None:
        items = render(open_artifact(str(make_fake())), load_cases([str(case_file)]).cases, None)
        some = items.chosen([7, 3, 5]).chosen([2, 0])
        assert list(some) == [items[5], items[7]] == list(items[5:8:2])
        assert [*some.case_ids] == [items[5].case_id, items[7].case_id]
        assert [*some.keys] == [items[5].key, items[7].key] == [prompt_key(items[at].prompt) for at in (5, 7)]

    def test_the_longest_prompt_comes_first_and_the_others_as_they_were(
        self, make_fake: MakeFake, tmp_path: Path, case_lines: list[dict[str, Any]]
    ) -> None:
        lines = [
            case_lines[0] | {"id": str(at), "messages": [{"role": "user", "content": f"{at} {'x' * size}"}]}
            for at, size in enumerate((3, 40, 90, 60))
        ]
        cases = load_cases([str(write_lines(tmp_path / "four.jsonl", lines))]).cases
        items = render(open_artifact(str(make_fake())), cases, None)
        assert [*items.longest_first().case_ids] == ["2", "0", "1", "3"]
        assert [*items.chosen([3, 0, 1]).longest_first().case_ids] == ["3", "0", "1"]
        assert len(items[:0].longest_first()) == 0

    @pytest.mark.parametrize("in_order", [False, True], ids=["all", "until-enough"])
    def test_it_is_sent_first_unless_an_order_was_asked_for(
        self,
        in_order: bool,
        make_fake: MakeFake,
        case_file: Path,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sent = list[str]()

        def child(setup: Setup, choose: Any, *_: object, **__: object) -> Ran:
            sent.extend(choose({"runtime": "none"}).case_ids)
            return Ran(0, False, 1.0, 1, {})

        monkeypatch.setattr(generation, "run_child", child)
        artifact = open_artifact(str(make_fake()))
        items = render(artifact, load_cases([str(case_file)]).cases[:40], None)
        lookout: Any = SimpleNamespace(ordered=lambda wanted: wanted, saw_all=lambda _: False) if in_order else None
        generate(artifact, items, settings, Silent(), lookout=lookout)
        assert sent == [*(items if in_order else items.longest_first()).case_ids]
        assert sorted(sent) == sorted(items.case_ids)
        assert not items[:0]

    def test_another_machine_or_thread_count_asks_the_runtime_again(
        self, make_fake: MakeFake, case_file: Path, settings: Settings
    ) -> None:
        artifact = open_artifact(str(make_fake()))
        items = render(artifact, load_cases([str(case_file)]).cases[:3], None)
        generate(artifact, items, settings, Silent())
        for other in (
            Settings(Decoding(), 2, settings.cache_dir, settings.machine),
            Settings(Decoding(), None, settings.cache_dir, {"cpu": "y"}),
        ):
            assert (
                generation._recall(
                    generation._runtime_memory(Setup(artifact, Decoding(), other.threads, other.cache_dir), other)
                )
                is None
            )
        assert generation._recall(
            generation._runtime_memory(Setup(artifact, Decoding(), None, settings.cache_dir), settings)
        )

    def test_what_a_child_made_before_it_crashed_is_not_made_again(
        self, make_fake: MakeFake, case_file: Path, settings: Settings
    ) -> None:
        artifact = open_artifact(str(make_fake("crashes")))
        items = render(artifact, load_cases([str(case_file)]).cases[:40], None)
        with pytest.raises(BackendError, match="SIGSEGV after 20 of 40 cases"):
            generate(artifact, items, settings, Silent())
        with pytest.raises(BackendError, match="SIGSEGV after 10 of 20 cases"):
            generate(artifact, items, settings, Silent())

    def test_ctrl_c_counts_what_the_child_has_stored_and_not_yet_told_of(
        self, make_fake: MakeFake, case_file: Path, settings: Settings, tmp_path: Path
    ) -> None:
        class LateCtrlC(Silent):
            def update(self, done: int) -> None:
                while sum(len(file.read_bytes().splitlines()) for file in tmp_path.rglob("completions/*")) < 8:
                    time.sleep(0.01)
                raise KeyboardInterrupt

        artifact = open_artifact(str(make_fake("slow")))
        items = render(artifact, load_cases([str(case_file)]).cases[:40], None)
        with pytest.raises(Interrupted, match="interrupted: stored") as raised:
            generate(artifact, items, settings, LateCtrlC())
        told = int(str(raised.value).split()[2])
        assert 7 <= told == 40 - generate(artifact, items, settings, Silent()).generated < 40

    def test_ctrl_c_while_an_artifact_is_loaded_denies_nothing_that_is_stored(
        self, make_fake: MakeFake, case_file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("phi4bench.run.child.events", Mock(side_effect=KeyboardInterrupt))
        artifact = open_artifact(str(make_fake()))
        with pytest.raises(Interrupted, match=r"^interrupted while .* was loaded; run the same"):
            generate(artifact, render(artifact, load_cases([str(case_file)]).cases[:4], None), settings, Silent())

    def test_the_answer_key_is_in_no_prompt(
        self, make_fake: MakeFake, tmp_path: Path, case_lines: list[dict[str, Any]]
    ) -> None:
        secret = {"calls": [{"name": "read", "arguments": {"file_path": "the-answer"}}]}
        cases = load_cases([str(write_lines(tmp_path / "one.jsonl", [case_lines[0] | {"expected": secret}]))]).cases
        (item,) = render(open_artifact(str(make_fake())), cases, None)
        assert "the-answer" not in json.dumps(item_to_json(item))


class TestFiles:
    def test_a_failed_write_leaves_what_was_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "report.json"
        write_text(path, "old")

        def full_disk(self: Path, target: Path) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full_disk)
        with pytest.raises(OSError, match="No space left"):
            write_text(path, "new")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_others_may_read_it_as_the_umask_allows(self, tmp_path: Path) -> None:
        before = os.umask(0o022)
        try:
            write_text(tmp_path / "report.json", "{}")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o644


class TestPrintable:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            pytest.param("a\x1b[31mb", "a\\x1b[31mb", id="ansi"),
            pytest.param("a\nb\tc\r", "a\\nb\\tc\\r", id="line-breaks"),
            pytest.param("\u202eabc", "\\u202eabc", id="bidi-override"),
            pytest.param("\ud800", "\\ud800", id="lone-surrogate"),
            pytest.param("\x9bm", "\\x9bm", id="c1"),
            pytest.param("Grüße, 世界 🙂", "Grüße, 世界 🙂", id="people"),
        ],
    )
    def test_what_a_terminal_would_act_on_is_escaped(self, text: str, shown: str) -> None:
        assert printable(text) == shown

    def test_long_text_loses_its_middle(self) -> None:
        shown = printable("a" * 5000 + "z" * 5000, 60)
        assert len(shown) == 60
        assert shown.startswith("aaaa")
        assert shown.endswith("zzzz")
        assert " ... " in shown
