"""The types that the pages know the API by are those of its specification."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from penstock import WorkflowManager
from penstock.api.app import create_app
from penstock.api.reading import Reading

WEB = Path(__file__).parents[2] / "web"
MAKER = WEB / "node_modules/.bin/openapi-typescript"


def test_the_types_of_the_pages_are_those_of_the_specification(tmp_path: Path) -> None:
    if not MAKER.exists():
        pytest.skip("openapi-typescript is not installed: make web")
    specification, made = tmp_path / "openapi.json", tmp_path / "schema.ts"
    with WorkflowManager("memory") as manager:
        specification.write_text(json.dumps(create_app(Reading(manager)).openapi()))
    subprocess.run([MAKER, specification, "-o", made], check=True, capture_output=True, timeout=60)
    known = WEB / "src/api/schema.ts"
    assert made.read_text() == known.read_text(), f"npm run schema, with OPENAPI={specification}"
