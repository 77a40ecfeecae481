"""One model of every preprocessor that can be told apart: a pipeline as a set of choices, the canon as one point."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import clip_spec
from clip_spec import Fault, StageId

_CANON = clip_spec.canon()
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Variant:
    """A pipeline as choices; the defaults are the canon's. Each field belongs to a stage (see `FIELDS`)."""

    # decode
    orientation: Literal["stored", "applied"] = "stored"
    colour: Literal["stored", "icc", "gamma"] = "stored"
    jpeg: Literal["full", "draft"] = "full"
    cmyk_jpeg: Literal["inverted", "as stored"] = "inverted"
    frame: Literal["first", "last"] = "first"
    truncated: Literal["rejected", "accepted"] = "rejected"
    transparency: Literal["ignored", "applied"] = "ignored"
    file_mode: Literal["pillow", "other", "bilevel as grey", "grey as palette"] = "pillow"
    file_depth: Literal["kept", "high byte"] = "kept"
    # resize: geometry
    size_rule: Literal[
        "short floor", "short round", "short ceil", "float32 factor", "ratio first", "factor first", "squash",
        "letterbox", "letterbox round", "expanded", "long", "swapped", "none",
    ] = "short floor"  # fmt: skip
    target: str = "n"
    equal_size: Literal["untouched", "resampled", "premultiplied"] = "untouched"
    # resize: kernel
    filter: Literal[
        "cubic", "nearest", "box", "area", "coverage", "pool", "linear", "hamming", "lanczos", "lanczos2", "lanczos4",
        "mitchell", "bspline", "magic 2013", "magic 2021", "spline", "lagrange",
    ] = "cubic"  # fmt: skip
    enlarging: Literal["the same", "cubic"] = "the same"
    cubic_a: float = _CANON.cubic_a
    antialias: bool = True
    alignment: Literal["half pixel", "corner", "origin", "shifted up"] = "half pixel"
    edge: Literal["cut", "replicated", "reflected", "mirrored", "black"] = "cut"
    prefilter: Literal["none", "gaussian", "reduced 1", "reduced 1.5", "reduced 2", "reduced 3"] = "none"
    light: Literal["stored", "linear 2.2", "linear srgb"] = "stored"
    # resize: arithmetic
    passes: Literal[
        "horizontal-first", "vertical-first", "height-over-100-widths", "shrink-over-2-widths"
    ] = "horizontal-first"  # fmt: skip
    between: Literal["rounded", "none", "clipped", "truncated", "wrapped"] = "rounded"
    samples: Literal["rounded", "truncated", "wrapped", "cast", "float", "unclipped"] = "rounded"
    # resize: modes
    premultiply: Literal["resized", "never"] = "resized"
    nearest: Literal[
        "accumulated", "centred", "centred in integers", "floored", "floored in integers"
    ] = "accumulated"  # fmt: skip
    palette: Literal["nearest", "interpolated", "expanded"] = "nearest"
    bilevel: Literal["nearest", "interpolated", "unscaled"] = "nearest"
    # center_crop
    crop: Literal[
        "half even", "floor", "half up", "top left", "bottom right", "fractional", "fractional, truncated",
        "fractional, float", "none",
    ] = "half even"  # fmt: skip
    crop_when: Literal["after", "before", "before, floored", "before, fractional"] = "after"
    pad_offset: Literal["floor", "half even"] = "floor"
    pad: str = "black"  # grey, white, mean, or "R G B" in LSB
    # convert_rgb
    convert_when: Literal["last", "first"] = "last"
    alpha: Literal["dropped", "white", "black", "grey", "background"] = "dropped"
    alpha_when: Literal["first", "last"] = "first"
    alpha_of: Literal["all", "tRNS and bands", "bands"] = "all"
    blend: Literal["rounded", "truncated"] = "rounded"
    lookup: Literal["colours", "indices"] = "colours"
    cmyk: Literal["product", "naive", "bands"] = "product"
    bands: Literal["converted", "taken"] = "converted"
    deep: Literal["clipped", "scaled", "scaled first", "wrapped"] = "clipped"
    deep_of: Literal["all", "16 bits"] = "all"
    premultiplied: Literal["divided", "kept"] = "divided"
    channels: Literal["rgb", "bgr", "rbg", "grb", "gbr", "brg"] = "rgb"
    grey: Literal["no", "luma", "luma in floats", "average"] = "no"
    # to_tensor
    scale: float = _CANON.max_value
    offset: float = 0.0
    layout: Literal["chw", "cwh", "hwc", "interleaved"] = "chw"
    turn: Literal["no", "mirrored", "flipped", "rotated"] = "no"
    # normalize
    mean: Triple = _CANON.mean
    std: Triple = _CANON.std
    constants: Literal["rgb", "channel 0", "std of channel 0", "bgr", "swapped"] = "rgb"
    steps: Literal["mean, std", "std, mean", "mean", "std", "none"] = "mean, std"
    times: int = 1
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    clip: str = "no"  # or "LOW to HIGH"


