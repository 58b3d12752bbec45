"""Whatever a script holds and a customer says, nothing breaks, and nothing is chosen that is not offered."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Problem, ScriptErrors
from bot.script.interpreter import Interpreter
from bot.script.loader import load_script
from bot.script.phrases import phrases
from bot.script.rendering import render
from tests.support_scripts import ANNA, DEMO, NOW, SMALL

DEMO_SCRIPT = load_script(DEMO)
SOURCES = [path.read_text(encoding="utf-8") for path in (DEMO, DEMO.parent.parent / "every-block" / "script.yaml")]
CODES = {code.code for code in DEMO_SCRIPT.codes}
VOCABULARY = """
yes no not I will pay call me tomorrow at ten again stop don't later busy who how much hello đừng gọi nữa mai . , ?
"""
WORDS = st.sampled_from(VOCABULARY.split())
SPEECH = st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(max_size=60))
ACTION = st.one_of(
    st.tuples(st.just("heard"), SPEECH),
    st.tuples(st.just("key"), st.sampled_from("0123456789*#")),
    st.just(("silent",)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTION, max_size=12))
def test_any_conversation_stays_within_the_script(actions: list[tuple[str, ...]]) -> None:
    conversation = Interpreter(DEMO_SCRIPT, ANNA, now=NOW)
    reply = conversation.start()
    ended = False
    for name, *said in actions:
        reply = getattr(conversation, name)(*said)
        assert reply.step in DEMO_SCRIPT.steps
        assert (reply.wait is None) == conversation.finished
        assert conversation.code is None or conversation.code in CODES
        assert not ended or conversation.finished
        ended = conversation.finished
    for _ in range(8):
        reply = conversation.silent()
    assert reply.wait is None, "silence must end every conversation"


def problems_in(text: str) -> tuple[Problem, ...]:
    try:
        load_script(text, "bot.yaml")
    except ScriptErrors as errors:
        return errors.problems
    return ()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_script_is_refused_with_lines_or_read(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(SOURCES)).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "indent", "cut", "junk"]))
        match change:
            case "drop":
                lines[place] = ""
            case "double":
                lines.insert(place, lines[place])
            case "indent":
                lines[place] = "  " + lines[place]
            case "cut":
                lines[place] = lines[place][: data.draw(st.integers(0, 30))]
            case _:
                lines[place] = data.draw(st.text(max_size=20)).replace("\n", " ")
    problems = problems_in("\n".join(lines))
    assert all(problem.message and problem.remedy for problem in problems)
    assert all(1 <= problem.line <= len(lines) + 1 for problem in problems)


SHAPES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["a", "end", "yes"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["steps", "a", "say", "listen", "intents", "goto", "end", "codes", "faq", "silence", "text"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(SHAPES)
def test_any_yaml_is_read_or_refused(shape: Any) -> None:
    with contextlib.suppress(ScriptErrors):
        load_script(yaml.safe_dump(shape), "bot.yaml")


@given(st.text(), st.text())
def test_a_value_is_data(name: str, day: str) -> None:
    rendered = render("<{name}|{day}>", {"name": name, "day": day})
    assert rendered.isprintable()
    assert "\n" not in rendered
    if name.isalnum() and day.isalnum():
        assert rendered == f"<{name}|{day}>"


@given(st.text(min_size=1, max_size=40).filter(lambda value: value.strip()))
def test_whatever_a_contact_is_called_the_greeting_was_rendered_before(name: str) -> None:
    script = load_script(SMALL, "bot.yaml")
    spoken = [line.text for line in Interpreter(script, {"name": name}, now=NOW).start().lines]
    assert set(spoken) <= set(phrases(script, {"name": name}))
