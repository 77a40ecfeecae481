"""The float end: to_tensor (TEN) and normalize (NRM), float32, each operation rounded on its own."""

import numpy as np
from numpy.typing import NDArray

import clip_spec

_CANON = clip_spec.canon()
MEAN = np.array(_CANON.mean, dtype=np.float32).reshape(3, 1, 1)
STD = np.array(_CANON.std, dtype=np.float32).reshape(3, 1, 1)
MEAN.flags.writeable = STD.flags.writeable = False


def to_tensor(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return uint8 [H, W, 3] as float32 [3, H, W] in [0, 1], C-contiguous: u / 255 (TEN-1, TEN-2)."""
    out = np.empty((3, *rgb.shape[:2]), dtype=np.float32)
    np.copyto(out, rgb.transpose(2, 0, 1))
    out /= np.float32(_CANON.max_value)
    return out


def normalize(tensor: NDArray[np.float32], *, in_place: bool = False) -> NDArray[np.float32]:
    """Return (x - mean) / std of float32 [3, H, W], as a new array unless `in_place` (NRM-1, NRM-2)."""
    out = np.subtract(tensor, MEAN, out=tensor if in_place else None)
    out /= STD
    return out


def table() -> NDArray[np.float32]:
    """Return the whole float end as a table, float32 [3, 256]: the value of channel c at sample u (NRM-3)."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    return normalize(to_tensor(ramp))[:, 0, :]
