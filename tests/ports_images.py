"""Images that no fixture has, drawn from a seed: what a diagnosis claims must hold on them as well."""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from clip_conformance.diagnosis import picture
from clip_conformance.diagnosis.variant import Variant
from clip_fixtures import fixtures
from clip_reference import Rejected, preprocess

N_PX = 224
SEED = 20240611
_LEAST, _MOST = 6, 700
# The least side of RGB images in memory, in turn: any, shrunk along both sides, one of the two or none.
_LEASTS = (_LEAST, N_PX + 1, 60)
_RGB = 15
Samples = NDArray[np.uint8]


@dataclass(frozen=True)
class Fresh:
    """One image: in memory, or as a file that is opened anew for everyone."""

    name: str
    memory: Image.Image | None = None
    path: Path | None = None

    def open(self) -> Image.Image:
        """Return it as a preprocessor gets it.

        Raises:
            OSError: no image file.
        """
        if self.path is None:
            assert self.memory is not None
            return self.memory.copy()
        return Image.open(self.path)

    @functools.cached_property
    def canon(self) -> NDArray[np.float32] | None:
        """The canon's tensor, None where it refuses the image."""
        try:
            return preprocess(self.path or self.open(), N_PX)
        except Rejected:
            return None

    @functools.cached_property
    def _as_stored(self) -> picture.Picture:
        return picture.picture(self.open())

    def seen_by(self, variant: Variant) -> picture.Picture | None:
        """Return what a variant starts from, None where it refuses the image."""
        if self.path is None:
            return self._as_stored
        try:
            return picture.picture(picture._opened(self.path, variant, N_PX), self.path)
        except (Rejected, OSError, SyntaxError, ValueError, EOFError):
            return None


def fresh(folder: Path, seed: int = SEED) -> list[Fresh]:
    """Return the images; those that are files are written into the folder."""
    rng = np.random.default_rng(seed)
    return [*_rgb(rng), *_modes(rng), *_files(rng, folder)]


@functools.cache
def _taken() -> frozenset[tuple[int, int]]:
    return frozenset(fixture.size_at(N_PX) for fixture in fixtures().values())


def _size(rng: np.random.Generator, least: int = _LEAST, most: int = _MOST) -> tuple[int, int]:
    """Draw (width, height), as often small as large, until no fixture has it."""
    while True:
        width, height = (round(float(side)) for side in np.exp(rng.uniform(np.log(least), np.log(most), 2)))
        if (width, height) not in _taken():
            return width, height


# --- contents


def _noise(rng: np.random.Generator, width: int, height: int, bands: int) -> Samples:
    return rng.integers(0, 256, (height, width, bands), dtype=np.uint8)


def _extremes(rng: np.random.Generator, width: int, height: int, bands: int) -> Samples:
    return np.where(rng.random((height, width, bands)) < 0.5, 0, 255).astype(np.uint8)


def _gradient(rng: np.random.Generator, width: int, height: int, bands: int) -> Samples:
    """A ramp in a direction of its own for every band."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    turn = rng.uniform(0, 2 * np.pi, bands)
    return _full(x * np.cos(turn) + y * np.sin(turn))


def _edges(rng: np.random.Generator, width: int, height: int, bands: int) -> Samples:
    """Rectangles of one colour each, over each other."""
    drawn = np.full((height, width, bands), rng.integers(0, 256, bands), dtype=np.uint8)
    for _ in range(12):
        left, right = sorted(rng.integers(0, width + 1, 2))
        top, bottom = sorted(rng.integers(0, height + 1, 2))
        drawn[top:bottom, left:right] = rng.integers(0, 256, bands)
    return drawn


def _waves(rng: np.random.Generator, width: int, height: int, bands: int) -> Samples:
    """Rings that become finer towards a corner, which alias where nothing keeps them from it."""
    y, x = np.mgrid[:height, :width][..., None].astype(np.float64)
    rate = rng.uniform(0.3, 1.0, bands) / max(width, height)
    return _full(np.sin(rate * (x * x + y * y) + rng.uniform(0, 6, bands)))


def _photo(rng: np.random.Generator, width: int, height: int, bands: int) -> Samples:
    """Blobs of every scale, the larger the stronger, as in photographs; the bands are mostly alike, with some grain."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / max(width, height))
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) * fall, (height, width)) for _ in range(4)]
    common = planes[3] / (planes[3].std() + 1e-9)
    own = np.stack([plane / (plane.std() + 1e-9) for plane in (planes[band % 3] for band in range(bands))], axis=-1)
    values = 128 + 45 * common[..., None] + 20 * own + rng.normal(0, 3, (height, width, bands))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _full(values: NDArray[Any]) -> Samples:
    """Return values stretched to 0..255, band by band."""
    low = values.min(axis=(0, 1))
    return np.rint((values - low) / np.maximum(np.ptp(values, axis=(0, 1)), 1e-9) * 255).astype(np.uint8)


_CONTENTS: tuple[Callable[..., Samples], ...] = (_photo, _noise, _edges, _waves, _gradient, _extremes)


# --- images in memory


