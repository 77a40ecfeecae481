"""Debian's chromium through Playwright. Without them the tests skip, or fail where CLIP_BROWSER=all is set."""

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or ""
try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    expect = sync_playwright = None
missing = [name for name, there in (("playwright", sync_playwright), ("chromium", CHROMIUM)) if not there]
if missing and os.environ.get("CLIP_BROWSER") == "all":
    raise RuntimeError(f"CLIP_BROWSER=all, and {' and '.join(missing)} is missing")
needs_a_browser = pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} is missing")


def wait_for_pictures(page):
    page.wait_for_selector("#heat, .pictures img")
