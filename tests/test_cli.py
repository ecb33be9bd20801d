"""The `phi4bench` command: what it prints, its exit codes, and that a stored run is scored as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from helps import untold_defaults
from kit import ROOT, Ran

from phi4bench import __version__
from phi4bench.cli import _build, main
from phi4bench.datasets import fixtures_dir, load_cases, shipped_cases


def command(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phi4bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
    )


def test_help_lists_the_commands_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "0 promote, 1 reject, 10 inconclusive, 4 wrong usage, 3 the run broke, 130 interrupted" in out
    assert all(name in out for name in ("judge", "rescore", "cases", "version"))


def test_judge_help_lists_every_option_of_the_suites(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["judge", "--help"])
    out = capsys.readouterr().out
    for option in ("model", "baseline", "cases", "targets", "dialect", "system-prompt", "limit", "report", "cache-dir",
                   "no-cache", "decode", "time-limit", "threads", "max-new-tokens", "seed", "no-baseline"):  # fmt: skip
        assert f"--{option}" in out


@pytest.mark.parametrize("name", ["judge", "rescore", "cases", "plan", "compare", "verify", "summary", "version"])
def test_help_fits_80_columns(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_help_says_what_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["judge", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    named = ("Hugging Face", "bfcl:DIR", "tooltalk:DIR", *(path.stem for path in fixtures_dir().glob("targets/*.toml")))
    assert not [name for name in named if name not in out]


def test_help_says_every_default() -> None:
    assert untold_defaults(_build()) == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"phi4bench {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["rescore", "/no/such/run"], "'/no/such/run' is not there", id="no-run"),
        pytest.param(["rescore"], "required: RUN", id="no-argument"),
        pytest.param(["dance"], "invalid choice: 'dance'", id="unknown-command"),
        pytest.param(["version", "--loud"], "unknown argument '--loud'", id="unknown-argument"),
        pytest.param(["cases", "--split", "train", "--out", "x.jsonl"], "with --count", id="train-without-a-count"),
        pytest.param(["cases", "--out", "/dev/null/x.jsonl"], "cannot be written", id="unwritable"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_4(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 4
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["rescore", "summary", "judge"])
def test_a_reader_that_goes_early_is_no_verdict(name: str, whole_run: Ran) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "phi4bench", name, *([] if name == "judge" else [str(whole_run.report_dir)])],
        stdout=write_end, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    os.close(write_end)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("phi4bench.cli._cases", interrupted)
    assert main(["cases", "--out", "x.jsonl"]) == 130
    assert capsys.readouterr().err == "\nphi4bench cases: interrupted\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_printed_is_one_line_and_no_verdict(whole_run: Ran) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "phi4bench", "rescore", str(whole_run.report_dir)],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=120, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "phi4bench rescore: No space left on device\n")


def test_judge_works_from_any_folder_and_obeys_no_foreign_settings(
    make_fake: Callable[..., Path], case_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    fake = make_fake()
    done = command("judge", "--model", fake.name, "--cases", case_file, "--cache-dir", "cache", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict  PROMOTE: deploy" in done.stdout
    assert "warning" not in done.stdout
    assert (tmp_path / "reports" / "promotion.json").exists()


def test_judge_names_its_tests_as_within_the_suites(
    make_fake: Callable[..., Path], case_file: Path, tmp_path: Path
) -> None:
    fake = make_fake("always_wrong")
    done = command("judge", "--model", fake, "--cases", case_file, "--no-cache", "-k", "tool", cwd=tmp_path)
    assert "\naccuracy/test_accuracy.py " in done.stdout  # where progress was told, the letter stands below
    assert f"\nFAILED accuracy/test_accuracy.py::test_tool[{fake.name}]" in done.stdout


def test_a_stored_run_is_scored_again_to_the_same_figures_without_its_model(
    run_suites: Callable[..., Ran], make_fake: Callable[..., Path], tmp_path: Path
) -> None:
    parent, wrong = make_fake(name="parent"), {"name": "glob", "arguments": {"pattern": "*"}}
    fake = make_fake(name="int8", precision="int8", parent="../parent", answers={"read-3": wrong})
    ran = run_suites("--model", fake, "--model", make_fake("silent"))
    for folder in (parent, fake):
        for file in folder.iterdir():
            file.unlink()
    again = command("rescore", ran.report_dir, "--report", tmp_path / "again")
    assert again.returncode == ran.code == 1, again.stderr
    assert json.loads((tmp_path / "again" / "report.json").read_text()) == ran.report()
    table = ran.out[ran.out.index("int8  fake int8") : ran.out.index("reports:")]
    assert table in again.stdout
    assert not (tmp_path / "again" / "int8" / "promotion.json").exists()


@pytest.mark.parametrize(
    ("named", "value", "coloured"),
    [
        pytest.param("NO_COLOR", "1", False, id="no-color"),
        pytest.param("NO_COLOR", "", True, id="no-color-without-a-value"),
        pytest.param("TERM", "dumb", False, id="dumb-terminal"),
    ],
)
def test_rescoring_colours_a_terminal_that_wants_it(
    named: str,
    value: str,
    coloured: bool,
    whole_run: Ran,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(named, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["rescore", str(whole_run.report_dir)]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is coloured


def test_rescoring_holds_a_run_to_other_targets(whole_run: Ran) -> None:
    assert whole_run.code == 0
    again = command("rescore", whole_run.report_dir, "--targets", "report")
    assert again.returncode == 10
    assert "INCONCLUSIVE slo.latency_p95_ms" in again.stdout


def test_a_partial_run_stays_partial_when_scored_again(
    run_suites: Callable[..., Ran], make_fake: Callable[..., Path]
) -> None:
    ran = run_suites("--model", make_fake(), "-k", "test_tool")
    again = command("rescore", ran.report_dir)
    assert again.returncode == 0
    assert "partial run: no verdict" in again.stdout


def test_a_command_that_breaks_down_says_so_and_rejects_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("phi4bench.rescoring.rescore", lambda *_: 1 / 0)
    assert main(["rescore", "mine"]) == 3
    assert capsys.readouterr().err.startswith("Traceback")


def test_an_error_of_output_without_a_number_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError("no such \x1b[2Jthing")

    monkeypatch.setattr("phi4bench.rescoring.rescore", refuse)
    assert main(["rescore", "mine"]) == 3
    assert capfd.readouterr().err == "phi4bench rescore: no such \\x1b[2Jthing\n"


@pytest.mark.parametrize(
    ("name", "further"), [("rescore", []), ("compare", ["mine", "--minimum", "1"])], ids=["rescore", "compare"]
)
def test_a_path_that_can_be_none_is_a_line(name: str, further: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "n" * 300, *further]) == 4
    line = capsys.readouterr().err
    assert line.startswith(f"phi4bench {name}: 'nnn")
    assert line.endswith("' cannot be used (File name too long)\n")


def test_cases_writes_the_shipped_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", "--out", str(tmp_path / "cases.jsonl")]) == 0
    assert (tmp_path / "cases.jsonl").read_bytes() == shipped_cases().read_bytes()
    assert "1,530 cases written" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("number", ["--count", "--families"])
@pytest.mark.parametrize("name", ["pipe", "link-to-a-pipe", "link-to-itself", "folder", ".", "/"])
def test_cases_takes_the_place_of_nothing_that_is_no_file(
    name: str, number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")  # as a device: a rename takes its place where its folder can be written
    Path("link-to-a-pipe").symlink_to("pipe")
    Path("link-to-itself").symlink_to("link-to-itself")
    Path("folder").mkdir()
    before = sorted(tmp_path.iterdir())
    assert main(["cases", number, "2", "--out", name]) == 4
    assert capsys.readouterr().err == f"phi4bench cases: --out='{name}' is no file; name one that ends in .jsonl\n"
    assert sorted(tmp_path.iterdir()) == before
    assert Path("pipe").is_fifo()


@pytest.mark.parametrize("number", ["--count", "--families"])
def test_cases_take_no_place_of_the_users_own(number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["cases", number, "3", "--out", str(tmp_path / "more.jsonl")]
    (tmp_path / "more.jsonl").touch()  # as a shell does for /dev/stdout, which holds nothing that could be lost
    assert [main(command), main(command)] == [0, 0]
    assert f"{tmp_path / 'more.jsonl'} is finished; nothing to do" in capsys.readouterr().out
    (tmp_path / "more.jsonl").write_text("mine")
    assert main(command) == 4
    assert "more.jsonl' holds something else; name another file, or remove it\n" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_cases_written_to_a_link_are_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to("file.jsonl")
    assert main(["cases", "--count", "2", "--out", str(tmp_path / "link.jsonl")]) == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(load_cases([str(tmp_path / "file.jsonl")]).cases) == 2


def test_cases_draws_as_many_as_asked_and_the_same_again(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first.jsonl", "second.jsonl", "other.jsonl"))
    for path, seed in ((first, "1"), (second, "1"), (other, "2")):
        assert main(["cases", "--split", "train", "--count", "60", "--seed", seed, "--out", str(path)]) == 0
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    assert len(load_cases([str(first)]).cases) == 60
