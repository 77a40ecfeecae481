"""Digests: of the samples alone, whatever their layout in memory, and read as what they are."""

import hashlib
import json
import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest

import clip_spec
from clip_fixtures import digest, digest_of_goldens, goldens
from clip_fixtures.goldens import path

VALUES = [[1, 258, 65535], [0, 7, 513]]


@pytest.mark.clause("CNF-1")
@pytest.mark.parametrize(("dtype", "letter"), [("u1", "B"), ("u2", "H"), ("i4", "i"), ("f4", "f")])
def test_a_digest_is_of_little_endian_samples_in_c_order(dtype, letter):
    rows = [[value % 256 for value in row] for row in VALUES] if dtype == "u1" else VALUES
    want = hashlib.sha256(struct.pack(f"<6{letter}", *rows[0], *rows[1])).hexdigest()
    little = np.array(rows, f"<{dtype}")
    wide = np.repeat(little, 2, axis=1)
    for samples in (little, little.astype(f">{dtype}"), np.asfortranarray(little), wide[:, ::2], little[::-1][::-1]):
        assert digest(samples) == want
    assert digest(little.T) != want


def test_a_bit_more_or_less_is_another_digest():
    one = np.zeros((2, 2), np.float32)
    assert digest(one) != digest(-one)
    assert digest(one) != digest(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("n_px", clip_spec.sizes())
def test_the_goldens_lie_beside_the_package(n_px):
    assert isinstance(path(n_px), Path)
    assert path(n_px).parts[-3:] == ("clip_fixtures", "goldens", f"{n_px}.json")
    assert goldens(n_px) == msgspec.json.decode(path(n_px).read_bytes())
    # They are read once: every case of a run asks for them.
    assert goldens(n_px) is goldens(n_px)


def test_goldens_of_another_form_are_refused(tmp_path, monkeypatch):
    (tmp_path / "1.json").write_text('{"pin-values": {"decode": 1}}')
    monkeypatch.setitem(goldens.__wrapped__.__globals__, "path", lambda n_px: tmp_path / f"{n_px}.json")
    with pytest.raises(msgspec.ValidationError):
        goldens.__wrapped__(1)


def test_the_digest_of_all_goldens_is_of_their_sorted_json():
    """One for the same n_px in any order, and of what is in the files, in any order."""
    content = {str(n_px): goldens(n_px) for n_px in (224, 336)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert digest_of_goldens([336, 224, 336]) == hashlib.sha256(text.encode()).hexdigest()
    assert len({digest_of_goldens(sides) for sides in ([224], [336], [224, 336], clip_spec.sizes())}) == 4
