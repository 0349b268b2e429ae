"""The devices that a sweep runs on, and how many workers share them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import jax

from gdexp.base import UsageError


def find(kind: str) -> list[jax.Device]:
    """The local devices of a kind; for `auto` those of JAX's first.

    Raises:
      UsageError: there is no device of that kind here.
    """
    try:
        return jax.local_devices(backend=None if kind == "auto" else kind)
    except RuntimeError:
        here = ", ".join(sorted({d.platform for d in jax.devices()}))
        raise UsageError(
            f"device={kind}: JAX finds none here (it finds {here}): type device=auto, or install "
            "gdexp[cuda12], gdexp[cuda13] or gdexp[tpu]"
        ) from None


def workers(devices: Sequence[jax.Device], cores: int | None = None) -> list[jax.Device]:
    """A device for each thread: all of them, and on CPU each as often as fills the cores.

    Two threads share one CPU device without loss, and its program is compiled once.

    Args:
      devices: all of a kind.
      cores: how many may be used; None: all that this process may use.
    """
    if devices[0].platform != "cpu":
        return list(devices)
    return list(devices) * max(1, (cores or _cores()) // len(devices))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sharing(devices: Sequence[jax.Device]) -> int:
    """How many workers hold their lanes in one memory."""
    return len(workers(devices)) if devices[0].platform == "cpu" else 1
