"""What made a sweep, told as plain values."""

import importlib.metadata
import json
import subprocess
import types
from pathlib import Path

import pytest

from gdexp import environment

DEVICE = types.SimpleNamespace(platform="cpu", device_kind="a kind of CPU")


def test_everything_is_plain():
    found = environment.describe(DEVICE)
    assert json.loads(json.dumps(found)) == found
    assert found["device"] == {"platform": "cpu", "kind": "a kind of CPU"}
    assert all(isinstance(feature, str) for feature in found["cpu_features"])


def test_versions_are_those_installed():
    found = environment.versions()
    assert {"jax", "jaxlib", "optax", "numpy", "scipy", "pyarrow"} <= set(found)
    assert all(importlib.metadata.version(package) == v for package, v in found.items())


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    assert list(environment.versions()) == ["numpy"]


def test_xla_flags_are_told(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    assert environment.describe(DEVICE)["xla_flags"] == "--xla_cpu_enable_fast_math=false"
    monkeypatch.delenv("XLA_FLAGS")
    assert environment.describe(DEVICE)["xla_flags"] == ""


def test_the_commit_is_that_of_the_checkout():
    root = Path(environment.__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    told = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
    assert environment.git_commit() == told.stdout.strip()


def test_an_installed_package_has_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "gdexp" / "environment.py"))
    assert environment.git_commit() is None


def test_without_git_there_is_no_commit(monkeypatch, tmp_path):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "gdexp" / "environment.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.git_commit() is None
