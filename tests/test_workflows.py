"""The reusable workflow: what an artifact's files are called cannot change who judges it, or what is reported."""

from kit import ROOT

GATE = (ROOT / ".github" / "workflows" / "gpu-gate.yml").read_text(encoding="utf-8")


def test_what_judges_is_installed_before_the_artifact_is_downloaded() -> None:
    assert GATE.index("bin/pip") < GATE.index("actions/download-artifact") < GATE.index("options[@]")


def test_what_judges_and_its_reports_lie_outside_the_folder_that_the_artifact_is_put_into() -> None:
    for name, kept in (("gate/bin", '"$RUNNER_TEMP/gate/bin'), ("gate-reports", "${{ runner.temp }}/gate-reports")):
        assert GATE.count(name) == GATE.count(kept) > 0
