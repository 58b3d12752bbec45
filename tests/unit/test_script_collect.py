"""A value is asked for until it is given: said or typed, confirmed, corrected, or left out."""

from __future__ import annotations

import copy

import pytest

from bot.script.interpreter import TYPING_MS, Interpreter
from bot.script.replies import Keep, Reply, Wait
from tests.support_scripts import NOW, said, script_of, talk

DAY = """
steps:
  a:
    - collect:
        into: day
        type: date
        ask: Which day?
        ask_again: ["Sorry, which day?", Just name a day.]
        confirm: "{day}, right?"
        else: lost
        patience_ms: 800
    - say: Good, {day}.
    - end
  lost: [say: Never mind., end]
faq:
  price: {samples: [how much is it], say: Ten dollars.}
"""
#: The Friday and Saturday after the Wednesday of the tests.
FRIDAY, SATURDAY = "2026-03-06", "2026-03-07"
FRIDAY_RIGHT, SATURDAY_RIGHT = "Friday, March sixth, right?", "Saturday, March seventh, right?"


def day() -> Interpreter:
    return talk(script_of(DAY), {})


def collect(**fields: str) -> Interpreter:
    written = "\n".join(f"        {name}: {value}" for name, value in fields.items())
    return talk(
        script_of(f"steps:\n  a:\n    - collect:\n        into: it\n        ask: Well?\n{written}\n    - end\n"), {}
    )


def kept(reply: Reply) -> list[str]:
    return [effect.value for effect in reply.effects if isinstance(effect, Keep)]


def test_a_value_is_asked_for_with_its_own_patience() -> None:
    reply = Interpreter(script_of(DAY), {}, now=NOW).start()
    assert said(reply) == ["Which day?"]
    assert reply.wait == Wait(6000, patience_ms=800)


def test_a_value_counts_once_it_is_confirmed() -> None:
    conversation = day()
    asked = conversation.heard("On Friday, I think.")
    assert (said(asked), asked.effects) == ([FRIDAY_RIGHT], ())
    reply = conversation.heard("Yes.")
    assert reply.effects == (Keep("day", FRIDAY),)
    assert said(reply) == ["Good, Friday, March sixth."]
    assert reply.wait is None


def test_another_value_at_the_confirmation_replaces_the_first() -> None:
    conversation = day()
    conversation.heard("On Friday.")
    assert said(conversation.heard("No, Saturday.")) == [SATURDAY_RIGHT]
    assert kept(conversation.heard("That is right.")) == [SATURDAY]


def test_the_same_value_again_is_a_yes() -> None:
    conversation = day()
    conversation.heard("On Friday.")
    assert kept(conversation.heard("Friday.")) == [FRIDAY]


def test_a_bare_no_has_it_asked_for_again_and_the_last_one_leads_on() -> None:
    conversation = day()
    for line in ("Sorry, which day?", "Just name a day."):
        conversation.heard("Friday.")
        assert said(conversation.heard("No.")) == [line]
    conversation.heard("Friday.")
    last = conversation.heard("No.")
    assert (said(last), last.step, last.effects, last.wait) == (["Never mind."], "lost", (), None)


def test_what_is_neither_yes_nor_no_has_the_confirmation_said_again_and_then_the_question() -> None:
    conversation = day()
    conversation.heard("Friday.")
    assert said(conversation.heard("Bananas.")) == [FRIDAY_RIGHT]
    assert said(conversation.heard("Bananas.")) == [FRIDAY_RIGHT]
    assert said(conversation.heard("Bananas.")) == ["Sorry, which day?"]


def test_questions_and_repeats_lead_back_to_what_was_asked() -> None:
    conversation = day()
    assert said(conversation.heard("How much is it?")) == ["Ten dollars.", "Which day?"]
    assert said(conversation.heard("Bananas.")) == ["Sorry, which day?"]
    assert said(conversation.heard("Can you repeat that?")) == ["Sorry, which day?"]
    conversation.heard("Friday.")
    assert said(conversation.heard("How much is it?")) == ["Ten dollars.", FRIDAY_RIGHT]
    assert said(conversation.heard("Can you repeat that?")) == [FRIDAY_RIGHT]
    assert kept(conversation.heard("Yes.")) == [FRIDAY]


def test_a_call_back_is_no_value_though_it_names_a_day() -> None:
    reply = day().heard("Can you call me back on Friday?")
    assert (reply.step, kept(reply)) == ("_call_back", [])


def test_without_own_lines_the_question_is_asked_once_more() -> None:
    conversation = collect(type="number")
    assert said(conversation.heard("Bananas.")) == ["Well?"]
    assert conversation.heard("Bananas.").wait is None


