"""`phi4bench verify`: whether a promotion's numbers still follow from the files that it names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from phi4bench.nearby import expanded

_EPILOG = """\
exit codes: 0 everything agrees, 1 something differs, 4 wrong usage

A statement that is not signed proves no author: whoever can write it can write
one that agrees with itself. Sign it when it is made, and check the signature
before anything else:
  cosign sign-blob --bundle promotion.sigstore.json promotion.json
  cosign verify-blob --bundle promotion.sigstore.json \\
      --certificate-identity WHO --certificate-oidc-issuer URL promotion.json
"""


def add(commands: Any) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "verify",
        help="check a promotion.json against its model and transcripts",
        description="Hashes the model's files and the transcripts again, scores the transcripts\n"
        "again with the targets that were stored with them, and compares every number of\nthe statement.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("statement", type=Path, metavar="PROMOTION", help="the promotion.json to check")
    parser.add_argument("--model", type=expanded, required=True, metavar="PATH", help="the model that it is about")
    parser.add_argument(
        "--transcripts", type=expanded, required=True, metavar="DIR", help="the report folder, or its transcripts/"
    )
    parser.add_argument("--cases", action="append", metavar="PATH", help="also check that these are its cases")
    parser.add_argument("--targets", action="append", metavar="NAME|FILE", help="also check that these are its targets")
    parser.add_argument(
        "--xfails", type=expanded, metavar="FILE", help="also check that this is its list of known failures"
    )
    parser.set_defaults(carry_out=run)


def run(options: argparse.Namespace) -> int:
    """Print what differs, or what was confirmed; returns the exit code. UsageError for what cannot be checked."""
    from phi4bench.counting import counted
    from phi4bench.printable import wrapped
    from phi4bench.verifying import verify

    found = verify(
        options.statement,
        options.model,
        options.transcripts,
        options.cases or (),
        options.targets or (),
        options.xfails,
    )
    notes = (part for note in found.notes for part in wrapped(note))
    for line in (*notes, *found.differences):
        sys.stdout.write(f"{line}\n")
    if found.differences:
        sys.stdout.write(f"NOT VERIFIED: {counted(len(found.differences), 'difference')}\n")
        return 1
    for line in found.confirmed:
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write("VERIFIED (its author is not: see phi4bench verify --help)\n")
    return 0
