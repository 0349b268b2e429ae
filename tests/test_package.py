"""The package as it is built and installed: its files, its command, what it says of itself."""

import email
import importlib.metadata
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gdexp
import gdexp.__main__

ROOT = Path(__file__).parents[1]
CONF = [path.relative_to(ROOT) for path in (ROOT / "conf").rglob("*.yaml")]
SOURCES = [path.relative_to(ROOT) for path in (ROOT / "gdexp").rglob("*.py")]
PAGE = {"gdexp/report/page.css", "gdexp/report/page.js"}
PINS = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source archive, and the wheel that is built from it; no network, no isolation."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return out


@pytest.fixture(scope="module")
def wheel(built):
    [path] = built.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_the_package_and_its_catalogue(wheel):
    held = {name for name in wheel.namelist() if not name.startswith("gdexp-")}
    expected = {path.as_posix() for path in SOURCES}
    expected |= {f"gdexp/{path.as_posix()}" for path in CONF}
    assert held == {*expected, *PAGE, "gdexp/py.typed"}


def test_the_catalogue_in_the_wheel_is_the_one_here(wheel):
    for path in CONF:
        assert wheel.read(f"gdexp/{path.as_posix()}") == (ROOT / path).read_bytes()


def test_the_wheel_says_what_it_is(wheel):
    [name] = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
    told = email.message_from_bytes(wheel.read(name))
    assert (told["Name"], told["Version"]) == ("gdexp", gdexp.__version__)
    assert told["License-Expression"] == "MIT"
    assert {"cuda12", "cuda13", "tpu", "test"} <= set(told.get_all("Provides-Extra"))
    [scripts] = [n for n in wheel.namelist() if n.endswith("entry_points.txt")]
    assert wheel.read(scripts).decode().split() == [
        "[console_scripts]",
        "gdexp",
        "=",
        "gdexp.__main__:main",
    ]


def test_the_source_archive_holds_what_its_tests_need(built):
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as opened:
        held = {name.split("/", 1)[-1] for name in opened.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "constraints.txt", "pyproject.toml"} <= held
    assert {path.as_posix() for path in SOURCES + CONF} <= held
    assert "tests/test_package.py" in held


def test_the_catalogue_is_found_in_a_checkout():
    from gdexp.config import catalogue

    assert (catalogue.conf_directory() / "config.yaml").is_file()


def test_the_command_is_the_front_door():
    [entry] = importlib.metadata.entry_points(group="console_scripts", name="gdexp")
    assert entry.load() is gdexp.__main__.main


@pytest.mark.parametrize("name", [*gdexp.__all__, "__version__"])
def test_public_names_are_there(name):
    assert getattr(gdexp, name) is not None
    assert name in dir(gdexp)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'swep'"):
        gdexp.swep  # noqa: B018


def test_the_citation_names_this_version():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (told["version"], told["license"]) == (gdexp.__version__, "MIT")


def test_the_pins_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert pins == sorted(pins)


def test_all_that_gets_installed_is_pinned():
    waiting, seen = [Requirement("gdexp[test]")], set()
    while waiting:
        wanted = waiting.pop()
        if (wanted.name, *sorted(wanted.extras)) in seen:
            continue
        seen.add((wanted.name, *sorted(wanted.extras)))
        for text in importlib.metadata.requires(wanted.name) or ():
            needed = Requirement(text)
            extras = wanted.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(needed)
    assert {canonicalize_name(name) for name, *_ in seen} - {"gdexp"} <= set(PINS)
