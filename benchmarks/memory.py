"""A contestant's peak of memory at every size, in MiB, a line each: python benchmarks/memory.py CONTESTANT (Linux)."""

import ctypes
import re
import sys
from pathlib import Path

from contestants import CONTESTANTS, SIZES
from PIL import Image

from clip_fixtures.patterns import weave

call = CONTESTANTS[sys.argv[1]](224)


def held(field: str) -> int:
    """Return a field of the process's status, in KiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


call(Image.new("RGB", (300, 200)))  # what the first call loads is not what a call takes
trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
for size in SIZES:
    image = Image.fromarray(weave(*size, 3))
    trim(0)  # nor is what was freed and kept
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = held("VmRSS")
    call(image)
    print(f"{max(held('VmHWM') - before, 0) / 1024:.1f}")
