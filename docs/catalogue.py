"""The pages that tell what the code tells: written from cards and help as the others are built."""

import inspect
from pathlib import Path

from gdexp.__main__ import HELP
from gdexp.commands import list as listing
from gdexp.config import catalogue


def commands() -> str:
    """What --help prints, as Markdown."""
    return f"# The command line\n\n```text\n{HELP.strip()}\n```\n"


def cards() -> str:
    """All cards, as Markdown."""
    parts = ["# The catalogue", "What `python -m gdexp list` tells, with where it comes from."]
    for kind in listing.KINDS:
        parts.append(f"## {kind.capitalize()}")
        for name, about, numbers in listing.rows(kind):
            parts += [f"### {name}", _literal(about)]
            if numbers:
                parts.append("Numbers: " + ", ".join(f"`{one}`" for one in numbers.split(", ")))
            if more := _docstring(kind, name):
                parts.append(f"```text\n{more}\n```")
    return "\n\n".join(parts) + "\n"


def _literal(line: str) -> str:
    return f"`{line}`" if any(c in line for c in "*_[]<>|\\$") else line


def _docstring(kind: str, name: str) -> str:
    """What an entry's own class says beyond its first line."""
    group = kind.removesuffix("s")
    if kind in ("optimizers", "sweeps"):
        return ""
    found = catalogue.objectives() if group == "objective" else catalogue.kinds(group)
    return "\n".join(inspect.cleandoc(found[name].__doc__ or "").splitlines()[1:]).strip()


PAGES = {"commands.md": commands, "catalogue.md": cards}


def _write(app) -> None:
    for name, text in PAGES.items():
        page, new = Path(app.srcdir) / name, text()
        if not page.exists() or page.read_text(encoding="utf-8") != new:
            page.write_text(new, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