def _rgb(rng: np.random.Generator) -> Iterator[Fresh]:
    sizes = [_size(rng, least) for least, _ in zip(itertools.cycle(_LEASTS), range(_RGB))]
    # One side is right already; both are next to it; extreme ones.
    sizes += [(N_PX, _size(rng, N_PX)[1]), (_size(rng, N_PX)[0], N_PX), (N_PX + 2, N_PX - 5), (N_PX - 7, N_PX + 9)]
    sizes += [(int(rng.integers(400, _MOST)), int(rng.integers(9, 15)))]
    sizes += [(int(rng.integers(9, 15)), int(rng.integers(400, _MOST)))]
    for (width, height), content in zip(sizes, itertools.cycle(_CONTENTS)):
        name = f"RGB {content.__name__[1:]} {width}x{height}"
        yield Fresh(name, Image.fromarray(content(rng, width, height, 3), "RGB"))


def _modes(rng: np.random.Generator) -> Iterator[Fresh]:
    for mode, content, opacity in (
        ("RGBA", _photo, _gradient),
        ("RGBA", _edges, _extremes),
        ("LA", _photo, _noise),
        ("RGBa", _photo, _gradient),
        ("L", _photo, None),
        ("L", _waves, None),
        ("CMYK", _photo, None),
        ("CMYK", _gradient, None),
        ("YCbCr", _photo, None),
        ("HSV", _edges, None),
    ):
        width, height = _size(rng, 40)
        bands = len(Image.new(mode, (1, 1)).getbands())
        samples = content(rng, width, height, bands)
        if opacity is not None:
            samples[..., -1:] = opacity(rng, width, height, 1)
        if mode == "RGBa":
            samples[..., :3] = np.minimum(samples[..., :3], samples[..., 3:])
        yield _held(mode, content, Image.frombytes(mode, (width, height), samples.tobytes()))
    yield _held("1", _photo, Image.fromarray(_photo(rng, *_size(rng, 40), 1)[..., 0]).convert("1"))
    yield _held("P", _photo, _palette(rng, _photo))
    for top in (60000, 700):
        # Most is beyond 255, or about half of it.
        grey = _photo(rng, *_size(rng, 40), 1)[..., 0].astype(np.float64) / 255
        yield _held("I;16", _photo, Image.fromarray((grey * top).astype(np.uint16)))


def _held(mode: str, content: Callable[..., Samples], image: Image.Image) -> Fresh:
    assert image.mode == mode
    return Fresh(f"{mode} {content.__name__[1:]} {image.width}x{image.height}", image)


def _palette(rng: np.random.Generator, content: Callable[..., Samples]) -> Image.Image:
    """An image of 256 colours that have nothing to do with their neighbours."""
    width, height = _size(rng, 40)
    image = Image.frombytes("P", (width, height), content(rng, width, height, 1).tobytes())
    image.putpalette(rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
    return image


# --- files


def _files(rng: np.random.Generator, folder: Path) -> Iterator[Fresh]:
    for name, image, options in (*_jpegs(rng), *_pngs(rng), *_others(rng)):
        path = folder / name
        image.save(path, **options)
        if "truncated" in name:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        yield Fresh(f"{name} {image.mode} {image.width}x{image.height}", path=path)


def _drawn(rng: np.random.Generator, mode: str, least: int = 40) -> Image.Image:
    width, height = _size(rng, least)
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), _photo(rng, width, height, bands).tobytes())


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _profile() -> bytes:
    """Return a profile whose red is blue, so that it shows whether it is applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")


_Files = Iterator[tuple[str, Image.Image, dict[str, Any]]]


def _jpegs(rng: np.random.Generator) -> _Files:
    yield "turned.jpg", _drawn(rng, "RGB"), {"exif": _turned(6), "quality": 92}
    yield "profile.jpg", _drawn(rng, "RGB"), {"icc_profile": _profile(), "quality": 88}
    # Large enough for every decoder that may halve it.
    yield "large.jpg", _drawn(rng, "RGB", 500), {"quality": 90, "subsampling": 2}
    yield "ink.jpg", _drawn(rng, "CMYK"), {"quality": 93}
    yield "grey.jpg", _drawn(rng, "L"), {"quality": 85}
    yield "truncated.jpg", _drawn(rng, "RGB"), {"quality": 90}


def _pngs(rng: np.random.Generator) -> _Files:
    yield "turned.png", _drawn(rng, "RGB"), {"exif": _turned(3)}
    background, gamma = PngInfo(), PngInfo()
    background.add(b"bKGD", b"".join(value.to_bytes(2, "big") for value in (30, 200, 90)))
    yield "background.png", _drawn(rng, "RGBA"), {"pnginfo": background}
    gamma.add(b"gAMA", (100000).to_bytes(4, "big"))
    yield "gamma.png", _drawn(rng, "RGB"), {"pnginfo": gamma}
    yield "palette.png", _palette(rng, _edges), {"transparency": rng.integers(0, 256, 200, dtype=np.uint8).tobytes()}
    yield "clear.png", _drawn(rng, "L"), {"transparency": 128}
    grey = _photo(rng, *_size(rng, 40), 1)[..., 0].astype(np.uint16)
    yield "deep.png", Image.fromarray(grey * np.uint16(257)), {}
    yield "bits.png", _drawn(rng, "L").convert("1"), {}


def _others(rng: np.random.Generator) -> _Files:
    first = _palette(rng, _photo)
    last = Image.frombytes("P", first.size, first.transpose(Image.Transpose.ROTATE_180).tobytes())
    last.putpalette(first.getpalette() or [])
    yield "frames.gif", first, {"save_all": True, "append_images": [last], "duration": 50, "loop": 0}
    yield "grey.bmp", _drawn(rng, "L"), {}
