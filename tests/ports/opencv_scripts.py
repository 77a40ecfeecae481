"""Pipelines of OpenCV, scikit-image and SciPy. They take RGB arrays and refuse other modes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .port import Port, listed

SINGLES: list[Port] = []

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
Tensor = NDArray[np.float32]


def _array(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode != "RGB":
        raise ValueError(f"cannot take {image.mode}")
    return np.array(image)


def _resized(image: Image.Image, interpolation: str) -> NDArray[np.uint8]:
    import cv2

    pixels = _array(image)
    height, width = pixels.shape[:2]
    short = min(height, width)
    size = (224 * width // short, 224 * height // short)
    if size == (width, height):
        return pixels
    result: NDArray[np.uint8] = cv2.resize(pixels, size, interpolation=getattr(cv2, interpolation))
    return result


def _middle(pixels: NDArray[Any]) -> NDArray[Any]:
    top, left = (round((side - 224) / 2) for side in pixels.shape[:2])
    return pixels[top : top + 224, left : left + 224]


def _finish(pixels: NDArray[Any]) -> Tensor:
    x = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(((x - MEAN) / STD).transpose(2, 0, 1))


@listed(SINGLES, "resize", "no-antialias cubic-a-0.75", needs="cv2", minor="edge-replicated float-between-passes")
def inter_cubic(image: Image.Image) -> Tensor:
    return _finish(_middle(_resized(image, "INTER_CUBIC")))


@listed(
    SINGLES,
    "resize",
    "filter-box cubic-a-0.75",
    needs="cv2",
    minor="no-antialias edge-replicated float-between-passes",
)
def area_or_cubic(image: Image.Image) -> Tensor:
    """As OpenCV's documentation advises: one way to shrink, another to enlarge."""
    shrinks = min(image.size) > 224
    return _finish(_middle(_resized(image, "INTER_AREA" if shrinks else "INTER_CUBIC")))


@listed(SINGLES, "resize", "filter-bilinear no-antialias", needs="cv2", minor="float-between-passes")
def inter_linear(image: Image.Image) -> Tensor:
    """The default of cv2.resize."""
    return _finish(_middle(_resized(image, "INTER_LINEAR")))


@listed(
    SINGLES,
    "resize",
    "filter-box",
    needs="cv2",
    minor="float-between-passes filter-bilinear",
    beyond="enlarges by a linear ramp of its own",
)
def inter_area(image: Image.Image) -> Tensor:
    return _finish(_middle(_resized(image, "INTER_AREA")))


@listed(SINGLES, "resize", "filter-nearest half-pixel-missing", needs="cv2")
def inter_nearest(image: Image.Image) -> Tensor:
    return _finish(_middle(_resized(image, "INTER_NEAREST")))


@listed(
    SINGLES,
    "resize",
    "filter-lanczos no-antialias",
    needs="cv2",
    minor="edge-replicated float-between-passes",
)
def inter_lanczos4(image: Image.Image) -> Tensor:
    return _finish(_middle(_resized(image, "INTER_LANCZOS4")))


@listed(SINGLES, "convert_rgb", "channel-bgr", needs="cv2")
def converted_to_bgr(image: Image.Image) -> Tensor:
    """All right up to a cvtColor too many."""
    import cv2

    width, height = image.size
    short = min(width, height)
    work = image.resize((224 * width // short, 224 * height // short), Image.Resampling.BICUBIC)
    pixels = _middle(np.array(_crop_box(work).convert("RGB")))
    return _finish(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR))


def _crop_box(image: Image.Image) -> Image.Image:
    left, top = (round((side - 224) / 2) for side in image.size)
    return image.crop((left, top, left + 224, top + 224))


@listed(
    SINGLES,
    "resize",
    "gaussian-prefilter filter-bilinear",
    needs="skimage",
    minor="no-antialias edge-reflected float-between-passes",
)
def skimage_default(image: Image.Image) -> Tensor:
    """Its default: a Gaussian, then linear interpolation; back to uint8 by rounding."""
    from skimage.transform import resize

    pixels = _array(image)
    height, width = pixels.shape[:2]
    short = min(height, width)
    shape = (224 * height // short, 224 * width // short)
    if max(shape) > 4000:
        raise MemoryError("too long to be resized as a whole")
    work = resize(pixels, shape, anti_aliasing=True, preserve_range=True)
    return _finish(_middle(np.rint(work).clip(0, 255)))


@listed(
    SINGLES,
    "resize",
    "gaussian-prefilter filter-spline",
    needs="skimage",
    minor="no-antialias edge-reflected float-between-passes",
)
def skimage_order_3(image: Image.Image) -> Tensor:
    from skimage.transform import resize

    pixels = _array(image)
    height, width = pixels.shape[:2]
    short = min(height, width)
    shape = (224 * height // short, 224 * width // short)
    if max(shape) > 4000:
        raise MemoryError("too long to be resized as a whole")
    work = resize(pixels, shape, order=3, anti_aliasing=True, preserve_range=True)
    return _finish(_middle(np.rint(work).clip(0, 255)))


@listed(SINGLES, "resize", "filter-bilinear no-antialias align-corners", needs="scipy", minor="float-between-passes")
def ndimage_zoom_linear(image: Image.Image) -> Tensor:
    """zoom of order 1: the grid runs from the first pixel to the last."""
    from scipy.ndimage import zoom  # type: ignore[import-untyped, unused-ignore]

    pixels = _array(image)
    height, width = pixels.shape[:2]
    short = min(height, width)
    if max(pixels.shape) > 17 * short:
        raise MemoryError("too long to be resized as a whole")
    factors = ((224 * height // short) / height, (224 * width // short) / width, 1)
    return _finish(_middle(np.rint(zoom(pixels.astype(np.float64), factors, order=1))))


@listed(
    SINGLES,
    "resize",
    "gaussian-prefilter cubic-a-0.75",
    needs="cv2",
    minor="no-antialias edge-replicated float-between-passes edge-reflected",
)
def blurred_before_inter_cubic(image: Image.Image) -> Tensor:
    """The folk remedy for the aliasing of INTER_CUBIC, with the sigma that kornia takes."""
    import cv2

    pixels = _array(image)
    height, width = pixels.shape[:2]
    short = min(height, width)
    size = (224 * width // short, 224 * height // short)
    if size == (width, height):
        return _finish(_middle(pixels))
    sigma = (max((width / size[0] - 1) / 2, 0.001), max((height / size[1] - 1) / 2, 0.001))
    if short > 224:
        pixels = cv2.GaussianBlur(pixels, (0, 0), sigmaX=sigma[0], sigmaY=sigma[1]).astype(np.uint8)
    return _finish(_middle(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)))
