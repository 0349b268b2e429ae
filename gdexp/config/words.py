"""A command line as Hydra understands it.

The contract's words are friendlier than Hydra's grammar: `grid.KEY=` needs no `+`, a comma list
means "in one batch", a formula needs only the shell's quotes. They are rewritten here, before
Hydra sees them. With Hydra's own `-m` a comma keeps Hydra's meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gdexp.base import UsageError, nearest
from gdexp.config import catalogue, tree

MULTIRUN = ("-m", "--multirun")
FLAGS = {  # Hydra's flags that are safe here -> whether a value follows
    **dict.fromkeys(MULTIRUN, False),
    "--resolve": False,
    "--hydra-help": False,
    "--version": False,
    "--cfg": True,
    "-c": True,
    "--info": True,
    "-i": True,
    "--package": True,
    "-p": True,
}
LISTS = ("zip", "stop.targets", "trace.runs", "wandb.tags")  # keys whose value may be a list
CARD = re.compile(r"(objective|optimizer)\.\w+\.(?!variables$|parameters)\w+|schedule\.\w+")
COMPLEX = re.compile(r"objective\.(expr\.formula|file\.path)")


def rewrite(arguments: Sequence[str]) -> list[str]:
    """The arguments for Hydra: its flags first, then overrides in its own grammar.

    Raises:
      UsageError: a flag or word that is refused here, or a name that does not exist.
    """
    flags, overrides = _split(arguments)
    batch = not any(flag in MULTIRUN for flag in flags)
    words = [word for override in overrides for word in _override(override, batch)]
    chosen = {word.split("=", 1)[0].lstrip("+") for word in words}
    if "start.points" in chosen and "start" not in chosen:
        words.append("start=points")
    folders = [f"file://{folder}" for folder in catalogue.sweep_directories()[1:]]
    if folders and "hydra.searchpath" not in chosen:
        words.append(f"hydra.searchpath=[{','.join(_quoted(folder) for folder in folders)}]")
    return [*flags, *words]


def explain(error: BaseException, arguments: Sequence[str]) -> str:
    """One message for what Hydra, OmegaConf or YAML raised about the user's words."""
    text = str(error)
    if found := re.search(r"Could not (?:override|append to config)[^']*'([^']+)'", text):
        return _unknown_key(found[1])
    if found := re.search(r"Could not find '(\w+)/([^']*)'", text):
        group, name = found.groups()
        if group in ("objective", "optimizer", "schedule", "start", "sweep"):
            return _no_such(group, name)
    if found := re.search(r'in "([^"]+)", line (\d+), column (\d+)', text):
        file, line, column = found.groups()
        problem = getattr(error, "problem", None) or "it is not YAML"
        return f"{file}, line {line}, column {column}: {problem}"
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    words = [a for a in arguments if a.split("=", 1)[-1] and a.split("=", 1)[-1] in text]
    where = f" in {words[0]!r}" if words else ""
    return f"cannot read the command line{where}: {first} (python -m gdexp --help)"


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags with their values, and overrides. argparse would take prefixes, so spelling counts."""
    flags, overrides, waiting = [], [], list(arguments)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        name = word.split("=", 1)[0]
        if name not in FLAGS:
            raise UsageError(f"there is no flag {name}{nearest(name, [*FLAGS, '--help'])}")
        flags.append(word)
        if FLAGS[name] and "=" not in word and waiting:
            flags.append(waiting.pop(0))
    return flags, overrides


def _override(word: str, batch: bool) -> Iterable[str]:
    """One word of the user as one or more of Hydra's."""
    if "${" in word:
        raise UsageError(f"{word!r}: interpolations (${{...}}) are refused; type the value itself")
    if word.startswith("~"):
        return [word]
    key, equals, value = word.partition("=")
    if not equals:
        raise UsageError(f"{word!r} is not KEY=VALUE{nearest(word, COMMANDS)}")
    bare = key.lstrip("+")
    value = value.strip()
    if bare == "objective":
        return _objective(key, value)
    if bare in ("optimizer", "schedule", "start", "sweep"):
        return _choice(key, bare, value, batch)
    if COMPLEX.fullmatch(bare):
        return [f"{key}={_quoted(value)}"]
    if bare.startswith("objective.") and ".parameters" in bare:
        return [f"++{bare}={value}"]
    if batch and CARD.fullmatch(bare) and _has_comma(value):
        bare = bare.replace("schedule.", "schedule.grid.").split(".", 1)[1]
        bare = bare if bare.startswith("grid.") else f"grid.{bare}"
    room = bare.split(".")[0]
    if room in ("grid", "draw") and "." in bare:
        value = f"[{value}]" if batch and room == "grid" and _has_comma(value) else value
        # the null first: a value given later replaces an axis, it is not merged into it
        return [f"++{bare}=null", f"++{bare}={value}"] if batch else [f"++{bare}={value}"]
    if batch and _has_comma(value):
        if bare not in LISTS:
            raise UsageError(f"{bare} takes one value, not {value}; -m makes a process of each")
        value = f"[{value}]"
    return [f"{key}={value}"]


