"""What the figures were measured on: what matters to speed, and nothing that names the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = (
    "gdexp",
    "jax",
    "jaxlib",
    "optax",
    "numpy",
    "scipy",
    "hydra-core",
    "wandb",
    "pyarrow",
    "optimistix",
    "torch",
)
VECTORS = ("avx2", "fma", "avx512f", "avx512dq", "asimd", "sve")


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """The processor, the system and the versions, as plain values."""
    told = _cpuinfo()
    return {
        "cpu": told.get("model name") or platform.processor() or platform.machine(),
        "vectors": [f for f in VECTORS if f in told.get("flags", told.get("Features", "")).split()],
        "cores": cores(),
        "memory_gib": _memory(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "machine": platform.machine(),
        "compiler": _compiler(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def commit(root: Path) -> str | None:
    """The commit of a checkout, with a + where files differ from it."""
    try:
        told = [
            subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True)
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "gdexp"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return told[0].stdout.strip() + ("+" if told[1].stdout else "")


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines, where the system tells them."""
    file = Path("/proc/cpuinfo")
    first = file.read_text().split("\n\n")[0].splitlines() if file.exists() else ()
    pairs = (line.partition(":") for line in first)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _compiler() -> str | None:
    if shutil.which("cc") is None:
        return None
    told = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False)
    return told.stdout.splitlines()[0] if told.stdout else None


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
