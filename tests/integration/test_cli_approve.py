"""Deciding from other processes than the one that drives the run, while it waits and while nobody drives it."""

from __future__ import annotations

from pathlib import Path
from time import time

import pytest

from penstock import WorkflowManager
from penstock.clock import SystemClock
from tests.integration.commands import here, penstock, read, read_json, start, write
from tests.integration.waiting import wait_until

FLOW = """\
    from __future__ import annotations

    import os, time
    from dataclasses import dataclass
    from datetime import date
    from pathlib import Path

    from penstock import current, task, wait_for_file, workflow

    @dataclass
    class Terms:
        rate: float
        until: date | None = None

    @task
    def write() -> str:
        return "report 7"

    @task.approval
    def release(report: str, approved: bool, terms: Terms, limit: int = 5) -> str:
        '''Is the report fit to be sent?

        Args:
            limit: how many get it
        '''
        with open("called", "a") as called:
            called.write("x")
        if Path("broken").exists():
            raise OSError("no network")
        return f"{report} {approved} {terms.rate} {terms.until} {limit} {current().decision.by}"

    @task
    def hold() -> None:
        Path("holding").touch()
        while not Path("open").exists():
            if current().cancelled:
                return
            time.sleep(0.01)

    @workflow
    def flow() -> None:
        release(write())

    @workflow
    def hasty() -> None:
        release.options(deadline=7200)(write())

    @workflow
    def busy() -> None:
        hold.options(after=wait_for_file.options(poll_interval=0.01)("hold"))()
        release(write())
"""


@pytest.fixture(autouse=True)
def file() -> Path:
    return write("flow.py", FLOW)


def asked() -> str:
    """The id of the run that waits for a decision, once one does."""
    wait_until(lambda: read_json("approvals"), "somebody is asked")
    return str(read_json("approvals")[0]["run"])


ANSWER = ('terms={"rate": 2, "until": "2013-01-02"}', "limit=7", "--by", "maria", "--note", "fine by me")


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_from_another_terminal_while_the_run_waits(executor: str) -> None:
    with start("run", "flow.py:flow", "--executor", executor) as running:
        run = asked()
        [shown] = read_json("approvals", run)
        assert (shown["task"], shown["question"]) == ("release", "Is the report fit to be sent?")
        assert shown["inputs"]["required"] == ["approved", "terms"]
        assert shown["given"] == {"write": "'report 7'"}
        told = read("approvals", run)
        assert "limit: int, or 5 if it is left out  (how many get it)" in told
        assert f"penstock approve {run} release terms=..." in told
        assert "for somebody to decide about release" in read("show", run)
        assert "waits for a decision: release" in read("runs")
        assert "waits for somebody to decide" in read("why", run, "release")
        assert penstock("approve", run, "release", *ANSWER).stdout == (
            f"Task release of run {run} is approved by maria: fine by me\n"
        )
        output, _ = running.communicate(timeout=60)
        assert running.returncode == 0
    assert f"Task release waits for somebody to decide: Is the report fit to be sent? (penstock approve {run}" in output
    record = read_json("show", run)
    decision = record["tasks"][1]["decision"]
    assert (decision["approved"], decision["by"], decision["note"]) == (True, "maria", "fine by me")
    assert decision["inputs"] == {"approved": True, "terms": {"rate": 2, "until": "2013-01-02"}, "limit": 7}
    assert "report 7 True 2 2013-01-02 7 maria" in penstock("show", run, "--values").stdout
    assert "approved by maria: fine by me" in read("show", run)
    assert "has ended already" in penstock("approve", run, "release", *ANSWER, code=4).stderr


def killed_while_it_waits(*arguments: str) -> str:
    with start("run", *arguments) as running:
        run = asked()
        running.kill()
    return run


def test_while_nobody_drives_the_run_it_counts_when_it_goes_on() -> None:
    run = killed_while_it_waits("flow.py:flow")
    told = penstock("reject", run, "release", 'terms={"rate": 1}', "--by", "maria").stdout
    assert told == (
        f"Task release of run {run} is rejected: that counts when the run goes on, which is interrupted\n"
        f"  penstock resume {run}   go on with it\n"
    )
    assert read_json("approvals") == []
    again = penstock("approve", run, "release", *ANSWER, code=4).stderr
    assert "has a decision of maria already, which counts when the run goes on" in again
    resumed = penstock("resume", run)
    assert "waits for somebody" not in resumed.stdout
    assert "report 7 False 1 None 5 maria" in penstock("show", run, "--values").stdout


class Later(SystemClock):
    """The clock of somebody who comes three hours later."""

    @staticmethod
    def time() -> float:
        return time() + 10_800


