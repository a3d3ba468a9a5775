"""Drawings of what is more than tasks and edges: groups, maps, setups and teardowns, branches, rules."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from penstock import TaskGroup, chain, setup, task, task_group, teardown, workflow
from penstock.code.identity import Identify
from penstock.engine.states import TaskState
from penstock.observe.drawing import FORMATS, draw_dot, draw_mermaid, draw_svg, draw_text
from penstock.observe.drawing.excerpt import MOST_NODES, excerpt
from penstock.plan.compile import compile_workflow
from penstock.plan.plan import Plan

SVG = "{http://www.w3.org/2000/svg}"


@task
def work(*values: Any) -> Any:
    return values


@setup
def rent() -> str:
    return "room"


@teardown
def give_back(room: str) -> None: ...


@task.branch
def choose() -> str:
    return "load.full"


@task_group
def per_region(region: str) -> Any:
    return work.named("store")(work.named("fetch")(region))


def plan_of(function: Any) -> Plan:
    return compile_workflow(workflow(function).build({}), Identify()).plan


def etl() -> None:
    room = rent()
    regions = work.named("regions")()
    stored = per_region.expand(region=regions)
    with TaskGroup("load", retries=2) as load:
        ways = [work.named("full")(), work.named("rest").options(allow_failure=True)()]
        with TaskGroup("checks"):
            checked = work.named("check").options(trigger_rule="none_failed")()
        chain(ways, checked)
    chain(room, regions)
    chain(stored, choose(), ways)
    chain(load, work.named("mail")())
    chain(load, give_back(room))


PLAN = plan_of(etl)


def test_text_has_groups_with_what_is_in_them():
    assert draw_text(PLAN) == (
        "etl: 10 tasks, 12 edges\n"
        "\n"
        "1  rent                   (setup)\n"
        "2  regions                after rent\n"
        "3  per_region[]           after regions  (group, over regions)\n"
        "4    per_region.fetch     after regions\n"
        "5    per_region.store     after per_region.fetch\n"
        "6  choose                 after per_region.store  (branch)\n"
        "7  load                   (group, tried again 2 times)\n"
        "     load.full            after choose\n"
        "     load.rest            after choose  (may fail)\n"
        "8    load.checks          (group)\n"
        "       load.checks.check  after load.full, load.rest  (none_failed)\n"
        "9  mail                   after load.checks.check\n"
        "   give_back              after rent, load.checks.check  (teardown)\n"
    )


def test_mermaid_has_subgraphs_and_an_edge_to_a_mapped_one():
    drawn = draw_mermaid(PLAN)
    assert drawn.count("subgraph") == drawn.count("    end\n") == 3
    lines = [line.strip() for line in drawn.splitlines()]
    assert 'subgraph g0["per_region[]<br>over regions"]' in lines
    number = PLAN.numbers
    assert f"t{number['regions']} --> g0" in lines
    assert f"t{number['regions']} --> t{number['per_region.fetch']}" not in lines, "the group's box stands for it"
    assert f"t{number['rent']} -.- t{number['give_back']}" in lines
    inside = lines[lines.index('subgraph g2["checks"]') + 1]
    assert inside == f't{number["load.checks.check"]}["check<br>none_failed"]'


def test_dot_has_clusters_and_a_dotted_edge_to_the_teardown():
    drawn = draw_dot(PLAN)
    assert drawn.count("subgraph cluster_") == 3
    number = PLAN.numbers
    assert f"t{number['regions']} -> t{number['per_region']} [lhead=cluster_0];" in drawn
    assert f"t{number['rent']} -> t{number['give_back']} [style=dotted];" in drawn
    assert drawn.count("{") == drawn.count("}")


def test_svg_has_boxes_within_boxes():
    root = ET.fromstring(draw_svg(PLAN))
    titles = [frame.findtext(f"{SVG}title") for frame in root.iter(f"{SVG}g") if "frame" in frame.get("class", "")]
    assert titles == ["per_region", "load", "load.checks"]
    classes = [path.get("class") for path in root.iter(f"{SVG}path")]
    assert classes.count("edge scope") == 1
    assert len(classes) == 11, "the edge to a mapped group stands for that into it"
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert {"per_region[]over regions", "loadtried again 2 times", "checks", "check", "none_failed"} <= {*texts}
    assert {"setup", "teardown", "branch", "may fail"} <= {*texts}


def test_a_group_of_a_run_shows_the_worst_that_is_in_it():
    states = [TaskState.SUCCESS] * len(PLAN)
    states[PLAN.numbers["load.checks.check"]] = TaskState.FAILED
    widths = {PLAN.numbers["per_region"]: 7}
    root = ET.fromstring(draw_svg(PLAN, states, widths))
    frames = {
        frame.findtext(f"{SVG}title"): frame.get("class")
        for frame in root.iter(f"{SVG}g")
        if "frame" in frame.get("class", "")
    }
    assert frames == {
        "per_region: 3 success": "frame success",
        "load: 2 success, 1 failed": "frame failed",
        "load.checks: 1 failed": "frame failed",
    }
    for draw in FORMATS.values():
        assert "7 instances" in draw(PLAN, states, widths)
    assert "3  per_region[]           success          after regions  (group, 7 instances)\n" in draw_text(
        PLAN, states, widths
    )
    success = next(line for line in draw_mermaid(PLAN, states, widths).splitlines() if line.endswith(" success"))
    assert ",g0," in success


def wide(groups: int, tasks: int) -> Any:
    def flow() -> None:
        start = work.named("start")()
        for number in range(groups):
            with TaskGroup(f"g{number}"):
                first = work.named("first")(start)
                with TaskGroup("inner"):
                    for inner in range(tasks):
                        work.named(f"t{inner}")(first)

    return flow


def test_of_a_large_plan_groups_are_folded_the_innermost_first():
    part = excerpt(plan_of(wide(groups=20, tasks=MOST_NODES // 20)))
    assert [frame.label for frame in part.frames] == [f"g{number}" for number in range(20)]
    folded = [node for node in part.nodes if node.kind == "group"]
    assert {(node.label, *node.remarks) for node in folded} == {("inner", f"{MOST_NODES // 20} tasks")}
    assert part.notes == ["21 of 261 tasks are drawn; 20 groups folded."]

    part = excerpt(plan_of(wide(groups=50, tasks=5)))
    assert not part.frames
    assert part.notes == ["1 of 301 tasks are drawn; 50 groups folded."]
    assert len(part.edges) == 40, "39 groups, and one box for the others"


def test_a_path_that_leaves_a_group_and_comes_back_is_drawn():
    def back() -> None:
        with TaskGroup("group") as group:
            first = work.named("first")()
        between = work.named("between")(first)
        with group:
            work.named("last")(between)

    root = ET.fromstring(draw_svg(plan_of(back)))
    assert len(list(root.iter(f"{SVG}path"))) == 2


def test_a_mapped_group_without_tasks_is_drawn():
    @task_group
    def nothing(region: str) -> None: ...

    def empty() -> None:
        nothing.expand(region=["a"])

    for draw in FORMATS.values():
        assert "nothing" in draw(plan_of(empty), None, {})
