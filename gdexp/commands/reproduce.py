"""`gdexp reproduce [DIR|config.yaml] [--runs K] [--lanes N] [--allow-code]`: the same bits?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gdexp import store
from gdexp.commands import NOT_THE_SAME, asked, option, warn_unfinished
from gdexp.config.values import whole


def main(arguments: Sequence[str]) -> int:
    """Runs a saved sweep again and compares; 0: same bits, 3: not, and why."""
    arguments, runs = option(arguments, "--runs")
    arguments, lanes = option(arguments, "--lanes")
    arguments = [_folder(word) for word in arguments]
    found, _ = asked(arguments, (), ("--runs", "--lanes"))
    warn_unfinished(found)
    from gdexp import own_bits, verify  # late: they bring JAX

    verdict = verify.reproduce(
        found,
        None if runs is None else whole("--runs", runs, low=1),
        None if lanes is None else whole("--lanes", lanes, low=1, high=store.MOST_LANES),
        own_bits.here(found),
    )
    if verdict.elsewhere:
        print(f"{verdict.elsewhere:,} tiles have the bits of another environment: not run here")
    if verdict.same:
        print(f"SAME BITS ({verdict.runs:,} runs checked)")
        if runs is not None:
            told = ", ".join(map(str, verdict.tiles))
            print(f"in {len(verdict.tiles)} of {verdict.all_tiles} tiles, chosen at random: {told}")
        if verdict.reasons:
            print("in spite of: " + "; ".join(verdict.reasons))
        if not arguments:
            print(f"of {found.directory}")
        return 0
    _explain(verdict)
    return NOT_THE_SAME


def _folder(word: str) -> str:
    """The folder of a config.yaml that is named."""
    return str(Path(word).parent) if Path(word).name == store.CONFIG else word


def _explain(verdict) -> None:
    def say(text: str) -> None:
        print(text, file=sys.stderr)

    say(f"NOT THE SAME BITS ({verdict.runs:,} runs checked)")
    for part in verdict.damaged:
        say(f"runs/part-{part:06d}.parquet is damaged: it does not hold what the manifest says")
    if verdict.differing:
        say(f"other bits in {len(verdict.differing)} of {len(verdict.tiles)} tiles")
        for why in verdict.reasons or ("nothing that is recorded is different",):
            say(f"  {why}")
        say(f"largest difference of a number, to 1 + its size: {verdict.largest:.3g}")
        if verdict.agreeing == verdict.agreeing:
            say(f"runs with the same outcome: {verdict.agreeing:.4%}")
