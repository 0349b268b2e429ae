"""Reading a file that somebody else may have written: plain values come out of it, or one message.

A saved config is as likely to come from a colleague, a course or a web page as from this machine.
So nothing in it names code, reaches the environment, or grows: YAML has no tags here, no aliases
and no `${...}`, and neither YAML nor JSON any depth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gdexp.base import UsageError

MOST_DEPTH = 16  # of lists and mappings in one another
MOST_DIGITS = 64  # of a number: what longer ones are worth takes a square of their length to tell
LARGEST_WHOLE = 2**64


class _Plain(yaml.SafeLoader):
    """YAML without what can refer, repeat or hide."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.composer.ComposerError(None, None, "aliases are refused", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are refused", event.start_mark)
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise yaml.composer.ComposerError(None, None, "it is too deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if number and len(node.value) > MOST_DIGITS:
            raise yaml.constructor.ConstructorError(
                None, None, "a number has too many digits", node.start_mark
            )
        return super().construct_object(node, deep)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):  # who reads it sees one, the machine another
            raise yaml.constructor.ConstructorError(
                None, None, "a key is there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, most_bytes: int) -> dict[str, Any]:
    """A mapping of plain values.

    Raises:
      UsageError: the file is larger, or holds anything else.
    """
    text = _read(path, most_bytes)
    try:
        found = yaml.load(text, _Plain)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        told = getattr(error, "problem", None) or type(error).__name__
        raise UsageError(f"{path}{place} is not plain YAML: {told:.80}") from None
    return _plain(path, found)


def read_json(path: Path, most_bytes: int) -> dict[str, Any]:
    """A mapping of plain values.

    Raises:
      UsageError: the file is larger, or holds anything else.
    """
    try:
        found = json.loads(_read(path, most_bytes))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error!s:.80}") from None
    return _plain(path, found)


def check(path: Path, value: Any, shape: Any, name: str = "") -> None:
    """Raises UsageError where `value` is not of a shape.

    A shape is a type or several; a list of one shape; a mapping of names to shapes, all of which
    have to be there but those that end in `?`, where the name `*` stands for any.
    """
    if isinstance(shape, Mapping):
        kind, parts = dict, _parts(value, shape) if isinstance(value, dict) else ()
    elif isinstance(shape, list):
        kind = list
        parts = ((i, v, shape[0]) for i, v in enumerate(value)) if isinstance(value, list) else ()
    else:
        kind, parts = shape, ()
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is int)
    if wrong or (kind is int and value < 0):
        told = f"{name} is not as it should be" if name else "it holds no keys"
        raise UsageError(f"{path} was not written by gdexp: {told}")
    for key, part, inner in parts:
        check(path, part, inner, f"{name}.{key}".lstrip("."))


def _parts(value: dict, shape: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    if "*" in shape:
        yield from ((key, part, shape["*"]) for key, part in value.items())
    else:
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if name == key or name in value:
                yield name, value.get(name, ...), inner


def _read(path: Path, most_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise UsageError(f"{path} is larger than {most_bytes} bytes: it is not read")
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _plain(path: Path, found: Any) -> dict[str, Any]:
    """`found`, if it is a mapping and nothing in it is more than it seems."""
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no keys")
    waiting: list[Any] = [found]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise UsageError(f"{path}: a key is no text")
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            if "${" in value:
                raise UsageError(f"{path}: interpolations (${{...}}) are refused")
        elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
            raise UsageError(f"{path}: a whole number is too large")
        elif not isinstance(value, bool | int | float | None):
            raise UsageError(f"{path}: a {type(value).__name__} is no plain value")
    return found
