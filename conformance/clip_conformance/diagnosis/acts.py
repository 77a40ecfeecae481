"""Which choices of a variant can make a difference to an image, and which variants make the same of one."""

import functools
from collections.abc import Hashable, Iterable

from clip_conformance.diagnosis.colours import GREYS
from clip_conformance.diagnosis.frame import crop_box, is_halved, out_size
from clip_conformance.diagnosis.picture import Picture, opening
from clip_conformance.diagnosis.variant import FIELDS, Variant
from clip_fixtures import Fixture

_ALPHA = ("RGBA", "LA")
# The modes on which a choice acts; others act on all.
_MODES: dict[str, tuple[str, ...]] = {
    "premultiply": _ALPHA,
    "nearest": ("P", "1"),
    "palette": ("P",),
    "lookup": ("P",),
    "bilevel": ("1",),
    "cmyk": ("CMYK",),
    "bands": ("YCbCr", "HSV"),
    "alpha_of": _ALPHA,
    "deep": GREYS,
    "deep_of": GREYS,
    "premultiplied": ("RGBa",),
    "blend": _ALPHA,
    "alpha": _ALPHA,
    "alpha_when": _ALPHA,
    "transparency": _ALPHA,
}


def touches(names: Iterable[str], fixture: Fixture, *, beside: bool) -> bool:
    """Return whether some of the choices can make a difference to a fixture.

    Args:
        names: the choices.
        fixture: whose image.
        beside: whether transparency lies beside its samples.
    """
    for name in names:
        if FIELDS[name].stage == "decode" and name != "transparency":
            if name in opening(fixture):
                return True
        elif name == "convert_when":
            if fixture.mode != "RGB":
                return True
        elif _acts(name, fixture.mode, beside=beside):
            return True
    return False


def _acts(name: str, mode: str, *, beside: bool) -> bool:
    modes = _MODES.get(name, (mode,))
    return mode in modes or (beside and modes is _ALPHA)


def alike(variant: Variant, other: Variant) -> bool:
    """Return whether two variants do the same to every RGB array, as far as their choices tell."""
    names = (*_SAID, *_acting("RGB", False, variant.filter == "nearest", ("convert_when", "equal_size")))
    resampled = [each.equal_size == "resampled" for each in (variant, other)]
    return resampled[0] == resampled[1] and all(getattr(variant, name) == getattr(other, name) for name in names)


def signature(variant: Variant, given: Picture, n_px: int) -> Hashable:
    """Return what a variant's image of a picture depends on: where it is the same, so is the image."""
    width, height = given.size
    size = out_size(variant, width, height, n_px)
    box = crop_box(variant, size, n_px)
    late = variant.crop if any(is_halved(variant, size, n_px)) else None
    around = min(box[:2]) < 0 or box[2] > size[0] or box[3] > size[1]
    expanded = variant.size_rule == "expanded" and width != height
    pad = (variant.pad, expanded) if around or expanded else None
    idle: tuple[str, ...] = ()
    if variant.crop_when == "after" and size == given.size and variant.equal_size == "untouched":
        idle = _KERNEL
    elif variant.crop_when == "after" and size[0] > width and size[1] > height:
        idle = _SHRINKING
    names = _acting(given.mode, given.opacity is not None, variant.filter == "nearest", idle)
    return id(given), size, box, late, pad, *[getattr(variant, name) for name in names]


# Said in other words by a signature, or no part of the image.
_SAID = ("size_rule", "target", "crop", "pad_offset", "pad", "channels")
# What does nothing where nothing is resized, and where both sides grow.
_KERNEL = (
    *("filter", "enlarging", "cubic_a", "antialias", "alignment", "edge", "prefilter", "light"),
    *("passes", "between", "samples"),
)
_SHRINKING = ("antialias", "prefilter", "equal_size")


@functools.cache
def _acting(mode: str, beside: bool, nearest: bool, idle: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices that act on a mode, but for those that a signature says otherwise and the idle ones."""
    found = []
    for name, field in FIELDS.items():
        early = field.stage in ("resize", "center_crop", "convert_rgb") or name == "transparency"
        acts = _acts(name, mode, beside=beside) or (nearest and name == "nearest")
        if early and acts and name not in (*_SAID, *idle):
            found.append(name)
    return tuple(found)
