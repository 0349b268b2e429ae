"""gdexp: a microscope for gradient descent.

    results = gdexp.sweep("himmelblau", grid={"learning_rate": [0.01, 0.1]}, start={"uniform": 100})
    path = gdexp.descend(lambda x, y: (x - 1) ** 2 + 4 * y**2, (3, 3), learning_rate=0.1)
    results = gdexp.load("outputs/2026-01-31/12-00-00.000000-abc123")

Importing gdexp imports neither JAX nor W&B and changes no global state of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdexp.api import descend as descend
    from gdexp.api import extend as extend
    from gdexp.api import sweep as sweep
    from gdexp.api import zoom as zoom
    from gdexp.base import UsageError as UsageError
    from gdexp.results import Results as Results
    from gdexp.results import load as load

__version__ = "0.1.0"
_ROOMS = {
    "sweep": "gdexp.api",
    "descend": "gdexp.api",
    "zoom": "gdexp.api",
    "extend": "gdexp.api",
    "load": "gdexp.results",
    "Results": "gdexp.results",
    "UsageError": "gdexp.base",
}
__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'gdexp' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
