import pytest

from serve.http import create_app
from tests.serve.browser import browsing, chromium
from tests.serve.fake import KEY, FakeService
from tests.serve.server import HOST, serving

pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
if chromium() is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)


def test_an_example_of_the_documentation_is_sent_from_it():
    said, asked = [], []
    with serving(create_app(FakeService(KEY))) as port, browsing() as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://{HOST}:{port}/docs")
        page.fill("#key", KEY)
        page.click("summary:has-text('POST /rank')")
        page.click("details[open] button")
        answer = page.locator("details[open] pre", has_text="200")
        answer.wait_for()
        assert '"milliseconds"' in answer.text_content()
    assert not said
    assert all(url.startswith(f"http://{HOST}:{port}/") for url in asked)
