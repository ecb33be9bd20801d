"""The layers of phi4bench: imports point only downward, and the light path stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "phi4bench"

LAYERS = {
    "words": {
        "",
        "assignment",
        "calls",
        "cases",
        "counting",
        "errors",
        "nearby",
        "positions",
        "printable",
        "prompts",
        "tools",
        "transcripts",
    },
    "pure": {
        "comparing",
        "dialects",
        "fidelity",
        "gates",
        "header",
        "levels",
        "loads",
        "measured",
        "packed",
        "phrasing",
        "planning",
        "rejection",
        "repairs",
        "runtime_flips",
        "schemas",
        "sizes",
        "slo",
        "stability",
        "stats",
        "targets",
        "values",
        "verdicts",
        "xfails",
    },
    "edges": {
        "artifacts",
        "backends",
        "completions",
        "datasets",
        "generating",
        "machine",
        "nvidia",
        "revision",
        "runfile",
        "store",
        "timing",
        "traffic",
    },
    "run": {"run"},
    "surface": {"__main__", "cli", "commands", "pairing", "plugin", "report", "rescoring", "session", "verifying"},
}
ORDER = list(LAYERS)

HEAVY = {"torch", "transformers", "scipy", "peft", "hypothesis", "onnx"}
MAY_BE_HEAVY = {"phi4bench.backends.hf", "phi4bench.backends.padded_rows"}
"""Modules that nothing imports before an artifact needs them, and that import the heavy ones even later."""

LIGHT_AT_IMPORT = {"onnxruntime", "tokenizers", "numpy", "jinja2", "jsonschema"}


def part(module: str) -> str:
    """`phi4bench.run.plan` is part `run`; the package itself is the part with the empty name."""
    pieces = module.split(".")
    is_module = len(pieces) > 1 and ((PACKAGE / pieces[1]).is_dir() or (PACKAGE / f"{pieces[1]}.py").is_file())
    return pieces[1] if is_module else ""


def layer(module: str) -> str:
    named = [name for name, parts in LAYERS.items() if part(module) in parts]
    assert named, f"{module} is in no layer; add it to one here"
    return named[0]


def named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {named(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TRAINERS = {named(path): path for path in sorted((ROOT / "trainers").rglob("*.py"))}
PACKAGES = {"trainers", "trainers.nano"}


@cache
def imports(name: str) -> set[str]:
    """Every module that is named by an import anywhere in the file, inside functions too."""
    names: set[str] = set()
    path = (MODULES | TRAINERS)[name]
    tree = ast.parse(path.read_text(), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module(imported: str) -> str:
    """`phi4bench.calls.Call` is of the module `phi4bench.calls`."""
    return imported if imported in MODULES | TRAINERS else imported.rpartition(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_only_downward(name: str) -> None:
    for imported in sorted(imports(name)):
        if imported.split(".")[0] == "phi4bench":
            assert ORDER.index(layer(imported)) <= ORDER.index(layer(name)), f"{name} imports {imported}"


@pytest.mark.parametrize("modules", [MODULES, TRAINERS], ids=["phi4bench", "trainers"])
def test_no_module_imports_itself_by_way_of_others(modules: dict[str, Path]) -> None:
    """Nor for types alone: what two of them need is a third."""
    reached = {name: {module(one) for one in imports(name)} & modules.keys() - PACKAGES - {name} for name in modules}
    TopologicalSorter(reached).prepare()  # raises CycleError, with the circle


@pytest.mark.parametrize("name", MODULES)
def test_nothing_imports_what_the_light_path_must_not_have(name: str) -> None:
    if name not in MAY_BE_HEAVY:
        assert not {imported.split(".")[0] for imported in imports(name)} & HEAVY


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `code`."""
    report = f"{code}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_a_whole_judgement_loads_no_torch() -> None:
    modules = ("session", "run.worker", "backends.onnx", "backends.hf", "rescoring")
    loaded = loaded_by(f"import {', '.join(f'phi4bench.{name}' for name in modules)}")
    assert not loaded & HEAVY


def test_what_judges_computes_without_numpy_which_the_child_alone_needs() -> None:
    assert "numpy" not in loaded_by("import phi4bench.session, phi4bench.rescoring")


def test_a_child_starts_without_what_judges_its_answers() -> None:
    judging = ["phi4bench.fidelity", "phi4bench.gates", "phi4bench.stats", "phi4bench.datasets"]
    code = "import phi4bench.run.worker, phi4bench.run.scoring_worker, phi4bench.backends.onnx, sys"
    assert "phi4bench" in loaded_by(f"{code}\nassert not {{*{judging}}} & {{*sys.modules}}")


def test_a_judgement_does_not_wait_for_the_request_grammar_to_compile() -> None:
    code = "import phi4bench.session, phi4bench.rescoring, sys\nassert 'phi4bench.phrasing' not in sys.modules"
    assert "phi4bench" in loaded_by(code)


def test_the_plugin_costs_other_projects_nothing() -> None:
    added = loaded_by("import pytest, phi4bench.plugin") - loaded_by("import pytest")
    assert added == {"phi4bench"}


def test_the_command_line_starts_light() -> None:
    loaded = loaded_by("import phi4bench.cli\nphi4bench.cli._build()")
    assert not loaded & (HEAVY | LIGHT_AT_IMPORT | {"pytest"})
