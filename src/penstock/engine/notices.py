"""The outbox of a run: what somebody is still to be told of it.

It is a fold of the run's events like everything else: an event that is worth telling makes notices, NoticeDelivered and
NoticeDropped take them away. So whoever replays the journal knows what is left to deliver, by the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from penstock.policy import ErrorText, Notice, NoticeKind

TASK_KINDS: dict[str, NoticeKind] = {"success": "task_success", "failed": "task_failed", "retry": "task_retry"}
"""What a policy names a notice of its task -> its kind."""
RUN_KINDS: dict[str, NoticeKind] = {"success": "run_success", "failed": "run_failed", "cancelled": "run_cancelled"}
"""What a plan names a notice of the run, which is how it ended -> its kind."""


@dataclass(slots=True)
class Outbox:
    """The notices of one run that nobody has taken yet."""

    run_id: str
    workflow: str
    notifiers: tuple[str, ...] = ()
    """Who is told of tasks that failed and of ends of the run, beside the callbacks."""
    notices: dict[str, Notice] = field(default_factory=dict)
    """Those that are still to be delivered, by id, in the order in which they were made."""
    dropped: dict[str, str] = field(default_factory=dict)
    """Why those that were given up were, by id."""

    def tell_of_task(
        self,
        task: str,
        what: str,
        named: Iterable[str],
        *,
        generation: int,
        attempt: int,
        at: float,
        error: ErrorText | None,
    ) -> list[Notice]:
        """Make the notices of what became of an attempt; `named` is what the task has callbacks for."""
        receivers = [*([""] if what in named else []), *(self.notifiers if what == "failed" else ())]
        place = (task, str(generation), str(attempt))
        return self._make(receivers, TASK_KINDS[what], place, task, generation, attempt, at, error)

    def tell_of_run(self, what: str, named: Iterable[str], *, ends: int, at: float, error: str | None) -> list[Notice]:
        """Make the notices of an end of the run, which had ended `ends` times before."""
        receivers = [*([""] if what in named else []), *self.notifiers]
        text = None if error is None else ErrorText("RunFailed", error)
        return self._make(receivers, RUN_KINDS[what], (str(ends),), None, ends, 0, at, text)

    def deliver(self, notice: str) -> None:
        """A notice has been taken. One that is not there is stale, and changes nothing."""
        self.notices.pop(notice, None)

    def drop(self, notice: str, error: str) -> None:
        """A notice is given up. One that is not there is stale, and changes nothing."""
        if self.notices.pop(notice, None) is not None:
            self.dropped[notice] = error

    def _make(
        self,
        receivers: Iterable[str],
        kind: NoticeKind,
        place: tuple[str, ...],
        task: str | None,
        generation: int,
        attempt: int,
        at: float,
        error: ErrorText | None,
    ) -> list[Notice]:
        made = []
        for receiver in receivers:
            id = self._id(*place, kind, receiver)
            notice = Notice(id, kind, self.run_id, self.workflow, task, generation, attempt, at, error, receiver)
            self.notices[id] = notice
            made.append(notice)
        return made

    def _id(self, *parts: str) -> str:
        """RUN/TASK/GENERATION/ATTEMPT/KIND or RUN/ENDS/KIND, with the notifier at the end where there is one. Slashes
        in names are escaped as in URLs, so that two notices never have one id."""
        texts = (self.run_id, *parts) if parts[-1] else (self.run_id, *parts[:-1])
        return "/".join(text.replace("%", "%25").replace("/", "%2F") for text in texts)
