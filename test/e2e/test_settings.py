"""Goal of this test: a settings link opens its own shop's pages, once, in one browser, for a while; nobody else comes in,
and nothing can be done from another site."""
import pytest

import owner as pages
from conftest import PAUL, Shop
from owner import owner  # noqa: F401
from provider import Provider

pytestmark = pages.needed
PAULS = "106540352242922"


@pytest.fixture
def provider():
    with Provider(statuses="read") as p:
        yield p


@pytest.fixture
def paul(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", PAULS, verify=True)
    shop.products(PAUL)
    return shop


def test_a_link_opens_once(owner, paul):  # noqa: F811
    link = owner.come(paul)
    assert "#" not in owner.browser.current_url
    owner.shoot_both("status")
    owner.browser.get("about:blank")
    owner.browser.get(link["url"])
    assert "used already" in owner.text("#spent")
    assert "#" not in owner.browser.current_url
    owner.browser.get_log("browser")  # the 410 is the console's to tell
