"""Begins a Ray cluster of this machine alone, in a process of its own, and ends it.

Ray forks to begin its processes, which is not safe where JAX has begun its threads. Run as a script
it is that process: it tells the cluster's address, and ends with its standard input, so with who
began it, whatever ends that. With the address of a cluster it tells what that has, and ends: Ray
itself may wait for ever where something else answers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from gdexp.base import ExecutorError, UsageError

END_SECONDS = 10.0  # for Ray to end by itself, before nobody waits for it any more
REACH_SECONDS = 30.0  # for a cluster to answer
# What Ray reads when it is imported, once. A cluster runs any code that it is sent: nobody reaches
# this one from another machine, as on Windows and macOS, and nobody without the token, which Ray
# would keep in the home directory
PRIVATE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Callable[[], str] | None]:
    """The cluster to use; to be called before Ray is imported.

    Args:
      address: of it; None: RAY_ADDRESS, if it is set. One for `local` is begun, and ended with the
        block.

    Yields:
      What waits for it and returns its address; None if this process is connected to one.

    Raises:
      UsageError: Ray was imported before, too early to begin one.
    """
    imported = sys.modules.get("ray")
    if imported and imported.is_initialized():
        yield None
    elif (address := _address(address)) != "local":
        yield lambda: address
    else:
        if imported and PRIVATE.items() - os.environ.items():
            raise UsageError("Ray is imported already: call ray.init() first, its cluster is used")
        os.environ.update(PRIVATE)
        with Head() as begun:
            yield begun.address


def cores(address: str | None) -> int:
    """How many cores a machine of the cluster has, at most.

    Raises:
      UsageError: none answers.
    """
    imported = sys.modules.get("ray")
    if imported and imported.is_initialized():
        return most_cores(imported)
    address = _address(address)
    return _told(address) if address != "local" else os.cpu_count() or 1


@functools.cache  # each job of -m asks
def _told(address: str) -> int:
    command = [sys.executable, "-P", __file__, address]
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal():  # Ray itself takes long to see that nobody is there
            socket.create_connection((host, int(port)), REACH_SECONDS).close()
        done = subprocess.run(command, capture_output=True, text=True, timeout=REACH_SECONDS)
    except subprocess.TimeoutExpired:
        why = f"no answer within {REACH_SECONDS:.0f} seconds"
    except (OSError, OverflowError) as error:
        why = str(error)
    else:
        if done.returncode == 0:
            return int(done.stdout.split()[-1])
        why = (done.stderr.strip().splitlines() or ["it ended"])[-1]
    raise UsageError(
        f"executor.address={address}: no Ray cluster answers there ({why}): type HOST:PORT as "
        "`ray start --head` tells it, or auto on one of its machines"
    )


def most_cores(ray: Any) -> int:
    """The most cores that a machine has of the cluster to which this process is connected."""
    have = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return int(max(have, default=0))


def _address(address: str | None) -> str:
    return address or os.environ.get("RAY_ADDRESS") or "local"


class Head:
    """A cluster that is begun at once, and ends with the `with`."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],  # nothing is imported from beside it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the sweep
            text=True,
        )

    def address(self) -> str:
        """Where it is; waits until it is there. ExecutorError if it could not be begun."""
        told = self._process.stdout.readline().strip()
        if not told:
            raise ExecutorError("Ray could not be begun on this machine")
        return told

    def __enter__(self) -> Head:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stdin.close()  # from here on it ends by itself
        if error is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it may take its time
                self._process.wait(END_SECONDS)
        self._process.returncode = self._process.poll() or 0  # else Python complains
        self._process.stdout.close()


def main() -> None:
    """Begins a cluster, tells where it is, and ends it when standard input does; or tells how many
    cores a machine of the cluster has that is named."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to anybody
    import ray

    if sys.argv[1:]:
        ray.init(sys.argv[1], log_to_driver=False, logging_level="error")
        print(most_cores(ray))
        return
    told, sys.stdout = sys.stdout, sys.stderr
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="error")
    with contextlib.suppress(BrokenPipeError):  # who began it may be gone
        print(ray.get_runtime_context().gcs_address, file=told, flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
