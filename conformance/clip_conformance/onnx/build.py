"""CLIP preprocessing as an ONNX graph: the canon bit for bit, and what the operator Resize makes of it.

This module imports onnx; import it inside a function.
"""

from typing import Any

import numpy as np

import clip_spec
from clip_conformance.onnx.expressions import Graph, Value, floats
from clip_conformance.version import version

OPSET = 18
_CANON = clip_spec.canon()
_HALF = float(1 << (_CANON.coefficient_bits - 1))
_ONE = float(1 << _CANON.coefficient_bits)


def build(n_px: int, *, resize_op: bool = False) -> Any:
    """Return a graph that preprocesses one RGB image for a model of n_px, an onnx.ModelProto of opset 18.

    Its input `image` is uint8 [height, width, 3]. Its outputs are `center_crop`, uint8 [n_px, n_px, 3], `to_tensor` and
    `normalize`, float32 [3, n_px, n_px]; with `resize_op` also `resize`, uint8 [h, w, 3].

    Args:
        n_px: the side of the model's input in pixels.
        resize_op: leave the interpolation to the operator Resize instead of computing it as the standard says.
    """
    graph = Graph()
    image = graph.input("image", np.uint8, ["height", "width", 3])
    height, width = graph.length(image, 0), graph.length(image, 1)
    with graph.section("size"):
        n = _accepted(graph, width, height, n_px)
        out_width, out_height = _resized_size(graph, width, height, n)
    if resize_op:
        resized = _resize_operator(graph, image, out_width, out_height)
        graph.output(resized, ["resized_height", "resized_width", 3])
        crop = _cut(graph, resized, graph.constant(n_px, np.int64))
    else:
        with graph.section("columns"):
            columns = _Axis(graph, width, out_width, n, across=True)
        with graph.section("rows"):
            rows = _Axis(graph, height, out_height, n, across=False)
        crop = _resample(graph, image, columns, rows)
    crop.named("center_crop")
    to_tensor = (crop.transposed(2, 0, 1).cast(np.float32) / _CANON.max_value).named("to_tensor")  # TEN-1, TEN-2
    mean = graph.constant(floats(_CANON.mean, (3, 1, 1)), np.float32, "mean")
    std = graph.constant(floats(_CANON.std, (3, 1, 1)), np.float32, "std")
    normalize = ((to_tensor - mean) / std).named("normalize")  # NRM-1, NRM-2
    graph.output(crop, [n_px, n_px, 3])
    graph.output(to_tensor, [3, n_px, n_px])
    graph.output(normalize, [3, n_px, n_px])
    return graph.model(
        "clip_preprocess",
        OPSET,
        f"CLIP image preprocessing, spec {_CANON.spec}, {n_px} x {n_px}, "
        + ("resized by the operator Resize" if resize_op else "exact"),
        {"clip_spec": _CANON.spec, "n_px": str(n_px), "suite": version()},
    )


def _accepted(graph: Graph, width: Value, height: Value, n_px: int) -> Value:
    """Return n_px, an int64 scalar, or fail on an image that must be rejected (INP-2, INP-6).

    ONNX has no operator that raises an error; Gather fails on an index beyond its data.
    """
    pixels = width * height
    refused = (pixels < 1) | (pixels > _CANON.max_pixels)
    chosen = graph.op("Gather", graph.constant([n_px], np.int64), refused.cast(np.int64), axis=0)
    # The runtime's message names the node.
    chosen.node.name = "rejected_by_INP-2_or_INP-6"
    return chosen.named("n_px")


def _resized_size(graph: Graph, width: Value, height: Value, n: Value) -> tuple[Value, Value]:
    """SIZ-1, SIZ-2: the short side becomes n, the long side n * long // short."""
    long_side = n * graph.op("Max", width, height) // graph.op("Min", width, height)
    sideways = width > height
    return (
        graph.op("Where", sideways, long_side, n, dtype=np.int64).named("resized_width"),
        graph.op("Where", sideways, n, long_side, dtype=np.int64).named("resized_height"),
    )


def _crop_offset(length: Value, n: Value) -> Value:
    """CRP-1: half the margin, rounded half to even."""
    margin = length - n
    half = margin // 2
    return half + (half % 2) * (margin % 2)


def _cut(graph: Graph, resized: Value, n: Value) -> Value:
    """CRP-2: the crop of the whole resized image, which depends on that image alone."""
    top, left = (_crop_offset(graph.length(resized, axis), n) for axis in (0, 1))
    return graph.part(resized, [top, left], [top + n, left + n], [0, 1])


