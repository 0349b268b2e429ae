"""Files that are there whole or not at all, whoever else writes to the same folder.

What is to be in a file is written under another name, forced to the disk, and only then given its
name: a reader, or a process that is killed, leaves or sees no half of one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

# what file systems say that have no second name for a file: FAT, some that lie on another machine
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP}


def write(path: Path, content: bytes, *, first: bool = False) -> None:
    """A file with `content`; the arguments are those of `whole`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path, first=first) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def whole(path: Path, *, first: bool = False) -> Iterator[Path]:
    """A name beside `path` to write to: no two writers share one, and it is gone afterwards.

    What was written becomes `path` once it is whole and on the disk; if anything fails, neither it
    nor the temporary file is left behind.

    Args:
      path: the file to be.
      first: whether a file that is there stays, instead of being replaced.

    Raises:
      FileExistsError: `first`, and there is one: of any number of writers one alone is the first.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if first:
            _link(temporary, path)
        else:
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> None:
    """Gives a file its name, unless another has it: a link fails then, where a rename replaces."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if path.exists():  # nearly as good: another may come between this and the next
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(temporary, path)
