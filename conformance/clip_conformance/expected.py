"""The canon's output of a case: from the cache, else computed, and in both cases what the golden digest names."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance import arrays
from clip_conformance.cache import Cache, default
from clip_conformance.cases import case_id, expected_array, expected_digests, reference_stages
from clip_conformance.errors import UsageError
from clip_fixtures import Fixture, digest
from clip_spec import StageId


def expected(fixture: Fixture, n_px: int, stage: StageId, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return the canon's output of a stage (CNF-1); it may be read-only.

    Args:
        fixture: whose image.
        n_px: the side of the model's input.
        stage: whose output; an image itself (decode) is as fast made as read, and is not kept.
        compute: gives the reference's output, where it has to be computed.

    Raises:
        UsageError: the reference does not reproduce the golden.
    """
    if fixture.scope == "files":
        # What a file decodes to is up to the installed Pillow; the check of decode says so.
        return compute()
    golden, cache = expected_digests(fixture, n_px)[stage], default() if stage != "decode" else Cache(None)
    if (content := cache.get(golden)) is not None:
        return arrays.bare(content, *expected_array(fixture, n_px, stage))
    computed = compute()
    if digest(computed) != golden:
        raise UsageError(
            f"the reference does not reproduce the golden of {case_id(fixture, n_px)}; reinstall clip-conformance"
        )
    cache.put(golden, computed.astype(computed.dtype.newbyteorder("<"), copy=False).tobytes())
    return computed


def expected_rgb(fixture: Fixture, n_px: int) -> NDArray[np.uint8]:
    """Return the canon's image before the float end, uint8 [n_px, n_px, 3]; `expected` says what it raises."""
    return expected(fixture, n_px, "convert_rgb", lambda: reference_stages(fixture, n_px).convert_rgb)
