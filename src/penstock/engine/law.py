"""The law of trigger rules: what a task's rule makes of the final states of its direct upstreams.

It is one table. A rule looks only at *which* outcomes occur among the upstreams, never at how many there are or in what
order they came: so what it comes to is a function of a set of outcomes, of which there are sixteen. Two things follow
from the table, and nothing else is decided anywhere:

- A verdict is given before all upstreams have ended if it is the same whatever the others may still do.
- An upstream that was cancelled has no outcome: nobody knows what it would have come to. If that does not matter, the
  verdict is given; if it does, the task is cancelled too.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from functools import cache

from penstock.engine.states import TaskState
from penstock.policy import EARLY_RULES, TriggerRule


class Verdict(IntEnum):
    """What becomes of a task that has not begun."""

    WAIT = 0
    """It is not known yet, or it is not yet time."""
    RUN = 1
    SKIP = 2
    UPSTREAM_FAILED = 3
    CANCEL = 4


class Outcomes(IntFlag):
    """A set of final states, as they occur among the upstreams of a task."""

    SUCCESS = 1
    FAILED = 2
    SKIPPED = 4
    UPSTREAM_FAILED = 8
    CANCELLED = 16
    """Somebody ended it: what it would have come to is not known."""


_S, _F, _K, _U = Outcomes.SUCCESS, Outcomes.FAILED, Outcomes.SKIPPED, Outcomes.UPSTREAM_FAILED
_RUN, _SKIP, _UPSTREAM_FAILED = Verdict.RUN, Verdict.SKIP, Verdict.UPSTREAM_FAILED
_ANYTHING = _S | _F | _K | _U

Clause = tuple[Outcomes, Verdict]
"""If any of these outcomes occurs: this verdict."""

LAW: dict[TriggerRule, tuple[Clause, ...]] = {
    TriggerRule.ALL_SUCCESS: ((_F | _U, _UPSTREAM_FAILED), (_K, _SKIP), (_ANYTHING, _RUN)),
    TriggerRule.ALL_FAILED: ((_S | _K, _SKIP), (_ANYTHING, _RUN)),
    TriggerRule.ALL_DONE: ((_ANYTHING, _RUN),),
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: ((_K, _SKIP), (_S, _RUN), (_ANYTHING, _UPSTREAM_FAILED)),
    TriggerRule.ALL_DONE_SETUP_SUCCESS: ((_S, _RUN), (_F | _U, _UPSTREAM_FAILED), (_ANYTHING, _SKIP)),
    TriggerRule.ONE_SUCCESS: ((_S, _RUN), (_F | _U, _UPSTREAM_FAILED), (_ANYTHING, _SKIP)),
    TriggerRule.ONE_FAILED: ((_F | _U, _RUN), (_ANYTHING, _SKIP)),
    TriggerRule.ONE_DONE: ((_S | _F, _RUN), (_ANYTHING, _SKIP)),
    TriggerRule.NONE_FAILED: ((_F | _U, _UPSTREAM_FAILED), (_ANYTHING, _RUN)),
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: ((_F | _U, _UPSTREAM_FAILED), (_S, _RUN), (_ANYTHING, _SKIP)),
    TriggerRule.NONE_SKIPPED: ((_K, _SKIP), (_ANYTHING, _RUN)),
    TriggerRule.ALL_SKIPPED: ((_S | _F | _U, _SKIP), (_ANYTHING, _RUN)),
    TriggerRule.ALWAYS: ((_ANYTHING, _RUN),),
}
"""Of each rule the clauses, of which the first that holds gives the verdict. A teardown's rule looks at its setups."""


# Plain numbers, since sets of an IntFlag cost a hundred times more to look at.
_CLAUSES = {rule: tuple((int(some), what) for some, what in clauses) for rule, clauses in LAW.items()}
_SETS = range(int(_ANYTHING) + 1)
_CANCELLED = int(Outcomes.CANCELLED)


def verdict(rule: TriggerRule, outcomes: int) -> Verdict:
    """What a rule comes to when all upstreams have ended with these outcomes; without upstreams, every task runs."""
    for some, what in _CLAUSES[rule]:
        if int(outcomes) & some:
            return what
    return Verdict.RUN


@cache
def foreseen(rule: TriggerRule, outcomes: int) -> Verdict:
    """What a rule comes to whatever upstreams that have not ended may come to; WAIT if that matters."""
    possible = {verdict(rule, outcomes | more) for more in _SETS if outcomes | more}
    return possible.pop() if len(possible) == 1 else Verdict.WAIT


def may_run(rule: TriggerRule, outcomes: int) -> bool:
    """Whether a task could run if some of its upstreams came to these outcomes, and others to whatever they may."""
    return any(_ended(rule, outcomes | more) is Verdict.RUN for more in _SETS)


def _ended(rule: TriggerRule, outcomes: int) -> Verdict:
    """The verdict once all upstreams have ended, some of them perhaps by being cancelled."""
    if not outcomes & _CANCELLED:
        return verdict(rule, outcomes)
    return foreseen(rule, outcomes & ~_CANCELLED) or Verdict.CANCEL


def _open(rule: TriggerRule, outcomes: int) -> Verdict:
    """The verdict while some upstreams have not ended: most rules let a task start only when all have."""
    what = foreseen(rule, outcomes & ~_CANCELLED)
    return Verdict.WAIT if what is Verdict.RUN and rule not in EARLY_RULES else what


# For the engine's inner loop: a rule is its place in the enum, a set of outcomes a number below 32.
RULES = tuple(TriggerRule)
WHEN_ENDED = tuple(bytes(_ended(rule, outcomes) for outcomes in range(32)) for rule in RULES)
WHILE_OPEN = tuple(bytes(_open(rule, outcomes) for outcomes in range(32)) for rule in RULES)

OUTCOME = {
    TaskState.SUCCESS: Outcomes.SUCCESS,
    TaskState.FAILED: Outcomes.FAILED,
    TaskState.SKIPPED: Outcomes.SKIPPED,
    TaskState.UPSTREAM_FAILED: Outcomes.UPSTREAM_FAILED,
    TaskState.CANCELLED: Outcomes.CANCELLED,
}
"""What a final state is to those who wait for it. A removed instance is nothing to them."""
OUTCOME_OF = bytes(int(OUTCOME.get(state, 0)) for state in TaskState)
"""The same by number, 0 for all other states."""
