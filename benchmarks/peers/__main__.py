"""Other tools beside ours: the same cases, the same weights, in one run.

    python -m benchmarks.peers [--cases 200] [--peers genai,lm-eval-hf-fp32-1] [--rounds 3] [--out runs/peers]

Each peer gets an environment of its own below --out. In every round each peer runs once, and right before it ours
does, so that a ratio is of two runs that stood side by side. What is measured is kept: a run that was stopped goes on
where it was, and a peer that failed is tried again. The table is printed and written into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.commands import at_least_one, told
from benchmarks.peers.environments import PeerError
from benchmarks.peers.inputs import Inputs
from benchmarks.peers.rivals import PEERS, Peer, chosen
from benchmarks.peers.running import Pair, measure, prepared
from benchmarks.peers.table import notes, table
from benchmarks.readme import put_section
from phi4bench import machine

ABOUT = """\
Time is from the start of a process to the four levels' verdict over {cases:,} cases that expect a call: ours is the
whole of `pytest suites/accuracy --no-cache`; a peer's is its process with the completions, and our scoring of them. In
each round a peer runs right after ours, and "times ours" is the median of these ratios (one round where no range is
told). Cases/s are of the loaded model. Greedy, at most 256 new tokens, on {cores} cores of {cpu}. Prompts are the same
token ids: where a peer reads text, its ids (lm-evaluation-harness: the text that it sent) were compared. Tools that
return text are compared by text. Peers' versions are in `benchmarks/peers/requirements/`."""


class Results:
    """What has been measured of one piece of work on one machine, a file a round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, peer: Peer, number: int) -> Path:
        return self._folder / f"{peer.name}.{number}.json"

    def has(self, peer: Peer, number: int) -> bool:
        return self._path(peer, number).is_file()

    def keep(self, peer: Peer, pair: Pair) -> None:
        draft = self._path(peer, pair.round).with_suffix(".part")
        draft.write_text(json.dumps(asdict(pair), indent=1), encoding="utf-8")
        draft.replace(self._path(peer, pair.round))

    def pairs(self, peers: Sequence[Peer]) -> list[Pair]:
        """Of every round that is there, also of those that an earlier command asked for."""
        paths = [path for peer in peers for path in sorted(self._folder.glob(f"{peer.name}.*.json"))]
        found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return [Pair(**{**data, "differ_at": tuple(data["differ_at"])}) for data in found]


def measure_all(peers: Sequence[Peer], rounds: int, inputs: Inputs, results: Results, out: Path) -> dict[str, str]:
    """Every round of every peer that is not there yet; returns why a peer could not be measured, by name."""
    failures: dict[str, str] = {}
    for number in range(rounds):
        for peer in peers:
            if results.has(peer, number) or peer.name in failures:
                continue
            try:
                pair = measure(peer, number, inputs, prepared(peer, out / "environments"))
            except PeerError as error:
                failures[peer.name] = str(error)
                print(f"  {peer.name}: {error}", flush=True)
                continue
            results.keep(peer, pair)
            print(
                f"  round {number + 1}  {peer.name:24} {pair.peer_s:8.1f} s, ours {pair.ours_s:6.1f} s:"
                f" {pair.ratio:5.1f} times ours, {pair.same:,}/{pair.cases:,} the same",
                flush=True,
            )
    return failures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases", type=at_least_one, metavar="N", help="a seeded sample of N cases (default: all, 1,216)"
    )
    parser.add_argument("--peers", metavar="NAME,...", help="those whose names begin so; default: all")
    parser.add_argument("--rounds", type=at_least_one, default=3, help="(default: 3)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/peers"), help="environments, inputs and results (default: runs/peers)"
    )
    parser.add_argument("--list", action="store_true", help="only list the peers")
    parser.add_argument(
        "--no-readme", action="store_true", help="print the table, and leave benchmarks/README.md alone"
    )
    options = parser.parse_args(arguments)
    try:
        peers = chosen(options.peers)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print("\n".join(f"{peer.name:24} {peer.precision:5} {peer.what}" for peer in PEERS))
        return
    out, here = options.out.resolve(), machine.describe()
    inputs = Inputs(out / "inputs", options.cases)
    with told(parser):
        inputs.write()
        place = f"{inputs.digest}-{here['cores']}x{here['cpu']}".replace(" ", "-").replace("/", "-")
        results = Results(out / "results" / place)
        failures = measure_all(peers, options.rounds, inputs, results, out)
    pairs = results.pairs(PEERS)
    about = ABOUT.format(cases=len(inputs.cases), cores=here["cores"], cpu=here["cpu"])
    lines = [table(PEERS, pairs, failures), "", about, *[f"- {line}" for line in notes(PEERS, pairs, failures)]]
    text = "\n".join(lines)
    print(text)
    if not options.no_readme:
        put_section("peers", f"## Peers: `python -m benchmarks.peers`\n\n{text}")


if __name__ == "__main__":
    main()
