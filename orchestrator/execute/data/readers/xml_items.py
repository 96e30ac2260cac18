"""XML: each element at a path is a row; its children and attributes are the columns. No entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from orchestrator.datasets.base import FileProblem, Row, RowProblem
from orchestrator.datasets.json_text import too_long
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Source

CHUNK = 1 << 16
# How many elements are examined to suggest the path of a row.
LOOKED_AT = 2000
# A row is read by a function that calls itself for its children.
DEEPEST = 100
# What an element takes in memory; for the limits, it is as large as that.
ELEMENT = 200


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with its first line.

    Raises:
        UsageError: the path of a row is not given.
    """
    path = [step for step in source.reading.items.split("/") if step]
    if not path:
        raise UsageError(_which(source))
    return _rows(source, path)


def _rows(source: Source, path: list[str]) -> Iterator[Numbered]:
    found, line = False, 1
    try:
        for line, element in _elements(source, path):
            found = True
            yield line, _row(element)
    except RowProblem as problem:
        yield line, problem
        return
    if not found:
        yield 1, RowProblem("no rows", f"no element {'/'.join(path)}", _which(source).hint)


def _elements(source: Source, path: list[str]) -> Iterator[tuple[int, Element]]:
    """Every whole element at a path with its first line; elements that were read are released."""
    stack: list[str] = []
    parents: list[Element] = []
    began = 0
    for line, event, element in _events(source):
        if event == "start":
            stack.append(_tag(element))
            parents.append(element)
            if stack[-len(path) :] == path and not began:
                began, depth, start = line, len(stack), source.read
            if began and source.read - start > source.limits.row:
                raise too_long("an element", source.limits.row)
            continue
        parents.pop()
        if began and len(stack) == depth:
            yield began, element
            began = 0
        stack.pop()
        if not began and parents:
            parents[-1].remove(element)


def _events(source: Source) -> Iterator[tuple[int, str, Element]]:
    """The parser's events, with their lines.

    Raises:
        RowProblem: the file is not XML, declares entities, is nested too deeply, or has too long a text.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    parser = XMLPullParser(("start", "end"), _parser=DefusedXMLParser())
    line, depth, last = 1, 0, 0
    try:
        for chunk in _chunks(source):
            parser.feed(chunk)
            for name, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                if name == "start":
                    depth += 1
                    source.read += ELEMENT
                else:
                    depth -= 1
                if depth > DEEPEST:
                    raise FileProblem(
                        "not XML", f"elements are nested more than {DEEPEST} deep", "flatten it"
                    )
                last = source.read
                yield line, name, element
            if source.read > source.limits.total:
                raise source.limits.exceeded()
            if source.read - last > source.limits.row:
                raise too_long("an element, or a text", source.limits.row)
            line += chunk.count(b"\n")
        parser.close()
    except DefusedXmlException:
        raise FileProblem(
            "not XML", "the file declares entities, which are not supported", "expand them"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise FileProblem("not XML", f"{error}", "fix the XML") from None


def _chunks(source: Source) -> Iterator[bytes]:
    """The lines, and blank ones in blocks."""
    for chunk in iter(partial(source.stream.readline, CHUNK), b""):
        source.passed(len(chunk))
        yield chunk
        if chunk.isspace():
            yield from source.blanks()


def _tag(element: Element) -> str:
    """The tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _row(element: Element) -> Row | RowProblem:
    value = _value(element)
    return value if isinstance(value, dict) else {"text": value}


def _value(element: Element) -> object:
    """An element as text, or as an object of its attributes and children; repeated tags become a list."""
    if not len(element) and not element.attrib:
        return element.text or ""
    value: dict[str, object] = dict(element.attrib)
    if not len(element) and element.text:
        value["text"] = element.text
    children: dict[str, list[object]] = {}
    for child in element:
        children.setdefault(_tag(child), []).append(_value(child))
    return value | {tag: values if len(values) > 1 else values[0] for tag, values in children.items()}


def _which(source: Source) -> Problem:
    """The elements that may be rows: repeated ones with children, the most frequent first."""
    stack: list[str] = []
    seen: Counter[str] = Counter()
    source.stream.seek(0)
    source.read = 0
    try:
        for _, event, element in _events(source):
            if event == "start":
                stack.append(_tag(element))
                continue
            if len(element) > 0 and len(stack) > 1:
                seen["/".join(stack[1:])] += 1
            stack.pop()
            if seen.total() > LOOKED_AT:
                break
    except RowProblem as problem:
        return Problem(problem.what, source.shown, problem.hint)
    often = [(path, count) for path, count in seen.most_common(3) if count > 1] or seen.most_common(1)
    several = [f"--items {path} ({count} of them)" for path, count in often]
    hint = f"choose one: {'; '.join(several)}" if several else "add --items PATH"
    return Problem("the path of a row in the XML is not given", source.shown, hint)
