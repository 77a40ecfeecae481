"""The fixtures: none is missing, none has changed since its goldens were made, each catches what it claims."""

import hashlib
import io
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps

import clip_fixtures.photos
import clip_spec
from clip_conformance.scoring.compare import compare
from clip_conformance.scoring.levels import level_of
from clip_fixtures import Fixture, build, digest, file_path, fixtures, goldens
from clip_fixtures.goldens import path as goldens_path
from clip_fixtures.patterns import blocks, noise, zone
from clip_reference import Rejected, preprocess, trace
from clip_reference.geometry import resized_size
from faulty import CANON, FAULTY

CATALOGUE = fixtures()
IMAGES = [fixture for fixture in CATALOGUE.values() if fixture.expect == "image"]
BUILT = [fixture for fixture in IMAGES if fixture.scope != "files"]
FILES = [fixture for fixture in CATALOGUE.values() if fixture.scope == "files"]
N_PX = clip_spec.sizes()


def slug(value: object) -> str | None:
    return value.slug if isinstance(value, Fixture) else None


def source(fixture: Fixture, n_px: int) -> Image.Image | Path:
    return file_path(fixture) if fixture.scope == "files" else build(fixture, n_px)


def level(fixture: Fixture, got: NDArray[np.float32], want: NDArray[np.float32]) -> str:
    return level_of("normalize", "cumulative", compare("normalize", got, want), fixture.mode)


# The catalogue.


@pytest.mark.clause("CNF-5")
def test_the_number_of_cases_is_that_of_this_revision() -> None:
    assert clip_spec.canon().spec == "1.0"
    counts = Counter(fixture.scope for fixture in CATALOGUE.values())
    assert counts == {"arrays": 164, "modes": 127, "files": 113}
    assert len(goldens(224)) >= 250


@pytest.mark.parametrize("fixture", CATALOGUE.values(), ids=slug)
def test_an_entry_is_complete(fixture: Fixture) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fixture.slug)
    assert fixture.clauses
    assert set(fixture.clauses) <= set(clip_spec.clauses())
    assert set(fixture.catches) <= {fault.id for fault in clip_spec.faults()}
    assert len(set(fixture.catches)) == len(fixture.catches)
    assert fixture.why
    assert "\n" not in fixture.why
    assert bool(fixture.file) == bool(fixture.provenance) == (fixture.scope == "files")
    if fixture.expect == "image":
        assert all(side >= 1 for n_px in N_PX for side in fixture.size_at(n_px))


