"""A run that was put on record by a process which died before it began, and that somebody resumes."""

from __future__ import annotations

from penstock import Notice, WorkflowManager, task, workflow

told: list[str] = []


def tell(notice: Notice) -> None:
    told.append(notice.kind)


@task
def work() -> int:
    return 1


@workflow(on_start=tell, on_success=tell)
def flow() -> None:
    work()


def test_a_run_that_is_resumed_before_it_ever_began_begins_and_tells_of_it() -> None:
    manager = WorkflowManager("memory", observers=[])
    told.clear()
    compiled, params = manager._compile(flow, {})
    driving = manager._begin(compiled, params, None)
    driving.session.lease.release()  # as the death of its process does
    run = manager.resume(driving.session.row.id, flow)
    assert (run.state, told) == ("success", ["run_started", "run_success"])
