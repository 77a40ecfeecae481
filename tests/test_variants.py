"""The diagnosis' simulator: at the canon it is the reference, with a mistake the pipeline that was written apart."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

import clip_spec
from clip_conformance.diagnosis import frame, simulate
from clip_conformance.diagnosis.acts import signature
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.kernels import Axis, Geometry
from clip_conformance.diagnosis.moves import moves
from clip_conformance.diagnosis.picture import Pictures, picture
from clip_conformance.diagnosis.probes import Probe
from clip_conformance.diagnosis.resampling import resample
from clip_conformance.diagnosis.search import Budget, Search
from clip_conformance.diagnosis.variant import CANON, changed, changes
from clip_fixtures import build, file_path, fixtures
from clip_reference import Stages, trace
from clip_reference.geometry import crop_box, resized_size
from faulty import FAULTY

N = 224
CATALOGUE = fixtures()
IMAGES = [fixture for fixture in CATALOGUE.values() if fixture.expect == "image"]
RGB = [fixture.slug for fixture in IMAGES if fixture.scope == "arrays"]
FAULTS = {fault.id: fault for fault in clip_spec.faults()}
PICTURES = Pictures(N)

# Where the pipelines of faulty.py take another of the ways of making a mistake than the first, or one more choice.
CHOICES = {
    "filter-nearest": {"nearest": "centred"},
    "crop-first": {"crop_when": "before, floored"},
    "align-corners": {"antialias": False},
    "noop-resampled": {"filter": "mitchell"},
    "alpha-over-white": {"convert_when": "first"},
    "alpha-over-black": {"convert_when": "first"},
    "alpha-over-grey": {"convert_when": "first"},
}
# Resized in 8-bit bands and nothing else: every sum can be compared.
PLAIN = (
    *("pin-noise", "crop-right-3", "crop-down-5", "crop-right-64", "tiny-1", "tiny-3", "tiny-5", "up-13-noise"),
    *("up-100-binary", "up-100-step", "size-n-minus-1", "size-n-plus-1", "down-300-noise", "down-500-binary"),
    *(
        "sides-3x4",
        "sides-100x80",
        "sides-23x31",
        "sides-5x45",
        "sides-61x7",
        "photo-chelsea-small",
        "photo-coffee-odd",
    ),
    *("grey-up", "rgbx-up", "cmyk-up"),
)
# Copied, deep, or with a palette: nothing is multiplied after the resize here either.
OTHERS = (
    *(
        "bilevel-up",
        "bilevel-crop",
        "palette-up",
        "palette-crop",
        "palette-64",
        "int32-down",
        "uint16-up",
        "uint16-crop",
    ),
    *("uint16-be-up", "float32-up", "palette-transparent-index"),
)
# Division by a small alpha, or another colour space: one LSB of what was resized becomes many.
AMPLIFIED = (
    *("rgba-up", "rgba-crop", "rgba-clear-pin", "grey-alpha-up", "grey-alpha-crop", "rgba-premultiplied-up"),
    *("ycbcr-up", "hsv-up"),
)
LARGE = {"reducing-gap": ("down-1200-noise",), "gaussian-prefilter": ("down-500-noise",)}
# Sums that are whole or half to the last bit, in flat areas or as multiples of 1/18: there the two may differ by one.
TIES = ("truncated-samples", "noop-resampled")
FLOAT_END = ("pin-values", "pin-noise", "pin-mean", "crop-right-3", "crop-down-64", "grey-values", "bilevel-crop")


def simulated(fault):
    return changed(CANON, {**changes(FAULTS[fault])[0], **CHOICES.get(fault, {})})


def both(fault, slug):
    """Return the simulator's and the pipeline's output, in LSB of the pipeline's own float end."""
    variant, pipeline, fixture = simulated(fault), FAULTY[fault], CATALOGUE[slug]
    want = pipeline(build(fixture, N), N).astype(np.float64)
    got = simulate.simulate(variant, PICTURES.get(fixture, variant), N).astype(np.float64)
    unclipped = replace(pipeline, clip=np.inf, layout="")
    black, white = (unclipped.floats(np.full((1, 1, 3), value)) for value in (0.0, 255.0))
    slope = np.abs(white - black) / 255
    if pipeline.layout == "hwc":
        slope = slope.reshape(1, 1, 3)
    assert got.shape == want.shape
    return got / slope, want / slope


