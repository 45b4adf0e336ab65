"""Real Chromium against `studio-broker local`, as a person would use it.

Each test has a world of its own: one `local` process that keeps nothing. The browser is one process
with a fresh context, without cookies, for each visitor.

| variable | default | what |
| --- | --- | --- |
| `STUDIO_BROKER_BIN` | `target/debug` | the folder of the program, or the program |
| `STUDIO_BROKER_CHROMIUM` | `/usr/bin/chromium` | the browser |
| `STUDIO_BROKER_SCREENSHOTS` | `tests/browser/screenshots` | where pictures of the pages go |

`python -m pytest tests/browser --pictures -k "one_page or fit or print"` makes the documentation's pictures anew
(`PICTURES`).
"""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from aws_models import pytest_terminal_summary  # noqa: F401
from local import Local
from playwright.sync_api import expect, sync_playwright
from visitor import Visitor

HERE = pathlib.Path(__file__).resolve().parent
SCREENSHOTS = pathlib.Path(os.environ.get("STUDIO_BROKER_SCREENSHOTS", HERE / "screenshots"))
# A busy machine is slow, and nothing that is waited for is about speed.
expect.set_options(timeout=30_000)
# Pages that the documentation shows, by the names that tests look at them with.
PICTURES = {
    "chooser-doors": HERE / "pictures/chooser.png",
    "waiting": HERE / "pictures/waiting.png",
    "access-report": HERE.parent / "cli/access-report.png",
}
# Nothing may resolve but this machine, so a request to elsewhere fails even where it is not seen.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


def pytest_addoption(parser):
    parser.addoption("--pictures", action="store_true", help="make the documentation's pictures anew")


def pytest_configure(config):
    # Once, and not by each of the processes that run files beside each other.
    if not hasattr(config, "workerinput"):
        shutil.rmtree(SCREENSHOTS, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium():
    program = os.environ.get("STUDIO_BROKER_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots():
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


@pytest.fixture
def start_local(tmp_path):
    """start_local(NAME=value, …): a world with these settings, until the test ends."""
    started = []

    def start(**settings):
        started.append(Local(tmp_path, settings))
        return started[-1]

    yield start
    for local in started:
        local.stop()


@pytest.fixture
def local(start_local):
    return start_local()


@pytest.fixture
def arrive(chromium, screenshots, request):
    """arrive(local, …): somebody with a browser of their own; options are those of a context.

    Whatever the test was about, nobody's browser went elsewhere or complained.
    """
    arrived = []
    pictures = PICTURES if request.config.getoption("--pictures") else {}

    def make(local, **options):
        arrived.append(Visitor(chromium, local, screenshots, pictures, options))
        return arrived[-1]

    yield make
    for visitor in arrived:
        visitor.leave()
    assert [url for visitor in arrived for url in visitor.went_elsewhere] == []
    assert [text for visitor in arrived for text in visitor.complaints] == []


@pytest.fixture
def visitor(arrive, local):
    return arrive(local)
