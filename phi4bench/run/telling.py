"""What people are told of a run while it goes on: what is about to be run, what was made, and by what. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping

from phi4bench.artifacts import Artifact
from phi4bench.backends.providers import AUTO
from phi4bench.calls import Json
from phi4bench.counting import counted
from phi4bench.printable import printable, wrapped
from phi4bench.prompts import Prompt
from phi4bench.run.generation import Generation
from phi4bench.run.options import RunOptions
from phi4bench.run.plan import Plan
from phi4bench.runfile import SavedRun
from phi4bench.timing import device_of


def header(artifact: Artifact, plan: Plan, prompt: Prompt, baseline: bool = False) -> list[str]:
    """What is about to be run, for people to check before it costs anything; of a `baseline`, what differs."""
    inferred = any(line.startswith("dialect") for line in artifact.dialect_inferred)
    source = "--dialect" if plan.options.dialect else "inferred" if inferred else "declared by its manifest"
    dataset = plan.dataset
    groups = len(set(dataset.groups))
    name = f"baseline {artifact.id}" if baseline else artifact.id
    about = [
        f"{name}: {artifact.format}, {artifact.precision}, {artifact.bytes / 1e6:.1f} MB,"
        f" sha256 {artifact.sha256[:12]}",
        f"  dialect {artifact.dialect.name}, turns {artifact.dialect.turns.name} ({source})",
        *(["  random weights: speed and memory are real, accuracy is not"] if artifact.random_weights else []),
        *(f"  {printable(line)}" for line in artifact.dialect_inferred),
    ]
    if baseline:
        return [part for line in about for part in wrapped(line)]
    lines = [
        *about,
        f"  cases   {len(dataset.cases):,} in {counted(groups, 'family', 'families')}, {printable(dataset.path, 200)},"
        f" sha256 {dataset.sha256[:12]}",
        *(f"  {printable(line, 200)}" for line in dataset.notes),
        f"  targets {', '.join(plan.targets.names)}",
        *(["  decode  constrained: what the mask lets through is judged"] if plan.options.decode != "free" else []),
        *_asked(plan.options),
        *_left_out(plan),
    ]
    return [
        *(part for line in lines for part in wrapped(line)),
        *wrapped(f"first prompt  {printable(prompt.text, 400)}", "  ", break_words=True),
    ]


def _asked(options: RunOptions) -> list[str]:
    """How it is to be run, as far as that was said."""
    provider = options.provider
    parts = [f"--provider {provider.name}"] if provider.name != AUTO else []
    parts += [f"{key}={printable(value, 100)}" for key, value in provider.options]
    if provider.graph_optimization != "all":
        parts.append(f"graph optimization {provider.graph_optimization}")
    parts += [counted(options.threads, "thread")] if options.threads else []
    return [f"  run by  {', '.join(parts)}"] if parts else []


def _left_out(plan: Plan) -> list[str]:
    if not plan.xfails:
        return []
    out = counted(len(plan.dataset.cases) - len(plan.judged), "case")
    families = f"{len(plan.xfails['sizes']):,} in {plan.xfails['name']}"
    return [f"  known failures  {families}: {out} left out of every rate"]


def made_line(made: Generation) -> str:
    line = f"completions   {made.from_cache:,} from cache, {made.generated:,} generated"
    if made.generated and made.seconds:
        line += f" in {made.seconds:.1f} s ({made.generated / made.seconds:.1f} cases/s)"
    if made.peak_rss_bytes:
        line += f", {made.peak_rss_bytes / 2**20:,.0f} MiB at most"
    return line + (f", {made.missing:,} missing" if made.missing else "")


def devices_apart(run: SavedRun, baseline: SavedRun) -> str:
    """That the two were run on different kinds of device, where they were: part of a difference may be the devices'."""
    runtimes = [one.facts["generation"]["runtime"] for one in (run, baseline)]
    devices = [device_of(runtime) for runtime in runtimes]
    if not all(runtimes) or devices[0] == devices[1]:
        return ""
    return (
        f"{run.artifact['id']} was run on the {devices[0]} and its baseline on the {devices[1]}: part of what differs"
        " may be theirs; give the --provider that both can be run by"
    )


def run_by_line(runtime: Mapping[str, Json]) -> str:
    """What made the completions; a fake says little of itself."""
    options, graph, threads = (runtime.get(key) for key in ("provider_options", "graph_optimization", "threads"))
    parts = [
        " ".join(str(runtime[key]) for key in ("runtime", "version") if runtime.get(key)),
        str(runtime.get("provider") or runtime.get("device") or ""),
        *(f"{key}={value}" for key, value in (options.items() if isinstance(options, dict) else ())),
        counted(threads, "thread") if isinstance(threads, int) and threads else "",
        f"graph optimization {graph}" if graph else "",
    ]
    return "run by        " + printable(", ".join(filter(None, parts)), 300)
