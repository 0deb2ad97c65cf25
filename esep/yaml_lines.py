"""A YAML file as a typed value, with every fault named by its line and field.

Reads     YAML text
Returns   the validated model; `Lines`, which knows the line of each place in the text
Promises  a key that stands twice in one mapping is a fault and not the last one's victory; all faults of a file are
          told at once, in the order of its lines
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from esep.errors import FileUnusable
from esep.yaml_text import LOADER, from_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]  # From the top of the file: keys of mappings, places in lists.


class Fault(NamedTuple):
    """What is wrong at a place."""

    place: Place
    what: str


class Lines:
    """Where things stand in a YAML text."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def line(self, place: Place) -> int:
        """Return the line of a place, from 1 on; of the nearest place around it where it is missing."""
        return _mark(self._path(place)[-1])

    def field(self, place: Place) -> str:
        """Return a place in words; a member of a list by what it calls itself in its first line, or by number."""
        words: list[str] = []
        for part, node in zip(place, self._path(place)[1:], strict=False):
            name = _name(node) if isinstance(part, int) else str(part)
            words.append(name or f"no. {int(part) + 1}")
        beyond = (str(part) for part in place[len(words) :] if isinstance(part, str))
        return " › ".join([*words, *beyond])

    def repeated(self) -> Iterator[Fault]:
        """Yield the keys that stand twice in one mapping."""
        if self._root is not None:
            yield from _repeated(self._root, ())

    def _path(self, place: Place) -> list[yaml.Node]:
        """Return the nodes from the top to a place, as far as they exist."""
        path: list[yaml.Node] = [] if self._root is None else [self._root]
        for part in place:
            below = _below(path[-1], part) if path else None
            if below is None:
                break
            path.append(below)
        return path or [yaml.ScalarNode("", "")]


def read_lines(text: str, what: str) -> tuple[object, Lines]:
    """Return what a text says, and where; FileUnusable if it is not YAML. what: the file's name in texts."""
    try:
        return from_yaml(text), Lines(yaml.compose(text, LOADER))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise FileUnusable(f"{what} is not YAML", detail=f"line {line}: {_first_line(error)}", line=line) from error


def validated(value: object, lines: Lines, model: type[M], what: str) -> M:
    """Return the value as a model; FileUnusable with all faults."""
    found = list(lines.repeated())
    if found:
        raise unusable(found, lines, what)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [Fault(tuple(fault["loc"]), fault["msg"].removeprefix("Value error, ")) for fault in error.errors()]
        raise unusable(faults, lines, what) from None


def unusable(faults: Iterable[Fault], lines: Lines, what: str) -> FileUnusable:
    """Return the error for these faults."""
    told = sorted((lines.line(fault.place), f"{lines.field(fault.place)}: {fault.what}") for fault in faults)
    detail = "; ".join(f"line {line}, {text}" for line, text in told)
    return FileUnusable(f"{what} does not say what it must", detail=detail, line=told[0][0])


def _below(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None


def _name(node: yaml.Node) -> str:
    """Return what stands first in a member of a list, which is its name."""
    if isinstance(node, yaml.MappingNode) and node.value and isinstance(node.value[0][1], yaml.ScalarNode):
        return str(node.value[0][1].value)
    return ""


def _mark(node: yaml.Node) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def _repeated(node: yaml.Node, place: Place) -> Iterator[Fault]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*place, str(key.value))
            if key.value in seen:
                yield Fault(here, "stands here twice")
            seen.add(key.value)
            yield from _repeated(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, member in enumerate(node.value):
            yield from _repeated(member, (*place, number))


def _first_line(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]
