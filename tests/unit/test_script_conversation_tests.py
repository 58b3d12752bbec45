"""Conversation tests of scripts: what they hold against, and what they say when it does not."""

from __future__ import annotations

from textwrap import dedent

import pytest

from bot.errors import BotError, Problem, ScriptErrors
from bot.script.loader import load_script
from bot.script.test_files import beside, load_cases
from bot.script.testing import Result, run_case
from tests.support_scripts import DEMO, ROOT, SMALL, script_of

SCRIPT = script_of(SMALL)
TRANSFER = script_of("""
transfers: {sales: {number: "100"}}
steps:
  first:
    - say: One moment.
    - transfer: {to: sales, else: nobody}
  nobody:
    - say: Nobody is free.
    - end
""")


def results(text: str, script: object = SCRIPT) -> list[Result]:
    return [run_case(script, case) for case in load_cases(dedent(text), "bot.tests.yaml")]  # type: ignore[arg-type]


def failures(text: str, script: object = SCRIPT) -> list[str]:
    return [str(failure) for result in results(text, script) for failure in result.failures]


def mistakes(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ScriptErrors) as caught:
        load_cases(dedent(text), "bot.tests.yaml")
    return caught.value.problems


def test_a_conversation_as_expected_passes() -> None:
    found = results("""
        tests:
          - name: pays after a question
            variables: {name: Anna}
            talk:
              - bot: [hello   ANNA, Will you pay]
                never: goodbye
              - said: How much is it?
                bot: It is ten dollars.
                intent: amount
                step: greeting
              - silence: true
                bot: Are you there?
              - key: "1"
                bot: Thank you
              - step: goodbye
            code: AG
            opted_out: false
            ended: true
            call_back: none
        """)
    assert [result.passed for result in found] == [True], found[0].failures
    assert [turn.what for turn, _ in found[0].exchanges] == ["", "How much is it?", "true", "1"]


def test_an_opt_out_and_a_call_back_are_facts_of_the_end() -> None:
    found = failures("""
        tests:
          - name: wants no more calls
            variables: {name: Anna}
            talk: [{said: Take me off your list}]
            code: DNC
            opted_out: true
          - name: wants another time
            variables: {name: Anna}
            now: 2026-03-04T08:00:00+00:00
            time_zone: Asia/Ho_Chi_Minh
            talk: [{said: Call me tomorrow at ten}]
            code: CB
            call_back: 2026-03-05T03:00:00+00:00
        """)
    assert found == []


def test_the_first_wrong_turn_is_told_with_line_expected_and_got_and_ends_the_test() -> None:
    found = failures("""\
        tests:
          - name: pays
            variables: {name: Anna}
            talk:
              - bot: Good morning
              - said: I will pay
                bot: Never
            code: XX
        """)
    assert found == [
        'bot.tests.yaml, line 5: pays, at the beginning: expected the bot to say "Good morning", '
        'got "Hello Anna. Will you pay on Friday?"'
    ]


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        ("{said: blue bananas, intent: agree}", 'expected intent agree, got none; the bot said "Sorry?"'),
        ("{said: I will pay, step: lost}", "expected step lost, got goodbye"),
        ("{said: I will pay, never: thank}", 'expected the bot not to say "thank", got "Thank you. Goodbye."'),
        ("{key: '1', transfer: sales}", "expected transfer sales, got none"),
    ],
)
def test_each_expectation_of_a_turn_can_fail(turn: str, told: str) -> None:
    (found,) = failures(f"tests: [{{name: t, variables: {{name: Anna}}, talk: [{turn}]}}]")
    assert told in found


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ("code: NU", "expected code NU, got AG (the conversation stands at step goodbye)"),
        ("code: none", "expected code none, got AG"),
        ("opted_out: true", "expected opted_out yes, got no"),
        ("ended: false", "expected ended no, got yes"),
        ("call_back: open", "expected call_back open, got none"),
        ("collected: {day: x}", "expected collected day x, got nothing"),
        ("emails: [thanks]", "expected 1 e-mails, got 0"),
    ],
)
def test_each_fact_of_the_end_can_fail(fact: str, told: str) -> None:
    (found,) = failures(f"tests: [{{name: t, variables: {{name: Anna}}, talk: [{{said: I will pay}}], {fact}}}]")
    assert told in found


def test_a_missing_variable_and_a_turn_after_the_end_are_failures_of_the_test() -> None:
    assert "no value for name" in failures("tests: [{name: t, talk: [{said: yes}]}]")[0]
    late = "tests: [{name: t, variables: {name: A}, talk: [{said: I will pay}, {said: hello}]}]"
    assert "the call had ended before" in failures(late)[0]


