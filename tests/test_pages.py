"""What people read: pages that a merge left whole."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *ROOT.glob("*.md"),
    *(page for name in ("docs", "benchmarks", "fixtures") for page in (ROOT / name).rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_holds_no_marks_of_a_merge(page):
    marked = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(("<<<<<<<", ">>>>>>>"))]
    assert not marked, "a conflict was committed: keep one side"
