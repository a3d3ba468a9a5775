"""Which task of a run another run is, and what that is called by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from penstock.engine.run import RunEngine


class Part(NamedTuple):
    """Which task of a run another run is."""

    task: str
    map_index: int
    generation: int

    @property
    def name(self) -> str:
        """The task's name, with its index if it has one."""
        return self.task if self.map_index < 0 else f"{self.task}[{self.map_index}]"

    @property
    def text(self) -> str:
        """As it is on record."""
        import json

        return json.dumps(self)

    @classmethod
    def read(cls, text: str) -> Part:
        """What is on record."""
        import json

        return cls(*json.loads(text))

    @classmethod
    def of(cls, engine: RunEngine, slot: int) -> Part:
        """A task of a run, as it stands."""
        return cls(engine.plan.names[engine.row(slot)], engine.index(slot), engine.generation(slot))


def child_id(run_id: str, part: Part) -> str:
    """What the run is called that a task is: the same each time, so that it is begun once."""
    from hashlib import blake2b

    return blake2b(f"{run_id}/{part.text}".encode(), digest_size=6).hexdigest()


def child_of(engine: RunEngine, slot: int) -> str | None:
    """The run that a task is, if it runs a workflow and has begun."""
    if engine.policy(slot).workflow is None or not engine.attempts[slot]:
        return None
    return child_id(engine.run_id, Part.of(engine, slot))
