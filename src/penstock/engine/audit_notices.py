"""Which notices a history has made, read independently of the outbox that makes them."""

from __future__ import annotations

from collections.abc import Collection

from penstock.engine.events import NotifiersSet
from penstock.policy import USUAL_NOTICES


class NoticeAudit:
    """What somebody was to be told so far.

    An id is RUN/TASK/GENERATION/ATTEMPT/KIND or RUN/ENDS/KIND, followed by /NOTIFIER where a notifier is told and not a
    callback; "%" and "/" in names are escaped as in URLs.
    """

    def __init__(self) -> None:
        self._run: str | None = None
        """The first part of all ids, learned from the first."""
        self._notifiers: tuple[tuple[str, tuple[str, ...]], ...] = ()
        """Who is told, and of what kinds."""
        self._arisen: set[str] = set()
        self._ends = 0

    def name(self, event: NotifiersSet) -> None:
        """From here on these notifiers are told too."""
        kinds = (*event.kinds, *[""] * len(event.names))
        self._notifiers = tuple(
            (name, tuple(kinds[place].split()) or USUAL_NOTICES) for place, name in enumerate(event.names)
        )

    def tell_of_task(self, what: str, task: str, named: Collection[str], generation: int, attempt: int) -> None:
        """An attempt began or ended, or its task was skipped; `named` is what the task has callbacks for."""
        self._arise(f"{_escaped(task)}/{generation}/{attempt}", f"task_{what}", is_named=what in named)

    def tell_of_run(self, state: str, named: Collection[str]) -> None:
        """The run ended, or began; `named` is what it has callbacks for."""
        self._arise(str(self._ends), f"run_{state}", is_named=state in named)
        self._ends += state != "started"

    def _arise(self, place: str, kind: str, *, is_named: bool) -> None:
        if is_named:
            self._arisen.add(f"{place}/{kind}")
        for notifier, kinds in self._notifiers:
            if kind in kinds:
                self._arisen.add(f"{place}/{kind}/{_escaped(notifier)}")

    def has_arisen(self, notice: str) -> bool:
        """Whether something happened that this notice tells. It may be told again and again."""
        run, _, rest = notice.partition("/")
        self._run = run if self._run is None else self._run
        return run == self._run and rest in self._arisen


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")
