"""The contact sheet: a cell for every fixture, no two on one spot, the same picture every time."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from clip_fixtures import fixtures, sheet
from clip_fixtures.thumbnails import thumbnail

FEW = ("pin-gradient", "tiny-3", "sides-300x2", "grey-alpha-premultiplied", "jpeg-444", "jpeg-empty")


def chosen() -> list[sheet.Fixture]:
    return [fixtures()[slug] for slug in FEW]


def test_every_fixture_has_a_cell_in_catalogue_order() -> None:
    laid = sheet.lay_out(fixtures().values())
    assert [cell.slug for cell in laid.cells] == list(fixtures())
    counts = [sum(f.scope == scope for f in fixtures().values()) for scope in ("arrays", "modes", "files")]
    assert [int(text.rpartition("(")[2].rstrip(")")) for text, _ in laid.headings] == counts


def test_nothing_overlaps() -> None:
    laid = sheet.lay_out(fixtures().values())
    places = [(cell.top, cell.left) for cell in laid.cells]
    assert len(set(places)) == len(places)
    for (top, left), (next_top, next_left) in pairwise(places):
        assert next_left >= left + sheet.CELL_WIDTH if next_top == top else next_top >= top + sheet.CELL_HEIGHT
    for _, top in laid.headings:
        assert not any(cell.top - 30 < top < cell.top + sheet.CELL_HEIGHT for cell in laid.cells)
    assert max(cell.left + sheet.THUMB for cell in laid.cells) < laid.width
    assert max(cell.top + sheet.CELL_HEIGHT for cell in laid.cells) <= laid.height


@pytest.mark.parametrize("slug", fixtures())
def test_label_is_whole_and_fits(slug: str) -> None:
    lines = sheet.slug_lines(slug)
    assert "".join(lines) == slug
    assert len(lines) <= 2
    assert max(map(sheet.width_of, lines)) <= sheet.LABEL_WIDTH


def test_output_is_deterministic() -> None:
    first, second = (sheet.encode(sheet.draw(sheet.lay_out(chosen()), 224)) for _ in range(2))
    assert first == second


def test_cells_show_the_fixtures() -> None:
    laid = sheet.lay_out(chosen())
    with Image.open(io.BytesIO(sheet.encode(sheet.draw(laid, 224)))) as opened:
        drawn = np.asarray(opened.convert("RGB")).astype(int)
    assert drawn.shape == (laid.height, laid.width, 3)
    for cell in laid.cells:
        shown = drawn[cell.top : cell.top + sheet.THUMB, cell.left : cell.left + sheet.THUMB]
        if cell.fixture.expect == "reject":
            middle = shown[sheet.THUMB // 2 - 1, sheet.THUMB // 2 - 1]
            assert middle[0] > middle[1] + 100  # the red cross
        else:
            want = sheet.enlarged(thumbnail(cell.fixture, 224, sheet.THUMB), sheet.THUMB)
            top, left = (sheet.THUMB - want.shape[0]) // 2, (sheet.THUMB - want.shape[1]) // 2
            got = shown[top : top + want.shape[0], left : left + want.shape[1]]
            assert np.abs(got.mean((0, 1)) - want.mean((0, 1))).max() < 4, cell.slug


@pytest.mark.parametrize("slug", ["tiny-1", "sides-4000x300", "sides-300x4000", "uint16-be-pin", "png-p8"])
def test_thumbnail_is_small_rgb(slug: str) -> None:
    small = thumbnail(fixtures()[slug], 224, 96)
    width, height = fixtures()[slug].size_at(224)
    assert small.dtype == np.uint8
    assert small.shape[2] == 3
    assert max(small.shape[:2]) == min(96, max(width, height))
    assert small.shape[0] / small.shape[1] == pytest.approx(height / width, rel=0.15)


def test_command_writes_a_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "fixtures", lambda: {slug: fixtures()[slug] for slug in FEW})
    outcome = CliRunner().invoke(sheet.main, [str(tmp_path / "sheet.png"), "--n-px", "288"])
    assert outcome.exit_code == 0, outcome.output
    with Image.open(tmp_path / "sheet.png") as opened:
        assert opened.format == "PNG"
