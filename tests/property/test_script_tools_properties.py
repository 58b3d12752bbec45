"""Files that stand beside a script may hold anything: mistakes are told, and nothing else is raised."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import BotError
from bot.script.drawing import as_dot, as_mermaid, as_tree
from bot.script.evaluating import judge_examples, load_sentences
from bot.script.graph import graph_of
from bot.script.loader import load_script
from bot.script.test_files import CASE_KEYS, TURN_KEYS, load_cases
from bot.script.testing import run_case
from tests.support_scripts import SMALL

SCRIPT = load_script(SMALL, "small.yaml")
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["I will pay", "agree", "none", "1", "#", "true", "2026-03-04T08:00:00+00:00", "how much is it"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)
TURNS = st.dictionaries(st.sampled_from(TURN_KEYS), VALUES, max_size=3)
CASES = st.fixed_dictionaries(
    {"name": WORDS, "talk": st.lists(TURNS, max_size=4)},
    optional={key: VALUES for key in CASE_KEYS if key not in ("name", "talk")},
)


@settings(max_examples=40)
@given(st.one_of(CASES, st.dictionaries(st.sampled_from(CASE_KEYS), VALUES, max_size=5)))
def test_any_conversation_test_is_refused_or_held(case: object) -> None:
    try:
        cases = load_cases(yaml.safe_dump({"tests": [case]}, allow_unicode=True))
    except BotError as error:
        told = str(error)
        assert ", line " in told
        return
    for one in cases:
        result = run_case(SCRIPT, one)
        assert result.passed or all(str(failure) for failure in result.failures)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*map(str, SCRIPT.intents), "none", "opt_out"]), WORDS), VALUES, max_size=3
    )
)
def test_any_sentences_are_refused_or_judged(sentences: object) -> None:
    try:
        examples = load_sentences(yaml.safe_dump(sentences, allow_unicode=True), SCRIPT)
    except BotError as error:
        told = str(error)
        assert ", line " in told
        return
    assert all(0 <= one.confidence <= 1 for one in judge_examples(SCRIPT, examples))


@settings(max_examples=40)
@given(st.text(max_size=40).filter(str.strip))
def test_no_text_of_a_script_breaks_a_drawing_or_gets_a_line_of_its_own(text: str) -> None:
    shown = text.replace("{", "{{").replace("}", "}}")
    try:
        script = load_script(yaml.safe_dump({"steps": {"first": [{"say": shown}, "end"]}}, allow_unicode=True))
    except BotError:
        return
    graph = graph_of(script)
    plain = graph_of(load_script("steps:\n  first:\n    - say: Hi\n    - end\n"))
    for draw in (as_tree, as_mermaid, as_dot):
        assert len(draw(graph).split("\n")) == len(draw(plain).split("\n"))
