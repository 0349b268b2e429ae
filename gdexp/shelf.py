"""The parts of a sweep's runs or traces, in memory or in an output directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

import pyarrow as pa

from gdexp import store
from gdexp.base import UsageError

NOTHING = "nothing has been run yet: python -m gdexp resume DIR runs it"


class Shelf:
    """Parts by their numbers.

    Args:
      directory: where the files are; None keeps everything in memory.
      folder: `store.RUNS` or `store.TRACES`.
    """

    def __init__(self, directory: FilePath | None, folder: str):
        self._directory, self._folder = directory, folder
        self._tables: dict[int, pa.Table] = {}

    def add(self, part: int, table: pa.Table) -> None:
        """Takes a part; it is on the disk when this returns."""
        if self._directory:
            store.write_part(self._directory, self._folder, part, table)
        else:
            self._tables[part] = table

    def numbers(self) -> list[int]:
        """Which parts are here, in order. Asked for once a view: others may be adding some."""
        if self._directory:
            return store.part_numbers(self._directory, self._folder)
        return sorted(self._tables)

    def columns(self, parts: Sequence[int]) -> list[str]:
        """The columns that parts have; UsageError if there is no part."""
        if not parts:
            raise UsageError(NOTHING)
        if self._directory:
            return store.parts(self._directory, self._folder, parts[:1]).schema.names
        return self._tables[parts[0]].column_names

    def read(self, parts: Sequence[int], names: Sequence[str]) -> pa.Table:
        """Some columns of some parts as one table."""
        if self._directory:
            table = store.parts(self._directory, self._folder, parts).to_table(names)
        else:
            table = pa.concat_tables(self.part(part) for part in parts).select(names)
        return table.combine_chunks()

    def part(self, part: int, names: Sequence[str] | None = None) -> pa.Table:
        """One part, or its columns `names`."""
        if self._directory:
            return store.read_part(self._directory, self._folder, part, names)
        return self._tables[part] if names is None else self._tables[part].select(names)
