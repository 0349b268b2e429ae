"""Ray (https://docs.ray.io): the machines of a cluster, which share nothing but the network."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gdexp.base import UsageError
from gdexp.executor import Executor

if TYPE_CHECKING:
    from gdexp.plan import Tile
    from gdexp.stream import Harvest

ADDRESS = re.compile(r"[^/\s]+:\d{1,5}")


@dataclasses.dataclass(frozen=True)
class Ray(Executor):
    """the machines of a Ray cluster at `address`; null: at RAY_ADDRESS, or one that is begun here

    A GPU or a TPU has a worker of its own. A worker has `cpus` cores, with null as many as the
    smallest machine has, beside an accelerator one.
    """

    address: str | None = None  # HOST:PORT; auto: the cluster of this machine; local: a new one
    cpus: int | None = None

    def check(self) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UsageError("executor=ray needs Ray: type pip install 'gdexp[ray]'")
        if (self.address or "").startswith("ray://"):
            raise UsageError(
                f"executor.address={self.address} is a client's: start gdexp on a machine of the "
                "cluster, and type executor.address=auto"
            )
        if self.address not in (None, "auto", "local") and not ADDRESS.fullmatch(self.address):
            raise UsageError(f"executor.address={self.address}: type HOST:PORT, auto or local")

    def reach(self) -> None:
        from gdexp.executors._ray import head  # late: `list` needs none of it

        # else this process takes the memory of a GPU that a worker needs
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        most = head.cores(self.address)
        if self.cpus and self.cpus > most:
            raise UsageError(
                f"executor.cpus={self.cpus}: no machine of the Ray cluster has more than {most}"
            )

    def run(
        self,
        results: Any,
        engine: Any,
        tiles: Iterable[Tile],
        wanted: Callable[[Tile], np.ndarray] | None = None,
    ) -> Iterator[Harvest]:
        tiles = iter(tiles)
        if (first := next(tiles, None)) is None:
            return
        from gdexp.executors._ray import head

        with head.cluster(self.address) as where:
            from gdexp.executors._ray import cluster  # here, as it brings Ray

            every = itertools.chain([first], tiles)
            yield from cluster.run(where, self.cpus, results, engine, every, wanted)
