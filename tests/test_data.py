"""What models learn from: digits, and a user's own files, refused where something is wrong."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from gdexp import data
from gdexp.base import UsageError

ROWS = np.array([[1.0, 10.0, 0], [2.0, 10.0, 1], [4.0, 10.0, 1], [9.0, 10.0, 3]])


def written(folder, kind, rows=ROWS, names=("a", "b", "label")):
    path = folder / f"some.{kind}"
    if kind == "npz":
        np.savez(path, x=rows[:, :-1], y=rows[:, -1])
    elif kind == "parquet":
        parquet.write_table(pa.table(dict(zip(names, rows.T, strict=True))), path)
    else:
        lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_digits_are_those_of_scikit_learn_every_fifth_held_out():
    (x, y), (held_x, held_y) = data.examples("digits", None, True, False, 5)
    assert x.shape == (1437, 64) and held_x.shape == (360, 64)
    assert set(np.unique(x)) == set(range(17))  # sixteen shades of grey, and none
    assert y.shape == (1437, 10) and (y.sum(axis=1) == 1).all()
    # of its documentation: 178 zeros, 182 ones, 177 twos, ...
    counts = (y.sum(axis=0) + held_y.sum(axis=0)).astype(int).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_a_file_holds_features_and_a_target(kind, tmp_path):
    learned, held_out = data.examples(written(tmp_path, kind), None, True, False, None)
    assert learned[0].tolist() == ROWS[:, :2].tolist()
    assert learned[1].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]  # 0, 1 and 3
    assert held_out[0].shape == (0, 2)


def test_another_column_may_be_the_target_and_a_number(tmp_path):
    (x, y), (held_x, held_y) = data.examples(written(tmp_path, "csv"), "a", False, False, 3)
    assert y.tolist() == [[2.0], [4.0]] and held_y.tolist() == [[1.0], [9.0]]
    assert x.tolist() == [[10, 1], [10, 1]] and held_x.tolist() == [[10, 0], [10, 3]]


def test_features_are_standardized_by_what_is_learned_from(tmp_path):
    (x, _), (held_x, _) = data.examples(written(tmp_path, "csv"), None, True, True, 3)
    assert x.tolist() == [[-1, 0], [1, 0]]  # 2 and 4; what is the same everywhere stays that
    assert held_x.tolist() == [[-2, 0], [6, 0]]


def test_a_file_that_has_changed_is_read_again(tmp_path):
    before = data.examples(written(tmp_path, "csv"), None, True, False, None)
    after = data.examples(written(tmp_path, "csv", ROWS[:3]), None, True, False, None)
    assert len(before.learned[0]) == 4 and len(after.learned[0]) == 3


def text(folder, name, what):
    path = folder / name
    path.write_bytes(what if isinstance(what, bytes) else what.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "what", "told"),
    [
        ("a.csv", "x,y\n1,2\n,3\n", "'x' has 1 values that are missing .* first in example 2"),
        ("a.csv", "x,y\n1,2\n2,inf\n", "column 'y' has 1 values .* infinite"),
        ("a.csv", "x,y\n2,2\nblue,3\n", "column 'x' holds 'blue' in example 2, which is no num"),
        ("a.csv", "x,y\n2000-01-01,2\n,3\n", r"'x' holds datetime.date\(.* in example 1"),
        ("a.csv", "x,y\n,2\n,3\n", "column 'x' has 2 values that are missing"),
        ("a.csv", "x,y\ntrue,2\n,3\n", "column 'x' has 1 values that are missing .* example 2"),
        ("a.csv", "1,2,0\n2,3,1\n3,4,1\n", "has no line of names: its first is 1,2,0"),
        ("a.csv", "x,y\n1,2\n1\n", "cannot be read as .csv: .*2 columns"),
        ("a.csv", "x,y\n", "holds no examples"),
        ("a.csv", "", "cannot be read as .csv"),
        ("a.csv", "x,x\n1,2\n", "two of its columns have one name"),
        ("a.csv", "y\n1\n2\n", "no column beside its target 'y'"),
        ("a.csv", "x,y\n1,0.5\n2,3\n", "the target has 2 values, 0.5, 3, .*task=numbers"),
        ("a.csv", "x,y\n1,4\n2,4\n", "all examples are of the class 4"),
        ("a.parquet", "not parquet", "cannot be read as .parquet"),
        ("a.npz", "not npz", "cannot be read as .npz"),
        ("a.txt", "x,y\n1,2\n", "type digits, or a file that ends in .csv, .parquet, .npz"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(name, what, told, tmp_path):
    with pytest.raises(UsageError, match=told):
        data.examples(text(tmp_path, name, what), None, True, True, None)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.ones((3, 2))}, r"needs arrays x \[n, ...\] and y \[n\] \(there: x\)"),
        ({"x": np.ones((3, 2)), "y": np.ones(2)}, r"x has the shape \(3, 2\) and y \(2,\)"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, "holds no examples"),
        ({"x": np.array([object()]), "y": np.ones(1)}, "cannot be read as .npz: .*pickle"),
    ],
)
def test_what_is_wrong_with_arrays_is_told(arrays, told, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UsageError, match=told):
        data.examples(str(tmp_path / "a.npz"), None, True, True, None)


def test_a_column_or_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="no column 'lable': did you mean label"):
        data.examples(written(tmp_path, "csv"), "lable", True, True, None)
    with pytest.raises(UsageError, match="there is no such file"):
        data.examples(str(tmp_path / "none.csv"), None, True, True, None)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="that is a folder"):
        data.examples(str(tmp_path / "folder.csv"), None, True, True, None)
    with pytest.raises(UsageError, match="held_out=1 leaves no example"):
        data.examples(written(tmp_path, "csv"), None, True, True, 1)
    with pytest.raises(UsageError, match="goes with a file"):
        data.examples("digits", "label", True, True, 5)
