"""Where the files that come with phi4bench lie, in a checkout and in an installed wheel. Reads none of them."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def fixtures_dir() -> Path:
    """The folder with tools/, cases/, models/ and targets/."""
    return _shipped("fixtures")


def suites_dir() -> Path:
    """The folder with the judges, which pytest can run from anywhere."""
    return _shipped("suites")


def schemas_dir() -> Path:
    """The folder with the published JSON Schemas of our file formats."""
    return _PACKAGE / "schemas_json"


def shipped_cases() -> Path:
    """The test split that is judged where nobody names another."""
    return fixtures_dir() / "cases" / "test.jsonl"


def _shipped(name: str) -> Path:
    """The wheel's copy where there is one; in a checkout, the folder next to the package."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