CANON = Variant()


@dataclass(frozen=True)
class Field:
    """A choice of a variant: the stage it belongs to and its name for a person."""

    stage: StageId
    what: str


def _fields() -> dict[str, Field]:
    table: dict[StageId, dict[str, str]] = {
        "decode": {
            "orientation": "EXIF orientation",
            "colour": "colour profile, gamma",
            "jpeg": "JPEG size",
            "cmyk_jpeg": "CMYK JPEG",
            "frame": "frame",
            "truncated": "truncated file",
            "transparency": "tRNS, transparent index",
            "file_mode": "mode of the file",
            "file_depth": "16 bits of a file",
        },
        "resize": {
            "size_rule": "size rule",
            "target": "short side",
            "equal_size": "an image of the right size",
            "filter": "filter",
            "enlarging": "filter where a side grows",
            "cubic_a": "a",
            "antialias": "antialias",
            "alignment": "alignment",
            "edge": "edge",
            "prefilter": "prefilter",
            "light": "light",
            "passes": "order of the passes",
            "between": "between the passes",
            "samples": "resized samples",
            "premultiply": "alpha premultiplied",
            "nearest": "nearest index",
            "palette": "mode P",
            "bilevel": "mode 1",
        },
        "center_crop": {
            "crop": "crop offset",
            "crop_when": "crop, of the resize",
            "pad_offset": "offset in the padding",
            "pad": "padding",
        },
        "convert_rgb": {
            "convert_when": "conversion to RGB",
            "alpha": "alpha",
            "alpha_when": "transparency laid over",
            "alpha_of": "which transparency",
            "blend": "blend",
            "lookup": "palette",
            "cmyk": "CMYK",
            "bands": "YCbCr, HSV",
            "deep": "16 and 32 bits",
            "deep_of": "which of them",
            "premultiplied": "RGBa",
            "channels": "channel order",
            "grey": "grey",
        },
        "to_tensor": {
            "scale": "divided by",
            "offset": "and added",
            "layout": "layout",
            "turn": "turned",
        },
        "normalize": {
            "mean": "mean",
            "std": "std",
            "constants": "constants by channel",
            "steps": "steps",
            "times": "times",
            "precision": "precision",
            "clip": "clipped",
        },
    }
    return {name: Field(stage, what) for stage, named in table.items() for name, what in named.items()}


FIELDS = _fields()
assert list(FIELDS) == [field.name for field in fields(Variant)]


def changes(fault: Fault) -> tuple[dict[str, Any], ...]:
    """Return the ways in which a fault of the spec's data changes a variant: the product of its lists of choices.

    Raises:
        ValueError: the data name no field of a variant.
    """
    return tuple(_expanded(fault))


def _expanded(fault: Fault) -> Iterator[dict[str, Any]]:
    if unknown := set(fault.change) - set(FIELDS):
        raise ValueError(f"fault {fault.id} changes {', '.join(sorted(unknown))}, which a variant does not have")
    # Mean and std are lists themselves; every other list is one of choices.
    options = [_options(name, value) for name, value in fault.change.items()]
    for values in itertools.product(*options):
        yield dict(zip(fault.change, values, strict=True))


def _options(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    return [tuple(value)] if name in ("mean", "std") else value


def changed(variant: Variant, change: dict[str, Any]) -> Variant:
    """Return a variant with some choices replaced."""
    return replace(variant, **change)


@functools.cache
def variant_of(fault: str) -> Variant:
    """Return the canon with one fault, in the first of its ways."""
    for known in clip_spec.faults():
        if known.id == fault:
            return changed(CANON, changes(known)[0])
    raise KeyError(fault)


def differences(variant: Variant) -> dict[str, tuple[Any, Any]]:
    """Return the choices in which a variant is not the canon, as (canon, variant), in the order of the fields."""
    pairs = {name: (getattr(CANON, name), getattr(variant, name)) for name in FIELDS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
