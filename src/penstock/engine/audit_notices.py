"""Which notices a history has made, read independently of the outbox that makes them."""

from __future__ import annotations

from collections.abc import Collection

from penstock.engine.events import NotifiersSet


class NoticeAudit:
    """What somebody was to be told so far.

    An id is RUN/TASK/GENERATION/ATTEMPT/KIND or RUN/ENDS/KIND, followed by /NOTIFIER where a notifier is told and not a
    callback; "%" and "/" in names are escaped as in URLs.
    """

    def __init__(self) -> None:
        self._run: str | None = None
        """The first part of all ids, learned from the first."""
        self._notifiers: tuple[str, ...] = ()
        self._arisen: set[str] = set()
        self._ends = 0

    def name(self, event: NotifiersSet) -> None:
        """From here on these notifiers are told too."""
        self._notifiers = event.names

    def tell_of_task(self, what: str, task: str, named: Collection[str], generation: int, attempt: int) -> None:
        """An attempt ended; `named` is what its task has callbacks for."""
        if what in named:
            self._arisen.add(f"{_escaped(task)}/{generation}/{attempt}/task_{what}")
        if what == "failed":
            for notifier in self._notifiers:
                self._arisen.add(f"{_escaped(task)}/{generation}/{attempt}/task_failed/{_escaped(notifier)}")

    def tell_of_run(self, state: str, named: Collection[str]) -> None:
        """The run ended; `named` are the ends that it has callbacks for."""
        if state in named:
            self._arisen.add(f"{self._ends}/run_{state}")
        for notifier in self._notifiers:
            self._arisen.add(f"{self._ends}/run_{state}/{_escaped(notifier)}")
        self._ends += 1

    def has_arisen(self, notice: str) -> bool:
        """Whether something happened that this notice tells. It may be told again and again."""
        run, _, rest = notice.partition("/")
        self._run = run if self._run is None else self._run
        return run == self._run and rest in self._arisen


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")
