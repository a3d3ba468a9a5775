"""The outbox of a run: what somebody is still to be told of it.

It is a fold of the run's events like everything else: an event that is worth telling makes notices, NoticeDelivered and
NoticeDropped take them away. So whoever replays the journal knows what is left to deliver, by the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from penstock.policy import USUAL_NOTICES, ErrorText, Notice, NoticeKind

TASK_KINDS: dict[str, NoticeKind] = {
    "success": "task_success",
    "failed": "task_failed",
    "retry": "task_retry",
    "skipped": "task_skipped",
    "started": "task_started",
    "asks": "task_asks",
}
"""What a policy names a notice of its task -> its kind."""
RUN_KINDS: dict[str, NoticeKind] = {
    "success": "run_success",
    "failed": "run_failed",
    "cancelled": "run_cancelled",
    "started": "run_started",
}
"""What a plan names a notice of the run, which is how it ended or that it began -> its kind."""
_WITH_ERROR = ("failed", "retry")


@dataclass(slots=True)
class Outbox:
    """The notices of one run that nobody has taken yet."""

    run_id: str
    workflow: str
    notifiers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Who is told beside the callbacks, and of what."""
    notices: dict[str, Notice] = field(default_factory=dict)
    """Those that are still to be delivered, by id, in the order in which they were made."""
    dropped: dict[str, str] = field(default_factory=dict)
    """Why those that were given up were, by id."""
    skips_told: set[str] = field(default_factory=set)
    """The notices of skipped tasks that there were, by id: the same may be found anew, and is told once."""
    made: list[Notice] | None = None
    """What was made by the event being handled, if somebody is told of skipped tasks; None if nobody is."""

    def name(self, names: Iterable[str], kinds: Iterable[str]) -> None:
        """From here on these notifiers are told of these kinds."""
        wanted = dict(zip(names, kinds, strict=False))
        self.notifiers = {name: tuple(wanted.get(name, "").split()) or USUAL_NOTICES for name in names}

    def is_told_of_tasks(self, what: str) -> bool:
        """Whether a notifier wants to know this of tasks."""
        return any(TASK_KINDS[what] in kinds for kinds in self.notifiers.values())

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
        reason: str = "",
    ) -> list[Notice]:
        """Make the notices of what became of an attempt; `named` is what the task has callbacks for."""
        receivers = self._receivers(TASK_KINDS[what], what in named)
        if not receivers:
            return []
        place = (task, str(generation), str(attempt))
        error = error if what in _WITH_ERROR else None
        return self._make(receivers, TASK_KINDS[what], place, task, generation, attempt, at, error, reason)

    def tell_of_run(self, what: str, named: Iterable[str], *, ends: int, at: float, error: str | None) -> list[Notice]:
        """Make the notices of an end of the run, which had ended `ends` times before, or of its beginning."""
        receivers = self._receivers(RUN_KINDS[what], what in named)
        text = None if error is None else ErrorText("RunFailed", error)
        return self._make(receivers, RUN_KINDS[what], (str(ends),), None, ends, 0, at, text)

    def deliver(self, notice: str) -> None:
        """A notice has been taken. One that is not there is stale, and changes nothing."""
        self.notices.pop(notice, None)

    def drop(self, notice: str, error: str) -> None:
        """A notice is given up. One that is not there is stale, and changes nothing."""
        if self.notices.pop(notice, None) is not None:
            self.dropped[notice] = error

    def _receivers(self, kind: NoticeKind, has_callback: bool) -> list[str]:
        notifiers = [name for name, kinds in self.notifiers.items() if kind in kinds]
        return ["", *notifiers] if has_callback else notifiers

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
        reason: str = "",
    ) -> list[Notice]:
        made = []
        for receiver in receivers:
            id = self._id(*place, kind, receiver)
            if kind == "task_skipped":
                if id in self.skips_told:
                    continue
                self.skips_told.add(id)
            notice = Notice(
                id, kind, self.run_id, self.workflow, task, generation, attempt, at, error, receiver, reason
            )
            self.notices[id] = notice
            made.append(notice)
        if self.made is not None:
            self.made += made
        return made

    def _id(self, *parts: str) -> str:
        """RUN/TASK/GENERATION/ATTEMPT/KIND or RUN/ENDS/KIND, with the notifier at the end where there is one. Slashes
        in names are escaped as in URLs, so that two notices never have one id."""
        texts = (self.run_id, *parts) if parts[-1] else (self.run_id, *parts[:-1])
        return "/".join(text.replace("%", "%25").replace("/", "%2F") for text in texts)
