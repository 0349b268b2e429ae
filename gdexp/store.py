"""The output directory: what is written there, and reading it back lazily.

A reader sees a finished file or none. Derived files are replaced when they are made again; a part
of runs/ and its record are not: the first of them stays. A tile's part counts by the hash of its
contents, kept in the manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import yaml

from gdexp import files, untrusted
from gdexp.base import UsageError

MANIFEST, CONFIG, SUMMARY = "manifest.json", "config.yaml", "summary.json"
REPORT = "report.html"
RUNS, TRACES = "runs", "traces"
RECORDS, DAMAGED = ".tiles", "damaged"  # of `commits`: of finished parts, and what was set aside
LABELS, MINIMA, CURVES = "labels.parquet", "minima.parquet", "curves.parquet"
MOST_CONFIG_BYTES = 2**20  # of a saved config that is read back, and
MOST_JSON_BYTES = 2**28  # of a manifest or summary

# What readers count on in a config and a manifest, as `untrusted.check` has shapes.
CARDS = {"*": (dict, type(None))}
CONFIG_SHAPE = {
    **{"objective": CARDS, "optimizer": CARDS, "schedule": dict, "start": dict},
    **{"store": {"columns": (list, str, type(None))}, "trace": {"every": (int, float, str)}},
}
GROUP_SHAPE = {
    **{"objective": str, "optimizer": str, "first": int, "shape": [int], "axes": [[str]]},
    **{"tile_runs": int, "lanes": int},
}
PROGRAM_SHAPE = {
    **{"group": int, "lanes": int, "sha256": str},
    "canary?": {"runs": int, "steps": int, "sha256": str},
}
ENVIRONMENT_SHAPE = {
    **{"versions": {"*": str}, "device": {"platform": str, "kind": str}, "machine": str},
    **{"xla_flags": str, "cpu_features": [str], "programs": [PROGRAM_SHAPE]},
}
MANIFEST_SHAPE = {
    **ENVIRONMENT_SHAPE,
    **{"identity": str, "complete": bool, "runs": int, "dtype": str, "grid": {"*": str}},
    **{"groups": [GROUP_SHAPE], "code_sha256": {"*": str}, "data_sha256": {"*": str}},
    "tiles": [{"part": int, "first": int, "count": int, "sha256": str, "environment?": str}],
    "environments?": {"*": ENVIRONMENT_SHAPE},
    "refused?": [{"by": str, "reasons": [str]}],
}
MOST_LANES = 2**20

# How parts are written, in ns and bytes a run (65,536 runs of paraboloid x sgd on a 2-core x86-64):
#
#     dictionaries    numbers                                        codec      ns  bytes
#     every column    plain                                          zstd 1    494   46.0   default
#     names           plain                                          zstd 1    274   33.9   taken
#     names           plain                                          zstd -1   247   36.7
#     names           plain                                          zstd 3    298   33.2
#     names           plain                                          lz4       202   45.4
#     names           whole ones as differences                      zstd 1    229   31.5
#     names           the same, and reals as one stream a byte       zstd 1    228   30.7
#
# A dictionary of numbers that all differ is built only to be given up. The last two are not for any
# reader: fastparquet 2026.9 crashes now and then on differences (DELTA_BINARY_PACKED) and refuses
# streams (BYTE_STREAM_SPLIT); pyarrow, pandas, polars 2.1 and duckdb read all of them.


class DamagedError(OSError, UsageError):
    """A file does not hold what was written."""


def claim(directory: FilePath) -> None:
    """Raises UsageError if `directory` cannot take a new sweep."""
    for parent in (directory, *directory.parents):
        if parent.exists():
            if not parent.is_dir():
                raise UsageError(f"{parent} is a file, not a folder: type hydra.run.dir=NEW_FOLDER")
            if not os.access(parent, os.W_OK):
                raise UsageError(f"{parent} cannot be written: type hydra.run.dir=NEW_FOLDER")
            break
    if (directory / MANIFEST).exists() or (directory / RUNS).exists():
        raise UsageError(f"{directory} already holds a sweep: type hydra.run.dir=NEW_FOLDER")


def typed(directory: FilePath) -> str:
    """A folder as one would type it here."""
    here = FilePath.cwd()
    inside = directory.is_absolute() and directory.is_relative_to(here)
    return (directory.relative_to(here) if inside else directory).as_posix()


def write_config(directory: FilePath, config: Mapping[str, Any]) -> None:
    """config.yaml: the resolved experiment as plain YAML."""
    files.write(directory / CONFIG, config_text(config))


def config_text(config: Mapping[str, Any]) -> bytes:
    """A resolved experiment as it is saved; UsageError if it is too large to be read back."""
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100).encode()
    if len(text) > MOST_CONFIG_BYTES:
        raise UsageError(
            f"the config takes {len(text):,} bytes, and none above {MOST_CONFIG_BYTES:,} is read "
            "back: write long axes as log:1e-3:1:64 or lin:0:1:11, and points as a sampler"
        )
    return text


def write_manifest(directory: FilePath, manifest: Mapping[str, Any]) -> None:
    """manifest.json: what made the sweep."""
    files.write(directory / MANIFEST, json.dumps(manifest, indent=1).encode())


def write_summary(directory: FilePath, summary: Mapping[str, Any]) -> None:
    """summary.json: what was found. A number that is not finite is null."""
    files.write(directory / SUMMARY, json.dumps(summary, indent=1, allow_nan=False).encode())


def write_report(directory: FilePath, page: str) -> FilePath:
    """Writes the report; its path."""
    files.write(directory / REPORT, page.encode())
    return directory / REPORT


def write_tables(directory: FilePath, name: str, tables: Iterable[pa.Table]) -> None:
    """A file of one table that comes in parts, of which one is in memory at a time."""
    with files.whole(directory / name) as temporary, contextlib.ExitStack() as stack:
        writer = None
        for table in tables:
            if writer is None:
                options = {"compression": "zstd", "write_page_checksum": True}
                writer = stack.enter_context(pq.ParquetWriter(temporary, table.schema, **options))
            writer.write_table(table)


def read_table(directory: FilePath, name: str) -> pa.Table:
    """A file of one table, whole."""
    with pq.ParquetFile(directory / name, page_checksum_verification=True) as file:
        return file.read()


def read_tables(directory: FilePath, name: str) -> Iterator[pa.Table]:
    """A file of one table in the parts that it was written in, behind one without rows."""
    with pq.ParquetFile(directory / name, page_checksum_verification=True) as file:
        yield file.schema_arrow.empty_table()
        for i in range(file.num_row_groups):
            yield file.read_row_group(i)


def write_part(directory: FilePath, folder: str, part: int, table: pa.Table) -> FilePath:
    """One part of runs/ or traces/.

    Raises:
      FileExistsError: a part of runs/ is there already. Its traces are replaced.
    """
    path = part_path(directory, folder, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path, first=folder == RUNS) as temporary:
        # page checksums: without them, most flipped bits read back silently as other numbers
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            use_dictionary=[f.name for f in table.schema if pa.types.is_dictionary(f.type)],
            write_page_checksum=True,
        )
    return path


def read_json(directory: FilePath, name: str) -> dict[str, Any]:
    """manifest.json or summary.json; UsageError if it is not there, or no JSON."""
    return untrusted.read_json(_there(directory, name), MOST_JSON_BYTES)


def read_config(directory: FilePath) -> dict[str, Any]:
    """config.yaml as plain values; UsageError if it holds anything else."""
    path = _there(directory, CONFIG)
    found = untrusted.read_yaml(path, MOST_CONFIG_BYTES)
    if "hydra" in found:
        raise UsageError(f"{path} has a hydra: section, which could run code: it is refused")
    if "executor" in found:  # who runs it says where: a cluster's answers can be code
        raise UsageError(f"{path} has an executor: section, which no saved config has: take it out")
    return found


def read_sweep(directory: FilePath) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.yaml and manifest.json, with all that a reader counts on.

    Raises:
      UsageError: one of them is not there, or is not as gdexp writes it.
    """
    config, manifest = read_config(directory), read_json(directory, MANIFEST)
    untrusted.check(directory / CONFIG, config, CONFIG_SHAPE)
    untrusted.check(directory / MANIFEST, manifest, MANIFEST_SHAPE)
    for group in manifest["groups"]:
        if not (group["tile_runs"] and 0 < group["lanes"] <= MOST_LANES):
            raise UsageError(f"{directory / MANIFEST} was not written by gdexp: a group is empty")
    return config, manifest


