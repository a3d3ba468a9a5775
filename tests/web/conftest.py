"""One service and one browser for the tests of a module; the browser's own loop ends with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.web.browser import Watched, browsing
from tests.web.site import Site, serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service, once it is sure that there is a browser."""
    with serving(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture
def watched(browser: Browser, site: Site) -> Iterator[Watched]:
    """A page on a wide screen. Nothing may have gone wrong in it."""
    one = Watched(browser, site.url)
    yield one
    one.close()
    assert one.wrong == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page
