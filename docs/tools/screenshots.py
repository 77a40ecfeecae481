"""Take the pictures of docs/read-a-report.md: python docs/tools/screenshots.py [REPORT.html].

They are of the report that the page's first command writes, made anew. Needs playwright and Debian's chromium.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).resolve().parent.parent
IMAGES = DOCS / "images"
SELECT = ("--select", "crop-right-*", "--select", "photo-coffee*")
CASE = "photo-coffee-odd@224"
COLOURS = 256


def report(folder: Path) -> Path:
    """Score the port of docs/README.md and return its report.html."""
    code = re.search(r"```python\n(# my_port\.py\n.*?)```", (DOCS / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None, "docs/README.md has no my_port.py"
    (folder / "my_port.py").write_text(code[1], encoding="utf-8")
    words = [sys.executable, "-m", "clip_conformance", "check", "my_port.py:preprocess", "--report", "report", *SELECT]
    done = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 1:
        raise SystemExit(done.stdout + done.stderr)
    return folder / "report" / "report.html"


# The kernel's build names a machine, which is nobody's business.
SHORTEN = """() => document.querySelectorAll("dd").forEach((node) => {
  node.textContent = node.textContent.replace(/^(Linux-\\d+\\.\\d+)\\S*?(-x86_64)/, "$1$2");
})"""


def save(page: Page, name: str) -> None:
    """Save what a page shows, in few colours: it has few."""
    page.evaluate(SHORTEN)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


def main() -> None:
    """Take each picture in light and in dark."""
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else report(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1200, "height": 900}, color_scheme=scheme, reduced_motion="reduce", offline=True
            )
            page = context.new_page()
            page.goto(file.as_uri())
            save(page, f"report-{scheme}")
            page.goto(file.as_uri() + f"#case={CASE}")
            page.reload()
            page.wait_for_selector("#heat, .pictures img")
            page.wait_for_timeout(300)
            save(page, f"case-{scheme}")
        browser.close()


if __name__ == "__main__":
    main()