def refuse_links(directory: FilePath) -> None:
    """Raises UsageError if something in an output directory leads out of it.

    Whoever made the folder would else choose where the next files are written.
    """
    for name in (RUNS, TRACES, RECORDS, DAMAGED, "wandb"):
        if (directory / name).is_symlink():
            raise UsageError(
                f"{directory / name} is a link to another place: copy what it leads to"
            )


def _there(directory: FilePath, name: str) -> FilePath:
    path = directory / name
    if not path.is_file():
        raise UsageError(f"{directory} holds no {name}: it is not a gdexp output folder")
    return path


def parts(directory: FilePath, folder: str, numbers: Iterable[int] | None = None) -> ds.Dataset:
    """The rows of all or some parts, read when asked for and checked against their checksums."""
    numbers = part_numbers(directory, folder) if numbers is None else numbers
    files = [part_path(directory, folder, part) for part in numbers]
    fragments = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.dataset(files, format=ds.ParquetFileFormat(default_fragment_scan_options=fragments))


def read_part(
    directory: FilePath, folder: str, part: int, names: Sequence[str] | None = None
) -> pa.Table:
    """One part, or its columns `names`, alone: a dataset of all keeps what it learns of each."""
    path = part_path(directory, folder, part)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(names)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        told = str(error).splitlines()[0]
        raise DamagedError(
            f"{path} is damaged ({told:.80}): python -m gdexp resume {directory} makes it again"
        ) from None


