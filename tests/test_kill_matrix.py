"""The kill matrix: every simulated mistake is killed in each of its ways, and the documents say what is found."""

import math

import msgspec
import pytest
from click.testing import CliRunner

import clip_spec
from clip_conformance import kill_matrix, subjects
from clip_conformance.diagnosis.variant import CANON, Variant, changes
from clip_conformance.kill_matrix import ACCEPTING, LETTERS, Cell, documents, fault_row, folder, killers, measure
from clip_fixtures import fixtures

PAGE = (folder() / "kill-matrix.md").read_text(encoding="utf-8")
DATA = msgspec.json.decode((folder() / "kill-matrix.json").read_bytes())
FAULTS = list(subjects.simulated())
FAULT = {fault.id: fault for fault in clip_spec.faults()}
# Of every stage; of mistakes that show in one scope alone, in two and in all.
SAMPLE = [
    "icc-applied", "jpeg-draft", "last-frame", ACCEPTING, "decode-mode-changed", "filter-bilinear", "reducing-gap",
    "vertical-first", "size-factor-first", "nearest-centred", "noop-premultiplied", "crop-half-up", "cmyk-naive",
    "bands-as-rgb", "scale-256", "std-shared", "half-precision",
]  # fmt: skip


def documented(fault):
    """The fixtures that the committed matrix says kill a mistake."""
    row = dict(zip(DATA["fixtures"], DATA["faults"][fault], strict=True))
    passing = {LETTERS["exact"], LETTERS["equivalent"]}
    return [slug for slug, letter in row.items() if letter not in passing] + (
        DATA["opened"] if fault == ACCEPTING else []
    )


def test_every_mistake_is_simulated_or_listed_as_not():
    assert list(DATA["faults"]) == FAULTS
    assert DATA["not_simulated"] == subjects.not_simulated()
    assert {*FAULTS, *DATA["not_simulated"]} == {fault.id for fault in clip_spec.faults()}
    assert subjects.not_simulated() == ["jpeg-simple-upsampling", "jpeg-fast-dct"]
    for fault in DATA["not_simulated"]:
        assert f"`{fault}`" in PAGE


@pytest.mark.parametrize("fault", FAULTS)
def test_every_mistake_is_killed_in_each_of_its_ways(fault):
    """But for the ways that the document lists, and never the first."""
    slugs = sorted(documented(fault), key=lambda slug: (f"{slug} (" not in row_of(fault), slug))
    assert slugs
    alive = PAGE.split("Ways that no image kills: ")[1].splitlines()[0]
    for index, way in enumerate(changes(FAULT[fault])):
        variants = {fault: Variant(**way)}
        killed = any(measure(variants, [fixtures()[slug]])[fault][slug].killed for slug in slugs)
        listed = f"{fault} ({', '.join(f'{name} {value}' for name, value in way.items())})" in alive
        assert killed != listed, way
        assert killed or index, way


def row_of(fault):
    return next(line for line in PAGE.splitlines() if line.startswith(f"| {fault} |"))


def test_the_documents_agree_with_a_recomputation():
    variants = subjects.simulated()
    matrix = measure({fault: variants[fault] for fault in SAMPLE}, fixtures().values())
    made = msgspec.json.decode(documents(matrix, [])["kill-matrix.json"])
    assert made["fixtures"] == DATA["fixtures"]
    assert made["opened"] == DATA["opened"]
    for fault in SAMPLE:
        assert made["faults"][fault] == DATA["faults"][fault], fault
        assert fault_row(matrix, fault) == row_of(fault)


def test_the_documents_agree_with_each_other():
    for fault in FAULTS:
        assert int(row_of(fault).split("|")[3]) == len(documented(fault)) > 0
    rows = {line.split("|")[1].strip() for line in PAGE.split("## By fixture")[1].splitlines() if line[:3] > "| -"}
    assert rows - {"Fixture", "---"} == set(fixtures())


def test_the_canon_is_killed_nowhere():
    chosen = [
        fixtures()[slug] for slug in ("pin-values", "rgba-down", "palette-down", "jpeg-420-large", "down-333-noise")
    ]
    for cells in measure({"canon": CANON}, chosen)["canon"].values():
        assert cells == Cell("exact", 0.0)


def test_accepting_shows_where_the_canon_refuses():
    truncated, two_bands = fixtures()["jpeg-truncated"], fixtures()["pin-values"]
    variant = subjects.simulated()[ACCEPTING]
    cells = measure({ACCEPTING: variant, "canon": CANON}, [truncated, two_bands])
    assert cells[ACCEPTING] == {truncated.slug: Cell("divergent", math.inf), two_bands.slug: Cell("exact", 0.0)}
    assert list(killers(cells, ACCEPTING)) == [truncated.slug]


def test_a_stale_document_is_found(tmp_path, monkeypatch):
    matrix = {"squash": {fixture.slug: Cell("divergent", 7.0) for fixture in subjects.images()}, ACCEPTING: {}}
    matrix[ACCEPTING] = {fixture.slug: Cell("exact", 0.0) for fixture in subjects.images()}
    monkeypatch.setattr(kill_matrix, "measure_on_all_cores", lambda variants, chosen: matrix)
    monkeypatch.setattr(kill_matrix, "surviving_ways", lambda matrix: [])
    monkeypatch.setattr(kill_matrix, "folder", lambda: tmp_path)
    run = CliRunner().invoke
    missing = run(kill_matrix.main, [])
    assert missing.exit_code == 1
    assert "out of date" in missing.output
    run(kill_matrix.main, ["--write"])
    # One is alive.
    assert "alive: truncated-accepted" in run(kill_matrix.main, []).output
    del matrix[ACCEPTING]
    matrix[ACCEPTING] = {"jpeg-truncated": Cell("divergent", math.inf)}
    matrix[ACCEPTING] |= {fixture.slug: Cell("exact", 0.0) for fixture in subjects.images()}
    assert run(kill_matrix.main, ["--write"]).exit_code == run(kill_matrix.main, []).exit_code == 0
    page = tmp_path / "kill-matrix.md"
    page.write_text(page.read_text().replace("(7)", "(8)"))
    stale = run(kill_matrix.main, [])
    assert stale.exit_code == 1
    assert "(8)" in stale.output


def test_all_cores_find_what_one_finds():
    chosen = [fixtures()[slug] for slug in ("pin-values", "crop-right-3", "jpeg-truncated", "down-333-noise")]
    every = subjects.simulated()
    variants = {fault: every[fault] for fault in ("squash", "crop-floor", ACCEPTING)}
    together = kill_matrix.measure_on_all_cores(variants, chosen)
    assert together == measure(variants, chosen)
    assert [list(cells) for cells in together.values()] == [list(cells) for cells in measure(variants, chosen).values()]