@pytest.mark.parametrize("decided", [True, False])
def test_one_that_came_in_time_counts_though_the_run_goes_on_after_the_deadline(decided: bool) -> None:
    run = killed_while_it_waits("flow.py:hasty")
    if decided:
        penstock("approve", run, "release", *ANSWER)
    with WorkflowManager(observers=[]) as manager:
        manager._clock = Later()
        one = manager.resume(run, raise_on_failure=False).task("release")
    assert one.state == ("success" if decided else "failed")
    assert decided or (one.error or "").startswith("ApprovalTimeout")


def test_a_decision_survives_a_kill_before_its_task_begins() -> None:
    """The one worker is busy, so that the task cannot begin; it is killed then."""
    with start("run", "flow.py:busy", "--workers", "1") as running:
        run = asked()
        Path("hold").touch()
        wait_until(Path("holding").exists, "the worker is busy")
        penstock("approve", run, "release", *ANSWER)
        running.kill()
    assert not Path("called").exists()
    Path("open").touch()
    resumed = penstock("resume", run)
    assert "waits for somebody" not in resumed.stdout
    assert "report 7 True 2 2013-01-02 7 maria" in penstock("show", run, "--values").stdout


def test_a_resume_after_a_failure_keeps_it_and_a_rerun_asks_anew() -> None:
    Path("broken").touch()
    with start("run", "flow.py:flow") as running:
        run = asked()
        penstock("approve", run, "release", *ANSWER)
        running.communicate(timeout=60)
        assert running.returncode == 1
    Path("broken").unlink()
    assert "waits for somebody" not in penstock("resume", run).stdout
    assert Path("called").read_text() == "xx"
    with start("rerun", run, "--only", "release") as running:
        assert asked() == run
        penstock("reject", run, "release", 'terms={"rate": 3}', "--by", "nick")
        running.communicate(timeout=60)
        assert running.returncode == 0
    assert "report 7 False 3 None 5 nick" in penstock("show", run, "--values").stdout


def test_what_is_hostile_is_refused_in_a_line() -> None:
    run = killed_while_it_waits("flow.py:flow")
    Path("big").write_bytes(b'"' + b"a" * 10_000_000 + b'"')
    for arguments, code in (
        (("release",), 2),
        (("release", "terms={}"), 2),
        (("release", 'terms={"rate": NaN}'), 2),
        (("release", 'terms={"rate": 1e999}'), 2),
        (("release", "terms=" + "[" * 100_000), 2),
        (("release", 'terms={"rate": 1}', "limit=" + "9" * 5_000), 2),
        (("release", "terms=@big"), 2),
        (("release", "terms=@nowhere"), 2),
        (("release", "terms"), 2),
        (("release", 'terms={"rate": 1}', "colour=red"), 2),
        (("release", 'terms={"rate": 1}', "--note", "\udcff"), 2),
        (("release", 'terms={"rate": 1}', "--by", ""), 2),
        (("write", 'terms={"rate": 1}'), 4),
        (("releas",), 3),
    ):
        done = here("approve", run, *arguments, code=code)
        assert "Traceback" not in done.stderr
        assert "should not happen" not in done.stderr
        assert done.stderr
    error = read_json("approve", run, "release", "limit=x", code=2)["error"]
    assert error["kind"] == "ParameterError"
    assert "input 'limit': 'x' does not read as int" in error["message"]
    penstock("approve", run, "release", 'terms={"rate": 1}', "--note", b"\xff", code=2)
    penstock("approve", "nope", "release", code=3)
    assert [one["task"] for one in read_json("approvals")] == ["release"], "nothing was sent"


def test_messages_are_sent_from_other_terminals() -> None:
    write(
        "mail.py",
        """\
        from penstock import task, wait_for_message, workflow

        @task
        def show(topic: str, value: object) -> None:
            print("got", topic, repr(value))

        @workflow
        def flow() -> None:
            for topic in ("json", "text", "no json", "nothing"):
                show(topic, wait_for_message(topic))
        """,
    )
    with start("run", "mail.py") as running:
        wait_until(lambda: read_json("runs") and read_json("show")["counts"].get("deferred") == 4, "all wait")
        run = str(read_json("runs")[0]["id"])
        for topic, *words in (("json", '{"amount": 2}'), ("text", "12", "--text"), ("no json", "NaN"), ("nothing",)):
            sent = penstock("send", run, topic, *words).stdout
            assert sent == f"Sent run {run} a message '{topic}'\n"
        output, _ = running.communicate(timeout=60)
    for shown in ("json {'amount': 2}", "text '12'", "no json 'NaN'", "nothing None"):
        assert f"got {shown}\n" in output
    assert "has ended already" in penstock("send", run, "paid", "1", code=4).stderr
    penstock("send", run, "paid", b"\xff", code=2)
    here("send", "nope", "paid", code=3)


def test_without_a_store_nothing_waits() -> None:
    assert read("approvals") == "Nothing waits for a decision\n"
    assert read_json("approvals") == []
    penstock("approve", "x", "y", code=3)
    assert not Path(".penstock").exists()
