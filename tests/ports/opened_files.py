"""Scripts that misread a file, or a mode on opening, and are right from then on."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageFile, ImageOps

from .port import Port, listed

SINGLES: list[Port] = []


def _transform(image: Image.Image) -> Any:
    from torchvision import transforms as T  # noqa: N812

    return T.Compose(
        [
            T.Resize(224, interpolation=T.InterpolationMode.BICUBIC),
            T.CenterCrop(224),
            lambda crop: crop.convert("RGB"),
            T.ToTensor(),
            T.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )(image)


NEEDS = "torch torchvision"


@listed(SINGLES, "decode", "exif-applied", needs=NEEDS)
def upright(image: Image.Image) -> Any:
    return _transform(ImageOps.exif_transpose(image))


@listed(SINGLES, "decode", "icc-applied", needs=NEEDS)
def to_srgb(image: Image.Image) -> Any:
    embedded = image.info.get("icc_profile")
    if embedded and image.mode == "RGB":
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert converted is not None
        image = converted
    return _transform(image)


@listed(SINGLES, "decode", "gamma-applied", needs=NEEDS)
def gamma_corrected(image: Image.Image) -> Any:
    gamma = image.info.get("gamma")
    if gamma and image.mode in ("RGB", "L"):
        table = [round(255 * (value / 255) ** (1 / (gamma * 2.2))) for value in range(256)]
        image = image.point(table * len(image.getbands()))
    return _transform(image)


@listed(SINGLES, "decode", "jpeg-draft", needs=NEEDS)
def drafted(image: Image.Image) -> Any:
    image.draft(image.mode, (224, 224))
    return _transform(image)


@listed(SINGLES, "decode", "last-frame", needs=NEEDS)
def last_frame(image: Image.Image) -> Any:
    frames = getattr(image, "n_frames", 1)
    if frames == 1:
        return _transform(image)
    image.seek(frames - 1)
    last = image.copy()
    image.seek(0)
    return _transform(last)


@listed(SINGLES, "decode", "truncated-accepted", needs=NEEDS)
def lenient(image: Image.Image) -> Any:
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    return _transform(image)


@listed(SINGLES, "decode", "sixteen-bit-scaled", needs=NEEDS)
def sixteen_bits_to_eight(image: Image.Image) -> Any:
    """What readers do that know 8 bits only; images in memory pass."""
    if image.format and (image.mode == "I" or image.mode.startswith("I;16")):
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    return _transform(image)


@listed(SINGLES, "decode", "palette-expanded", needs=NEEDS)
def palette_looked_up_early(image: Image.Image) -> Any:
    return _transform(image.convert("RGB") if image.mode == "P" else image)


@listed(SINGLES, "decode", "transparency-applied", needs=NEEDS, minor="palette-expanded")
def transparency_to_alpha(image: Image.Image) -> Any:
    image.load()
    return _transform(image.convert("RGBA") if "transparency" in image.info else image)


@listed(SINGLES, "decode", "cmyk-not-inverted", needs=NEEDS)
def ink_as_stored(image: Image.Image) -> Any:
    return _transform(ImageChops.invert(image) if image.format == "JPEG" and image.mode == "CMYK" else image)


@listed(SINGLES, "decode", "decode-mode-changed|bilevel-interpolated", needs=NEEDS)
def bits_opened_as_grey(image: Image.Image) -> Any:
    """A reader without 1-bit images; those in memory pass."""
    return _transform(image.convert("L") if image.format and image.mode == "1" else image)


@listed(SINGLES, "decode", "decode-mode-changed", needs=NEEDS)
def grey_gif_as_palette(image: Image.Image) -> Any:
    """GIF and indexed BMP are palette images, whatever their colours: a ramp of grey too."""
    if image.format in ("GIF", "BMP") and image.mode == "L":
        image.load()
        image = image.copy()
        image.putpalette([value for value in range(256) for _ in "RGB"])
    return _transform(image)
