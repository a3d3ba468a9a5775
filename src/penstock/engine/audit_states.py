"""What has become of the tasks of a run, read independently of the engine; the ground that `Audit` stands on."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.engine.states import TaskState
from penstock.plan.plan import Plan

# Plain numbers for the inner loop. A task that is ready counts as pending: whether it may start is seen when it does.
PENDING, RUNNING, RETRYING, SUCCESS, FAILED, UPSTREAM_FAILED, CANCELLED = (
    int(state) for state in TaskState if state is not TaskState.READY
)
UNSUCCESSFUL = (FAILED, UPSTREAM_FAILED, CANCELLED)
_OPEN = (PENDING, RUNNING, RETRYING)


class AuditStates:
    """Where each task of a plan stands, and what of its past still matters."""

    def __init__(self, plan: Plan) -> None:
        self._retired: dict[str, tuple[int, int]] = {}
        """Latest attempt and generation of each task under the plans before: it goes on from there."""
        self.lay_out(plan)

    def lay_out(self, plan: Plan) -> None:
        """Begin with a plan, all of whose tasks are pending."""
        self.plan = plan
        self.states = bytearray(len(plan))
        self.open = len(plan)
        """How many tasks have not ended."""
        self.last = [0] * len(plan)
        """The latest attempt of each task in its generation."""
        self.generations = [0] * len(plan)
        self.failures: dict[int, int] = {}
        self.lost: dict[int, int] = {}
        self.volatile: set[int] = set()
        """Tasks whose value lives, or lived, in the process of a driver."""

    def put(self, task: int, state: int) -> None:
        """Say where a task stands now."""
        self.open += (state in _OPEN) - (self.states[task] in _OPEN)
        self.states[task] = state

    def those(self, *wanted: int) -> list[int]:
        """The tasks in these states."""
        return [task for task, state in enumerate(self.states) if state in wanted]

    def is_once(self, task: int) -> bool:
        """Whether a task may start once in a generation."""
        return self.plan.policies[task].at_most_once

    def is_spent(self, task: int) -> bool:
        """Whether a task that may start once has."""
        return self.last[task] > 0 and self.is_once(task)

    # --- What follows from what became of a task

    def hold_up(self, ended: Iterable[int]) -> None:
        """What waits for a task that ended without success does not run, and neither does what waits for that."""
        frontier = list(ended)
        for task in frontier:
            for downstream in self.plan.downstreams[task]:
                if self.states[downstream] == PENDING:
                    self.put(downstream, UPSTREAM_FAILED)
                    frontier.append(downstream)

    def cancel_waiting(self) -> None:
        """What does not run will not run."""
        for task in self.those(PENDING, RETRYING):
            self.put(task, CANCELLED)

    def set_going(self, tasks: Iterable[int]) -> None:
        """These run (again) with a fresh budget; a retry of what depends on them is not waited for any more."""
        for task in tasks:
            self.put(task, PENDING)
            self.failures.pop(task, None)
            self.lost.pop(task, None)
            for downstream in self.plan.downstreams[task]:
                if self.states[downstream] == RETRYING:
                    self.put(downstream, PENDING)

    # --- What another driver finds

    def to_try_again(self) -> list[int]:
        """What ended without success, but for tasks that may not start again and what waits for them."""
        spent = [task for task in self.those(*UNSUCCESSFUL) if self.is_spent(task)]
        held_up = set(spent)
        for task in spent:
            for downstream in self.plan.downstreams[task]:
                if self.states[downstream] in UNSUCCESSFUL and downstream not in held_up:
                    held_up.add(downstream)
                    spent.append(downstream)
        return [task for task in self.those(*UNSUCCESSFUL) if task not in held_up]

    def begin_again(self) -> None:
        """Values that lived in the process of the driver before are gone: they are made again for whoever still needs
        them, and what waits for those that make them waits."""
        self.hold_up(self.those(*UNSUCCESSFUL))
        if not self.volatile:
            return
        wanting = self.those(PENDING, RETRYING)
        for task in wanting:
            for upstream in self.plan.inputs[task]:
                if upstream in self.volatile and self.states[upstream] == SUCCESS and not self.is_once(upstream):
                    self.set_going([upstream])
                    wanting.append(upstream)
        self.hold_up(self.those(*UNSUCCESSFUL))

    def adopt(self, plan: Plan) -> None:
        """Follow another plan. By its name, what has succeeded or failed stays so, and what may start once and has does
        not start again; all else begins anew."""
        before, states, failures, lost, volatile = self.plan, self.states, self.failures, self.lost, self.volatile
        for task, name in enumerate(before.names):
            self._retired[name] = self.last[task], self.generations[task]
        self.lay_out(plan)
        for task, name in enumerate(plan.names):
            self.last[task], self.generations[task] = self._retired.get(name, (0, 0))
            old = before.numbers.get(name)
            state = PENDING if old is None else states[old]
            if self.is_spent(task):
                self.put(task, CANCELLED if state in _OPEN else state)
            elif state in (SUCCESS, FAILED):
                self.put(task, state)
            if old is not None and old in volatile:
                self.volatile.add(task)
            if old is not None and state == FAILED:  # whose story stays
                self.failures[task], self.lost[task] = failures.get(old, 0), lost.get(old, 0)
