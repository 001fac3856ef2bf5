"""A shop owner in front of the settings pages: comes by a link, looks, types, and is shown nothing he must not see."""
import pathlib

import pytest

import browser
from browser import NARROW, SHOTS, WIDE, Browser, Keys, wait_for  # noqa: F401


ACCESSIBLE = pathlib.Path(__file__).with_name("accessible.js").read_text()


class Owner(Browser):
    """One shop owner's browser."""

    def come(self, business):
        """Opens a fresh settings link of the business."""
        answer = business.gateway.api("POST", business.path("settings-links"))
        assert answer.status == 201, answer.body
        self.base = answer.json["url"].split("/settings/")[0]
        self.browser.get(answer.json["url"])
        if wait_for(lambda: self.seen("nav") or self.seen("#other")) and self.seen("#other"):
            self.click("#instead")  # another shop's pages were open in this browser
        self.one("nav")
        assert self.browser.current_url == self.base + "/settings/"
        return answer.json

    def go(self, name):
        self.browser.get(f"{self.base}/settings/{name}")
        return self.one("h1")

    def words(self):
        """All that the page says, as it is seen."""
        return self.js("return document.querySelector('main').innerText")

    def says(self, part, timeout=10):
        assert wait_for(lambda: part in self.words(), timeout), self.words()

    def shoot_both(self, name):
        """At 360 and at 1280 pixels, and dark; nothing is wider than the screen, and nothing keeps anybody out."""
        for width, size, scheme in (("narrow", NARROW, "light"), ("narrow", NARROW, "dark"), ("wide", WIDE, "light")):
            self.look(*size, scheme=scheme)
            wide = self.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} is {wide} pixels too wide at {size[0]}"
            faults = self.js(ACCESSIBLE)
            assert not faults, (name, size, scheme, faults)
            self.shoot(f"settings-{name}-{width}-{scheme}")
        self.look(*WIDE)


@pytest.fixture
def owner(tmp_path):
    o = Owner(tmp_path / "profile")
    yield o
    try:
        assert not o.complaints()
    finally:
        o.browser.quit()


needed = browser.needed
