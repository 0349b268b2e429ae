"""The tables of finished runs: the contract's columns, and a digest of their contents."""

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp import api, columns, plan
from gdexp.base import Ends, Path, Reason
from gdexp.config.axes import COLUMNS
from gdexp.experiment import Draw, Store

KEYS = {"sgd.momentum": [0.0, 0.9], "learning_rate": [0.5, 0.1, 0.3]}
ASKED = api.experiment(
    ["quadratic", "double_well"],
    optimizer=["adam", "sgd"],
    grid=KEYS,
    draw={"b1": "uniform:0:1"},
    start={"uniform": 3},
    replicates=2,
)
PLANNED = plan.make(ASKED)
TILES = list(PLANNED.tiles())
ENDED = [reason for reason in Reason if reason]

# the contract of an output directory, word for word
BEFORE = ["run", "objective", "optimizer"]
AFTER = ["start", "replicate", "x0", "x", "f0", "f", "f_best", "grad_norm", "steps", "evaluations"]
AFTER += ["outcome", "reason", "period"]


def ends_of(tile, dtype="float32", targets=0, planned=PLANNED):
    """Ends that are different everywhere, NaN and infinity among them."""
    rng, n = np.random.default_rng(tile.part), tile.count
    real = rng.normal(size=(5, n)).astype(dtype)
    real[:, 0], real[:, 1], real[:, 2] = np.nan, -np.inf, -0.0
    steps = rng.integers(0, 1000, (2, n)).astype(np.int32)
    x = rng.normal(size=(n, planned.groups[tile.group].space.dim)).astype(dtype)
    reason = np.array(ENDED, np.int32)[np.arange(n) % len(ENDED)]
    reached = rng.integers(-1, 5, (n, targets)).astype(np.int32)
    period = np.where(reason == Reason.CYCLE, 2 + np.arange(n) % 3, 0).astype(np.int32)
    return Ends(x, *real[:4], *steps, reason, reached, period)


def table_of(tile, asked=ASKED):
    ends = ends_of(tile, asked.dtype, len(asked.stop.targets))
    return columns.run_table(asked, PLANNED, tile, ends)


def with_targets(*targets):
    return dataclasses.replace(ASKED, stop=dataclasses.replace(ASKED.stop, targets=targets))


def test_every_part_has_the_contracts_columns_in_the_contracts_order():
    for tile in TILES:
        assert table_of(tile).column_names == [*BEFORE, *KEYS, "b1", *AFTER]


def test_every_part_has_one_schema():
    schemas = [table_of(tile).schema for tile in TILES]
    assert len(schemas) == 4
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    assert schemas[0].equals(columns.run_schema(ASKED, PLANNED))


def test_steps_to_target_is_there_only_if_targets_are():
    asked = with_targets(0.5, 0.25)
    table = table_of(TILES[0], asked)
    assert table.column_names == [*BEFORE, *KEYS, "b1", *AFTER, "steps_to_target"]
    reached = ends_of(TILES[0], targets=2).reached
    expected = [[None if step < 0 else step for step in row] for row in reached.tolist()]
    assert table["steps_to_target"].to_pylist() == expected


def only(*names):
    return dataclasses.replace(ASKED, store=Store(names))


@pytest.mark.parametrize("names", [["outcome"], ["steps", "run"], ["b1", "x0"], ["sgd.momentum"]])
def test_a_choice_of_columns_are_those_of_the_whole(names):
    for tile in TILES:
        table, whole = table_of(tile, only(*names)), table_of(tile)
        kept = [name for name in whole.column_names if name in names]
        assert table.equals(whole.select(kept))
        assert table.schema.equals(columns.run_schema(only(*names), PLANNED))
        assert columns.digest(table) == columns.digest(whole.select(kept))


def test_what_is_not_kept_is_not_made(monkeypatch):
    for method in ("points", "coordinates", "keys"):
        monkeypatch.delattr(plan.Group, method)
    assert table_of(TILES[0], only("outcome", "x", "period")).num_columns == 3
    with pytest.raises(AttributeError):
        table_of(TILES[0], only("x0"))


