"""What a run comes to, said as plainly as can be: by the graph and by what each body does, in no order at all.

Written from the law and not from the engine, so that each can show the other's errors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tests.simulation.plans import Graph

SUCCESS, FAILURE, FATAL, LOST = "success", "failure", "fatal", "lost"
"""How one attempt of a body comes out; a fatal failure is one that is not to be tried again."""

Script = tuple[str, ...]
"""How the attempts of one body come out, one after the other; the last goes on for ever."""

LOST_TOO_OFTEN = 3


def outcome(script: Script, attempt: int) -> str:
    """How the attempt numbered `attempt` (from 0) comes out."""
    return script[min(attempt, len(script) - 1)]


def alone(script: Script, retries: int, once: bool = False) -> str:
    """The final state of a task that is free to run; `once`: that begins one attempt at most."""
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
            if once or lost == LOST_TOO_OFTEN:
                return "failed"


def final_state(
    graph: Graph, scripts: Sequence[Script], retries: Sequence[int], task: int, once: Collection[int] = ()
) -> str:
    """The final state of a task in a run that nobody disturbs."""
    for upstream in graph[task]:
        if final_state(graph, scripts, retries, upstream, once) != "success":
            return "upstream_failed"
    return alone(scripts[task], retries[task], task in once)


def final_states(
    graph: Graph, scripts: Sequence[Script], retries: Sequence[int], once: Collection[int] = ()
) -> list[str]:
    """The final state of each task."""
    return [final_state(graph, scripts, retries, task, once) for task in range(len(graph))]


def state_after_takeover(
    graph: Graph,
    undisturbed: Sequence[str],
    task: int,
    *,
    once: Collection[int],
    begun: Collection[int],
    done: Collection[int],
    volatile: Collection[int] = (),
) -> str:
    """The final state of a task in a run whose driver stopped or died, when these tasks had `begun` and these were
    `done`, and which another driver has brought to its end. Bodies do the same however often they are asked.

    Those in `once` begin one attempt at most, so one that had begun and was not done has failed; and the value of one
    that was `volatile` is gone, so whoever would take it fails."""
    if task in done:
        return "success"
    known = {"once": once, "begun": begun, "done": done, "volatile": volatile}
    for upstream in graph[task]:
        if state_after_takeover(graph, undisturbed, upstream, **known) != "success":
            return "upstream_failed"
    if task in once and task in begun:
        return "failed"
    if any(upstream in once and upstream in done and upstream in volatile for upstream in graph[task]):
        return "failed"
    return undisturbed[task]


def worth_telling(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, str]]:
    """Which tasks somebody may want to be told of, and what, when their states have moved so by one event."""
    told = {"success": "success", "failed": "failed", "retrying": "retry", "skipped": "skipped", "running": "started"}
    return [
        (task, told[state])
        for task, (was, state) in enumerate(zip(before, after, strict=True))
        if state != was and state in told
    ]


def verdict(states: Sequence[str]) -> str:
    """The final state of the run."""
    return "failed" if "failed" in states else "success"