COMMANDS = ("reproduce", "replay", "resume", "work", "report", "list")


def _objective(key: str, value: str) -> list[str]:
    """Names of cards, a formula, or a function in a file."""
    kind = tree.objective_kind(value)
    if kind == "names":
        return _choice(key, "objective", value, batch=True)
    what = "path" if kind == "file" else "formula"
    return [f"objective=[{kind}]", f"objective.{kind}.{what}={_quoted(value)}"]


def _choice(key: str, group: str, value: str, batch: bool) -> list[str]:
    """GROUP=NAME or GROUP=NAME,NAME, every name known."""
    names = tree.split_names(value)
    if group == "start" and value.startswith("[["):
        raise UsageError(f"start={value} is not a sampler: type start=points start.points={value}")
    for name in names:
        if name not in catalogue.choices(group):
            raise UsageError(_no_such(group, name))
    if len(set(names)) < len(names):
        raise UsageError(f"{group}={value} names one twice")
    if group == "sweep" and not key.startswith("+"):
        key = f"+{key}"
    if group in ("objective", "optimizer") and batch:
        return [f"{key}=[{','.join(names)}]"]
    if len(names) > 1 and batch:
        raise UsageError(f"{group} takes one name, not {value}")
    return [f"{key}={','.join(names)}"]


def _no_such(group: str, name: str) -> str:
    known = catalogue.choices(group)
    hint = nearest(name, known) or f": there are {', '.join(known[:12])}"
    return f"there is no {group} {name!r}{hint} (python -m gdexp list {group}s)"


def _unknown_key(key: str) -> str:
    """Why a dotted key is not there, and the nearest that is."""
    node, path = tree.defaults(), key.split(".")
    if path[0] in ("objective", "optimizer") and len(path) > 1:
        known = catalogue.choices(path[0])
        if path[1] not in known:
            return f"there is no {path[0]} {path[1]!r}{nearest(path[1], known)}"
        card = tree.choose(path[0], path[1])[path[1]]
        if len(path) > 2 and path[2] in card:
            return f"{path[1]} is not selected: add {path[0]}={path[1]}"
        last = ".".join(path[2:])
        return f"{path[1]} has no {last!r}{nearest(last, card)} (it has {', '.join(card)})"
    if path[0] == "start" and len(path) == 2:
        samplers = [s for s in catalogue.choices("start") if path[1] in tree.choose("start", s)]
        if samplers:
            return f"start.{path[1]} goes with start={'|'.join(samplers)}: add one of them"
    for i, part in enumerate(path):
        if not isinstance(node, dict) or part not in node:
            known = [".".join([*path[:i], k]) for k in node] if isinstance(node, dict) else []
            return f"there is no key {key!r}{nearest(key, [*known, '+sweep'])}"
        node = node[part]
    return f"{key} cannot be set so (python -m gdexp --help)"


def _has_comma(value: str) -> bool:
    """Whether a comma stands outside brackets and quotes."""
    depth, quote = 0, ""
    for character in value:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth == 0:
            return True
    return False


def _quoted(text: str) -> str:
    """`text` in the quotes of Hydra's grammar, which takes nothing else literally."""
    if text[:1] in "'\"" and text[:1] == text[-1:] and len(text) > 1:
        text = text[1:-1]
    if "\\" in text:
        raise UsageError(f"a backslash has no meaning in {text!r}: leave it out")
    return "'" + text.replace("'", "\\'") + "'"