IN_THE_IMAGE = [fault for fault in FAULTY if FAULTS[fault].stage not in ("to_tensor", "normalize")]


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("fault", IN_THE_IMAGE)
def test_a_mistake_in_the_image_is_simulated_as_the_pipeline_makes_it(fault):
    wrong = {}
    for slug in (*PLAIN, *OTHERS, *AMPLIFIED, *LARGE.get(fault, ())):
        most_beyond, most_mean = (0.02, 0.2) if slug in AMPLIFIED else (0.002, 0.05)
        if fault in TIES:
            most_beyond, most_mean = (0.1, 0.4) if slug in AMPLIFIED else (0.011, 0.18)
        got, want = both(fault, slug)
        error = np.abs(got - want)
        beyond, mean = float((error > 1.01).mean()), float(error.mean())
        if beyond > most_beyond or mean > most_mean:
            wrong[slug] = (float(error.max()), beyond, mean)
    assert wrong == {}


@pytest.mark.parametrize("fault", [fault for fault in FAULTY if fault not in IN_THE_IMAGE])
def test_a_mistake_in_the_float_end_is_simulated_as_the_pipeline_makes_it(fault):
    """Nothing is resized, so nothing is left to rounding but that of the floats."""
    for slug in FLOAT_END:
        got, want = both(fault, slug)
        assert np.abs(got - want).max() <= 1e-3, slug


def test_every_choice_is_known_and_none_is_the_canon():
    assert set(CHOICES) <= set(FAULTY)
    assert [fault for fault in FAULTY if simulated(fault) == CANON] == []


@pytest.mark.parametrize("scope", ["arrays", "modes", "files"])
def test_at_the_canon_the_simulator_is_the_reference_to_the_bit(scope):
    """With nothing of its own: where no choice differs, the simulator runs the reference's resize."""
    wrong = []
    for fixture in IMAGES:
        if fixture.scope == scope:
            want = Stages(file_path(fixture) if scope == "files" else build(fixture, N), N).convert_rgb
            if not np.array_equal(simulate.image(CANON, PICTURES.get(fixture, CANON), N), want):
                wrong.append(fixture.slug)
    assert wrong == []


# The simulator's own resampler, whole images and not their crops.


def own(image, size, variant):
    geometry = Geometry(Axis(image.width, size[0], 0.0, image.width), Axis(image.height, size[1], 0.0, image.height))
    return resample(picture(image).read, geometry, (0, 0, *size), variant, 255.0)


@pytest.mark.parametrize("slug", RGB)
def test_its_own_resampler_is_the_references_at_the_canons_choices(slug):
    image = build(CATALOGUE[slug], N)
    want = trace(image, N).resize
    assert np.array_equal(own(image, (want.shape[1], want.shape[0]), CANON), want)


RESAMPLING = Image.Resampling
# Whole images are compared; the longest would take most of the time and show nothing that the others do not.
# Nor those on which newer Pillows run the vertical pass first.
SHORT = [
    slug
    for slug in RGB
    if max(resized_size(*CATALOGUE[slug].size_at(N), N)) < 1000
    and CATALOGUE[slug].size_at(N)[1] <= 2 * CATALOGUE[slug].size_at(N)[0]
]
FILTERS = {
    "box": RESAMPLING.BOX,
    "linear": RESAMPLING.BILINEAR,
    "hamming": RESAMPLING.HAMMING,
    "lanczos": RESAMPLING.LANCZOS,
}
if hasattr(RESAMPLING, "MKS2013"):  # Pillow 13.0
    FILTERS |= {"magic 2013": RESAMPLING.MKS2013, "magic 2021": RESAMPLING.MKS2021}


def differing(variant, resized):
    """Return where an own resize is further from Pillow's than one LSB on 0.1 % of the samples."""
    wrong = {}
    for slug in SHORT:
        image = build(CATALOGUE[slug], N)
        size = resized_size(*image.size, N)
        error = np.abs(own(image, size, variant) - np.asarray(resized(image, size)))
        if error.max() > 1 or (error > 0).mean() > 0.001:
            wrong[slug] = (float(error.max()), float((error > 0).mean()))
    return wrong


@pytest.mark.parametrize("name", FILTERS)
def test_its_filters_are_pillows(name):
    variant = replace(CANON, filter=name)
    assert differing(variant, lambda image, size: image.resize(size, FILTERS[name])) == {}


