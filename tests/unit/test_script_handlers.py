"""What may be said at any moment: the script's handlers, and what happens where it has none."""

from __future__ import annotations

import pytest

from bot.script.interpreter import REPEATS, Interpreter
from tests.support_scripts import NOW, said, script_of, talk

PLAIN = """
title: Bell Finance
language: {language}
steps:
  a:
    - say: "{greeting}"
    - listen: {{ask: "{question}", intents: {{"yes": b}}, reprompt: "Sorry?"}}
  b: [end]
"""
ENGLISH = PLAIN.format(language="en", greeting="Hello, this is Lan from Bell.", question="Will you pay?")
VIETNAMESE = PLAIN.format(language="vi", greeting="Xin chào, tôi là Lan.", question="Anh trả chứ?")
NO_PERSON = ["I am an automatic assistant, and I cannot put you through to a person.", "Will you pay?"]


@pytest.mark.parametrize("text", ["Who is this?", "Who are you?", "What is this about?"])
def test_who_calls_is_told_by_the_first_words_of_the_script(text: str) -> None:
    assert said(talk(script_of(ENGLISH), {}).heard(text)) == ["Hello, this is Lan from Bell.", "Will you pay?"]


def test_a_script_that_begins_with_a_question_tells_its_title() -> None:
    script = script_of(
        'title: "Bell {1}"\nsteps:\n  a:\n    - listen: {ask: "Well?", intents: {"yes": b}}\n  b: [end]\n'
    )
    assert said(talk(script, {}).heard("Who is this?")) == ["Bell {1}", "Well?"]


@pytest.mark.parametrize(
    "text", ["I want to talk to a real person.", "Can I speak to a person?", "Let me talk to an agent"]
)
def test_who_wants_a_person_hears_that_there_is_none(text: str) -> None:
    assert said(talk(script_of(ENGLISH), {}).heard(text)) == NO_PERSON


def test_vietnamese_customers_are_understood_and_answered_in_vietnamese() -> None:
    conversation = talk(script_of(VIETNAMESE), {})
    assert said(conversation.heard("Cho tôi gặp nhân viên."))[0].startswith("Tôi là trợ lý tự động")
    assert said(conversation.heard("Ai đấy?")) == ["Xin chào, tôi là Lan.", "Anh trả chứ?"]
    assert said(conversation.heard("Anh gọi nhầm số rồi.")) == ["Xin lỗi, tôi gọi nhầm người.", "Xin chào."]


def test_the_same_is_not_told_without_end() -> None:
    conversation = talk(script_of(ENGLISH), {})
    for _ in range(REPEATS):
        conversation.heard("Who is this?")
    assert said(conversation.heard("Who is this?")) == ["Sorry?"]


def test_the_wrong_person_is_let_go() -> None:
    reply = talk(script_of(ENGLISH), {}).heard("You have the wrong number.")
    assert said(reply) == ["I am sorry, I have the wrong person.", "Goodbye."]
    assert (reply.effects, reply.wait) == ((), None)


@pytest.mark.parametrize(
    "text", ["I do not know.", "There is no person here who can pay", "I talk to my manager first"]
)
def test_nobody_is_let_go_or_refused_on_a_guess(text: str) -> None:
    assert said(talk(script_of(ENGLISH), {}).heard(text)) == ["Sorry?"]


HANDLED = """
handlers: {{{handler}: there}}
steps:
  a:
    - say: Hello.
    - listen: {{ask: Well, intents: {{"yes": b}}}}
  b: [end]
  there: [say: There., end]
"""


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        ("person", "I want to talk to a real person."),
        ("who_is_calling", "Who is this?"),
        ("repeat", "Can you repeat that?"),
        ("wrong_person", "Wrong number."),
        ("call_back", "Call me back later."),
        ("opt_out", "Stop calling me."),
    ],
)
def test_a_handler_leads_to_its_step(handler: str, text: str) -> None:
    reply = talk(script_of(HANDLED.format(handler=handler)), {}).heard(text)
    assert (said(reply), reply.step) == (["There."], "there")


def test_the_handler_of_silence_follows_its_lines() -> None:
    conversation = talk(script_of(HANDLED.format(handler="silence")), {})
    assert said(conversation.silent()) == ["Hello, are you still there?"]
    assert said(conversation.silent()) == ["There."]


def test_the_silence_of_the_script_goes_before_the_handler() -> None:
    text = "silence: {goto: b}\n" + HANDLED.format(handler="silence").replace(
        "- say: Hello.", "- say: Hello.\n    - if: {any: 1 > 2, then: there}"
    )
    conversation = talk(script_of(text), {})
    conversation.silent()
    assert conversation.silent().step == "b"


def test_what_the_script_asks_for_goes_before_what_is_built_in() -> None:
    script = script_of(
        """
        intents: {agent: {samples: [let me talk to a person, put me through to a person]}}
        steps:
          a:
            - say: Hello.
            - listen: {ask: Well, intents: {agent: b, wrong_person: b}, reprompt: Sorry}
          b: [end]
        """
    )
    for text in ("put me through to a person, put me through to an operator", "I do not know.", "Wrong number."):
        assert talk(script, {}).heard(text).step == "b", text
    assert said(talk(script, {}).heard("My husband pays that."))[0] == "Sorry"


def test_an_intent_that_a_script_calls_person_is_its_own() -> None:
    script = script_of(
        """
        intents: {person: {samples: [give me the boss]}}
        steps:
          a:
            - say: Hello.
            - listen: {ask: Well, intents: {person: b, "yes": c}, reprompt: Sorry}
          b: [end]
          c:
            - listen: {ask: Really, intents: {"yes": b}, reprompt: Sorry}
        """
    )
    assert talk(script, {}).heard("Give me the boss!").step == "b"
    assert said(talk(script, {}).heard("Put me through to an agent.")) == ["Sorry"]
    conversation = talk(script, {})
    conversation.heard("Yes.")
    assert said(conversation.heard("Give me the boss!")) == ["Sorry"], "it is offered in one step only"


def test_a_model_greets_in_its_own_words_when_asked_who_calls() -> None:
    script = script_of(
        """
        steps:
          a:
            - call_back: {ask: When shall I call}
            - llm: {goal: Talk., greeting: Lan speaking.}
        """
    )
    conversation = Interpreter(script, {}, now=NOW)
    conversation.start()
    assert said(conversation.heard("Who is this?")) == ["Lan speaking.", "When shall I call"]
