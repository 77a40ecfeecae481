"""Where the pixels go: output size (SIZ) and crop offset (CRP), in integers."""

from clip_spec.types import CropRounding


def resized_size(width: int, height: int, n_px: int) -> tuple[int, int]:
    """Return (width, height) after `resize`: the short side becomes n_px, the long side n_px*long//short.

    Source: SIZ-1, SIZ-2; torchvision `_compute_resized_output_size`.
    """
    if width <= height:
        return n_px, n_px * height // width
    return n_px * width // height, n_px


def crop_offset(length: int, n_px: int, rounding: CropRounding = "half-even") -> int:
    """Return how many pixels `center_crop` leaves out before the crop, on an axis of `length` pixels.

    Source: CRP-1; torchvision `center_crop`, int(round((length - n_px) / 2.0)).
    """
    margin = length - n_px
    half = margin // 2
    if rounding == "half-up":
        return half + (margin & 1)
    return half + (half & 1) * (margin & 1)


def crop_box(width: int, height: int, n_px: int, rounding: CropRounding = "half-even") -> tuple[int, int, int, int]:
    """Return the crop (left, top, right, bottom) of a resized image; it never leaves the image (CRP-2, CRP-3)."""
    left, top = crop_offset(width, n_px, rounding), crop_offset(height, n_px, rounding)
    return left, top, left + n_px, top + n_px