@pytest.mark.parametrize("size", [(224, 298), (330, 440), (120, 500)])
def test_its_interpolating_spline_is_scipys(size):
    pixels = np.random.default_rng(3).integers(0, 256, (400, 300), dtype=np.uint8)
    zoom = (size[1] / 400, size[0] / 300)
    want = scipy.ndimage.zoom(pixels.astype(np.float64), zoom, order=3, mode="mirror", grid_mode=True)
    variant = replace(CANON, filter="spline", antialias=False, edge="mirrored", between="none", samples="float")
    got = own(Image.fromarray(pixels), size, variant)
    # Clipped to 0..255 at the end, and of weights with 22 fraction bits.
    assert np.abs(got - want.clip(0, 255)).max() < 1e-3


def test_its_nearest_neighbour_is_pillows():
    for slug in RGB:
        image = build(CATALOGUE[slug], N)
        size = resized_size(*image.size, N)
        left, top, right, bottom = crop_box(*size, N, "half-even")
        want = image.resize(size, RESAMPLING.NEAREST).crop((left, top, right, bottom))
        got = simulate.image(replace(CANON, filter="nearest"), PICTURES.get(CATALOGUE[slug], CANON), N)
        assert np.array_equal(got, np.asarray(want)), slug


@pytest.mark.parametrize("gap", [2, 3])
def test_its_reduced_images_are_pillows_with_a_reducing_gap(gap):
    variant = replace(CANON, prefilter=f"reduced {gap}")

    def resized(image, size):
        return image.resize(size, RESAMPLING.BICUBIC, reducing_gap=float(gap))

    assert differing(variant, resized) == {}


# What the diagnosis saves: it simulates parts of images, no two that must be the same, and no more than its budget.

PARTED = ("down-500-noise", "sides-100x80", "up-100-step", "rgba-up", "palette-up", "bilevel-up", "uint16-up")


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("fault", IN_THE_IMAGE)
def test_a_part_of_an_image_is_that_part_of_the_whole(fault):
    variant = simulated(fault)
    for slug in (*PARTED, *LARGE.get(fault, ())):
        given = PICTURES.get(CATALOGUE[slug], variant)
        whole = simulate.image(variant, given, N)
        left, top = whole.shape[1] // 2 + 3, 7
        part = simulate.image(variant, given, N, (left, top, left + 40, top + 40))
        error = np.abs(part - whole[top : top + 40, left : left + 40])
        # A blur is summed up in single precision, in another order.
        assert error.max() <= (1 if fault == "gaussian-prefilter" else 0), slug
        assert error.mean() <= 0.001, slug


@pytest.mark.parametrize("slug", [*PARTED, "pin-noise", "size-n-plus-1", "rgba-crop", "palette-transparent-index"])
def test_variants_of_the_same_signature_make_the_same_image(slug):
    kept = {}
    other = replace(CANON, filter="nearest", transparency="applied")
    for move, start in itertools.product(moves(), (CANON, other)):
        variant = move.apply(start)
        given = PICTURES.get(CATALOGUE[slug], variant)
        shape = frame.shape(variant, given.size, N)
        part = simulate.image(variant, given, N, (0, 0, min(40, shape[1]), min(40, shape[0])))
        same = kept.setdefault(signature(variant, given, N), part)
        assert same.shape == part.shape, move.change
        assert np.abs(same - part).max() <= (1 if slug == "uint16-up" else 0), move.change
    assert 2 < len(kept) < 2 * len(moves())


def test_a_search_that_finds_nothing_ends_with_its_budget(monkeypatch):
    evidence = Evidence({}, {}, N)
    canonical = simulate.image
    places = [(20, 30, 60, 70), (0, 0, 40, 40)]
    calls = []

    def counted(*args):
        calls.append(args)
        return canonical(*args)

    def searched():
        probes = []
        for slug in ("down-500-noise", "sides-100x80", "up-100-step", "crop-right-3"):
            given = PICTURES.get(CATALOGUE[slug], CANON)
            parts = [(box, 255 - canonical(CANON, given, N, box)) for box in places]
            probes.append(Probe(CATALOGUE[slug], (N, N), parts, beside=False, held=False))
        calls.clear()
        budget = Budget(50)
        search = Search(evidence, probes, list(moves()), budget)
        found = search.run(search.state(CANON))
        assert len(calls) == 50 - budget.left
        return found.variant, len(calls)

    monkeypatch.setattr(simulate, "image", counted)
    first = searched()
    # What is left of a step when the budget is used up: one move, and all parts of those that looked best.
    assert 50 <= first[1] <= 50 + 4 + 8 * 4 * len(places)
    assert searched() == first
