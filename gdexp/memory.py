"""Whether lanes fit into a device's memory: said before a sweep begins, and when they did not.

Fewer lanes would fit, and would round otherwise; so their number stays, and who asked is told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gdexp.base import OutOfMemoryError, UsageError
from gdexp.plan import Group

GIB = 2**30
MEMINFO = Path("/proc/meminfo")
LIMIT, USED = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))


def check(group: Group, lanes: int, needed: int, device: Any) -> None:
    """Raises UsageError if a device has not `needed` bytes for a group's lanes."""
    room = free(device)
    if room is not None and needed > room:
        raise UsageError(
            f"{_told(group, lanes, needed, room)}: give it fewer dimensions"
            f"{' or examples' if group.objective.count else ''}, or type device=cpu on a machine "
            "with more memory"
        )


def explained(group: Group, lanes: int, needed: int, device: Any) -> OutOfMemoryError:
    """What to raise when memory gave out for the second time."""
    told = _told(group, lanes, needed, free(device))
    return OutOfMemoryError(f"memory gave out twice; {told}; fewer dimensions need less")


def exhausted(error: BaseException) -> bool:
    """Whether an error says that memory gave out."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def free(device: Any) -> int | None:
    """Bytes that a device can still take; None where nothing tells."""
    if told := device.memory_stats():
        return told["bytes_limit"] - told["bytes_in_use"]
    found = [room for room in (_machine(), _container()) if room is not None]
    return min(found, default=None)


def _machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):  # all of it: better than nothing
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return None


def _container() -> int | None:
    try:
        return int(LIMIT.read_text()) - int(USED.read_text())
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return None


def _told(group: Group, lanes: int, needed: int, room: int | None) -> str:
    has = "" if room is None else f", and {max(room, 0) / GIB:.2f} GiB are free"
    count = group.objective.count
    seen = f" for {count:,} examples" if count else ""
    return (
        f"{group.objective_name} × {group.optimizer.name}: {lanes:,} lanes of "
        f"{group.space.dim:,} dimensions{seen} need about {needed / GIB:.2f} GiB{has}"
    )
