"""`gdexp plot [DIR] KIND [KEY=VALUE ...] [-o FILE]`: a figure as .png, .svg, .html or .gif."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gdexp import figures
from gdexp.base import UsageError, nearest
from gdexp.commands import asked, option, warn_unfinished
from gdexp.config.values import flag, number, whole
from gdexp.drawing import Drawing

FORMS = (".png", ".svg", ".html", ".gif")
READ: Mapping[str, Callable[[str, str], Any]] = {  # how words become what a parameter takes
    "int": whole,
    "float": number,
    "bool": lambda key, text: flag(key, {"true": True, "false": False}.get(text, text)),
    "str": lambda key, text: text,
}


def main(arguments: Sequence[str]) -> int:
    """Draws one figure of a sweep."""
    words, out = option(arguments, "-o")
    kind = next((word for word in words if word in figures.kinds()), None)
    if kind is None:
        given = [word for word in words if "=" not in word and not Path(word).is_dir()]
        kinds = ", ".join(figures.kinds())
        hint = f"{given[-1]!r}{nearest(given[-1], figures.kinds())}" if given else "none is named"
        raise UsageError(f"which figure? {hint} (there: {kinds})")
    words.remove(kind)
    path = Path(out or (f"{kind}.gif" if kind == "animate" else f"{kind}.png"))
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"-o {path}: type a file that ends in {', '.join(FORMS)}")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: there is no folder {path.parent}")
    draw = figures.of(kind)
    found, options = asked(words, None)
    runs, named = _options(draw, options)
    warn_unfinished(found)
    save(draw(found, *runs, **named), path)
    print(f"figure: {path}")
    return 0


def save(drawing: Drawing, path: Path) -> None:
    """Writes a drawing in the form that the file's name asks for."""
    if path.suffix.lower() == ".html":
        from gdexp.rendering import in_plotly

        in_plotly.figure(drawing).write_html(path, include_plotlyjs=True)
    else:
        from gdexp.rendering import in_matplotlib

        in_matplotlib.save(drawing, path)


def _options(
    draw: Callable[..., Drawing], words: Mapping[str, str]
) -> tuple[list[int], dict[str, Any]]:
    """The runs and the arguments that words give, each of its parameter's type."""
    known = dict(inspect.signature(draw).parameters)
    known.pop("results")
    anything = any(p.kind is p.VAR_KEYWORD for p in known.values())
    runs, named = [], {}
    for key, text in words.items():
        parameter = known.get(key)
        if parameter is None or parameter.kind is parameter.VAR_KEYWORD:
            if not anything or nearest(key, known):
                raise UsageError(f"there is no key {key!r}{nearest(key, known)}")
            named[key.replace(".", "__")] = number(key, text)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            runs = [whole(key, one, high=2**62) for one in text.strip("[]").split(",")]
        else:
            named[key] = READ[parameter.annotation.partition(" ")[0]](key, text)
    return runs, named