class _Axis:
    """One axis of the resize, for the n outputs that the crop keeps (RSZ-11).

    `start` and `stop`, int64 scalars: the input samples that these depend on. `coefficients`, float64
    [n, stop - start], or where `across` is set [stop - start, n]: the 22-bit integers, 0 outside of each output's
    window.
    """

    def __init__(self, graph: Graph, length: Value, out_length: Value, n: Value, *, across: bool) -> None:
        offset = _crop_offset(out_length, n)
        exact_length = length.cast(np.float32).cast(np.float64)
        scale = exact_length / out_length.cast(np.float64)  # RSZ-4
        filterscale = graph.op("Max", scale, 1.0)
        support = filterscale * _CANON.cubic_radius
        inverse = graph.op("Div", 1.0, filterscale)
        center = (graph.integers(offset, offset + n).cast(np.float64) + 0.5) * scale  # RSZ-5
        first = graph.op("Max", (center - support + 0.5).cast(np.int64), 0)
        last = graph.op("Min", (center + support + 0.5).cast(np.int64), length)
        self.start, self.stop = graph.item(first, 0), graph.item(last, -1)

        sample = graph.integers(self.start, self.stop)
        if across:
            sample = graph.column(sample)
        else:
            center, first, last = graph.column(center), graph.column(first), graph.column(last)
        distance = (sample.cast(np.float64) - center + 0.5) * inverse  # RSZ-6
        inside = (sample >= first) & (sample < last)
        weights = graph.op("Where", inside, _cubic(graph, distance), 0.0, dtype=np.float64)
        # CumSum adds from the first sample to the last, as the clause wants; its last entry is the sum.
        axis = 0 if across else 1
        sums = graph.op("CumSum", weights, graph.constant(axis, np.int64))
        weights = weights / graph.op("Gather", sums, graph.constant([-1], np.int64), axis=axis)

        scaled = weights * _ONE  # RSZ-7
        rounded = graph.op("Where", weights < 0.0, scaled - 0.5, scaled + 0.5, dtype=np.float64)
        self.coefficients = (
            rounded.cast(np.int64).cast(np.float64).named("column_coefficients" if across else "row_coefficients")
        )


def _cubic(graph: Graph, t: Value) -> Value:
    """RSZ-3: the cubic kernel, in this order of evaluation."""
    a = _CANON.cubic_a
    t = graph.op("Abs", t)
    near = (t * (a + 2.0) - (a + 3.0)) * t * t + 1.0
    far = (((t - 5.0) * t + 8.0) * t - 4.0) * a
    outer = graph.op("Where", t < _CANON.cubic_radius, far, 0.0, dtype=np.float64)
    return graph.op("Where", t < 1.0, near, outer, dtype=np.float64)


def _resample(graph: Graph, image: Value, columns: _Axis, rows: _Axis) -> Value:
    """RSZ-9: the horizontal pass, rounded to 8 bits, then the vertical pass; uint8 [n, n, 3].

    The products are sums of integers below 2^53 in double, exact in any order. A pass that keeps its length has the
    coefficients 0, 2^22, 0 and changes nothing (RSZ-10).
    """
    used = graph.part(image, [rows.start, columns.start], [rows.stop, columns.stop], [0, 1])
    planes = used.transposed(2, 0, 1).cast(np.float64)
    with graph.section("horizontal"):
        lines = _to_8_bits(graph, graph.op("MatMul", planes, columns.coefficients))
    with graph.section("vertical"):
        pixels = _to_8_bits(graph, graph.op("MatMul", rows.coefficients, lines))
    return pixels.cast(np.uint8).transposed(1, 2, 0)


def _to_8_bits(graph: Graph, sums: Value) -> Value:
    """RSZ-8: (2^21 + sum) >> 22, clipped to 0..255; a product with a power of two is exact."""
    shifted = graph.op("Floor", (sums + _HALF) * (1.0 / _ONE))
    return graph.op("Clip", shifted, 0.0, 255.0)


def _resize_operator(graph: Graph, image: Value, out_width: Value, out_height: Value) -> Value:
    """Leave RSZ-3 to RSZ-7 to the operator Resize; one for each axis, each rounded to 8 bits; uint8 [h, w, 3]."""
    batch_of_planes = graph.constant([1, 3], np.int64)
    pixels = graph.op("Unsqueeze", image.transposed(2, 0, 1), graph.constant([0], np.int64)).cast(np.float32)
    for width, height in ((out_width, graph.length(image, 0)), (out_width, out_height)):  # RSZ-9
        # All four lengths: ONNX Runtime's optimiser does not survive the attribute `axes` between two Transposes.
        sizes = graph.op("Concat", batch_of_planes, graph.joined(height, width), axis=0)
        pixels = graph.op(
            "Resize", pixels, None, None, sizes,
            mode="cubic", cubic_coeff_a=_CANON.cubic_a, antialias=1, exclude_outside=1,
            coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
        pixels = graph.op("Clip", graph.op("Floor", pixels + 0.5), 0.0, 255.0)  # RSZ-8
    planes = graph.op("Squeeze", pixels.cast(np.uint8), graph.constant([0], np.int64))
    return planes.transposed(1, 2, 0).named("resize")
