"""Makes an ONNX artifact worse on purpose, in one place and by as much as is asked, or other bytes of the same model.

    python -m benchmarks.planted.damage SOURCE TARGET --kind noise --site layers.2.mlp.down_proj --strength 2.3

Needs the `onnx` package (extra `train`). Runs no model.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planted.weights import DATA, MODEL, Weights
from phi4bench.artifacts import MANIFEST, open_artifact
from phi4bench.backends.tokens import PromptTokenizer
from phi4bench.errors import Phi4benchError


@dataclass(frozen=True)
class Damage:
    """What is done to an artifact. `strength`: 0 leaves it as it is; all kinds but `noise` end at 1.

    | kind | site | strength |
    | --- | --- | --- |
    | noise | a matrix, `layers.2.mlp.down_proj` | standard deviation of what is added, in the matrix's own RMS |
    | head | `layers.1.head.3` | share of the head's output that is taken away; at 1 the head is zeroed |
    | name | two tokens, `grep>glob` | share of the dimensions in which the head's rows of both change places |
    | embedding | a token's id, `417` | share of its embedding row that is taken away; at 1 the row is blank |
    | equivalent | `any`, `blocks` or `requantized` | none: FFN channels change places, with all that belongs to them |

    Equivalents: `any` order suits an fp32 file alone; in a quantized one, `blocks` keeps channels together that share a
    scale (in any order, wherever their block goes), and `requantized` takes the fp32 parent in the order that `any`
    would give it and quantizes it again.
    """

    kind: str
    site: str
    strength: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """Fit for a folder."""
        parts = [self.kind, re.sub(r"[^A-Za-z0-9]+", "-", self.site)]
        parts += [f"{self.strength:.4f}"] if self.kind != "equivalent" else []
        return "-".join([*parts, f"s{self.seed}"])


def plant(source: Path, target: Path, damage: Damage, parent: Path) -> None:
    """`source` as `target`, with the damage, and with a manifest that names `parent` for the regression gate.

    ValueError for a site that the artifact lacks, or a strength that means nothing. `target` must not be there yet.
    """
    weights = Weights(source)
    if damage.strength < 0 or (damage.kind != "noise" and damage.strength > 1):
        raise ValueError(f"strength={damage.strength:g}, but should be from 0 to 1 (of noise, at least 0)")
    if damage.kind not in KINDS:
        raise ValueError(f"kind={damage.kind!r}, but should be one of {', '.join(KINDS)}")
    KINDS[damage.kind](weights, damage, source)
    target.mkdir(parents=True)
    weights.save(target)
    for file in source.iterdir():
        if file.is_file() and file.name not in (MODEL, DATA, MANIFEST):
            shutil.copy(file, target / file.name)
    (target / MANIFEST).write_text(json.dumps(_manifest(source, target, damage, parent), indent=2) + "\n", "utf-8")


def _noise(weights: Weights, damage: Damage, source: Path) -> None:
    values = weights.matrix(damage.site)
    size = damage.strength * float(np.sqrt(np.mean(values**2)))
    drawn = np.random.default_rng(damage.seed).standard_normal(values.shape)
    weights.set_matrix(damage.site, values + (size * drawn).astype(np.float32))


def _head(weights: Weights, damage: Damage, source: Path) -> None:
    found = re.fullmatch(r"(layers\.\d+)\.head\.(\d+)", damage.site)
    decoder = _genai(source)["decoder"]
    heads, size = int(decoder["num_attention_heads"]), int(decoder["head_size"])
    if not found or int(found[2]) >= heads:
        raise ValueError(f"site={damage.site!r}, but should be such as layers.0.head.{heads - 1}")
    site, first = f"{found[1]}.attn.o_proj", int(found[2]) * size
    values = weights.matrix(site)
    values[first : first + size] *= np.float32(1.0 - damage.strength)
    weights.set_matrix(site, values)


def _name(weights: Weights, damage: Damage, source: Path) -> None:
    """In the matrix that tokens are read from; where the embedding is tied to it, tokens are read so, too."""
    tokenizer = PromptTokenizer.from_folder(source)
    ids = [tokenizer.vocabulary().get(word) for word in damage.site.split(">")]
    if len(ids) != 2 or None in ids or ids[0] == ids[1]:
        raise ValueError(f"site={damage.site!r}, but should be two tokens of the vocabulary, such as grep>glob")
    values = weights.matrix("lm_head")
    dimensions = np.random.default_rng(damage.seed).permutation(len(values))
    swapped = dimensions[: round(damage.strength * len(values))]
    values[np.ix_(swapped, ids)] = values[np.ix_(swapped, ids[::-1])]
    weights.set_matrix("lm_head", values)


def _embedding(weights: Weights, damage: Damage, source: Path) -> None:
    values = weights.embedding()
    if not damage.site.isdecimal() or int(damage.site) >= len(values):
        raise ValueError(f"site={damage.site!r}, but should be a token's id below {len(values)}")
    values[int(damage.site)] *= np.float32(1.0 - damage.strength)
    weights.set_embedding(values)


def _equivalent(weights: Weights, damage: Damage, source: Path) -> None:
    """FFN channels of all layers in another order: the rows that make a channel, and the column that reads it."""
    if damage.site not in ("any", "blocks", "requantized"):
        raise ValueError(f"site={damage.site!r}, but should be any, blocks or requantized")
    rng = np.random.default_rng(damage.seed)
    whole = Weights(_parent_of(source)) if damage.site == "requantized" else None
    for down in [site for site in weights.sites if site.endswith(".mlp.down_proj")]:
        channels = np.arange(len(weights.matrix(down)))
        if damage.site == "blocks":
            blocks = rng.permuted(channels.reshape(-1, weights.block_size), axis=1)
            order = blocks[rng.permutation(len(blocks))].ravel()
        else:
            order = rng.permutation(channels)
        made_by = (down.replace("down", "gate"), down.replace("down", "up"))
        if whole is None:
            for site in made_by:
                weights.reorder(site, outputs=order)
            weights.reorder(down, inputs=order)
        else:
            for site in made_by:
                weights.set_matrix(site, whole.matrix(site)[:, order])
            weights.set_matrix(down, whole.matrix(down)[order])


KINDS: Mapping[str, Callable[[Weights, Damage, Path], None]] = {
    "noise": _noise, "head": _head, "name": _name, "embedding": _embedding, "equivalent": _equivalent,
}  # fmt: skip


def _parent_of(folder: Path) -> Path:
    parent = open_artifact(str(folder)).parent
    if parent is None:
        raise ValueError(f"the manifest of {folder} names no parent to quantize again from")
    return Path(parent)


def _manifest(source: Path, target: Path, damage: Damage, parent: Path) -> dict[str, Any]:
    origin, baseline = open_artifact(str(source)), open_artifact(str(parent))
    return {
        "schema": "phi4bench.artifact/1",
        "name": target.name,
        "format": "onnx",
        "precision": origin.precision,
        "dialect": origin.dialect.name,
        "turns": origin.dialect.turns.name,
        "parent": {"path": os.path.relpath(parent.resolve(), target.resolve()), "sha256": baseline.weights_sha256},
        "recipe": {"made_from": origin.sha256, "damage": asdict(damage)},
    }


def _genai(folder: Path) -> dict[str, Any]:
    model: dict[str, Any] = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))["model"]
    return model


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.planted.damage",
        description=(__doc__ or "").partition("\n")[0],
        epilog=Damage.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="an ONNX artifact's folder")
    parser.add_argument("target", type=Path, help="the folder to write")
    parser.add_argument("--kind", required=True, choices=list(KINDS), help="what is done")
    parser.add_argument("--site", required=True, help="where, as the table below says")
    parser.add_argument("--strength", type=float, default=0.0, metavar="N", help="how much of it (default: 0)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of noise, and of an order (default: 0)")
    parser.add_argument(
        "--parent", type=Path, metavar="DIR", help="what regression is judged against (default: SOURCE's parent)"
    )
    options = parser.parse_args()
    damage = Damage(options.kind, options.site, options.strength, options.seed)
    try:
        if options.target.exists():
            raise ValueError(f"{options.target} is there already; name a new folder")
        known = open_artifact(str(options.source)).parent
        plant(options.source, options.target, damage, options.parent or Path(known or options.source))
    except (OSError, ValueError, Phi4benchError) as error:
        parser.exit(4, f"{parser.prog}: {error}\n")
    print(f"{options.target}: {damage.kind} at {damage.site}, strength {damage.strength:g}")


if __name__ == "__main__":
    sys.exit(main())
