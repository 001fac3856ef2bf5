"""A real browser for the tests of pages: Chromium, asked through selenium."""
import os

import pytest

import conftest
from conftest import ROOT

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = Keys = None
needed = pytest.mark.skipif(not (webdriver and os.path.exists(CHROMIUM) and os.path.exists(DRIVER)),
                            reason="skipped: apt-get install python3-selenium chromium chromium-driver")

SHOTS = ROOT / "build" / "screenshots"
FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync --disable-dev-shm-usage""".split()
WIDE, NARROW = (1280, 800), (360, 740)


def wait_for(what, timeout=10):
    """Less often than elsewhere: a browser is asked, and has work of its own."""
    return conftest.wait_for(what, timeout, every=0.1)


class Browser:
    """One page in a browser of its own."""

    def __init__(self, directory):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in [*FLAGS, f"--user-data-dir={directory}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.browser = webdriver.Chrome(service=Service(DRIVER), options=options)
        self.look(*WIDE)

    def look(self, width, height, scheme="light"):
        """The size of what is seen, which is not the window's: headless windows have a least width."""
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                     {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                     {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def seen(self, selector):
        try:
            return [e for e in self.all(selector) if e.is_displayed()]
        except StaleElementReferenceException:
            return []

    def one(self, selector, timeout=10):
        found = wait_for(lambda: self.seen(selector), timeout)
        assert found, f"{selector} is not to be seen; the page says: {self.js('return document.body.innerText')}"
        return found[0]

    def once_more(self, selector, do, timeout=10):
        """do(element), again where the page replaced the element meanwhile."""
        for _ in range(5):
            try:
                return do(self.one(selector, timeout))
            except StaleElementReferenceException:
                continue
        raise AssertionError(f"{selector} never stays")

    def click(self, selector, **more):
        self.once_more(selector, lambda e: e.click(), **more)

    def enter(self, selector):
        self.once_more(selector, lambda e: e.send_keys(Keys.ENTER))

    def text(self, selector, **more):
        return self.once_more(selector, lambda e: e.text, **more)

    def js(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def shoot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        assert self.browser.save_screenshot(str(SHOTS / f"{name}.png"))

    def complaints(self):
        """What the console got: errors, and whatever the content policy stopped."""
        return [e["message"] for e in self.browser.get_log("browser")]
