"""Arrays between processes: what numpy writes is read as numpy reads it, and no header is ever evaluated."""

import struct

import numpy as np
import pytest
from numpy.lib import format as npy

from clip_conformance import arrays

TYPES = ("<f4", ">f4", "<f8", "<f2", "|u1", "|i1", "<u2", ">i8", "|b1")
SHAPES = ((3, 224, 224), (2, 3), (7,), (), (0, 4), (1, 2, 3, 4, 5))


@pytest.fixture
def nothing_is_evaluated(monkeypatch):
    def refused(*_):
        raise AssertionError("the header was evaluated")

    monkeypatch.setattr("ast.literal_eval", refused)


def written(path, header: str, samples: bytes):
    path.write_bytes(arrays.MAGIC + b"\1\0" + struct.pack("<H", len(header)) + header.encode("latin-1") + samples)
    return path


@pytest.mark.parametrize("descr", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)], ids=str)
def test_what_numpy_writes_is_read_as_it_was(tmp_path, nothing_is_evaluated, descr, shape, order, version):
    array = np.asarray(np.arange(np.prod(shape)).reshape(shape) % 2, dtype=descr, order=order)
    with (tmp_path / "a.npy").open("wb") as file:
        npy.write_array(file, array, version=version)
    for got in (arrays.load(tmp_path / "a.npy", arrays.LARGEST), arrays.read(tmp_path / "a.npy", (1, 1), "float32")):
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        assert np.array_equal(got, array)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        '{"shape":(2,3),"fortran_order":False,"descr":"<f4"}',
        " { 'descr' : '<f4' , 'shape' : ( 2 , 3 , ) , 'fortran_order' : False } \n",
    ],
)
def test_other_ways_to_write_a_header(tmp_path, nothing_is_evaluated, header):
    want = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(arrays.load(written(tmp_path / "a.npy", header, want.tobytes()), 100), want)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "something else than texts"),
        ("{}", "its keys are not"),
        ("{'descr': '<f4', 'fortran_order': False}", "its keys are not"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': True}", "its keys are not"),
        ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", "something else"),
        ("{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}", "something else"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2*3,)}", "something else"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}", "something else"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}", "something else"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", "shape is no tuple"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", "shape is no tuple"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (, 2)}", "shape is no tuple"),
        ("{'descr': '<f4', 'fortran_order': 'no', 'shape': (2, 3)}", "fortran_order no bool"),
        ("{'descr': True, 'fortran_order': False, 'shape': (2, 3)}", "no type of numbers"),
        ("{'descr': 'float32', 'fortran_order': False, 'shape': (2, 3)}", "no type of numbers"),
        ("{'descr': '(9,)f4', 'fortran_order': False, 'shape': (2, 3)}", "no type of numbers"),
        ("{'descr': '<f3', 'fortran_order': False, 'shape': (2, 3)}", "no type of numbers"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}", "something else"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3)}", "never loaded"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (2, 3)}", "no image"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}", "header promises 32"),
        (f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 30},)}}", "impossible sides"),
        (f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'1, ' * 9})}}", "9 axes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}" + 5000 * " ", "longer than 4096"),
    ],
)
def test_a_header_that_is_refused(tmp_path, nothing_is_evaluated, header, why):
    with pytest.raises(arrays.Unreadable, match=why):
        arrays.load(written(tmp_path / "a.npy", header, bytes(24)), 1 << 20)


def test_a_header_that_is_cut_off(tmp_path):
    whole = written(tmp_path / "a.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", bytes(24))
    content = whole.read_bytes()
    for end in (7, 9, 20):
        whole.write_bytes(content[:end])
        with pytest.raises(arrays.Unreadable):
            arrays.load(whole, 1 << 20)
