"""`gdexp resume [DIR] [--allow-code]`: finishes an interrupted sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gdexp.base import discover
from gdexp.commands import NOT_THE_SAME, asked


def main(arguments: Sequence[str]) -> int:
    """Does what is not done yet; 3 if it would have other bits here, and why."""
    found, _ = asked(arguments, ())
    if found.manifest["complete"]:
        print(f"{found.directory} is finished: there is nothing to do")
        return 0
    from gdexp import job, sinks, verify  # late: it brings JAX

    try:
        job.resume(found, discover("gdexp.sinks", sinks.Sink).values())
    except verify.NotTheSameError as error:
        print(f"gdexp: NOT THE SAME BITS here: {error}", file=sys.stderr)
        return NOT_THE_SAME
    return 0
