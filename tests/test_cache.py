"""What is kept between runs: bounded, verified when it is read, and never in the way."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

import clip_conformance
import clip_reference
from clip_conformance import cache as module
from clip_conformance import expected as wanted
from clip_conformance.cache import VARIABLE, Cache, default
from clip_conformance.errors import UsageError
from clip_conformance.expected import expected, expected_rgb
from clip_fixtures import digest, fixtures, goldens
from clip_reference import Stages

N_PX = 224
FIXTURE = fixtures()["down-500-zone"]
GOLDEN = goldens(N_PX)[FIXTURE.slug]["convert_rgb"]


def content(seed: int, size: int = 1000) -> tuple[str, bytes]:
    data = np.random.default_rng(seed).bytes(size)
    return hashlib.sha256(data).hexdigest(), data


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def user_cache(tmp_path, monkeypatch):
    """The user's cache, in a folder of the test's own."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    default.cache_clear()
    yield tmp_path / "cache"
    default.cache_clear()


@pytest.fixture
def computed(monkeypatch):
    """The cases of which the reference is computed."""
    found: list[str] = []
    original = wanted.reference_stages

    def counted(fixture, n_px):
        found.append(fixture.slug)
        return original(fixture, n_px)

    monkeypatch.setattr(wanted, "reference_stages", counted)
    return found


def test_what_is_put_is_got_also_by_another_process(tmp_path):
    name, data = content(1)
    Cache(tmp_path).put(name, data)
    assert Cache(tmp_path).get(name) == data
    assert Cache(tmp_path).get(content(2)[0]) is None


def test_nothing_is_kept_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, data = content(1)
    nowhere = Cache(None)
    nowhere.put(name, data)
    assert nowhere.get(name) is None
    assert entries(tmp_path) == []


def flipped(data: bytes) -> bytes:
    return data[:500] + bytes([data[500] ^ 1]) + data[501:]


@pytest.mark.parametrize(
    "spoil",
    [flipped, lambda data: data[:-1], lambda data: b"", lambda data: data + b"\0"],
    ids=["one bit", "cut off", "empty", "longer"],
)
def test_a_damaged_entry_is_none_and_is_replaced(tmp_path, spoil):
    name, data = content(1)
    Cache(tmp_path).put(name, data)
    (entry,) = entries(tmp_path)
    entry.write_bytes(spoil(data))
    cache = Cache(tmp_path)
    assert cache.get(name) is None
    cache.put(name, data)
    assert cache.get(name) == data


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_what_is_no_file_is_no_entry_and_is_not_waited_for(tmp_path):
    name, data = content(1)
    Cache(tmp_path).put(name, data)
    (entry,) = entries(tmp_path)
    entry.unlink()
    os.mkfifo(entry)
    assert Cache(tmp_path).get(name) is None


def test_another_version_of_the_cache_is_not_read(tmp_path, monkeypatch):
    name, data = content(1)
    Cache(tmp_path).put(name, data)
    monkeypatch.setattr(module, "_VERSION", "next")
    assert Cache(tmp_path).get(name) is None


def test_it_is_bounded_and_what_was_used_last_stays(tmp_path):
    cache = Cache(tmp_path, limit=10_000)
    for seed in range(10):
        name, data = content(seed)
        cache.put(name, data)
        os.utime(next(path for path in entries(tmp_path) if path.name == name), (seed, seed))
    first = content(0)
    assert cache.get(first[0]) == first[1]
    newest = content(10)
    cache.put(*newest)
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 10_000
    assert cache.get(newest[0]) == newest[1]
    assert cache.get(first[0]) == first[1], "it was used last"
    assert cache.get(content(1)[0]) is None


def test_the_bound_holds_for_what_other_processes_put(tmp_path):
    mine, other = Cache(tmp_path, limit=10_000), Cache(tmp_path, limit=10_000)
    for seed in range(40):
        (mine if seed % 2 else other).put(*content(seed))
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 2 * 10_000
    fresh = Cache(tmp_path, limit=10_000)
    fresh.put(*content(99))
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 10_000


def test_what_is_larger_than_all_of_it_is_not_kept(tmp_path):
    Cache(tmp_path, limit=500).put(*content(1))
    assert entries(tmp_path) == []


def test_the_rest_of_a_writer_that_was_killed_is_swept(tmp_path):
    cache = Cache(tmp_path)
    cache.put(*content(1))
    folder = entries(tmp_path)[0].parent
    old, young = folder / ".half-old", folder / ".half-young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (1, 1))
    Cache(tmp_path).put(*content(2))
    assert not old.exists()
    assert young.exists(), "its writer may be at work"


def test_a_write_that_is_broken_off_leaves_nothing(tmp_path, monkeypatch):
    """The name of an entry appears when all of it is on the disk."""
    cache = Cache(tmp_path)

    def full(*_: object) -> None:
        assert [path.name for path in entries(tmp_path) if not path.name.startswith(".")] == []
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.put(*content(1))
    assert entries(tmp_path) == []


