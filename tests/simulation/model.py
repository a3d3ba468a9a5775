"""What a run comes to, said as plainly as can be: by the graph and by what each body does, in no order at all.

Written from the law and not from the engine, so that each can show the other's errors.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.plans import Graph

SUCCESS, FAILURE, FATAL, LOST = "success", "failure", "fatal", "lost"
"""How one attempt of a body comes out; a fatal failure is one that is not to be tried again."""

Script = tuple[str, ...]
"""How the attempts of one body come out, one after the other; the last goes on for ever."""

LOST_TOO_OFTEN = 3


def outcome(script: Script, attempt: int) -> str:
    """How the attempt numbered `attempt` (from 0) comes out."""
    return script[min(attempt, len(script) - 1)]


def alone(script: Script, retries: int) -> str:
    """The final state of a task that is free to run."""
    failures = lost = attempt = 0
    while True:
        ending = outcome(script, attempt)
        attempt += 1
        if ending == SUCCESS:
            return "success"
        if ending == FATAL:
            return "failed"
        if ending == FAILURE:
            failures += 1
            if failures > retries:
                return "failed"
        if ending == LOST:
            lost += 1
            if lost == LOST_TOO_OFTEN:
                return "failed"


def final_state(graph: Graph, scripts: Sequence[Script], retries: Sequence[int], task: int) -> str:
    """The final state of a task in a run that nobody disturbs."""
    for upstream in graph[task]:
        if final_state(graph, scripts, retries, upstream) != "success":
            return "upstream_failed"
    return alone(scripts[task], retries[task])


def final_states(graph: Graph, scripts: Sequence[Script], retries: Sequence[int]) -> list[str]:
    """The final state of each task."""
    return [final_state(graph, scripts, retries, task) for task in range(len(graph))]


def verdict(states: Sequence[str]) -> str:
    """The final state of the run."""
    return "failed" if "failed" in states else "success"
