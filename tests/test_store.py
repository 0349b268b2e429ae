"""Files are whole or not there, and what is read is what was written."""

import errno
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from gdexp import columns, store
from gdexp.base import UsageError


def table(first=0, count=500):
    rng = np.random.default_rng(first)
    return pa.table(
        {
            "run": np.arange(first, first + count),
            "objective": pa.array(rng.choice(["one", "two"], count)).dictionary_encode(),
            "x": pa.array(list(rng.normal(size=(count, 2)).astype("f4"))),
            "f": rng.normal(size=count),
            "period": pa.nulls(count, pa.int32()),
        }
    )


# -- parts -------------------------------------------------------------------------------------


def test_parts_are_read_back_in_order_as_they_were_written(tmp_path):
    for part in (1, 0, 2):
        store.write_part(tmp_path, store.RUNS, part, table(500 * part))
    back = store.parts(tmp_path, store.RUNS).to_table()
    assert back["run"].to_pylist() == list(range(1500))
    expected = pa.concat_tables([table(500 * part) for part in range(3)])
    assert columns.digest(back) == columns.digest(expected.cast(back.schema))


def test_the_millionth_part_comes_after_those_before(tmp_path):
    for part in (1_000_000, 999_999):
        store.write_part(tmp_path, store.RUNS, part, table(part, 1))
    assert store.parts(tmp_path, store.RUNS).to_table()["run"].to_pylist() == [999_999, 1_000_000]
    assert store.part_numbers(tmp_path, store.RUNS) == [999_999, 1_000_000]


def test_a_part_is_a_file_that_any_reader_of_parquet_opens(tmp_path):
    path = store.write_part(tmp_path, store.TRACES, 7, table())
    assert path == tmp_path / "traces" / "part-000007.parquet"
    assert pq.read_table(path)["f"].equals(table()["f"])
    assert columns.digest(store.read_part(tmp_path, store.TRACES, 7)) == columns.digest(table())


def test_a_part_is_encoded_as_the_oldest_readers_know_it_with_dictionaries_for_names(tmp_path):
    path = store.write_part(tmp_path, store.RUNS, 0, table())
    group = pq.read_metadata(path).row_group(0)
    for column in (group.column(i) for i in range(group.num_columns)):
        named = column.path_in_schema == "objective"
        assert column.has_dictionary_page == named
        assert set(column.encodings) <= {"PLAIN", "RLE", *(["RLE_DICTIONARY"] if named else [])}
        assert column.compression == "ZSTD"
    assert pd.read_parquet(path)["objective"].tolist() == table()["objective"].to_pylist()


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_the_first_part_of_runs_stays_and_that_of_traces_is_replaced(tmp_path, monkeypatch, links):
    if not links:  # as on FAT
        monkeypatch.setattr(os, "link", no_link)
    store.write_part(tmp_path, store.RUNS, 0, table(0))
    with pytest.raises(FileExistsError):
        store.write_part(tmp_path, store.RUNS, 0, table(9))
    assert store.parts(tmp_path, store.RUNS).to_table()["run"][0].as_py() == 0
    for first in (0, 9):
        store.write_part(tmp_path, store.TRACES, 0, table(first))
    assert store.parts(tmp_path, store.TRACES).to_table()["run"][0].as_py() == 9
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["part-000000.parquet"]


def no_link(*_):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def cut_short(_, path, **__):
    path.write_bytes(b"PAR1 and then no space is left")
    raise OSError("no space left on device")


def interrupted(_, path, **__):
    path.write_bytes(b"PAR1")
    raise KeyboardInterrupt


def no_rename(*_):
    raise PermissionError("the rename failed")


@pytest.mark.parametrize("before", [False, True], ids=["new", "there already"])
@pytest.mark.parametrize(
    ("broken", "by", "error"),
    [
        ("gdexp.store.pq.write_table", cut_short, OSError),
        ("gdexp.store.pq.write_table", interrupted, KeyboardInterrupt),
        ("gdexp.files.os.replace", no_rename, PermissionError),
        ("gdexp.files.os.fsync", no_rename, PermissionError),
    ],
)
def test_a_part_that_could_not_be_written_leaves_nothing(
    tmp_path, monkeypatch, broken, by, error, before
):
    if before:
        store.write_part(tmp_path, store.TRACES, 0, table(9))
    monkeypatch.setattr(broken, by)
    with pytest.raises(error):
        store.write_part(tmp_path, store.TRACES, 0, table(0))
    left = [path.name for path in (tmp_path / "traces").iterdir()]
    assert left == (["part-000000.parquet"] if before else [])
    if before:
        assert store.parts(tmp_path, store.TRACES).to_table()["run"][0].as_py() == 9


def test_a_part_of_runs_that_could_not_be_named_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_rename)
    with pytest.raises(PermissionError):
        store.write_part(tmp_path, store.RUNS, 0, table(0))
    assert not list((tmp_path / "runs").iterdir())


def test_a_manifest_that_could_not_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    store.write_manifest(tmp_path, {"complete": False})
    monkeypatch.setattr("gdexp.files.os.replace", no_rename)
    with pytest.raises(PermissionError):
        store.write_manifest(tmp_path, {"complete": True})
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert store.read_json(tmp_path, store.MANIFEST) == {"complete": False}


def test_two_writers_of_a_part_never_share_a_name_and_readers_see_neither(tmp_path, monkeypatch):
    names, write = [], pq.write_table

    def watched(rows, path, **options):
        write(rows, path, **options)
        names.append(path.name)
        assert not list((tmp_path / "runs").glob("part-*"))
        assert store.parts(tmp_path, store.RUNS).to_table().num_rows == 0

    monkeypatch.setattr("gdexp.store.pq.write_table", watched)
    path = store.write_part(tmp_path, store.RUNS, 0, table())
    path.unlink()
    store.write_part(tmp_path, store.RUNS, 0, table())
    assert len(set(names)) == 2