def test_a_value_that_is_not_required_may_stay_out() -> None:
    script = script_of(
        """
        steps:
          a:
            - collect: {into: n, type: number, ask: "How many?", ask_again: [], required: false}
            - if: {any: ["n == ''"], then: none_given, else: b}
          b: [end]
          none_given: [end]
        """
    )
    assert talk(script, {}).heard("I do not know.").step == "none_given"
    assert talk(script, {}).heard("Four.").step == "b"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("phone", "No, thank you.", []),
        ("number", "No.", []),
        ("number", "No, four.", ["4"]),
        ("text", "No.", []),
        ("text", "No tomatoes please.", ["No tomatoes please."]),
        ("yes_no", "No.", ["no"]),
    ],
)
def test_a_no_leaves_out_what_is_not_required(kind: str, text: str, value: list[str]) -> None:
    reply = collect(type=kind, required="false").heard(text)
    assert (kept(reply), reply.lines, reply.wait) == (value, (), None)


@pytest.mark.parametrize(
    ("fields", "text", "value"),
    [
        ({"type": "number", "min": "1", "max": "10"}, "Seven.", "7"),
        ({"type": "money", "currency": "USD"}, "Fifty dollars.", "50"),
        ({"type": "time"}, "At half past two in the afternoon.", "14:30"),
        ({"type": "phone"}, "It is +84 90 123 4567.", "+84901234567"),
        ({"type": "email"}, "mary at example dot com", "mary@example.com"),
        ({"type": "yes_no"}, "Sure.", "yes"),
        ({"type": "choice", "choices": "{red: [crimson], blue: []}"}, "The crimson one.", "red"),
        ({"type": "text"}, "It was too late.", "It was too late."),
    ],
)
def test_values_of_every_type_are_kept_in_their_canonical_text(fields: dict[str, str], text: str, value: str) -> None:
    assert kept(collect(**fields).heard(text)) == [value]


def test_a_value_outside_its_limits_is_none() -> None:
    assert said(collect(type="number", min="1", max="10").heard("Seventy.")) == ["Well?"]


def test_a_free_text_is_not_a_question_that_is_clearly_meant() -> None:
    conversation = collect(type="text")
    assert said(conversation.heard("Can you repeat that?")) == ["Well?"]
    assert kept(conversation.heard("The driver was late again.")) == ["The driver was late again."]


def test_a_text_is_corrected_after_a_no() -> None:
    conversation = collect(type="text", confirm='"You said {it}?"')
    conversation.heard("Main Street")
    assert said(conversation.heard("No, Mill Street")) == ["You said Mill Street?"]
    assert kept(conversation.heard("Yes")) == ["Mill Street"]


@pytest.mark.parametrize("text", ["That's wrong.", "No, that's not right.", "Incorrect.", "not quite"])
def test_who_says_that_it_is_wrong_says_no(text: str) -> None:
    conversation = day()
    conversation.heard("Friday.")
    assert said(conversation.heard(text)) == ["Sorry, which day?"]
    conversation = collect(type="text", confirm='"You said {it}?"')
    conversation.heard("Main Street")
    assert said(conversation.heard(text)) == ["Well?"]


def press(conversation: Interpreter, keys: str) -> Reply:
    replies = [conversation.key(each) for each in keys]
    return replies[-1]


@pytest.mark.parametrize(
    ("fields", "keys", "value"),
    [
        ({"type": "number"}, "42#", "42"),
        ({"type": "money"}, "1500000#", "1500000"),
        ({"type": "date"}, "0603#", FRIDAY),
        ({"type": "date"}, "0303#", "2027-03-03"),
        ({"type": "date"}, "060326#", FRIDAY),
        ({"type": "date"}, "06032026#", FRIDAY),
        ({"type": "time"}, "1430#", "14:30"),
        ({"type": "time"}, "9#", "09:00"),
        ({"type": "yes_no"}, "2", "no"),
        ({"type": "choice", "choices": "[red, blue]"}, "2", "blue"),
        ({"type": "text"}, "4711#", "4711"),
        ({"type": "number"}, "99*42#", "42"),
    ],
)
def test_values_are_typed(fields: dict[str, str], keys: str, value: str) -> None:
    assert kept(press(collect(keys="true", **fields), keys)) == [value]


def test_a_phone_number_is_typed_as_it_is_dialled_there() -> None:
    script = script_of("steps:\n  a:\n    - collect: {into: p, type: phone, ask: Number, keys: true}\n    - end\n")
    assert kept(press(talk(script, {}, time_zone="Asia/Ho_Chi_Minh"), "0901234567#")) == ["+84901234567"]


@pytest.mark.parametrize(
    ("fields", "keys"),
    [({"type": "date"}, "3102#"), ({"type": "date"}, "1#"), ({"type": "time"}, "2575#"), ({"type": "yes_no"}, "7")],
)
def test_keys_that_are_no_value_have_it_asked_for_again(fields: dict[str, str], keys: str) -> None:
    reply = press(collect(keys="true", **fields), keys)
    assert (said(reply), reply.effects) == (["Well?"], ())


