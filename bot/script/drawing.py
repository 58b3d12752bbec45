"""Drawings of a script's graph: a tree for the terminal, Mermaid, Graphviz, and plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from bot.script.graph import THEN, Edge, Graph, StepNode

ANYWHERE: Final = "from any step"
_LONGEST: Final = 72


def as_data(graph: Graph) -> dict[str, Any]:
    """The graph for programs: name, title, start, nodes and edges."""
    return asdict(graph)


def as_tree(graph: Graph) -> str:
    """The graph from its start on; a step that stands further up already is only named."""
    nodes = {node.name: node for node in graph.nodes}
    seen: set[str] = set()
    lines = [graph.title]
    lines += _branch(graph, nodes, Edge(None, graph.start, "start", 1), seen, "", last=not graph.leaving(None))
    ways = graph.leaving(None)
    for edge in ways:
        named = Edge(None, edge.target, f"{ANYWHERE}: {edge.label}", edge.line)
        lines += _branch(graph, nodes, named, seen, "", last=edge is ways[-1])
    return "\n".join(lines)


def _branch(
    graph: Graph, nodes: dict[str, StepNode], edge: Edge, seen: set[str], indent: str, *, last: bool
) -> Iterator[str]:
    corner, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
    head = f"{indent}{corner}{_short(edge.label)} → "
    if edge.target is None:
        yield f"{head}end of the call"
        return
    if edge.target in seen:
        yield f"{head}{edge.target} (above)"
        return
    seen.add(edge.target)
    node = nodes[edge.target]
    yield f"{head}{node.name}{f', line {node.line}' if node.line else ''}"
    # Where a step hangs up, its block `end` says so already.
    ways = [way for way in graph.leaving(node.name) if (way.label, way.target) != (THEN, None)]
    for block in node.blocks:
        yield f"{indent}{below}{'│' if ways else ' '}  {_short(block)}"
    for way in ways:
        yield from _branch(graph, nodes, way, seen, indent + below, last=way is ways[-1])


def as_mermaid(graph: Graph) -> str:
    """A Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    ids = _Ids(graph)
    lines = ["flowchart TD"]
    for node in graph.nodes:
        words = "<br/>".join(_mermaid(_short(line)) for line in (node.name, *node.blocks))
        lines.append(f'    {ids[node.name]}["{words}"]')
    lines += [f'    anywhere(("{ANYWHERE}"))'] if graph.leaving(None) else []
    lines += ['    hung_up(("end of the call"))'] if any(edge.target is None for edge in graph.edges) else []
    lines += [f'    {ids.source(e)} -->|"{_mermaid(_short(e.label))}"| {ids.target(e)}' for e in graph.edges]
    return "\n".join(lines)


def as_dot(graph: Graph) -> str:
    """A Graphviz digraph (https://graphviz.org/doc/info/lang.html)."""
    ids = _Ids(graph)
    lines = [f"digraph {_dot(graph.name)} {{", "    node [shape=box];"]
    for node in graph.nodes:
        words = "".join(_dot_words(_short(line)) + "\\l" for line in (node.name, *node.blocks))
        lines.append(f'    {ids[node.name]} [label="{words}"];')
    lines += [f"    anywhere [shape=ellipse, label={_dot(ANYWHERE)}];"] if graph.leaving(None) else []
    if any(edge.target is None for edge in graph.edges):
        lines.append('    hung_up [shape=ellipse, label="end of the call"];')
    lines += [f"    {ids.source(e)} -> {ids.target(e)} [label={_dot(_short(e.label))}];" for e in graph.edges]
    return "\n".join([*lines, "}"])


class _Ids:
    """Names that no drawing language misreads; from anywhere and to the end there is one each as well."""

    def __init__(self, graph: Graph) -> None:
        self._of = {node.name: f"s{place}" for place, node in enumerate(graph.nodes)}

    def __getitem__(self, step: str) -> str:
        return self._of[step]

    def source(self, edge: Edge) -> str:
        return "anywhere" if edge.source is None else self._of[edge.source]

    def target(self, edge: Edge) -> str:
        return "hung_up" if edge.target is None else self._of[edge.target]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def _mermaid(text: str) -> str:
    for char, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("|", "#124;")):
        text = text.replace(char, entity)
    return text


def _dot_words(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _dot(text: str) -> str:
    return f'"{_dot_words(text)}"'
