"""What made a sweep: versions, commit, device, CPU features. Read once, for the manifest."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("gdexp", "jax", "jaxlib", "optax", "numpy", "scipy", "pyarrow", "hydra-core", "wandb")
DECISIVE = ("jaxlib", "jax", "optax", "numpy", "scipy")  # packages whose versions decide bits
# XLA's flags that decide no bits: among how many devices the tiles are dealt, what is written down
HARMLESS = ("--xla_force_host_platform_device_count", "--xla_dump_")


def describe(device: Any) -> dict[str, Any]:
    """Plain values for the manifest; `device` is the jax.Device that ran the sweep."""
    return {
        "versions": {"python": platform.python_version(), **versions()},
        "git_commit": git_commit(),
        "device": {"platform": device.platform, "kind": device.device_kind},
        "machine": platform.machine(),
        "system": platform.system(),
        "cpu_features": np.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def deciding(flags: str) -> str:
    """Those of XLA's flags that may decide bits."""
    return " ".join(flag for flag in flags.split() if not flag.startswith(HARMLESS))


def place() -> str:
    """The name of this process, to tell it from others that work on the same sweep."""
    return f"{platform.node() or 'a machine'} ({platform.machine()}), process {os.getpid()}"


def entry_points() -> list[importlib.metadata.EntryPoint]:
    """What installed packages add to the objectives, in the order of their names."""
    found = importlib.metadata.entry_points(group="gdexp.objectives")
    return sorted(found, key=lambda point: (point.name, point.value))


def plugins(names: Iterable[str]) -> dict[str, str]:
    """Objective -> package and version, for those among `names` that a package adds."""
    return {
        point.name: f"{point.dist.name} {point.dist.version}"
        for point in entry_points()
        if point.name in names
    }


def versions() -> dict[str, str]:
    """The versions of the packages that decide bits or files."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of the checkout this package lies in; None for an installed one."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        told = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()