def test_two_processes_at_once_leave_whole_entries(tmp_path):
    """Both write and sweep a cache that is too small for either."""
    code = (
        "import hashlib, sys\n"
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from clip_conformance.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]), limit=200_000)\n"
        "for seed in [*range(60)] * 5:\n"
        "    data = np.random.default_rng(seed).bytes(10_000)\n"
        "    name = hashlib.sha256(data).hexdigest()\n"
        "    assert cache.get(name) in (None, data)\n"
        "    cache.put(name, data)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, timeout=120), range(2)))
    assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * 2
    left = entries(tmp_path)
    assert left
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in left)


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, kind):
    (tmp_path / "taken").write_text("no folder")
    cache = Cache(tmp_path / "taken" if kind == "a file" else tmp_path / "taken/cache")
    name, data = content(1)
    cache.put(name, data)
    assert cache.get(name) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_done_without(tmp_path):
    tmp_path.chmod(0o500)
    cache = Cache(tmp_path / "cache")
    cache.put(*content(1))
    assert cache.get(content(1)[0]) is None


def test_the_variable_says_where_it_lies_and_empty_says_nowhere(tmp_path, monkeypatch, user_cache):
    name, data = content(1)
    default().put(name, data)
    assert [path.name for path in entries(user_cache)] == [name]
    monkeypatch.setenv(VARIABLE, "")
    default.cache_clear()
    assert default().get(name) is None
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    default.cache_clear()
    default().put(name, data)
    assert [path.name for path in entries(tmp_path / "xdg" / "clip-conformance")] == [name]


def test_the_reference_is_computed_once(user_cache, computed):
    first = expected_rgb(FIXTURE, N_PX)
    second = expected_rgb(FIXTURE, N_PX)
    assert computed == [FIXTURE.slug]
    assert digest(first) == digest(second) == GOLDEN
    assert [path.name for path in entries(user_cache)] == [GOLDEN]


def test_a_damaged_entry_is_computed_again(user_cache, computed):
    expected_rgb(FIXTURE, N_PX)
    (entry,) = entries(user_cache)
    entry.write_bytes(flipped(entry.read_bytes()))
    assert digest(expected_rgb(FIXTURE, N_PX)) == GOLDEN
    assert computed == [FIXTURE.slug] * 2
    assert digest(expected_rgb(FIXTURE, N_PX)) == GOLDEN
    assert computed == [FIXTURE.slug] * 2


def test_an_output_that_is_not_the_golden_is_neither_used_nor_kept(user_cache):
    wrong = Stages(np.zeros((N_PX, N_PX, 3), np.uint8), N_PX).convert_rgb
    with pytest.raises(UsageError, match="does not reproduce the golden of down-500-zone@224"):
        expected(FIXTURE, N_PX, "convert_rgb", lambda: wrong)
    assert entries(user_cache) == []


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I", "F", "I;16", "I;16B"])
def test_every_mode_comes_back_as_it_was(user_cache, mode):
    fixture = next(one for one in fixtures().values() if one.scope == "modes" and one.mode == mode)
    stages = wanted.reference_stages(fixture, N_PX)
    for stage in ("resize", "center_crop", "convert_rgb"):
        first = expected(fixture, N_PX, stage, lambda stage=stage: getattr(stages, stage))
        again = expected(fixture, N_PX, stage, lambda: pytest.fail("computed again"))
        assert (again.dtype, again.shape) == (first.dtype, first.shape)
        assert again.tobytes() == first.tobytes()


def test_the_images_themselves_and_what_files_decode_to_are_not_kept(user_cache):
    stages = wanted.reference_stages(FIXTURE, N_PX)
    expected(FIXTURE, N_PX, "decode", lambda: stages.decode)
    file = next(fixture for fixture in fixtures().values() if fixture.scope == "files" and fixture.expect == "image")
    expected_rgb(file, N_PX)
    assert entries(user_cache) == []


def shifted(image):
    """Diverge everywhere."""
    return clip_reference.preprocess(image) + np.float32(0.05)


def cases() -> bytes:
    found = clip_conformance.check(
        shifted, select=["pin-*", "down-500-*"], scopes=["arrays"], diagnose=False, pictures=False, jobs=1
    )
    return msgspec.json.encode([msgspec.structs.replace(case, seconds=0.0) for case in found.cases])


def test_the_verdict_is_the_same_without_with_a_cold_and_with_a_warm_cache(monkeypatch, user_cache):
    cold = cases()
    assert entries(user_cache)
    warm = cases()
    for entry in entries(user_cache):
        entry.write_bytes(b"no image")
    damaged = cases()
    monkeypatch.setenv(VARIABLE, "")
    default.cache_clear()
    assert b'"divergent"' in cold
    assert cold == warm == damaged == cases()