def test_a_drawn_key_that_is_not_kept_is_not_drawn(monkeypatch):
    monkeypatch.delattr(Draw, "at")
    assert table_of(TILES[0], only("learning_rate")).num_columns == 1
    with pytest.raises(AttributeError):
        table_of(TILES[0], only("b1"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_are_the_ends_to_the_bit_in_the_dtype_of_the_run(dtype):
    asked = dataclasses.replace(ASKED, dtype=dtype)
    for tile in TILES:
        table, ends = table_of(tile, asked), ends_of(tile, dtype)
        for name in ("f0", "f", "f_best", "grad_norm", "steps", "evaluations"):
            values = table[name].to_numpy()
            assert values.dtype == (dtype if name[0] in "fg" else np.int32)
            assert values.tobytes() == getattr(ends, name).tobytes()
        assert table["x"].type.value_type == pa.from_numpy_dtype(dtype)
        flat = table["x"].combine_chunks().flatten().to_numpy()
        assert flat.tobytes() == ends.x.tobytes()


def test_runs_have_their_numbers_and_coordinates():
    for tile in TILES:
        table, group = table_of(tile), PLANNED.groups[tile.group]
        assert table["run"].to_pylist() == list(range(tile.first, tile.first + tile.count))
        assert set(table["objective"].to_pylist()) == {group.objective_name}
        assert set(table["optimizer"].to_pylist()) == {group.optimizer.name}
        assert table["start"].to_pylist() == group.start_index(tile.runs).tolist()
        assert table["replicate"].to_pylist() == group.replicate_index(tile.runs).tolist()
        x0 = group.points(tile.runs).astype(np.float32)
        assert table["x0"].to_pylist() == x0.tolist()


def test_keys_are_float64_as_written_and_null_where_they_do_not_apply():
    for tile in TILES:
        table, group = table_of(tile), PLANNED.groups[tile.group]
        for key in (*KEYS, "b1"):
            assert table[key].type == pa.float64()
            owned = key == "learning_rate" or key == {"sgd": "sgd.momentum", "adam": "b1"}.get(
                group.optimizer.name
            )
            assert table[key].null_count == (0 if owned else tile.count)
            if owned:
                assert table[key].to_pylist() == group.keys(tile.runs)[key].tolist()


def test_outcome_and_reason_are_the_words_of_the_contract():
    rows = table_of(TILES[0]).select(["outcome", "reason"]).to_pylist()
    told = {row["reason"]: row["outcome"] for row in rows}
    assert told == {
        "invalid_start": "diverged",
        "nonfinite_value": "diverged",
        "nonfinite_gradient": "diverged",
        "nonfinite_point": "diverged",
        "escaped": "diverged",
        "grad_tol": "converged",
        "f_tol": "converged",
        "no_progress": "stalled",
        "cycle": "cycling",
        "max_steps": "unfinished",
    }


def test_a_start_beyond_float32_is_infinite_without_a_warning():
    asked = api.experiment("double_well", start={"normal": {"num": 9, "std": 3e38}})
    planned = plan.make(asked)
    [tile] = planned.tiles()
    table = columns.run_table(asked, planned, tile, ends_of(tile, planned=planned))
    points = planned.groups[0].points(tile.runs)
    beyond = np.abs(points) > np.finfo(np.float32).max
    assert beyond.any()
    assert (np.isinf(table["x0"].to_pylist()) == beyond).all()


def test_a_run_that_has_not_ended_is_no_row():
    ends = ends_of(TILES[0])
    ends.reason[3] = Reason.RUNNING
    with pytest.raises((pa.ArrowInvalid, pa.ArrowIndexError, IndexError)):
        columns.run_table(ASKED, PLANNED, TILES[0], ends)


def test_traces_are_the_paths_run_by_run():
    paths = [
        Path(
            run,
            np.arange(k, dtype=np.int32),
            np.full((k, 2), run, "f4"),
            *np.ones((2, k), "f4"),
            Reason.GRAD_TOL,
        )
        for run, k in ((4, 3), (7, 1))
    ]
    table = columns.trace_table(ASKED, ((path, {}) for path in paths))
    assert table.schema.equals(columns.trace_schema(ASKED))
    assert table.column_names == ["run", "step", "f", "grad_norm", "x"]
    assert table["run"].to_pylist() == [4, 4, 4, 7]
    assert table["step"].to_pylist() == [0, 1, 2, 0]
    assert table["x"].to_pylist() == [[4, 4]] * 3 + [[7, 7]]
    assert columns.trace_table(ASKED, []).schema.equals(columns.trace_schema(ASKED))


# -- the digest --------------------------------------------------------------------------------

TABLE = table_of(TILES[0], with_targets(0.5, 0.25))
DIGEST = columns.digest(TABLE)


def another(value, type):
    """A value of an Arrow type as near to `value` as can be."""
    if pa.types.is_dictionary(type):
        return value + "."
    if pa.types.is_list(type):
        return [another(value[0], type.value_type), *value[1:]]
    if value is None or np.isnan(value):
        return 0
    if pa.types.is_floating(type):
        real = type.to_pandas_dtype()
        return np.nextafter(real(value), real(9)).item()
    return value + 1


def changed(table, name, row):
    """`table` with another value in one cell."""
    field = table.schema.field(name)
    values = table[name].to_pylist()
    values[row] = another(values[row], field.type)
    words = pa.types.is_dictionary(field.type)
    column = pa.array(values, pa.string() if words else field.type).cast(field.type)
    return table.set_column(table.schema.get_field_index(name), field, column)


@given(st.sampled_from(TABLE.column_names), st.integers(0, len(TABLE) - 1))
def test_any_single_changed_value_changes_the_digest(name, row):
    other = changed(TABLE, name, row)
    assert other.schema.equals(TABLE.schema)
    assert columns.digest(other) != DIGEST


@pytest.mark.parametrize("value", [None, float("nan"), -0.0, []])
def test_null_nan_zero_and_empty_are_told_apart(value):
    type = pa.list_(pa.float32()) if value == [] else pa.float32()
    zero = pa.table({"x": pa.array([[0.0] if value == [] else 0.0], type)})
    other = pa.table({"x": pa.array([value], type)})
    null = pa.table({"x": pa.array([None], type)})
    assert columns.digest(other) != columns.digest(zero)
    assert value is None or columns.digest(other) != columns.digest(null)


@pytest.mark.parametrize(
    "other",
    [
        TABLE.slice(1),
        TABLE.slice(0, len(TABLE) - 1),
        TABLE.take(np.r_[1, 0, 2 : len(TABLE)]),
        TABLE.rename_columns({"f0": "f1"}),
        TABLE.drop_columns(["period"]),
        TABLE.set_column(0, "run", TABLE["run"].cast(pa.int32())),
    ],
    ids=["first row", "last row", "order", "name", "column", "type"],
)
def test_rows_names_and_types_are_in_the_digest(other):
    assert columns.digest(other) != DIGEST


@given(st.lists(st.integers(0, len(TABLE)), max_size=4))
def test_chunks_are_not_in_the_digest(cuts):
    edges = [0, *sorted(cuts), len(TABLE)]
    pieces = [TABLE.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    assert columns.digest(pa.concat_tables(pieces)) == DIGEST


def plain_words(table):
    """Text instead of dictionaries, as a reader gives it that does not know Arrow's."""
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table[field.name].cast(pa.string()))
    return table


def other_dictionary(table):
    """The same words behind other numbers."""
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            words = sorted({"unused", *table[field.name].to_pylist()}, reverse=True)
            place = [words.index(word) for word in table[field.name].to_pylist()]
            column = pa.DictionaryArray.from_arrays(pa.array(place, pa.int32()), words)
            table = table.set_column(i, field.name, column)
    return table


@pytest.mark.parametrize(
    "stored",
    [
        plain_words,
        other_dictionary,
        lambda table: table.replace_schema_metadata({"made by": "someone"}),
        lambda table: pa.concat_tables([table.slice(0, 0), table]),
        lambda table: pa.concat_tables([table, table]).slice(len(table)),
    ],
    ids=["words", "dictionary", "metadata", "empty chunk", "offset"],
)
def test_how_a_table_is_stored_is_not_in_the_digest(stored):
    assert columns.digest(stored(TABLE)) == DIGEST


WORDS = ["b", "a", None, "b", "a"]


def coded(places, names, type=None):
    return pa.DictionaryArray.from_arrays(pa.array(places, type or pa.int32()), pa.array(names))


@pytest.mark.parametrize(
    "stored",
    [
        pa.array(WORDS).dictionary_encode(),
        pa.array(WORDS).dictionary_encode("encode"),
        coded([1, 0, None, 1, 0], ["a", "b"]),
        coded([1, 0, 2, 1, 0], ["a", "b", None]),
        coded([1, 0, None, 3, 2], ["a", "b", "a", "b"]),
        coded([9, 1, None, 9, 1], list("_a______cb"), pa.int8()),
        pa.chunked_array([pa.array(part).dictionary_encode() for part in (WORDS[:1], WORDS[1:])]),
    ],
    ids=["null", "null in it", "sorted", "null index", "double", "int8 and unused", "chunks"],
)
def test_words_have_one_digest_whatever_their_dictionary(stored):
    assert columns.digest(pa.table({"w": stored})) == columns.digest(pa.table({"w": WORDS}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "b"], ["b", "a"]),
        (["a", "a"], ["b", "b"]),
        (["a", "b"], ["a", "c"]),
        (["a\0b", "c"], ["a", "b\0c"]),
        (["a", None], [None, "a"]),
        (["a", None], ["a", "a"]),
        (["", "a"], [None, "a"]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[1], [2]], [[1, 2], []]),
        ([[1], []], [[1], None]),
        ([[1, None], [2, 3]], [[1, 2], [None, 3]]),
        ([None, 0], [0, None]),
        ([[None], [0]], [[0], [None]]),
    ],
)
def test_what_differs_has_another_digest(one, other):
    one, other = pa.table({"c": one}), pa.table({"c": other})
    assert one.schema.equals(other.schema)
    for table in (one, other):
        assert columns.digest(pa.concat_tables([table.slice(0, 1), table.slice(1)])) == (
            columns.digest(table)
        )
    assert columns.digest(one) != columns.digest(other)


def test_a_digest_of_many_words_tells_the_last():
    words = [f"{i:03}" for i in range(600)]
    digests = {
        columns.digest(pa.table({"w": words[:n] + words[:1]})) for n in (1, 255, 256, 257, 599, 600)
    }
    assert len(digests) == 6


def test_no_number_can_be_named_like_a_column():
    asked = api.experiment("parabola", stop_targets=[0.0])
    named = {*columns.run_schema(asked, plan.make(asked)).names, *columns.trace_schema(asked).names}
    assert named <= COLUMNS
