"""What a language model may make happen: exactly what the script offers, and nothing by what it writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot.llm.choosing import Chosen, ToEnd, ToStep, ToTransfer, choose
from bot.script.language import Tools
from bot.script.replies import CallBack, ToolCall
from bot.understanding.forms import ValueForm, ValueKind

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
TOOLS = Tools(
    codes=("AG", "RF"),
    collect={
        "pay_date": ValueForm(ValueKind.DATE),
        "amount": ValueForm(ValueKind.MONEY, lowest=Decimal(10), highest=Decimal(500)),
        "colour": ValueForm(ValueKind.CHOICE, choices={"red": ("crimson",), "blue": ()}),
        "note": ValueForm(ValueKind.TEXT),
    },
    transfers=("sales",),
    steps={"pay": "the customer wants to pay now"},
    call_back=True,
)


def no_reading(_text: str, _form: ValueForm) -> str | None:
    return None


def chosen(*calls: tuple[str, object], tools: Tools = TOOLS, zone: str = "UTC") -> Chosen:
    """Arguments that are text are sent as they stand, others as JSON."""
    wire = [ToolCall(name, given if isinstance(given, str) else json.dumps(given)) for name, given in calls]
    return choose(wire, tools, read=no_reading, now=NOW, time_zone=zone)


def test_what_is_offered_happens() -> None:
    answer = chosen(
        ("set_code", {"code": "AG"}),
        ("keep_value", {"name": "pay_date", "value": "2026-11-27"}),
        ("end_call", {}),
    )
    assert (answer.code, dict(answer.kept), answer.onward) == ("AG", {"pay_date": "2026-11-27"}, ToEnd())
    assert answer.results == ("done", "done", "done")
    assert answer.dropped == ()


@pytest.mark.parametrize(
    ("name", "given", "onward"),
    [
        ("transfer", {"to": "sales"}, ToTransfer("sales")),
        ("go_on", {"step": "pay"}, ToStep("pay")),
        ("end_call", "", ToEnd()),
    ],
)
def test_ways_on(name: str, given: object, onward: object) -> None:
    assert chosen((name, given)).onward == onward


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("transfer", {"to": "+19005550100"}),
        ("transfer", {"to": "sales", "number": "+19005550100"}),
        ("transfer", {"number": "+19005550100"}),
        ("transfer", {"to": ["sales"]}),
        ("transfer", '{"to": "boss", "to": "sales"}'),
        ("transfer", {}),
        ("set_code", {"code": "DNC"}),
        ("set_code", {"code": "ag"}),
        ("go_on", {"step": "start"}),
        ("keep_value", {"name": "iban", "value": "DE00"}),
        ("end_call", {"reason": "tired"}),
        ("send_email", {"to": "a@example.com"}),
        ("transfer\nsales", {}),
        ("set_code", "AG"),
        ("set_code", "[" * 100_000),
        ("set_code", '{"code": NaN}'),
        ("set_code", json.dumps({"code": "AG"}) + " " * 5000),
    ],
)
def test_anything_else_changes_nothing(name: str, given: object) -> None:
    answer = chosen((name, given))
    assert (answer.code, dict(answer.kept), answer.call_back, answer.onward) == (None, {}, None, None)
    assert len(answer.dropped) == 1
    assert answer.results[0].startswith("refused: ")


def test_notes_never_repeat_what_the_model_wrote() -> None:
    answer = chosen(("wire_money_to_bob", {"to": "bob"}), ("set_code", {"code": "secret words"}))
    told = " ".join(answer.dropped + answer.results)
    assert "bob" not in told
    assert "secret" not in told


def test_a_refused_call_does_not_keep_the_others_from_happening() -> None:
    answer = chosen(("set_code", {"code": "XX"}), ("set_code", {"code": "RF"}))
    assert answer.code == "RF"
    assert answer.results == ("refused: that is not offered; there are only AG, RF", "done")


def test_the_first_way_on_stands() -> None:
    answer = chosen(("transfer", {"to": "sales"}), ("end_call", {}))
    assert answer.onward == ToTransfer("sales")
    assert answer.dropped == ("end_call: the call already goes on elsewhere",)


def test_a_function_that_is_not_offered_is_refused_though_it_exists() -> None:
    nothing = Tools(end=False)
    for name, given in [
        ("end_call", {}),
        ("call_back", {}),
        ("transfer", {"to": "sales"}),
        ("set_code", {"code": "AG"}),
    ]:
        assert chosen((name, given), tools=nothing).dropped == (f"{name}: there is no such function",)


def test_an_endless_answer_is_cut() -> None:
    answer = chosen(*[("set_code", {"code": "AG"})] * 9, ("transfer", {"to": "sales"}))
    assert answer.onward is None
    assert len(answer.dropped) == 2


@pytest.mark.parametrize(
    ("name", "written", "kept"),
    [
        ("amount", "120", "120"),
        ("amount", 120, "120"),
        ("amount", 19.50, "19.5"),
        ("amount", "5", None),
        ("amount", "501", None),
        ("amount", "a lot", None),
        ("amount", "1e2", None),
        ("pay_date", "2026-02-30", None),
        ("pay_date", "tomorrow", None),
        ("colour", "Red", "red"),
        ("colour", "green", None),
        ("note", "wants\na\u0000 letter", "wants a letter"),
        ("note", "  ", None),
    ],
)
def test_values_are_kept_only_in_their_form(name: str, written: object, kept: str | None) -> None:
    answer = chosen(("keep_value", {"name": name, "value": written}))
    assert answer.kept.get(name) == kept
    assert bool(answer.dropped) == (kept is None)


def test_a_value_as_the_customer_says_it_is_read() -> None:
    def read(text: str, form: ValueForm) -> str | None:
        return "2026-11-27" if (text, form.kind) == ("next friday", ValueKind.DATE) else "no date"

    call = ToolCall("keep_value", '{"name": "pay_date", "value": "next friday"}')
    assert choose([call], TOOLS, read=read, now=NOW).kept == {"pay_date": "2026-11-27"}
    again = ToolCall("keep_value", '{"name": "pay_date", "value": "some day"}')
    assert choose([again], TOOLS, read=read, now=NOW).kept == {}


def test_a_call_back_is_read_in_the_contacts_time_zone() -> None:
    answer = chosen(("call_back", {"at": "2026-11-21T09:00"}), zone="Asia/Ho_Chi_Minh")
    assert answer.call_back == CallBack(datetime.fromisoformat("2026-11-21T09:00+07:00"))


def test_a_call_back_without_a_time_or_with_a_past_one_is_still_a_wish() -> None:
    assert chosen(("call_back", {})).call_back == CallBack(None)
    past = chosen(("call_back", {"at": "2026-11-19T09:00"}))
    assert past.call_back == CallBack(None)
    assert past.results[0].startswith("done, but without a time")


def test_a_call_back_in_words_is_read() -> None:
    at = chosen(("call_back", {"at": "tomorrow at 3 pm"})).call_back
    assert at == CallBack(datetime(2026, 11, 21, 15, 0, tzinfo=UTC))
