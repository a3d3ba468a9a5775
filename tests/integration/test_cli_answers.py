"""What is told of tasks that wait for people, messages and other runs, of any state of theirs."""

from __future__ import annotations

import pytest

from tests.integration.commands import penstock, penstock_json, read, read_json, write

FLOW = """\
    from penstock import current, task, workflow

    @task
    def count() -> int:
        return 3

    @task.approval
    def pay(amount: int, reason: str) -> str:
        \"\"\"Pay it?\"\"\"
        return f"{amount} for {reason}"

    @task
    def receive() -> object:
        return current().receive("paid")

    @task
    def late() -> object:
        return current().receive("never", timeout=0, default=1)

    @workflow
    def asks(number: int) -> None:
        pay.expand(amount=[number])

    @workflow
    def waits() -> None:
        pay.named("both").expand(amount=[1, 2])
        pay.named("one")(count())
        receive(), late()

    @workflow
    def outer() -> None:
        asks(7)
    """


@pytest.fixture(autouse=True)
def flow() -> None:
    write("flow.py", FLOW)


def park(workflow: str) -> str:
    """Run until the run only waits; its id."""
    penstock("run", f"flow.py:{workflow}", "--park")
    [run] = [run for run in read_json("runs") if run["workflow"] == workflow]
    return str(run["id"])


def test_what_was_sent_to_a_parked_run_is_not_waited_for_any_more():
    run = park("waits")
    assert "waits for a message 'paid'" in read("why", "receive")
    penstock("send", run, "paid", "5", "--by", "bank")
    penstock("approve", run, "one", "reason=rent", "--by", "maria")
    assert read("why", "receive").startswith(
        "Task receive has a message 'paid' of bank, which counts when the run goes on; the run is parked"
    )
    why = read_json("why", "one")
    assert why["steps"][0]["text"] == "has a decision of maria, which counts when the run goes on"
    told = read("why")
    assert "  receive has a message 'paid' of bank" in told
    assert "  both[0] waits for somebody to decide: Pay it?" in told
    penstock("resume", "--all")
    assert "Attempt 2 began at" in (told := read("why", "one"))
    assert "since maria had decided" in told
    assert "since the message 'paid' had come" in read("why", "receive")
    assert "had decided" not in read("why", "late")


def test_commands_can_be_pasted_into_a_shell():
    parked = penstock("run", "flow.py:waits", "--park").stdout
    run = read_json("runs")[0]["id"]
    command = f"penstock approve {run} 'both[1]'"
    for told in (parked, read("show"), read("why"), read("approvals", run)):
        assert command in told
    assert f"penstock approve {run} one" in read("show")


def test_of_a_run_within_another_the_command_names_that_run():
    told = penstock("run", "flow.py:outer", "--park").stdout
    [child] = [run["id"] for run in read_json("runs") if run["workflow"] == "asks"]
    assert f"Task asks / pay[0] waits for somebody to decide: Pay it? (penstock approve {child} 'pay[0]')" in told
    penstock("approve", child, "pay[0]", "reason=x")
    penstock("resume", "--all")
    assert f"since run {child} had ended" in read("why", "asks")
    last = read("show", child).splitlines()
    assert last[-2].split()[-1] == "NOTE", "nothing has failed"
    assert "approved by" in last[-1]


def test_many_questions_stand_on_lines_of_their_own():
    write(
        "many.py",
        """\
        from penstock import task, workflow

        @task.approval
        def pay(amount: int) -> None: ...

        @workflow
        def many() -> None:
            pay.expand(amount=list(range(8)))
        """,
    )
    penstock("run", "many.py", "--park")
    told = read("show")
    assert told.count("for somebody to decide about pay[") == 5
    assert "for 3 more decisions: penstock approvals" in told
    assert max(map(len, told.splitlines())) < 100


def test_an_answer_that_is_given_twice_is_refused():
    run = park("waits")
    told = penstock("approve", run, "one", "reason=a", "reason=b", code=2)
    assert "'reason' is given twice" in told.stderr
    assert len(read_json("approvals")) == 3


def test_an_approval_is_debugged_with_what_was_answered():
    run = park("waits")
    told = penstock("debug", "one", "--no-pdb", code=2).stderr
    assert f"task 'one' of run {run} waits for somebody to decide" in told
    penstock("reject", run, "both[0]", "reason=a")
    penstock("approve", run, "one", "reason=rent")
    assert penstock("debug", "receive", "--no-pdb").stderr.endswith("Task receive would wait for a message 'paid'\n")
    penstock("resume", "--all")
    assert penstock("debug", "one", "--no-pdb").stdout == "Task one returned '3 for rent'\n"
    assert "the body of task 'both[0]'" in penstock("debug", "both[0]", "--no-pdb", code=2).stderr


def test_a_dry_run_says_what_waits():
    tasks = {task["id"]: task["conditions"] for task in penstock_json("run", "flow.py:waits", "--dry-run")["tasks"]}
    assert tasks["one"] == ["waits for somebody to decide"]
    assert tasks["receive"] == []


def test_a_failure_in_a_run_within_another_names_that_run():
    write(
        "fails.py",
        """\
        from penstock import task, workflow

        @task
        def bad() -> None:
            raise ValueError("no")

        @workflow
        def inner() -> None:
            bad()

        @workflow
        def outer() -> None:
            inner()
        """,
    )
    failed = penstock("run", "fails.py:outer", code=1)
    [child] = [run["id"] for run in read_json("runs") if run["workflow"] == "inner"]
    assert f"penstock show {child} " in failed.stderr
    again = penstock("resume", code=1)
    assert "deferred" not in again.stderr, "that it waits again is no failure"
    assert f"penstock show {child} " in read("show")
    assert "did you mean 'inner'?" in penstock("why", "iner", code=3).stderr
