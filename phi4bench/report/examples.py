"""Which cases to show for a gate that was missed, and what to show of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phi4bench.cases import Case
from phi4bench.levels import LEVELS, Score, is_right
from phi4bench.run.judgement import REGRESSION, Judgement
from phi4bench.targets import STRUCTURED_GATES
from phi4bench.transcripts import Completion


@dataclass(frozen=True)
class Example:
    """One case that missed a gate. Texts are as the user and the model wrote them. `before`: the baseline's answer."""

    case_id: str
    scenario: str
    group: str
    tools: tuple[str, ...]
    request: str
    completion: str
    expected: str
    reason: str
    finish: str
    before: str | None = None


def examples(judgement: Judgement, gate: str, limit: int) -> list[Example]:
    """At most `limit` cases that missed `gate`; those that stopped right below it first, each tool in its turn."""
    if gate.startswith(REGRESSION):
        chosen = flips(judgement, gate.removeprefix(REGRESSION))[0]
    else:
        chosen = _failing(judgement, gate)
    return [_example(judgement, one, gate.startswith(REGRESSION)) for one in _by_turns(chosen)[:limit]]


def flips(judgement: Judgement, level: str) -> tuple[list[Score], list[Score]]:
    """(lost, gained): the candidate's scores of cases that only the baseline, or only the candidate, got right."""
    before = {score.case_id: score for score in judgement.baseline_scores}
    lost, gained = [], []
    for score in judgement.scores:
        then = before.get(score.case_id)
        if then is None or _passed(score, level) is None:
            continue
        if _passed(then, level) and not _passed(score, level):
            lost.append(score)
        elif _passed(score, level) and not _passed(then, level):
            gained.append(score)
    return lost, gained


def failing_example(judgement: Judgement, score: Score) -> Example:
    return _example(judgement, score, False)


def flip_example(judgement: Judgement, score: Score) -> Example:
    return _example(judgement, score, True)


def last_request(case: Case) -> str:
    """What the user asked last; with the tool's answer after it, where the model speaks after a tool."""
    last_user = max((i for i, message in enumerate(case.messages) if message.role == "user"), default=0)
    parts = []
    for message in case.messages[last_user:]:
        if message.role == "user":
            parts.append(message.content)
        elif message.role == "tool":
            parts.append(f"[{message.name or 'tool'}{' failed' if message.error else ''}: {message.content}]")
    return " ".join(parts)


def _passed(score: Score, level: str) -> bool | None:
    """Whether the case counts as right at a level or for abstention; `None` where it does not concern it."""
    if level == "abstention":
        return None if score.expects_call or score.structured else score.abstained
    return score.level >= LEVELS[level] if score.expects_call else None


def _failing(judgement: Judgement, gate: str) -> list[Score]:
    scores = judgement.scores
    if gate == "abstention":
        return [score for score in scores if _passed(score, "abstention") is False]
    if gate in LEVELS:
        failing = [score for score in scores if _passed(score, gate) is False]
        return sorted(failing, key=lambda score: -score.level)
    scenario = {"selection": "selection", "multi_turn": "multi_turn", "error_recovery": "missing_info"}.get(gate)
    if scenario:
        return [score for score in scores if score.scenario == scenario and score.expects_call and not is_right(score)]
    if gate in STRUCTURED_GATES:
        level = LEVELS[gate.removeprefix("structured.")]
        failing = [score for score in scores if score.structured and score.level < level]
        return sorted(failing, key=lambda score: -score.level)
    if gate == "schema_validity":
        return [score for score in scores if score.schema_valid < score.schema_total]
    return [score for score in scores if score.expects_call and score.arguments_right < score.arguments_total]


def _by_turns(scores: list[Score]) -> list[Score]:
    """The same scores, one of each set of expected tools in turn, so that the first few show more than one tool."""
    queues: dict[tuple[int, tuple[str, ...]], list[Score]] = {}
    for score in scores:
        queues.setdefault((-score.level, score.tools), []).append(score)
    ranked = [
        (level, place, -len(queue), score) for (level, _), queue in queues.items() for place, score in enumerate(queue)
    ]
    return [score for *_, score in sorted(ranked, key=lambda entry: entry[:3])]


def _example(judgement: Judgement, score: Score, with_baseline: bool) -> Example:
    case, completion = judgement.answered[score.case_id]
    before: Mapping[str, tuple[Case, Completion]] = judgement.baseline_answered if with_baseline else {}
    return Example(
        case_id=case.id,
        scenario=case.scenario,
        group=case.group,
        tools=score.tools,
        request=last_request(case),
        completion=completion.text,
        expected=expected_text(judgement, case),
        reason=score.reason,
        finish=completion.finish,
        before=before[case.id][1].text if case.id in before else None,
    )


def expected_text(judgement: Judgement, case: Case) -> str:
    """The answer key in the artifact's own dialect."""
    if case.expected.structured:
        return f"JSON: {case.expected.json!r}"
    return judgement.run.dialect.render_calls(case.expected.calls) if case.expected.calls else "(prose, no call)"
