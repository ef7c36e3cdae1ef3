"""How the page looks: light, dark, narrow, and to those who do not see it."""

import re

import pytest

from tests.serve.browser import browsing, chromium
from tests.serve.fake import FakeService
from tests.serve.pages import ask, opened, paged, rerank

sync_api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
if chromium() is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)

INTERACTIVE = {"button", "textbox", "combobox", "spinbutton", "slider", "radio", "link"}
TEXT_ON = [
    ("--ink", "--paper"),
    ("--ink", "--sheet"),
    ("--ink", "--wash"),
    ("--soft", "--paper"),
    ("--soft", "--sheet"),
    ("--soft", "--wash"),
    ("--accent", "--paper"),
    ("--accent", "--wash"),
    ("--on-accent", "--accent"),
    ("--bad", "--bad-wash"),
]


@pytest.fixture(scope="module")
def context():
    with browsing() as found:
        yield found


@pytest.fixture
def page(context):
    with paged(FakeService()) as address, opened(context, address) as (found, said):
        ask(found, "one two", "\n".join(["none", "one " * 80, "one two", "x" * 500]))
        yield found
        assert not said


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(page, scheme):
    page.emulate_media(color_scheme=scheme)
    names = sorted({name for pair in TEXT_ON for name in pair})
    values = page.evaluate(
        "names => names.map(name =>"
        " getComputedStyle(document.documentElement).getPropertyValue(name).trim())",
        names,
    )
    colours = dict(zip(names, map(luminance, values), strict=True))
    for text, ground in TEXT_ON:
        dark, light = sorted([colours[text], colours[ground]])
        # WCAG 2.2, 1.4.3.
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_dark_is_dark(page):
    def ground():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)))

    page.emulate_media(color_scheme="light")
    light = ground()
    page.emulate_media(color_scheme="dark")
    assert ground() < 100 < 600 < light


@pytest.mark.parametrize("width", [320, 360, 640, 1000, 1440])
def test_nothing_runs_off_the_page(page, width):
    page.set_viewport_size({"width": width, "height": 740})
    rerank(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for row in page.locator("#ranking tbody tr").all():
        box = row.locator("td.passage").bounding_box()
        assert box["width"] >= 100
        bar = row.locator(".bar").bounding_box()
        assert bar["x"] + bar["width"] <= width
    assert page.locator("#ranking .short").first.is_visible() == (width == 1440)


def test_every_control_has_a_name(page):
    rerank(page)
    page.get_by_text("Instruction and API key").click()
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node for node in nodes if not node["ignored"] and node["role"]["value"] in INTERACTIVE
    ]
    assert len(controls) > 15
    assert not [node for node in controls if not node.get("name", {}).get("value")]


def test_the_table_behind_the_lines_has_headers(page):
    rerank(page)
    tree = page.locator("#ranking").aria_snapshot()
    assert "table" in tree
    for name in ("Rank", "Passage", "Logit"):
        assert f'columnheader "{name}"' in tree
    assert 'rowheader "1 up 2, was 3"' in tree
    assert "First stage" not in tree


def test_motion_is_reduced_where_it_is_asked(page):
    page.emulate_media(reduced_motion="reduce")
    rerank(page)
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    line = page.locator("#ranking .lines path").first
    assert line.evaluate("each => getComputedStyle(each).transitionDuration") == "0s"