@pytest.mark.parametrize("entry", ['slug = "one"\nslug2 = 1', 'slug = "one"', 'slug = "one"\nmode = 3'])
def test_a_wrong_entry_is_refused(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(tmp_path, [entry])
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    with pytest.raises(msgspec.ValidationError):
        fixtures.__wrapped__()


def test_a_slug_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = 'slug = "one"\nmode = "L"\nsize = [1, "2n-1"]\nclauses = []\ncatches = []\nwhy = ""'
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    write_catalogue(tmp_path, [entry])
    assert fixtures.__wrapped__()["one"].size_at(10) == (1, 19)
    write_catalogue(tmp_path, [entry, entry])
    with pytest.raises(ValueError, match="slug one is taken"):
        fixtures.__wrapped__()


def write_catalogue(folder: Path, entries: list[str]) -> None:
    (folder / "data").mkdir(exist_ok=True)
    for scope in ("modes", "files"):
        (folder / "data" / f"{scope}.toml").write_text("fixture = []\n")
    (folder / "data" / "arrays.toml").write_text("\n".join(f"[[fixture]]\n{entry}" for entry in entries))


def test_a_size_is_a_number_or_an_expression_in_n() -> None:
    fixture = CATALOGUE["pin-noise"]
    size = ("2n-1", 7)
    assert msgspec.structs.replace(fixture, size=size).size_at(224) == (447, 7)
    for wrong in ("n*2", "m", "n+", ""):
        with pytest.raises(ValueError, match="is not a number or an expression"):
            msgspec.structs.replace(fixture, size=(wrong, 1)).size_at(224)


# What must not be missing.


@pytest.mark.clause("CRP-1")
@pytest.mark.parametrize("n_px", N_PX)
def test_every_crop_margin_modulo_4_on_both_axes_with_nothing_to_resize(n_px: int) -> None:
    sizes = [fixture.size_at(n_px) for fixture in BUILT]
    wide = {(width - n_px) % 4 for width, height in sizes if height == n_px < width}
    tall = {(height - n_px) % 4 for width, height in sizes if width == n_px < height}
    assert wide == tall == {0, 1, 2, 3}


@pytest.mark.clause("SIZ-1", "SIZ-3")
@pytest.mark.parametrize("n_px", N_PX)
def test_sides_around_n_px(n_px: int) -> None:
    for axis in (0, 1):
        lengths = {fixture.size_at(n_px)[axis] for fixture in BUILT if fixture.scope == "arrays"}
        assert {1, n_px - 1, n_px, n_px + 1} <= lengths


@pytest.mark.clause("INP-3")
def test_every_mode_is_there_with_and_without_a_resize() -> None:
    modes = {mode.id for mode in clip_spec.canon().modes}
    assert {fixture.mode for fixture in BUILT} == modes
    assert {f.mode for f in BUILT if resized_size(*f.size_at(224), 224) == f.size_at(224)} == modes
    assert {f.mode for f in BUILT if resized_size(*f.size_at(224), 224) != f.size_at(224)} == modes


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("n_px", N_PX)
def test_images_that_make_all_other_stages_trivial(n_px: int) -> None:
    """The four rows of the table of CNF-4."""
    square = (n_px, n_px)
    shapes = [(f.mode, f.size_at(n_px), resized_size(*f.size_at(n_px), n_px)) for f in BUILT]
    assert {mode for mode, size, _ in shapes if size == square} == {fixture.mode for fixture in BUILT}
    assert sum(mode == "RGB" and size == square for mode, size, _ in shapes) >= 3
    assert sum(mode == "RGB" and size == resized != square for mode, size, resized in shapes) >= 8
    assert sum(mode == "RGB" and size != resized == square for mode, size, resized in shapes) >= 8


# The same bytes as when the goldens were made.


@pytest.mark.parametrize("n_px", N_PX)
def test_goldens_of_every_image_and_of_nothing_else(n_px: int) -> None:
    assert set(goldens(n_px)) == {fixture.slug for fixture in IMAGES}
    for found in goldens(n_px).values():
        assert list(found) == list(clip_spec.stage_ids())
        assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in found.values())


def test_goldens_of_every_n_px_and_of_no_other() -> None:
    files = {path.name for path in goldens_path(224).parent.iterdir()}
    assert files == {f"{n_px}.json" for n_px in N_PX}
    with pytest.raises(FileNotFoundError):
        goldens(225)


@pytest.mark.clause(
    "CNF-1", "DEC-1", "DEC-2", "DEC-3", "DEC-4", "DEC-5", "DEC-6", "DEC-7", "DEC-9",
    "RSZ-2", "NEA-2", "ALP-3", "DEP-1", "DEP-2", "DEP-3", "DEP-4", "CRP-2", "RGB-4",
)  # fmt: skip
@pytest.mark.parametrize("scope", ["arrays", "modes", "files"])
@pytest.mark.parametrize("n_px", N_PX)
def test_the_reference_reproduces_the_goldens_of_every_stage(n_px: int, scope: str) -> None:
    wrong = []
    for fixture in IMAGES:
        if fixture.scope == scope:
            traced = trace(source(fixture, n_px), n_px)
            found = {stage: digest(getattr(traced, stage)) for stage in clip_spec.stage_ids()}
            wrong += [(fixture.slug, s) for s in found if found[s] != goldens(n_px)[fixture.slug][s]]
    assert wrong == []


def test_the_bytes_of_recipes() -> None:
    assert digest(noise(37, 23, 3)) == "8f617e9aa2973f95f5554e7928a6a5f4e32038d89ca9acd197da60c25b110c88"
    assert digest(zone(64, 48, 3)) == "75891a888e5ffafd1f19ae22734f31d18537685f497937974fbfd96a8a3f899d"
    assert digest(blocks(50, 41, 4)) == "535b18f79ef5a37768f33916831943793886d7f37a39b618c293ad6b6011072b"


