"""The specification: complete, with examples, and true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.api.fuzz import fuzz
from tests.unit.api.served import Api, etl


@pytest.fixture
def specification(api: Api) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = api.get("/openapi.json")
    return found


def operations(specification: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in specification["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_says_what_it_does_and_what_may_go_wrong(specification: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(specification)]
    assert len({*names}) == len(names)
    for path, method, operation in operations(specification):
        where = f"{method} {path}"
        assert operation["description"], where
        assert operation["tags"], where
        problems = {status for status in operation["responses"] if status[0] == "4"}
        assert problems, where
        for status in problems:
            content = operation["responses"][status]["content"]
            assert [*content] == ["application/problem+json"], where
        for parameter in operation.get("parameters", ()):
            described = "description" in parameter or "examples" in parameter
            assert described or parameter["name"] == "idempotency-key", f"{where} {parameter['name']}"


def test_every_answer_has_a_schema(specification: dict[str, Any]) -> None:
    for path, method, operation in operations(specification):
        for status, answer in operation["responses"].items():
            if status in ("200", "201", "202"):
                assert answer["content"], f"{method} {path}"
                for content in answer["content"].values():
                    assert content["schema"], f"{method} {path}"


def test_the_examples_are_true_to_their_schemas(specification: dict[str, Any]) -> None:
    schemas = specification["components"]["schemas"]
    count = 0

    def check(schema: Any, where: str) -> None:
        nonlocal count
        if isinstance(schema, dict):
            for example in schema.get("examples", ()) if isinstance(schema.get("examples"), list) else ():
                whole = {**schema, "components": {"schemas": schemas}}
                jsonschema.validate(example, whole)
                count += 1
            for name, inner in schema.items():
                check(inner, f"{where}.{name}")
        elif isinstance(schema, list):
            for inner in schema:
                check(inner, where)

    check(schemas, "schemas")
    assert count > 15


def test_a_path_that_is_not_there_is_a_problem(api: Api) -> None:
    for method in ("GET", "POST", "DELETE"):
        api.refused(404, "/nothing", method)
    told = api.http.post("/api/v1/runs", json={})
    assert (told.status_code, told.headers["allow"]) == (405, "GET")
    assert api.http.post("/api/v1/pools/a", json={}).headers["allow"] == "DELETE, GET, PUT"


def test_an_answer_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    for path in ("/runs", f"/runs/{run.id}", f"/runs/{run.id}/logs", "/pools", "/openapi.json"):
        first = api.http.get(f"/api/v1{path}")
        again = api.http.get(f"/api/v1{path}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = api.http.get(f"/api/v1{path}", headers={"If-None-Match": '"other", W/"another"'})
        assert other.content == first.content
    tag = api.http.get("/api/v1/pools").headers["etag"]
    api.http.put("/api/v1/pools/warehouse", json={"slots": 1})
    changed = api.http.get("/api/v1/pools", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize(("known", "phases"), [(True, "examples,fuzzing"), (False, "fuzzing")])
def test_nothing_that_is_asked_breaks_it(tmp_path: Path, known: bool, phases: str) -> None:
    """A small part of what `make fuzz` does."""
    found = fuzz(tmp_path, ["--phases", phases, "--max-examples", "1"], known=known)
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]


def test_figures_are_told_to_prometheus(any_api: Api) -> None:
    any_api.manager.run(etl, raise_on_failure=False)
    any_api.http.put("/api/v1/pools/warehouse", json={"slots": 3})
    any_api.get("/runs")
    text = any_api.http.get("/api/v1/metrics").text
    assert 'penstock_runs{state="failed",workflow="etl"} 1.0' in text
    assert 'penstock_pool_slots{pool="warehouse"} 3.0' in text
    assert 'penstock_http_request_seconds_count{method="GET",route="/runs",status="200"} 1.0' in text


def test_the_first_page_has_everything_in_one_answer(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    home = any_api.get("/home")
    (failure,) = home["failures"]
    assert failure["run"]["id"] == run.id
    assert (failure["task"], failure["error"], failure["attempts"]) == ("load", "KeyError: 'day'", 2)
    assert failure["line"] == 'raise KeyError("day")'
    assert failure["place"].startswith(__file__.replace("test_specification", "served"))
    assert [one["id"] for one in home["recent"]] == [run.id]
    assert home["health"]["status"] == "ok"
    assert json.dumps(home)


def test_the_reference_names_every_request(specification: dict[str, Any]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text("utf-8")
    wanted = {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, method, _ in operations(specification)}
    assert {line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and " /" in line} == wanted
