"""An engine and an audit that are told of the same run."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from penstock.engine.audit import Audit
from penstock.engine.events import NoticeDelivered, PlanAdopted
from penstock.engine.invariants import check
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.plan.plan import Plan
from tests.unit.engine.drawn_runs import Chance


def agree(engine: RunEngine, audit: Audit) -> None:
    """Whether the engine and the audit have made the same of what happened."""
    for slot in range(len(engine.states)):
        state = engine.task_state(slot)
        assert audit.state(slot) is (TaskState.PENDING if state is TaskState.READY else state), engine.story(slot)
    check(engine)
    ended = engine.state not in (RunState.QUEUED, RunState.RUNNING)
    assert (audit.end(str(engine.state)) == []) is ended


def follow(plans: Mapping[str, Plan], random: Random, *, calm: bool = False, count: int = 60) -> None:
    """Let anything happen to a run that could, and see that the audit makes of it what the engine does."""
    engine = RunEngine(plans["a"], run_id="run", plans=plans.__getitem__)
    audit = Audit(plans["a"], plans=plans.__getitem__)
    told: dict[str, None] = {}
    others = "".join(plans) if len(plans) > 1 else ""
    for event in Chance(engine, random, fingerprints=others, calm=calm).events(count):
        engine.handle(event)
        sentences = audit.see(event)
        assert all("nobody drove" in line for line in sentences), (event, sentences)
        if not isinstance(event, PlanAdopted):  # what follows it in the same batch belongs to it
            agree(engine, audit)
            told |= dict.fromkeys(engine.notices)
    for notice in told:
        assert audit.see(NoticeDelivered(999.0, notice)) == []