@pytest.mark.parametrize(
    ("name", "shape"), [("astronaut", (512, 512, 3)), ("chelsea", (300, 451, 3)), ("coffee", (400, 600, 3))]
)
def test_a_photograph_is_the_one_that_the_goldens_were_made_from(name: str, shape: tuple[int, ...]) -> None:
    pixels = clip_fixtures.photos.photo(name)
    assert (pixels.shape, pixels.dtype) == (shape, np.uint8)
    assert not pixels.flags.writeable


def test_another_edition_of_a_photograph_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    Image.fromarray(clip_fixtures.photos.photo("coffee") ^ 1).save(tmp_path / "data" / "coffee.png")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    with pytest.raises(ValueError, match="not the one that the goldens were made from"):
        clip_fixtures.photos.photo.__wrapped__("coffee")
    with pytest.raises(FileNotFoundError):
        clip_fixtures.photos.photo.__wrapped__("chelsea")


@pytest.mark.parametrize("fixture", FILES, ids=slug)
def test_an_encoded_file_is_the_one_of_the_catalogue(fixture: Fixture) -> None:
    assert hashlib.sha256(file_path(fixture).read_bytes()).hexdigest() == fixture.sha256


def test_there_are_no_stray_files() -> None:
    folder = file_path(FILES[0]).parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(fixture.file for fixture in FILES)


@pytest.mark.clause("DEC-4", "DEC-5", "DEC-6", "DEC-7", "DEC-9")
@pytest.mark.parametrize("fixture", [f for f in FILES if f.expect == "image"], ids=slug)
def test_a_file_decodes_to_the_mode_and_size_of_the_catalogue(fixture: Fixture) -> None:
    with Image.open(file_path(fixture)) as image:
        image.load()
        assert (image.mode, image.size) == (fixture.mode, fixture.size)


# Each catches what it claims.


PASSING = ("exact", "equivalent")


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("fixture", [f for f in BUILT if f.catches], ids=slug)
def test_a_fixture_catches_the_mistakes_that_it_claims(fixture: Fixture) -> None:
    image = build(fixture, 224)
    want = preprocess(image)
    for fault in fixture.catches:
        assert level(fixture, FAULTY[fault](image), want) not in PASSING, fault


# 22 725 rows: the faulty pipelines' dense float64 matrix from height to height would take 4 GB.
TOO_TALL_FOR_A_DENSE_MATRIX = {"tall-scroll"}


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("fixture", [f for f in BUILT if f.slug not in TOO_TALL_FOR_A_DENSE_MATRIX], ids=slug)
def test_the_same_pipeline_without_a_mistake_passes(fixture: Fixture) -> None:
    """So that it is the mistake that was caught, and not how the pipeline is written."""
    image = build(fixture, 224)
    assert level(fixture, CANON(image), preprocess(image)) in PASSING


def test_every_broken_pipeline_is_claimed_and_so_proved() -> None:
    assert set(FAULTY) == {fault for fixture in BUILT for fault in fixture.catches}


@pytest.mark.clause("CNF-2")
def test_what_numbers_cannot_excuse() -> None:
    fixture = CATALOGUE["pin-noise"]
    want = preprocess(build(fixture, 224))
    assert level(fixture, want.copy(), want) == "exact"
    one_nan = want.copy()
    one_nan[0, 0, 0] = np.nan
    for got in (one_nan, want[:, :-1], want[None]):
        assert level(fixture, got, want) == "divergent"


# Mistakes of decoding and of modes, as Pillow can be made to commit them.


def opened(fixture: Fixture) -> Image.Image:
    image = Image.open(io.BytesIO(file_path(fixture).read_bytes()))
    image.load()
    return image


def last_frame(fixture: Fixture) -> Image.Image:
    image = opened(fixture)
    image.seek(image.n_frames - 1)
    return image


def inverted(fixture: Fixture) -> Image.Image:
    return opened(fixture).point(lambda value: 255 - value)


def draft(fixture: Fixture) -> Image.Image:
    image = Image.open(io.BytesIO(file_path(fixture).read_bytes()))
    image.draft("RGB", (224, 224))
    return image


def over(colour: tuple[int, int, int]) -> Callable[[Fixture], Image.Image]:
    def compose(fixture: Fixture) -> Image.Image:
        image = opened(fixture).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image).convert("RGB")

    return compose


