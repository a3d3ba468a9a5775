"""The attempts of a run, as the workers ask for them: each is started, announced, and closed by its outcome."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from penstock.engine.columns import UNMAPPED
from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, TaskState
from penstock.errors import StoreError
from penstock.executor.base import Attempt, Ending, Outcome, StoreFailed
from penstock.logs.base import place
from penstock.policy import TaskPolicy
from penstock.runtime.stepping import Stepping

_Ended: TypeAlias = AttemptSucceeded | AttemptSkipped | AttemptDeferred | AttemptFailed | AttemptLost | AttemptCancelled
"""What the engine makes something of."""


class Dispatching(Stepping):
    """Hands the attempts of a run to whoever has a worker for them, and takes their outcomes back."""

    has_begun = False
    """Whether an attempt was started."""

    @property
    def has_ready(self) -> bool:
        """Whether a task could be started at once. To be asked under the lock, or as a hint."""
        return self._stopping is None and bool(self._ready)

    # --- From the queue to a body

    def start_next(self) -> Attempt | None:
        """Begin the attempt at the head of the queue. The caller holds the lock."""
        ready, engine, journal = self._ready, self._engine, self._journal
        if self._stopping is not None or not ready:
            return None
        task, requires = ready.take()
        number = engine.attempts[task] + 1
        started = AttemptStarted(task, number, self._time())
        commands = engine.handle(started)
        journal.add(started)
        for command in commands:  # somebody may want to know
            self._obey(command)
        row = task if task < engine.size else engine.row(task)
        policy = engine.plan.policies[row]
        if not self._outlived:
            requires = 0
        attempt = Attempt(self.context, task, engine.generations.get(task, 0), number, policy.timeout, requires)
        attempt.row = row
        if policy.at_most_once or policy.commit_first:
            attempt.requires, attempt.committed = journal.added, True
        elif self._careful or policy.teardown:  # whoever resumes must know that it has begun
            attempt.requires = journal.added
        self._running[task] = attempt
        self.has_begun = True
        return attempt

    def announce(self, attempt: Attempt | None) -> None:
        """See that what happened is on its way to the store and told, and that an attempt that was started may begin.
        Not under the lock."""
        journal, audience = self._journal, self._audience
        if attempt is not None and (
            attempt.committed or attempt.requires > journal.written or attempt.timeout is not None
        ):
            self._make_way(attempt)
        else:
            journal.offer()
        if not audience.observers:
            return
        audience.pass_on()
        if attempt is not None and attempt.task not in self._engine.deferrals:
            row, task = attempt.row, attempt.task
            audience.tell("attempt_started", row, UNMAPPED if task == row else self._engine.index(task), attempt.number)

    def _make_way(self, attempt: Attempt) -> None:
        """Return when what an attempt depends on is written, and its time counts."""
        try:
            if attempt.committed or attempt.requires > self._journal.written:
                self._journal.flush(attempt.requires, safe=attempt.committed)
            if attempt.timeout is not None:
                with self.lock:  # only now, since a body does not wait for its start at its own expense
                    self._arm(attempt.timeout, partial(self._endings.time_out, attempt))
            self._journal.offer()
        except BaseException:
            with self.lock:
                self._running.pop(attempt.task, None)
            raise

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of an attempt is safe. StoreError if it cannot be made so: then the run is stopped."""
        if attempt.committed:
            return
        try:
            self._journal.flush(self._journal.added, safe=True)
        except StoreError as error:
            self.broke(error)  # first, so that what the body makes of the error is not taken for its own failure
            raise
        attempt.committed = True
        self._audience.pass_on()

    # --- From a body's end to what follows

    def close_attempt(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record how an attempt ended. The caller holds the lock."""
        task, engine = attempt.task, self._engine
        self._running.pop(task, None)
        if attempt.abandoned:
            self._ready.given_up(task)
            self._given_up += 1
        else:
            self._ready.ended(task)
        ended = outcome if type(outcome) is AttemptSucceeded else self._as_asked(attempt, outcome)
        if ended is None:
            self._leave_if_stopped()
            return
        # Who was promised that a start is not forgotten relies on the end, and what follows from a decision on that.
        commands = engine.handle(ended)
        self._journal.add(ended, safe=attempt.committed or _decides(engine.plan.policies[attempt.row], ended))
        for command in commands:
            self._obey(command)
        state = engine.states[task]
        if state in ENDED:
            if type(ended) is AttemptDeferred:
                self._journal.hurry()  # it has waited long enough, which is a decision
            self._let_go(task)
        if attempt.output is not None:
            self._log.end(place(*self._place(task)), attempt.generation, attempt.number)
        audience = self._audience
        if audience.hears_successes or type(ended) is not AttemptSucceeded:
            self._note_end(attempt, ended, state)
        if self._stopping is not None:
            self._leave_if_stopped()
        if self._park_after is not None:
            self._look_if_idle()

    def _as_asked(self, attempt: Attempt, outcome: Outcome) -> _Ended | None:
        """What an attempt has come to that has not succeeded, as far as it was asked to end. None if it stays on record
        as running."""
        if isinstance(outcome, StoreFailed):
            raise StoreError(outcome.message)
        if attempt.ending is Ending.INTERRUPT:
            return None  # it runs again when the run is resumed
        if attempt.ending is Ending.CANCEL and not isinstance(outcome, AttemptSkipped):
            return AttemptCancelled(attempt.task, attempt.number, outcome.at)
        return outcome

    def _note_end(self, attempt: Attempt, ended: _Ended, state: int) -> None:
        """Have those who watch told of an attempt that left its task in this state."""
        if not self._audience.observers:
            return
        task, engine = attempt.task, self._engine
        error = _error_of(engine, ended) or engine.errors.get(task)
        if state == TaskState.DEFERRED:
            error = None  # what there is of one is of an earlier attempt
        began = engine.started[task]
        if engine.policy(task).workflow is not None:
            began = engine.waiting_since.get(task, began)
        told = *self._place(task), attempt.number, TaskState(state), error, ended.at - began
        # Who sees that a task is done relies on it; of a failure they hear before the attempt that follows it.
        self._audience.note("attempt_ended", *told, written=self._outlived and state == TaskState.SUCCESS)

    def note_return(self, attempt: Attempt) -> None:
        """An attempt that was given up has come back: others may have its slots. The caller holds the lock."""
        self._ready.returned(attempt.task)
        self._given_up -= 1


def _error_of(engine: RunEngine, outcome: _Ended) -> ErrorText | None:
    """Why an attempt ended as it did, for those who watch."""
    if outcome.task in engine.skips:
        return ErrorText("Skip", engine.skips[outcome.task])
    return outcome.error if isinstance(outcome, AttemptFailed) else None


def _decides(policy: TaskPolicy, outcome: _Ended) -> bool:
    """Whether an outcome says what else runs, or what was seen of the world: then nothing may follow from it that a
    power cut could contradict."""
    if type(outcome) is AttemptSucceeded:
        return outcome.chosen is not None or policy.polling is not None
    return type(outcome) is AttemptSkipped
