"""A real browser, and the pages that it opens."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from .studies import MADE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found)
        yield started
        started.close()


@dataclass
class Seen:
    """What a page did beside showing itself."""

    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser):
    """Open a file, with nothing around it, until its charts are drawn.

    When it is closed it has asked for nothing but itself, and has said nothing.
    """

    @contextmanager
    def open_it(
        path: Path, link: str = "", size: tuple[int, int] = (1280, 900), **context
    ) -> Iterator[Page]:
        seen = Seen()
        around = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            offline=True,
            **context,
        )
        page = around.new_page()
        page.on("console", lambda message: seen.said.append(message.text))
        page.on("pageerror", lambda error: seen.said.append(str(error)))
        page.on("dialog", lambda dialog: seen.said.append(dialog.message))
        page.on("request", lambda request: seen.asked.append(request.url))
        page.goto(f"{path.as_uri()}{link}")
        if context.get("java_script_enabled", True):
            ready(page)
        yield page
        around.close()
        local = (path.as_uri(), "data:", "blob:")
        assert [url for url in seen.asked if not url.startswith(local)] == []
        assert seen.said == []

    return open_it


def ready(page: Page) -> None:
    """Wait until all charts are what was chosen, those out of sight too."""
    page.wait_for_selector("html[data-ready=all]", state="attached", timeout=120_000)


@pytest.fixture(scope="session")
def made(once) -> Callable[[str], Path]:
    """The page of a kind of study, below whose folder are its results."""
    return lambda kind: once(f"page-{kind}", MADE[kind]) / "report.html"