def over_background(fixture: Fixture) -> Image.Image:
    """The background colour of a GIF (an index) or of a PNG (chunk bKGD)."""
    image = opened(fixture)
    if "background" in image.info:
        index = 3 * image.info["background"]
        red, green, blue = image.getpalette()[index : index + 3]
    else:
        data = file_path(fixture).read_bytes()
        red, green, blue = struct.unpack_from(">3H", data, data.index(b"bKGD") + 4)
    return over((red, green, blue))(fixture)


def high_byte(fixture: Fixture) -> Image.Image:
    return Image.fromarray((np.asarray(opened(fixture)).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def other_mode(fixture: Fixture) -> Image.Image:
    image = opened(fixture)
    if image.mode == "1":
        return image.convert("L")
    palette = Image.frombytes("P", image.size, image.tobytes())
    palette.putpalette(bytes(value for value in range(256) for _ in range(3)))
    return palette


def with_profile(fixture: Fixture) -> Image.Image:
    image = opened(fixture)
    profile = io.BytesIO(image.info["icc_profile"])
    return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))


def with_gamma(fixture: Fixture) -> Image.Image:
    image = opened(fixture)
    exponent = 1 / (image.info["gamma"] * 2.2)
    return image.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)


SIMULATED: dict[str, Callable[[Fixture], Image.Image]] = {
    "exif-applied": lambda fixture: ImageOps.exif_transpose(opened(fixture)),
    "icc-applied": with_profile,
    "gamma-applied": with_gamma,
    "jpeg-draft": draft,
    "cmyk-not-inverted": inverted,
    "last-frame": last_frame,
    "sixteen-bit-scaled": high_byte,
    "palette-expanded": lambda fixture: opened(fixture).convert("RGB"),
    "transparency-applied": lambda fixture: opened(fixture).convert("RGBA"),
    "decode-mode-changed": other_mode,
    "rgb-first": lambda fixture: opened(fixture).convert("RGB"),
    "alpha-over-white": over((255, 255, 255)),
    "alpha-over-black": over((0, 0, 0)),
    "alpha-over-background": over_background,
    "channel-bgr": lambda fixture: Image.merge("RGB", opened(fixture).split()[::-1]),
}
# Inside the JPEG decoder, where Pillow has no switch for them.
NOT_SIMULATED = {"jpeg-fast-dct", "jpeg-simple-upsampling"}


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.clause("DEC-1", "DEC-2", "DEC-3", "DEC-4", "DEC-6", "DEC-7", "RSZ-1")
@pytest.mark.parametrize("fixture", [f for f in FILES if f.expect == "image" and f.catches], ids=slug)
def test_a_file_catches_the_mistakes_that_it_claims(fixture: Fixture) -> None:
    want = preprocess(file_path(fixture))
    for fault in set(fixture.catches) - NOT_SIMULATED:
        assert level(fixture, preprocess(SIMULATED[fault](fixture)), want) not in PASSING, fault


@pytest.mark.clause("DEC-8")
@pytest.mark.parametrize("fixture", [f for f in FILES if "truncated-accepted" in f.catches], ids=slug)
def test_a_truncated_file_could_be_accepted(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Pillow's switch it becomes an image: the mistake can be made, and the canon does not make it."""
    with pytest.raises(Rejected, match=r"^DEC-8: "):
        preprocess(file_path(fixture))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert preprocess(file_path(fixture)).shape == (3, 224, 224)


@pytest.mark.clause("DEC-8")
@pytest.mark.parametrize("name", ["png-rgb8", "png-p8"])
def test_a_wrong_checksum_and_a_missing_end_are_no_reason_to_refuse(name: str, tmp_path: Path) -> None:
    path = file_path(CATALOGUE[name])
    data = bytearray(path.read_bytes())
    start = data.index(b"IDAT")
    end = start + 4 + int.from_bytes(data[start - 4 : start])
    assert zlib.crc32(data[start:end]) == int.from_bytes(data[end : end + 4])
    data[end] ^= 255
    damaged = tmp_path / "damaged.png"
    for content in (data, data[: data.index(b"IEND") - 4], data + b"more"):
        damaged.write_bytes(content)
        assert np.array_equal(preprocess(damaged), preprocess(path))


def test_every_known_mistake_is_proved_or_listed_as_not() -> None:
    proved = {*FAULTY, *SIMULATED, "truncated-accepted"}
    assert proved | NOT_SIMULATED == {fault.id for fault in clip_spec.faults()}
    assert not proved & NOT_SIMULATED
