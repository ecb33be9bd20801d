"""Targets files: the shipped ones hold what they promise, and a wrong one is refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from phi4bench.errors import TargetsError
from phi4bench.run.plan import read_targets
from phi4bench.targets import (
    GATES,
    LESS_IS_BETTER,
    MORE_IS_BETTER,
    Target,
    Targets,
    is_quantized,
    merge_targets,
    parse_targets,
)

FOLDER = Path(__file__).parent.parent / "fixtures" / "targets"
ONE = '[[gate]]\nname = "tool"\nfloor = 0.95\nsource = "test"\n'
SIZE = '[[gate]]\nname = "size_ratio"\nceiling = 0.3\nsource = "test"\n'


def shipped(name: str) -> Targets:
    return parse_targets((FOLDER / f"{name}.toml").read_text(encoding="utf-8"), name)


def figures(targets: Targets, precision: str, device: str = "cpu") -> dict[str, float | None]:
    return {gate.name: gate.figure(precision, device) for gate in targets.required(precision, device)}


def test_guide_names_the_four_levels_abstention_and_a_quantized_artifacts_margins():
    levels = {"detection": 0.97, "parsing": 0.95, "tool": 0.95, "parameter": 0.90, "abstention": 0.90}
    assert figures(shipped("guide"), "fp32") == levels
    assert figures(shipped("guide"), "int8") == levels | {f"regression.{level}": 0.02 for level in levels}
    assert figures(shipped("guide"), "int4") == levels | {f"regression.{level}": 0.03 for level in levels}
    assert shipped("guide").alpha == 0.05


def test_guide_has_the_four_tiers_with_their_advice():
    assert [(tier.name, dict(tier.above), tier.advice) for tier in shipped("guide").tiers] == [
        ("EXCELLENT", {"tool": 0.95, "parameter": 0.90}, "deploy"),
        ("GOOD", {"tool": 0.85, "parameter": 0.80}, "deploy with monitoring"),
        ("ACCEPTABLE", {"tool": 0.75, "parameter": 0.70}, "more training"),
        ("POOR", {}, "restart with another configuration"),
    ]


def test_report_holds_the_accuracy_schema_and_service_figures():
    found = figures(shipped("report"), "int8", "gpu")
    assert found == {
        "tool": 0.95,
        "parameter": 0.98,
        "selection": 0.97,
        "multi_turn": 0.90,
        "error_recovery": 0.85,
        "schema_validity": 0.99,
        "slo.latency_p95_ms": 50,
        "slo.tokens_per_s": 1000,
        "slo.gpu_memory_gb": 12,
    }
    on_cpu = figures(shipped("report"), "int8", "cpu")
    assert on_cpu["slo.latency_p95_ms"] == 200
    assert on_cpu["slo.gpu_memory_gb"] is None  # required, and nothing on a CPU can pass it


def test_results_holds_loss_size_and_speed_by_precision():
    int8, int4 = figures(shipped("results"), "int8"), figures(shipped("results"), "int4")
    assert (int8["regression.tool"], int4["regression.tool"]) == (0.02, 0.05)
    assert (int8["size_ratio"], int4["size_ratio"]) == (0.27, 0.145)
    assert (int8["tool"], int8["speedup.decode"], int4["speedup.decode"]) == (0.94, 2.67, 3.67)
    assert figures(shipped("results"), "fp32") == {"tool": 0.94}


def test_strict_is_nowhere_looser_than_guide():
    guide, strict = figures(shipped("guide"), "int8"), figures(shipped("strict"), "int8")
    assert guide.keys() == strict.keys()
    for name, figure in guide.items():
        tighter = strict[name] < figure if name.startswith("regression.") else strict[name] > figure
        assert tighter, name
    assert strict["regression.tool"] == 0.01


def test_only_smoke_never_promotes():
    assert [name for name in ("guide", "strict", "report", "results", "smoke") if not shipped(name).promotes] == [
        "smoke"
    ]


@pytest.mark.parametrize("name", ["guide", "strict", "report", "results", "smoke"])
def test_every_shipped_figure_has_a_source(name):
    targets = shipped(name)
    assert targets.gates
    assert all(len(source) > 10 for source in targets.sources.values())
    assert targets.sha256 == hashlib.sha256((FOLDER / f"{name}.toml").read_bytes()).hexdigest()


@pytest.mark.parametrize("precision", ["int8", "int4", "int4-kquant", "uint8", "nf4", "fp8"])
def test_an_integer_or_eight_bit_precision_counts_as_quantized(precision):
    assert is_quantized(precision)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "", "unknown"])
def test_a_float_precision_or_an_unknown_one_does_not(precision):
    assert not is_quantized(precision)


@pytest.mark.parametrize(
    ("precision", "figure"),
    [
        pytest.param("int8", 0.02, id="listed"),
        pytest.param("int4-hqq", 0.03, id="a-variant-of-a-listed-one"),
        pytest.param("int6", 0.02, id="not-listed-keeps-to-the-tightest"),
        pytest.param("fp32", None, id="not-quantized"),
    ],
)
def test_a_margin_concerns_quantized_artifacts(precision, figure):
    assert Target("regression.tool", "margin", {"int8": 0.02, "int4": 0.03}, "", "").figure(precision) == figure


def test_more_or_less_is_better_of_each_gate():
    assert sorted((*MORE_IS_BETTER, *LESS_IS_BETTER)) == sorted(GATES)


def test_a_figure_for_the_precision_goes_before_one_for_the_device():
    target = Target("slo.latency_p95_ms", "ceiling", {"fp16": 40, "gpu": 50}, "", "")
    assert (target.figure("fp16", "gpu"), target.figure("fp32", "gpu")) == (40, 50)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("alpha = ", "my.toml: .*TOML", id="broken-toml"),
        pytest.param("alpa = 0.1\n" + ONE, "my.toml: 'alpa' is not a known key; known keys: alpha, ", id="unknown-key"),
        pytest.param(f"alpha = 1{'0' * 5000}", "my.toml: .*TOML", id="thousands-of-digits"),
        pytest.param(f"alpha = {'[' * 9000}", "my.toml: .*TOML", id="nested-without-end"),
        pytest.param(ONE + "flor = 0.9\n", "gate 'tool': 'flor' is not a known key; .*floor", id="unknown-gate-key"),
        pytest.param(ONE.replace("tool", "tol"), "gate 'tol' is not known; known gates: detection", id="unknown-gate"),
        pytest.param(
            ONE.replace("tool", "regression.tool").replace("floor = 0.95", "margin = 0.02"),
            "gate 'regression.tool' is not known; write .regression. with margins, as guide.toml does",
            id="regression-as-a-gate",
        ),
        pytest.param(ONE.replace("0.95", "95"), "between 0 and 1; write 95% as 0.95", id="percent-for-fraction"),
        pytest.param(ONE.replace("0.95", "1.0"), "has floor 1, but a rate lies between 0 and 1", id="a-rate-of-all"),
        pytest.param(ONE.replace("0.95", "0"), "has floor 0, but a rate lies between 0 and 1", id="a-rate-of-none"),
        pytest.param(ONE.replace("0.95", '"a"'), "'a', but should be a number", id="no-number"),
        pytest.param(ONE.replace("0.95", "true"), "True, but should be a number", id="boolean"),
        pytest.param(ONE.replace("0.95", "nan"), "nan, but should be a number", id="not-a-number"),
        pytest.param(SIZE.replace("0.3", "inf"), "inf, but should be a number", id="infinite"),
        pytest.param(SIZE.replace("0.3", f"1{'0' * 400}"), "0, but should be a number", id="beyond-a-double"),
        pytest.param(SIZE.replace("0.3", "{}"), "'size_ratio' has no figure", id="no-figure-by-name"),
        pytest.param(SIZE.replace("0.3", "{ Int8 = 0.3 }"), "'Int8' is not a known key; .*int8", id="no-precision"),
        pytest.param(SIZE.replace("0.3", "{ cpu = 0.3 }"), "'cpu' is not a known key; .*int8", id="by-device-untimed"),
        pytest.param(SIZE.replace("0.3", "{ fp16 = 0.6 }"), "'fp16' would concern no artifact", id="size-of-floats"),
        pytest.param(
            ONE.replace("tool", "speedup.call").replace("0.95", "{ int8 = 2, fp16 = 1.5 }"),
            "'fp16' would concern no artifact; only quantized ones",
            id="speed-up-of-floats",
        ),
        pytest.param(
            "[regression]\nmargins = {fp32 = 0.02}\nsource = 'x'", "'fp32' would concern", id="margin-of-floats"
        ),
        pytest.param(ONE.replace('source = "test"', ""), "'source' is missing", id="no-source"),
        pytest.param(ONE.replace("floor = 0.95", ""), "a floor or a ceiling", id="no-figure"),
        pytest.param(
            ONE.replace("floor", "ceiling"), "has a ceiling, but should have a floor", id="ceiling-for-a-rate"
        ),
        pytest.param(ONE.replace("tool", "slo.latency_p95_ms"), "should have a ceiling", id="floor-for-a-latency"),
        pytest.param(ONE.replace("tool", "slo.memory_gb"), "should have a ceiling", id="floor-for-memory"),
        pytest.param(ONE.replace("tool", "slo.size_gb"), "should have a ceiling", id="floor-for-size"),
        pytest.param(
            ONE.replace("tool", "speedup.decode").replace("floor", "ceiling"), "should have a floor", id="most-speed"
        ),
        pytest.param(
            ONE.replace("tool", "slo.calls_per_s").replace("floor", "ceiling"), "should have a floor", id="most-calls"
        ),
        pytest.param(
            ONE.replace("tool", "slo.memory_gb").replace(
                "floor = 0.95", "ceiling = { cpu = 16, gpu = 12_000_000_000 }"
            ),
            "has ceiling cpu 16, gpu 1.2e.10, but is in GB; write 12 GB as 12",
            id="memory-in-bytes",
        ),
        pytest.param(SIZE.replace("ceiling", "floor"), "should have a ceiling", id="least-size"),
        pytest.param(ONE.replace("tool", "perplexity_ratio"), "should have a ceiling", id="floor-for-perplexity"),
        pytest.param(ONE.replace("tool", "kl_mean"), "should have a ceiling", id="floor-for-divergence"),
        pytest.param(SIZE.replace("size_ratio", "top1_agreement"), "should have a floor", id="most-agreement"),
        pytest.param(
            SIZE + "least_parameters = 1.5\n", "least_parameters=1.5, but should be a whole", id="half-a-weight"
        ),
        pytest.param(SIZE + "least_parameters = -1\n", "least_parameters=-1, but should be", id="fewer-than-none"),
        pytest.param(SIZE.replace("0.3", "0"), "has ceiling 0, but should be more than 0", id="no-size-at-all"),
        pytest.param(
            ONE.replace("tool", "slo.tokens_per_s").replace("0.95", "{ cpu = 9, gpu = -5 }"),
            "has floor cpu 9, gpu -5, but should be more than 0",
            id="speed-below-nothing",
        ),
        pytest.param(ONE + ONE, "'tool' is named twice", id="twice"),
        pytest.param("alpha = 0.05", "names no gate", id="no-gate"),
        pytest.param("alpha = 5\n" + ONE, "alpha=5.0, but should lie between", id="alpha-in-percent"),
        pytest.param("alpha = 0\n" + ONE, "alpha=0.0, but should lie between", id="alpha-of-nothing"),
        pytest.param("alpha = 0.5\n" + ONE, "alpha=0.5, but should lie between", id="alpha-of-a-coin"),
        pytest.param("promotes = 1\n" + ONE, "promotes=1, but should be true or false", id="promotes-no-boolean"),
        pytest.param("gate = ['tool']", "written as \\[\\[gate\\]\\]", id="names-for-tables"),
        pytest.param("[gate]\nname = 'tool'", "written as \\[\\[gate\\]\\]", id="table-for-list"),
        pytest.param("[regression]\nsource = 'x'", "has no margins", id="no-margins"),
        pytest.param(
            "[regression]\nmargins = {int-8 = 0.02}\nsource = 'x'", "'int-8' is not a known key", id="margin-of-nothing"
        ),
        pytest.param(
            "[regression]\nmargins = {int8 = 2}\nsource = 'x'", "write 2 points as 0.02", id="margin-in-points"
        ),
        pytest.param(
            "[regression]\nmargins = {int8 = 0.02, int4 = 3}\nsource = 'x'", "2 points as 0.02", id="one-in-points"
        ),
        pytest.param(
            "[regression]\nlevels = ['tol']\nmargins = {int8 = 0.02}\nsource = 'x'", "known levels", id="unknown-level"
        ),
        pytest.param("[regression]\nmargins = {int8 = 0}\nsource = 'x'", "should be fractions", id="no-margin-at-all"),
        pytest.param(ONE.replace('"test"', "3"), "'source' is missing or is no text", id="source-in-numbers"),
        pytest.param("[regression]\nlevels = []\nmargins = {int8 = 0.02}\nsource = 'x'", "known levels", id="no-level"),
        pytest.param(
            ONE + "[[tier]]\nname = 'A'\nadvice = 'x'\nabove = {tol = 0.9}", "tier 'A': 'tol'", id="tier-level"
        ),
    ],
)
def test_a_wrong_file_is_refused_by_name(text, said):
    with pytest.raises(TargetsError, match=said) as caught:
        parse_targets(text, "my.toml")
    assert str(caught.value).startswith("my.toml: ")


def test_a_file_may_hold_a_price_and_nothing_else_beside_one_that_names_gates():
    price = parse_targets('[price]\nper_hour = 2\ncurrency = "EUR"\nsource = "test"\n', "price")
    for order in (
        [price, parse_targets("alpha = 0.1\n" + ONE, "a")],
        [parse_targets("alpha = 0.1\n" + ONE, "a"), price],
    ):
        merged = merge_targets(order)
        assert (merged.price, merged.alpha, [gate.name for gate in merged.gates]) == (price.price, 0.1, ["tool"])
    with pytest.raises(TargetsError, match=r"^price: it holds a price and no gate; name targets beside it"):
        merge_targets([price])


def test_merging_adds_the_gates_of_all_files():
    other = parse_targets(ONE + '[[gate]]\nname = "parameter"\nfloor = 0.8\nsource = "test"\n', "b")
    merged = merge_targets([parse_targets(ONE, "a"), other])
    assert [gate.name for gate in merged.gates] == ["tool", "parameter"]
    assert merged.names == ("a", "b")
    assert merged.sha256 == hashlib.sha256("".join(f"{one}\n" for one in merged.sha256s).encode()).hexdigest()


def test_two_figures_for_one_gate_are_refused_with_both_files_named():
    with pytest.raises(TargetsError, match=r"'tool' has floor 0.95 in a but floor 0.9 in b"):
        merge_targets([parse_targets(ONE, "a"), parse_targets(ONE.replace("0.95", "0.90"), "b")])


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        pytest.param("alpha = 0.05\n" + ONE, "alpha = 0.1\n" + ONE, "their alpha", id="alpha"),
        pytest.param(
            *(f"{ONE}[[tier]]\nname = 'A'\nadvice = 'x'\nabove = {{tool = {rate}}}" for rate in (0.9, 0.8)),
            "their tiers",
            id="tiers",
        ),
    ],
)
def test_files_that_differ_in_what_holds_for_all_gates_are_refused(one, other, what):
    with pytest.raises(TargetsError, match=f"^a and b differ in {what}; give only one"):
        merge_targets([parse_targets(one, "a"), parse_targets(other, "b")])
    assert len(merge_targets([parse_targets(one, "a"), parse_targets(one, "b")]).gates) == 1


def test_no_targets_at_all_are_refused():
    with pytest.raises(TargetsError, match="no targets were given"):
        merge_targets([])


def test_one_figure_for_models_of_two_sizes_is_refused_with_both_sizes_named():
    large = parse_targets(SIZE + "least_parameters = 200_000_000\n", "b")
    with pytest.raises(TargetsError, match=r"ceiling 0.3 in a but ceiling 0.3 from 200,000,000 parameters on in b"):
        merge_targets([parse_targets(SIZE, "a"), large])


def test_merging_with_smoke_promotes_nothing():
    smoke = parse_targets("promotes = false\n" + ONE, "smoke")
    assert not merge_targets([parse_targets(ONE, "a"), smoke]).promotes


def test_merging_keeps_the_tiers_of_whichever_file_has_them():
    tiers = shipped("guide").tiers
    plain = parse_targets(ONE, "a")
    assert merge_targets([plain, shipped("guide")]).tiers == merge_targets([shipped("guide"), plain]).tiers == tiers


def test_a_file_of_ones_own_does_not_go_by_a_shipped_name(tmp_path):
    for name in ("guide.toml", "ours.toml"):
        (tmp_path / name).write_text(ONE)
    given = ["guide", str(FOLDER / "strict.toml"), str(tmp_path / "guide.toml"), str(tmp_path / "ours.toml")]
    assert [name for name, _ in read_targets(given)] == ["guide", "strict", "guide.toml", "ours.toml"]


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "ours.toml").write_text(ONE, encoding="utf-8-sig")
    assert read_targets([str(tmp_path / "ours.toml")]) == (("ours.toml", ONE),)


@pytest.mark.parametrize("name", ["gide", "../targets", "a" * 300], ids=["mistyped", "folder", "too-long"])
def test_what_is_no_file_is_told_what_could_be_named(name: str) -> None:
    with pytest.raises(TargetsError, match="should be one of guide, report, results, smoke, strict, or a TOML file"):
        read_targets([name])