def tables(directory: FilePath) -> list[FilePath]:
    """The Parquet files that a sweep wrote; what is a link is none of them."""
    folders = [(name, part_numbers(directory, name)) for name in (RUNS, TRACES)]
    found = [part_path(directory, name, part) for name, parts in folders for part in parts]
    found += [directory / name for name in (LABELS, MINIMA, CURVES)]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def write_record(directory: FilePath, part: int, record: Mapping[str, Any]) -> None:
    """What `commits` knows of a part of runs/; FileExistsError if that was told already."""
    files.write(record_path(directory, part), json.dumps(record).encode(), first=True)


def read_record(directory: FilePath, part: int) -> dict[str, Any]:
    """What `write_record` wrote; OSError or ValueError if it is not there, or not whole."""
    return json.loads(record_path(directory, part).read_text())


def has_record(directory: FilePath, part: int) -> bool:
    """Whether the record of a part is there, whatever it holds."""
    return record_path(directory, part).exists()


def record_path(directory: FilePath, part: int) -> FilePath:
    """The file of a record: in a folder of its own, as runs/ holds nothing but data."""
    return directory / RECORDS / f"part-{part:06d}.json"


def file_hash(directory: FilePath, folder: str, part: int) -> str:
    """The sha256 of a part's file, byte by byte."""
    with open(part_path(directory, folder, part), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_numbers(directory: FilePath, folder: str) -> list[int]:
    """Which parts of runs/ or traces/ are there, in order."""
    found = (directory / folder).glob("part-*.parquet")
    return sorted(int(path.stem.removeprefix("part-")) for path in found)


def part_path(directory: FilePath, folder: str, part: int) -> FilePath:
    """The file of a part of runs/ or traces/."""
    return directory / folder / f"part-{part:06d}.parquet"
