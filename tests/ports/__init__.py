"""Preprocessors that other people might have written, with what is known to be wrong with each: a held-out set.

They judge the diagnosis (`clip_conformance.diagnosis`): it sees nothing of a port but its tensors, names a stage and a
mistake, and is compared with the labels here. They were written from the standard, the list of known mistakes and what
is known about real implementations, without a look at the diagnosis or its bank of mistakes, and they share no code
with either. To keep them worth something, do not tune the diagnosis until a given port passes; write another port.

They are written as such scripts are: Pillow, torchvision, torch, OpenCV, scikit-image, SciPy, NumPy, and loops of C++,
Rust or Go put into NumPy. So the same mistake comes in the arithmetic of several libraries, and a library brings
mistakes of its own: OpenCV's bicubic has another constant *and* does not antialias *and* repeats the edge.

- `SINGLES`: one mistake, or the few in one stage that a library's one function makes together.
- `COMBINATIONS`: mistakes in several stages, whole pipelines of real projects among them.
- `SOUND`: conforming ones; all but `v2_on_uint8_tensors` within float rounding, that one `equivalent`.
- `UNKNOWN`: mistakes that no id names. Nothing may be said to be reproduced. Their `stages` say where they are made,
  which the tensors tell only roughly: whatever happens to the cropped RGB image is put down to `convert_rgb`.

Labels (`Port`): `stages` and `faults` are what is really wrong; `minor` is wrong as well and may be named or not;
`beyond` is wrong and has no id. A port that takes RGB alone raises ValueError (or NotImplementedError, MemoryError)
for what it cannot take, which is a refusal and no answer. n_px is 224 throughout. Ports of `opened_files` look at
files: on images in memory most of them are right, and `composited_on_bkgd` shows in three files only. Rare by nature
are `pillow_reducing_gap`, `aspect_ratio_first`, `zoom_factor_first` and `float_scale`, too. `lenient` differs only
where the canon rejects. The resamplers in doubles (`gathering_resamplers`, `four_taps`) are off by 1 LSB (2 once) at
ties, on 0.1 % of the samples at most; `ported_resamplers` and all on Pillow are exact but for the mistake.
"""

from . import (
    combined_libraries,
    combined_scripts,
    four_taps,
    gathering_resamplers,
    opencv_scripts,
    opened_files,
    pillow_geometry,
    pillow_values,
    ported_resamplers,
    sound,
    torch_scripts,
    unknown,
)
from .port import Port

__all__ = ["COMBINATIONS", "SINGLES", "SOUND", "UNKNOWN", "Port"]

SINGLES: tuple[Port, ...] = (
    *opened_files.SINGLES,
    *pillow_geometry.SINGLES,
    *pillow_values.SINGLES,
    *torch_scripts.SINGLES,
    *opencv_scripts.SINGLES,
    *ported_resamplers.SINGLES,
    *gathering_resamplers.SINGLES,
    *four_taps.SINGLES,
)
COMBINATIONS: tuple[Port, ...] = (*combined_libraries.COMBINATIONS, *combined_scripts.COMBINATIONS)
SOUND: tuple[Port, ...] = tuple(sound.SOUND)
UNKNOWN: tuple[Port, ...] = tuple(unknown.UNKNOWN)
