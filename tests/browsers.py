"""The browser of the tests that need one."""
import os
import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]


@contextmanager
def launched(flags=()):
    """Debian's chromium, driven by Playwright. Where there is none, the test is skipped, or fails in CI.

    flags: more for its command line; those for a GPU take the place of the one against it.
    """
    path = shutil.which("chromium")
    if not path:
        (pytest.fail if os.environ.get("GANLIB_REQUIRE_BROWSER") else pytest.skip)("no chromium in the PATH")
    with sync_playwright() as playwright:
        usual = [flag for flag in FLAGS if not flags or flag != "--disable-gpu"]
        yield playwright.chromium.launch(executable_path=path, args=[*usual, *flags])
