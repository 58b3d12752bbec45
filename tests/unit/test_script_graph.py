"""The graph of a script, and its drawings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from bot.script import graph as graphs
from bot.script.drawing import as_data, as_dot, as_mermaid, as_tree
from bot.script.graph import block_words, condition_words, graph_of
from bot.script.language import Block, Condition, Group
from bot.script.loader import load_script
from bot.script.targets import block_targets
from bot.script.templates import templates
from tests.support_scripts import DEMO, SMALL, script_of

GRAPH = graph_of(script_of(SMALL))
HOSTILE = """
steps:
  first:
    - say: 'Say "hi" <b> \\ # | & x'
    - listen:
        intents: {"yes": last}
  last:
    - end
"""


def test_every_way_out_of_a_step_is_an_edge_with_its_reason_and_line() -> None:
    ways = {(edge.source, edge.label, edge.target) for edge in GRAPH.edges}
    assert ways == {
        ("greeting", "agree", "agreed"),
        ("greeting", "refuse", "goodbye"),
        ("greeting", "key 1", "agreed"),
        ("greeting", "else", "lost"),
        ("greeting", "silence", "goodbye"),
        ("agreed", "then", "goodbye"),
        ("lost", "then", None),
        ("goodbye", "then", None),
        (None, "opt_out", "_opt_out"),
        (None, "call_back", "_call_back"),
        (None, "wrong_person", "_wrong_person"),
        ("_opt_out", "then", None),
        ("_call_back", "then", None),
        ("_wrong_person", "then", None),
    }
    lines = SMALL.splitlines()
    for edge in GRAPH.edges:
        if edge.source == "greeting":
            assert edge.label.removeprefix("key ") in lines[edge.line - 1] or edge.label == "silence"


def test_every_kind_of_block_has_words_and_a_step_lists_them_in_order() -> None:
    assert set(get_args(Block)) <= set(graphs._WORDS)
    greeting = next(node for node in GRAPH.nodes if node.name == "greeting")
    assert greeting.blocks == ("say Hello {name}.", "listen Will you pay on {day}?")
    with pytest.raises(KeyError):
        block_words(object())


def test_conditions_read_as_they_are_meant() -> None:
    inner = Condition(Group.ANY, ("language == 'vi'", "n < 3"))
    assert condition_words(Condition(Group.ALL, ("rest > 0", inner))) == "rest > 0 and (language == 'vi' or n < 3)"
    assert condition_words(Condition(Group.NONE, ("a == 1", "b == 2"))) == "none of: a == 1 or b == 2"


@pytest.mark.parametrize("script", [DEMO, *(template.path for template in templates())], ids=lambda path: path.stem)
def test_the_graph_holds_every_step_that_the_checks_know_of(script: Path) -> None:
    loaded = load_script(script)
    graph = graph_of(loaded)
    for step in loaded.steps.values():
        led = {goto.step for block in step.blocks for goto in block_targets(block)}
        assert {edge.target for edge in graph.leaving(step.name)} - {None} == led
    tree = as_tree(graph)
    assert all(f"→ {name}" in tree for name in loaded.steps)
    assert as_mermaid(graph).count("-->") == as_dot(graph).count(" -> ") == len(graph.edges)


def test_the_tree_shows_each_step_once_and_names_it_further_down() -> None:
    tree = as_tree(GRAPH)
    for node in GRAPH.nodes:
        assert tree.count(f"→ {node.name}, line") == (0 if node.name.startswith("_") else 1)
    assert "key 1 → agreed (above)" in tree
    assert "from any step: opt_out → _opt_out" in tree


def test_mermaid_and_dot_hold_every_edge_and_no_character_that_they_would_read() -> None:
    graph = graph_of(load_script(DEMO))
    assert as_mermaid(graph).count("-->") == as_dot(graph).count(" -> ") == len(graph.edges)
    hostile = graph_of(script_of(HOSTILE))
    assert "say Say #quot;hi#quot; #lt;b#gt; \\ #35; #124; & x" in as_mermaid(hostile)
    assert r"say Say \"hi\" <b> \\ # | & x\l" in as_dot(hostile)


def test_the_graph_as_data_is_json() -> None:
    data = json.loads(json.dumps(as_data(GRAPH)))
    assert (data["start"], len(data["nodes"])) == ("greeting", len(GRAPH.nodes))
    assert [edge for edge in data["edges"] if edge["source"] == "lost"] == [
        {"source": "lost", "target": None, "label": "then", "line": SMALL.splitlines().index("  lost:") + 4}
    ]
