"""What Ray runs on a machine: it imports gdexp there, and says so if it cannot.

Ray is sent the text of this function, as the machine may have no gdexp to import it from; so it
stands alone, and is given bytes.
"""

from collections.abc import Iterator
from typing import Any


def make(setup: bytes, bundle: bytes) -> Iterator[Any]:
    """Yields what `worker.make` does, or as plain texts the machine's number, its name and why not.

    Args:
      setup: a worker.Setup.
      bundle: the other arguments of `worker.make`.
    """
    import platform

    import ray

    try:
        from gdexp.executors._ray import worker

        asked, (tiles, runs) = ray.cloudpickle.loads(setup), ray.cloudpickle.loads(bundle)
    except Exception as error:
        node = ray.get_runtime_context().get_node_id()
        yield node, platform.node(), f"{type(error).__name__}: {error}"
        return
    yield from worker.make(asked, tiles, runs)