@pytest.mark.parametrize("key", ["A", "B", "C", "D", "", "²", "x"])
@pytest.mark.parametrize("kind", ["number", "date", "time", "phone", "yes_no"])
def test_keys_that_no_telephone_has_are_ignored(kind: str, key: str) -> None:
    conversation = collect(type=kind, keys="true")
    reply = conversation.key(key)
    assert (reply.lines, reply.effects, reply.wait is None) == ((), (), False)
    assert said(conversation.key("#")) == ["Well?"], "nothing was typed"


def test_a_key_that_no_telephone_has_does_not_spoil_a_value() -> None:
    conversation = collect(type="choice", choices="{red: [], blue: []}", keys="true")
    assert conversation.key("D").wait is not None
    assert kept(conversation.key("2")) == ["blue"]
    assert kept(press(collect(type="number", keys="true"), "4A2#")) == ["42"]


def test_while_keys_come_nothing_is_said_and_the_wait_is_for_the_next() -> None:
    conversation = collect(type="number", keys="true")
    reply = conversation.key("4")
    assert (reply.lines, reply.wait) == ((), Wait(TYPING_MS, 900, typing=True))
    conversation.key("2")
    assert kept(conversation.silent()) == ["42"]


def test_words_put_an_end_to_typing() -> None:
    conversation = collect(type="number", keys="true", confirm='"{it}?"')
    conversation.key("4")
    assert said(conversation.heard("Seven.")) == ["seven?"]
    assert kept(conversation.key("#")) == ["7"]


def test_a_typed_value_is_confirmed_and_refused_by_keys() -> None:
    conversation = collect(type="number", keys="true", confirm='"{it}?"')
    assert said(press(conversation, "42#")) == ["forty-two?"]
    assert said(conversation.key("*")) == ["Well?"]
    assert said(press(conversation, "43#")) == ["forty-three?"]
    assert said(press(conversation, "44#")) == ["forty-four?"]
    assert kept(conversation.key("#")) == ["44"]


def test_keys_mean_nothing_where_none_are_taken() -> None:
    reply = collect(type="number").key("4")
    assert (reply.lines, reply.effects, reply.wait) == ((), (), Wait(6000, 900))


def test_silence_is_answered_as_in_every_step() -> None:
    conversation = collect(type="number", silence="{say: Hello., after_ms: 700}")
    first = conversation.silent()
    assert (said(first), first.wait) == (["Hello."], Wait(700, 900))
    assert conversation.silent().wait is None


def test_an_opt_out_is_recorded_whatever_is_asked_for() -> None:
    conversation = collect(type="text")
    assert conversation.heard("Please do not call me again.").effects[0].code == "DNC"  # type: ignore[union-attr]


def test_a_copy_goes_on_apart() -> None:
    conversation = day()
    conversation.heard("Friday.")
    before = copy.deepcopy(conversation)
    conversation.heard("No, Saturday.")
    assert kept(before.heard("Yes.")) == [FRIDAY]
    assert kept(conversation.heard("Yes.")) == [SATURDAY]


def test_every_kind_of_value_has_the_patience_that_it_needs() -> None:
    for kind, patience in (("phone", 1500), ("email", 1500), ("number", 900), ("yes_no", 400), ("date", None)):
        reply = collect(type=kind).silent()
        assert isinstance(reply.wait, Wait)
        assert reply.wait.patience_ms == patience


LISTEN = """
steps:
  a:
    - say: Hello.
    - listen:
        ask: How much will you pay?
        first: {first}
        values:
          amount: {{type: money, goto: paid}}
          day: {{type: date, goto: dated}}
        intents: {{"yes": agreed, "no": refused}}
        patience_ms: 900
        reprompt: Sorry?
  paid: [say: "{{amount}}.", end]
  dated: [say: "{{day}}.", end]
  agreed: [say: "Well, {{amount}}.", end]
  refused: [end]
"""


@pytest.mark.parametrize(
    ("first", "text", "step"),
    [
        ("values", "Yes, fifty dollars.", "paid"),
        ("intents", "Yes, fifty dollars.", "agreed"),
        ("intents", "Fifty dollars on Friday.", "paid"),
        ("intents", "On Friday.", "dated"),
        ("values", "No.", "refused"),
        ("values", "Bananas.", "a"),
    ],
)
def test_values_and_intents_have_the_priority_that_the_step_states(first: str, text: str, step: str) -> None:
    conversation = talk(script_of(LISTEN.format(first=first)), {})
    reply = conversation.heard(text)
    assert reply.step == step
    if step == "paid":
        assert reply.effects == (Keep("amount", "50"),)
        assert said(reply) == ["fifty."]
    if step == "a":
        assert reply.wait == Wait(6000, patience_ms=900)