def test_a_transfer_that_nobody_takes_goes_on() -> None:
    text = "tests: [{name: t, talk: [{bot: One moment, transfer: sales}, {not_joined: true, bot: Nobody is free}]}]"
    assert failures(text, TRANSFER) == []


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("tests: []", 1, "there is no test"),
        ("tests:\n  - name: a\n    talk:\n      - sayd: x", 4, "unknown key `sayd` in a turn"),
        ("tests:\n  - talk: []", 2, "the test has no name"),
        ("tests:\n  - name: a", 2, "the test has no talk"),
        ("tests:\n  - {name: a, talk: [], now: monday}", 2, "now is `monday`"),
        ("tests:\n  - {name: a, talk: [], now: 2026-03-04T08:00:00}", 2, "now is `2026-03-04T08:00:00`"),
        ("tests:\n  - {name: a, talk: [], time_zone: Mars}", 2, "there is no time zone `Mars`"),
        ("tests:\n  - {name: a, talk: [{said: x, key: '1'}]}", 2, "a turn holds one of said, key"),
        ("tests:\n  - {name: a, talk: [{key: '12'}]}", 2, "`12` is no telephone key"),
        ("tests:\n  - {name: a, talk: [{silence: 'no'}]}", 2, "silence is `no`"),
        ("tests:\n  - {name: a, talk: [{}]}", 2, "the turn says nothing"),
        ("tests:\n  - {name: a, talk: [], ended: perhaps}", 2, "ended is `perhaps`"),
    ],
)
def test_mistakes_in_the_file_are_told_with_their_line(text: str, line: int, told: str) -> None:
    problem = mistakes(text)[0]
    assert (problem.line, told in problem.message) == (line, True), problem


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BotError, match="cannot read the tests"):
        load_cases(beside(ROOT / "nowhere.yaml", "tests"))
    assert beside(DEMO, "sentences").name == "script.sentences.yaml"


OUTSIDE = script_of("""
variables: {id: {default: "7"}}
codes: {AG: {title: Agrees, result: Completed}}
steps:
  first:
    - webhook:
        url: https://crm.example.com/contacts/{id}
        into: {balance: data.balance}
        say: One moment.
        else: broken
    - say: Your balance is {balance}.
    - collect: {into: day, type: date, ask: "When will you pay?"}
    - email: {to: boss@example.com, subject: "Pays {day}", body: Good news.}
    - llm:
        goal: Say goodbye nicely.
        tools: {codes: [AG], end: true}
        fallback: Say that again please.
  broken:
    - say: Our computer is slow today.
    - end
""")


def test_services_and_models_answer_what_the_test_gives() -> None:
    found = results(
        """
        tests:
          - name: all that reaches outside
            now: 2026-03-04T08:00:00+00:00
            webhooks: [{balance: twelve}]
            llm:
              - Anything else?
              - null
              - {say: Goodbye dear., tools: {set_code: {code: AG}, end_call: }}
            talk:
              - bot: [One moment, Your balance is twelve, When will you pay]
              - said: tomorrow
                bot: Anything else
                intent: value
              - said: no
                bot: Say that again please
              - said: no thank you
                bot: Goodbye dear
            code: AG
            ended: true
            collected: {day: 2026-03-05}
            emails: [boss@example.com Pays 2026-03-05]
          - name: a failure
            webhooks: [null]
            talk: [{bot: slow today}]
            collected: {day: ""}
            emails: []
        """,
        OUTSIDE,
    )
    assert [str(failure) for result in found for failure in result.failures] == []
    asked = found[0].exchanges[0][1].asked
    assert asked == ("POST https://crm.example.com/contacts/7: balance = twelve",)


def test_an_answer_that_the_test_does_not_give_is_named() -> None:
    assert "add it under `webhooks:`" in failures("tests: [{name: t, talk: []}]", OUTSIDE)[0]
    text = "tests: [{name: t, webhooks: [{balance: x}], talk: [{said: tomorrow}]}]"
    assert "add it under `llm:`" in failures(text, OUTSIDE)[0]


@pytest.mark.parametrize("said", ["tomorrow", "later today", "on Friday"])
def test_a_day_alone_is_the_answer_that_was_asked_for_and_no_wish_for_another_call(said: str) -> None:
    script = script_of("""
    steps:
      first:
        - collect: {into: day, type: date, ask: "When will you pay?"}
        - goto: second
      second:
        - listen: {ask: "And when again?", values: {again: {type: date, goto: last}}, intents: {"no": last}}
      last: [end]
    """)
    day = f"{{said: {said}, intent: value}}"
    assert failures(f"tests: [{{name: t, talk: [{day}, {day}], ended: true, code: none}}]", script) == []


def test_a_time_that_is_no_day_is_asked_about_again() -> None:
    script = script_of("""
    steps:
      first:
        - collect: {into: day, type: date, ask: "When will you pay?", ask_again: Which day please}
        - end
    """)
    talk = "[{said: next week, bot: Which day please}, {said: call me back tomorrow at ten}]"
    assert failures(f"tests: [{{name: t, talk: {talk}, code: CB, ended: true}}]", script) == []


def test_the_demo_holds_the_conversations_written_beside_it() -> None:
    script = load_script(DEMO)
    found = [run_case(script, case) for case in load_cases(beside(DEMO, "tests"))]
    assert [str(failure) for result in found for failure in result.failures] == []
    assert {result.case.expected.facts["code"][0] for result in found} >= {"AG", "RF", "CB", "DNC", "WP"}
