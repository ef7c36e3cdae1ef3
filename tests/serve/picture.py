"""The picture of the page in the documentation, from a service that runs.

python -m tests.serve.picture http://127.0.0.1:8000 docs/page.png
"""

import sys

from tests.serve.browser import browsing

SIZE = {"width": 1440, "height": 900}


def main(address: str, path: str, example: str = "Chemistry: soap and viruses") -> None:
    with browsing(viewport=SIZE, color_scheme="light") as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_label("Example").select_option(label=example)
        page.get_by_role("button", name="Rerank").click()
        page.locator("table.slope").first.wait_for(timeout=300_000)
        page.mouse.move(0, 0)
        page.screenshot(path=path)


if __name__ == "__main__":
    main(*sys.argv[1:])
