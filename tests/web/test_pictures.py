"""The pictures in the docs can be taken, and each is shown there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.pictures import IMAGES, take

PAGE = IMAGES.parent / "how-to/web-ui.md"


@pytest.mark.timeout(600)
def test_the_pictures_of_the_docs_are_taken(browser, site, tmp_path: Path) -> None:
    taken = {picture.name for picture in take(browser, site, tmp_path)}
    assert all((tmp_path / name).stat().st_size > 5_000 for name in taken)
    assert taken == {path.name for path in IMAGES.glob("web-*.png")}
    assert all(f"../images/{name}" in PAGE.read_text() for name in taken)