def data_of(path):
    """Where the column chunks of a Parquet file lie: behind the magic word, before the footer."""
    return 4, os.path.getsize(path) - 8 - pq.read_metadata(path).serialized_size


def read(directory):
    return columns.digest(store.parts(directory, store.RUNS).to_table())


def test_a_flipped_bit_never_reads_as_other_numbers(tmp_path):
    path = store.write_part(tmp_path, store.RUNS, 0, table())
    whole, right, rng = path.read_bytes(), read(tmp_path), np.random.default_rng(0)
    caught = 0
    for place in rng.integers(*data_of(path), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            assert read(tmp_path) == right  # a bit that no value needs
        except (OSError, pa.ArrowException):
            caught += 1
    assert caught > 190


def test_a_flipped_bit_in_the_values_of_any_column_is_an_error(tmp_path):
    path = store.write_part(tmp_path, store.RUNS, 0, table())
    whole, group = path.read_bytes(), pq.read_metadata(path).row_group(0)
    for i in range(group.num_columns):
        column = group.column(i)
        if column.statistics is None or not column.statistics.has_min_max:
            continue  # all null: there are no values to flip
        start = column.dictionary_page_offset or column.data_page_offset
        damaged = bytearray(whole)
        damaged[start + column.total_compressed_size - 1] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="CRC checksum"):
            read(tmp_path)
        with pytest.raises(OSError, match="CRC checksum"):
            store.read_part(tmp_path, store.RUNS, 0)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b + b"x"])
def test_a_part_of_another_length_is_an_error(tmp_path, damage):
    path = store.write_part(tmp_path, store.RUNS, 0, table())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises((OSError, pa.ArrowException)):
        read(tmp_path)


# -- claim -------------------------------------------------------------------------------------


def test_a_folder_that_is_new_or_holds_no_sweep_can_be_claimed(tmp_path):
    (tmp_path / "used" / ".hydra").mkdir(parents=True)
    for name in ("new", "new/and/deep", "used"):
        store.claim(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("file", "file is a file, not a folder"),
        ("file/below", "file is a file, not a folder"),
        ("begun", "begun already holds a sweep"),
        ("lost", "lost already holds a sweep"),
    ],
)
def test_a_folder_that_cannot_take_a_sweep_is_refused(tmp_path, name, told):
    (tmp_path / "file").write_text("")
    (tmp_path / "begun").mkdir()
    store.write_manifest(tmp_path / "begun", {})
    (tmp_path / "lost" / "runs").mkdir(parents=True)
    with pytest.raises(UsageError, match=f"{told}.*: type hydra.run.dir=NEW_FOLDER"):
        store.claim(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gdexp.store.os.access", lambda path, mode: False)  # root may write all
    with pytest.raises(UsageError, match="cannot be written"):
        store.claim(tmp_path / "new")


# -- config.yaml, manifest.json, summary.json --------------------------------------------------

CONFIG = {
    "objective": {"expr": {"formula": "(x-1)**2 + 4*y**2 # a: 'b'", "parameters": {"a": 1.0}}},
    "stop": {"max_steps": 1000, "grad_tol": 1e-300, "f_tol": None, "targets": [0.1, 1e30]},
    "wandb": {"name": "Größe – 1: yes", "tags": ["no", "1e3", "null", "~", "2026-01-31", "&a"]},
    "report": True,
}


def test_a_config_is_read_back_to_the_value_and_type(tmp_path):
    store.write_config(tmp_path, CONFIG)
    assert store.read_config(tmp_path) == CONFIG
    assert list(store.read_config(tmp_path)) == list(CONFIG)


def test_a_config_is_yaml_without_tags_and_anchors(tmp_path):
    store.write_config(tmp_path, CONFIG)
    special = (yaml.TagToken, yaml.AnchorToken, yaml.AliasToken, yaml.DirectiveToken)
    tokens = list(yaml.scan((tmp_path / "config.yaml").read_text(encoding="utf-8")))
    assert not [token for token in tokens if isinstance(token, special)]


@pytest.mark.parametrize("value", [np.float64(1.0), np.arange(3), object()])
def test_what_yaml_cannot_hold_plainly_is_not_written(tmp_path, value):
    with pytest.raises(yaml.YAMLError):
        store.write_config(tmp_path, {"stop": value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("!!python/object/apply:os.system ['true']", "not plain YAML"),
        ("!!python/name:os.system", "not plain YAML"),
        ("a: [1", "not plain YAML"),
        ("a: " + "x" * 2**20, "larger than 1048576 bytes"),
    ],
    ids=["call", "name", "broken", "large"],
)
def test_a_config_that_is_not_plain_is_refused(tmp_path, text, told):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError, match=told):
        store.read_config(tmp_path)


def test_a_folder_without_results_says_what_it_lacks(tmp_path):
    with pytest.raises(UsageError, match=r"holds no config.yaml: it is not a gdexp output folder"):
        store.read_config(tmp_path)
    with pytest.raises(UsageError, match=r"holds no manifest.json"):
        store.read_json(tmp_path, store.MANIFEST)


def test_a_summary_holds_no_number_that_json_has_not(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write_summary(tmp_path, {"best": float("nan")})
    store.write_summary(tmp_path, {"best": None})
    assert store.read_json(tmp_path, store.SUMMARY) == {"best": None}


def test_a_config_that_could_not_be_read_back_is_refused():
    with pytest.raises(UsageError, match="log:1e-3:1:64"):
        store.config_text({"grid": {"learning_rate": [0.123456789] * 100_000}})
