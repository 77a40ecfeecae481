"""Right algorithms in other arithmetics: what a level must let in, measured against the canon on a fixture.

Kernels replace the resize of 8-bit samples and nothing else; float ends replace the division and the normalisation.
This module imports torch and onnxruntime; both are asked for when a kernel is first used.
"""

import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_conformance.cases import source_of
from clip_conformance.diagnosis.float_end import tensor
from clip_conformance.diagnosis.variant import CANON
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.subjects import N_PX, Subject
from clip_fixtures import Fixture
from clip_reference import Stages
from clip_reference.alpha import premultiply, unpremultiply
from clip_reference.color import convert_rgb
from clip_reference.geometry import crop_box, resized_size
from clip_reference.tensor import normalize, to_tensor
from clip_spec import LevelId, StageId, View

Size = tuple[int, int]
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
# What was measured: the deviation of a stage in a view.
Found = Iterator[tuple[StageId, View, Deviation]]
_CANON = clip_spec.canon()
_MODES = {mode.id: mode for mode in _CANON.modes}


def torchvision_uint8(planes: Bytes, size: Size) -> Bytes:
    """Resize uint8 [bands, height, width] to (width, height) by torchvision's kernel for uint8: weights of 16 bits."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2.functional import resize

    made = resize(torch.from_numpy(planes), [size[1], size[0]], InterpolationMode.BICUBIC, antialias=True)
    return np.asarray(made, dtype=np.uint8)


def torch_float(planes: Bytes, size: Size) -> Bytes:
    """Resize in float32, clipped but not rounded between the passes."""
    import torch
    from torch.nn.functional import interpolate

    made = torch.from_numpy(planes.astype(np.float32))[None]
    for lengths in ((planes.shape[1], size[0]), (size[1], size[0])):
        made = interpolate(made, lengths, mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)
    return np.asarray(made[0].round(), dtype=np.uint8)


@functools.cache
def _graph() -> Any:
    from clip_conformance.onnx.build import build
    from clip_conformance.onnx.candidate import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resize.onnx"
        path.write_bytes(build(N_PX, resize_op=True).SerializeToString())
        return load(str(path))


def onnx_resize(planes: Bytes, size: Size) -> Bytes:
    """Resize by ONNX's operator Resize in float32, rounded after each pass; the graph takes three bands at a time."""
    made = []
    for start in range(0, len(planes), 3):
        three = planes[start : start + 3]
        filled = np.concatenate([three, np.repeat(three[-1:], 3 - len(three), axis=0)])
        resized = _graph().run(np.ascontiguousarray(filled.transpose(1, 2, 0)))["resize"]
        made.append(resized.transpose(2, 0, 1)[: len(three)])
    return np.concatenate(made).astype(np.uint8)


KERNELS: dict[LevelId, dict[str, Callable[[Bytes, Size], Bytes]]] = {
    "equivalent": {"torchvision-uint8": torchvision_uint8, "onnx-resize": onnx_resize},
    "close": {"torch-float": torch_float},
}

_MEAN, _STD = (np.array(values, np.float32).reshape(3, 1, 1) for values in (_CANON.mean, _CANON.std))
_255 = np.float32(_CANON.max_value)


def _reciprocals(x: Floats) -> Floats:
    made: Floats = (x * (np.float32(1) / _255) - _MEAN) * (np.float32(1) / _STD)
    return made


def _fused(x: Floats) -> Floats:
    made: Floats = x * (np.float32(1) / (_255 * _STD)) + -_MEAN / _STD
    return made


def _scaled_constants(x: Floats) -> Floats:
    made: Floats = (x - _255 * _MEAN) / (_255 * _STD)
    return made


def _double(x: Floats) -> Floats:
    return tensor(CANON, x.transpose(1, 2, 0).astype(np.float64))


def _half(x: Floats) -> Floats:
    return tensor(replace(CANON, precision="float16"), x.transpose(1, 2, 0).astype(np.float64))


def _three_decimals(x: Floats) -> Floats:
    mean, std = (np.round(np.array(values), 3).reshape(3, 1, 1) for values in (_CANON.mean, _CANON.std))
    made: Floats = ((x.astype(np.float64) / 255 - mean) / std).astype(np.float32)
    return made


FLOAT_ENDS: dict[LevelId, dict[str, Callable[[Floats], Floats]]] = {
    "equivalent": {
        "float64": _double,
        "float32-reciprocals": _reciprocals,
        "float32-fused": _fused,
        "float32-scaled-constants": _scaled_constants,
    },
    "close": {"float16": _half, "constants-of-three-decimals": _three_decimals},
}
# End to end no bound makes room for other constants.
_ISOLATED_ONLY = {"constants-of-three-decimals"}
# In the suite's own float64: not rounded between the passes, but clipped.
CLIPPED = "float64-clipped-between-passes"
NEEDS_TORCH = {"torchvision-uint8", "torch-float"}
NEEDS_ONNX = {"onnx-resize"}


def names(level: LevelId) -> list[str]:
    """Return the implementations that a level must let in."""
    return [*KERNELS[level], *FLOAT_ENDS[level], *([CLIPPED] if level == "close" else [])]


def measured(name: str, fixture: Fixture, subject: Subject) -> Found:
    """Yield how far an implementation is from the canon on a fixture, for every stage and view that it touches."""
    for kernels in KERNELS.values():
        if name in kernels:
            yield from _by_kernel(kernels[name], fixture)
    for ends in FLOAT_ENDS.values():
        if name in ends:
            got = ends[name](subject.image.transpose(2, 0, 1).astype(np.float32))
            deviation = compare("normalize", got, subject.tensor)
            yield "normalize", "isolated", deviation
            if name not in _ISOLATED_ONLY:
                yield "normalize", "cumulative", deviation
    if name == CLIPPED:
        variant = replace(CANON, between="clipped")
        yield "convert_rgb", "cumulative", subject.image_deviation(variant)
        yield "normalize", "cumulative", subject.tensor_deviation(variant)


def _by_kernel(kernel: Callable[[Bytes, Size], Bytes], fixture: Fixture) -> Found:
    mode = _MODES[fixture.mode]
    size = resized_size(*fixture.size_at(N_PX), N_PX)
    if mode.route not in ("bands", "premultiplied") or mode.dtype != "uint8" or size == fixture.size_at(N_PX):
        return
    stages = Stages(source_of(fixture, N_PX), N_PX)
    samples = stages.decode if mode.bands > 1 else stages.decode[..., None]
    if mode.route == "premultiplied":
        samples = premultiply(samples)
    made = kernel(np.ascontiguousarray(samples.transpose(2, 0, 1)), size).transpose(1, 2, 0)
    resized = unpremultiply(made) if mode.route == "premultiplied" else made
    if mode.bands == 1:
        resized = resized[..., 0]
    yield "resize", "isolated", compare("resize", np.ascontiguousarray(resized), stages.resize)
    left, top, right, bottom = crop_box(*size, N_PX, "half-even")
    rgb = np.ascontiguousarray(convert_rgb(fixture.mode, resized[top:bottom, left:right], stages.palette))
    yield "convert_rgb", "cumulative", compare("convert_rgb", rgb, stages.convert_rgb)
    yield "normalize", "cumulative", compare("normalize", normalize(to_tensor(rgb)), stages.normalize)
