"""The table of trigger rules in the docs, drawn from the engine's own law.

python -m tests.acceptance.law_table prints it, for docs/concepts/the-law.md.
"""

from __future__ import annotations

from penstock.engine.law import LAW, OUTCOME, Clause, Outcomes, Verdict
from penstock.policy import EARLY_RULES, TriggerRule

_NOTES = {
    TriggerRule.ALL_SUCCESS: " (the default)",
    TriggerRule.ALL_DONE_SETUP_SUCCESS: " (of teardowns, over their setups)",
}
_BECOMES = {Verdict.RUN: "runs", Verdict.SKIP: "is `skipped`", Verdict.UPSTREAM_FAILED: "is `upstream_failed`"}
_LABELS = {outcome: f"`{state.label}`" for state, outcome in OUTCOME.items()}
_ANYTHING = Outcomes.SUCCESS | Outcomes.FAILED | Outcomes.SKIPPED | Outcomes.UPSTREAM_FAILED


def draw() -> str:
    """The law as a Markdown table: of each rule its clauses, in the order in which they are tried."""
    lines = ["| rule | if any of them is → the task | may start early |", "|---|---|---|"]
    for rule, clauses in LAW.items():
        early = "yes" if rule in EARLY_RULES else ""
        told = "; ".join(map(_clause, clauses)) if len(clauses) > 1 else "runs, whatever they are"
        lines.append(f"| `{rule}`{_NOTES.get(rule, '')} | {told} | {early} |")
    return "".join(f"{line}\n" for line in lines)


def _clause(clause: Clause) -> str:
    outcomes, verdict = clause
    if outcomes == _ANYTHING:
        return f"otherwise {_BECOMES[verdict]}"
    return f"{_listed(outcomes)} → {_BECOMES[verdict]}"


def _listed(outcomes: Outcomes) -> str:
    *some, last = (_LABELS[outcome] for outcome in Outcomes if outcome in outcomes)
    return f"{', '.join(some)} or {last}" if some else last


if __name__ == "__main__":
    print(draw(), end="")
