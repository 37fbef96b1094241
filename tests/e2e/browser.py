"""A Chromium that is watched: other hosts, console errors, broken policies and accessibility."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]
PASSWORD = "seven calm otters"


@dataclass
class Watched:
    """A page, and what went wrong on it. `address` is the console's, without a slash at the end."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        own = urlsplit(self.address).netloc
        self.page.on("console", lambda said: self._heard(said.type, said.text))
        self.page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        self.page.on("request", lambda request: self._left(request.url, own))

    def _heard(self, kind: str, text: str) -> None:
        # A form that was refused is answered with 422, which the browser reports as a failed load.
        if kind in {"error", "warning"} and "422" not in text:
            self.problems.append(f"console {kind}: {text}")

    def _left(self, url: str, own: str) -> None:
        if not url.startswith(("data:", "about:", "blob:")) and urlsplit(url).netloc != own:
            self.problems.append(f"request to another host: {url}")

    def open(self, path: str) -> None:
        """Go to a page and look at it."""
        self.page.goto(f"{self.address}{path}")
        self.look()

    def press(self, name: str) -> None:
        """Press the button of this name in the page's main part, and look at what comes."""
        self.page.locator("main").get_by_role("button", name=name, exact=True).first.click()
        self.page.wait_for_load_state()
        self.look()

    def look(self) -> None:
        """Nothing may be wrong: neither what was heard so far nor what axe finds, nor may the page be too wide."""
        assert self.problems == [], self.page.url
        found = Axe().run(self.page).response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == [], self.page.url
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, self.page.url

    def sign_in(self, username: str) -> None:
        """Sign in, with the password that all people of the tests have."""
        self.open("/sign-in/")
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", PASSWORD)
        self.press("Sign in")

    @property
    def text(self) -> str:
        """What stands in the main part."""
        return self.page.locator("main").inner_text()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium of this machine or of playwright. Skips the test without one; with CI=true that is an error."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except Error as error:
            reason = f"no Chromium: {error.message.splitlines()[0]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        yield browser
        browser.close()
