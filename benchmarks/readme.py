"""`benchmarks/README.md`: a section for each command, between markers by which the command finds it again."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).resolve().parent / "README.md"
TITLE = (
    "# Benchmarks\n\nWhat was measured, and by which command. Each section is written by the command that it names.\n"
)


def put_section(name: str, text: str, path: Path = README) -> None:
    """Write `text` as the section `name`: in place of the last one of that name, or at the end."""
    before = path.read_text(encoding="utf-8") if path.is_file() else TITLE
    path.write_text(with_section(before, name, text), encoding="utf-8")


def with_section(page: str, name: str, text: str) -> str:
    """The page with its section `name` replaced, or added at its end."""
    opening, closing = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{opening}\n{text.strip()}\n{closing}"
    start, end = page.find(opening), page.find(closing)
    if start < 0 or end < start:
        return f"{page.rstrip()}\n\n{section}\n"
    return page[:start] + section + page[end + len(closing) :]
