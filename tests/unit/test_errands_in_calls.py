"""Calls in virtual time while a web service or a language model is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from bot.errands import ModelFailed, Outside, Piece
from bot.fetching import FetchFailed
from bot.outcome import ConversationResult, EndedBy, LlmUsage, OptOut, Speaker
from bot.script.replies import Consult, Fetch, ToolCall
from tests.support_calls import Customer, Line, World, hold, texts
from tests.support_scripts import script_of

BILL = script_of(
    """
    script: bill
    variables: {name: required}
    codes:
      AG: {title: Agrees, result: Completed}
      NO: {title: No answer, result: NoResult}
    intents:
      agree: {like: "yes", samples: [I will pay]}
      refuse: {like: "no"}
    silence: {after_ms: 4000, say: ["Are you there?"], goto: unknown}
    steps:
      greeting:
        - say: Hello.
        - webhook:
            url: "https://crm.example.com/bills/{name}"
            into: {balance: data.balance}
            timeout_ms: 3000
            say: One moment please.
            else: unknown
        - listen:
            ask: "You owe {balance} dollars, will you pay?"
            intents: {agree: agreed, refuse: unknown}
            keys: {"1": agreed, "9": out}
            reprompt: Sorry?
            else: unknown
      agreed:
        - code: AG
        - say: Thank you.
        - end
      unknown:
        - code: "NO"
        - say: Somebody will write to you.
        - end
      out:
        - opt_out
        - say: We will not call again.
        - end
    """
)
CHAT = script_of(
    """
    script: chat
    variables: {name: required}
    codes:
      AG: {title: Agrees, result: Completed}
      NO: {title: No answer, result: NoResult}
    silence: {after_ms: 4000, say: ["Are you there?"], goto: bye}
    steps:
      greeting:
        - llm:
            persona: You are friendly.
            goal: Find out whether the customer pays.
            greeting: Hello, this is the bank.
            tools: {codes: [AG], collect: {pay_date: {type: date}}, steps: {bye: the talk is over}, end: true}
            timeout_ms: 2000
            fallback: Could you say that again?
            else: bye
      bye:
        - say: Goodbye then.
        - end
    """
)


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


def says(*at: tuple[float, str]) -> Customer:
    async def customer(line: Line) -> None:
        for at_s, words in at:
            await until(at_s)
            line.say(words)
        await until(90)

    return customer


@dataclass
class Crm:
    """A web service that answers after `takes_s`, or fails."""

    takes_s: float = 1.0
    values: Mapping[str, str] | None = field(default_factory=lambda: {"balance": "120"})
    asked: list[Fetch] = field(default_factory=list)
    cancelled: int = 0

    async def fetch(self, wanted: Fetch) -> Mapping[str, str]:
        self.asked.append(wanted)
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.values is None:
            raise FetchFailed("the service answered 500")
        return self.values


@dataclass
class Model:
    """Answers with pieces in turn, `every_s` apart; an exception among them is raised."""

    answers: list[list[Piece | Exception]]
    every_s: float = 0.3
    asked: list[Consult] = field(default_factory=list)
    closed: int = 0

    async def answer(self, wanted: Consult, spent: Callable[[LlmUsage], None]) -> AsyncGenerator[Piece, None]:
        pieces = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(wanted)
        try:
            for piece in pieces:
                await asyncio.sleep(self.every_s)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1
            spent(LlmUsage("test/model", 10, 5, Decimal("0.001")))

    def roles(self, place: int) -> list[tuple[object, object]]:
        return [(one["role"], one["content"]) for one in self.asked[place].messages if one["role"] != "system"]


def bill(crm: Crm, customer: Customer, **changes: object) -> tuple[ConversationResult, Line]:
    return hold(World(BILL, outside=Outside(services=crm), **changes), customer)  # type: ignore[arg-type]


def chat(model: Model, customer: Customer) -> tuple[ConversationResult, Line]:
    return hold(World(CHAT, outside=Outside(model=model)), customer)


def bot_turns(result: ConversationResult) -> list[str]:
    return [turn.text for turn in result.turns if turn.speaker is Speaker.BOT]


def test_a_service_is_asked_while_the_bot_talks_and_its_answer_is_said() -> None:
    crm = Crm()
    result, line = bill(crm, says((8, "yes")))
    assert crm.asked[0].url == "https://crm.example.com/bills/Anna"
    spans = line.spans()
    assert texts(spans)[:3] == ["Hello.", "One moment please.", "You owe 120 dollars, will you pay?"]
    # The words before it lasted longer than the service: there is no pause but the one between sentences.
    assert spans[2][1] - spans[1][2] < 500
    assert (result.code, result.ended_by) == ("AG", EndedBy.BOT)


def test_a_service_that_hangs_ends_at_its_time_and_silence_is_not_counted_meanwhile() -> None:
    crm = Crm(takes_s=1000)
    result, line = bill(crm, says())
    assert texts(line.spans()) == ["Hello.", "One moment please.", "Somebody will write to you."]
    assert 3000 <= line.spans()[2][1] < 5500
    assert (result.code, result.ended_by, result.error) == ("NO", EndedBy.BOT, None)
    assert crm.cancelled == 1


def test_a_service_that_fails_leads_where_the_script_says() -> None:
    result, _ = bill(Crm(values=None), says())
    assert result.code == "NO"


def test_what_is_said_meanwhile_is_heard_after_the_answer() -> None:
    result, line = bill(Crm(takes_s=2.9), says((2, "yes")))
    assert texts(line.spans())[-2:] == ["You owe 120 dollars, will you pay?", "Thank you."]
    assert result.code == "AG"
    assert [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER] == ["yes"]


def test_what_does_not_fit_is_written_down_and_the_question_stands() -> None:
    result, line = bill(Crm(takes_s=2.9), says((2, "blue green cabbage"), (9, "yes")))
    assert "Sorry?" not in texts(line.spans())
    assert result.code == "AG"
    said = [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert said == ["blue green cabbage", "yes"]


def test_an_opt_out_does_not_wait_for_the_service() -> None:
    committed: list[float] = []

    async def slowly(_: OptOut) -> None:
        await asyncio.sleep(1)
        committed.append(asyncio.get_running_loop().time())

    crm = Crm(takes_s=2.9)
    result, line = bill(crm, says((1.5, "please stop calling me")), on_opt_out=slowly)
    after = [span for span in line.spans() if span[1] >= 2500]
    assert after[0][0].startswith("I am sorry for the trouble")
    assert after[0][1] >= committed[0] * 1000
    assert (result.opted_out, result.code, crm.cancelled) == (True, "DNC", 1)


def test_a_key_meanwhile_counts_after_the_answer() -> None:
    async def customer(line: Line) -> None:
        await until(2)
        await line.call.far.send_dtmf("1")
        await until(60)

    result, _ = bill(Crm(takes_s=2.5), customer)
    assert result.code == "AG"


def test_a_hang_up_ends_the_errand() -> None:
    async def customer(line: Line) -> None:
        await until(2)
        line.call.hangup_far()

    crm = Crm(takes_s=50)
    result, _ = bill(crm, customer)
    assert (result.ended_by, crm.cancelled) == (EndedBy.CUSTOMER, 1)


def test_a_model_is_said_sentence_by_sentence_as_one_turn() -> None:
    model = Model([["Good that you ask.", "It is due on Friday.", "Will you pay?"]], every_s=1.0)
    result, line = chat(model, says((4, "when is it due")))
    assert texts(line.spans())[1:4] == ["Good that you ask.", "It is due on Friday.", "Will you pay?"]
    turns = bot_turns(result)
    assert turns[1] == "Good that you ask. It is due on Friday. Will you pay?"
    first = next(turn for turn in result.turns if turn.text == turns[1])
    assert first.latency.llm_first_sentence_ms == 1000
    assert first.voice_to_voice_ms is not None
    assert model.roles(0)[-1] == ("user", "when is it due")


def test_who_interrupts_a_model_breaks_its_answer_off_and_it_remembers_what_was_heard() -> None:
    long = [f"This is sentence number {n} of my answer." for n in range(20)]
    model = Model([list(long), ["I see."]], every_s=0.2)
    result, line = chat(model, says((4, "tell me more"), (9, "I cannot pay that at all")))
    assert len(model.asked) == 2
    assert texts(line.spans())[-2:] != ["This is sentence number 19 of my answer."]
    spoken = bot_turns(result)[1]
    assert spoken != " ".join(long)
    assert " ".join(long).startswith(spoken)
    assert model.roles(1)[-2:] == [("assistant", spoken), ("user", "I cannot pay that at all")]
    interrupted = next(turn for turn in result.turns if turn.text == spoken)
    assert interrupted.interrupted


def test_a_model_under_way_is_cancelled_by_what_is_said_before_its_first_word() -> None:
    model = Model([["Too late."], ["All right."]], every_s=1.9)
    result, _ = chat(model, says((4, "hello are you a bank"), (6.3, "and who are you")))
    assert model.closed == 2
    assert "Too late." not in bot_turns(result)
    said = " ".join(str(content).replace("\n", " ") for role, content in model.roles(1) if role == "user")
    assert said == "(The call begins.) hello are you a bank and who are you"


def test_what_a_model_wants_happens_and_its_last_words_are_heard() -> None:
    calls = [
        ToolCall("set_code", '{"code": "AG"}'),
        ToolCall("keep_value", '{"name": "pay_date", "value": "2026-03-06"}'),
        ToolCall("end_call", "{}"),
    ]
    model = Model([["Thank you, goodbye and have a nice day.", *calls]])
    result, line = chat(model, says((4, "I pay on Friday")))
    assert texts(line.spans())[-1] == "Thank you, goodbye and have a nice day."
    assert (result.code, result.ended_by) == ("AG", EndedBy.BOT)
    assert result.collected == {"pay_date": "2026-03-06"}
    assert result.llm_usage == (LlmUsage("test/model", 10, 5, Decimal("0.001")),)


def test_what_a_model_wants_written_down_is_although_the_customer_hangs_up_into_its_answer() -> None:
    calls = [ToolCall("set_code", '{"code": "AG"}'), ToolCall("end_call", "{}")]
    model = Model([["Thank you, goodbye and have a very nice day today.", *calls]])

    async def customer(line: Line) -> None:
        await until(4)
        line.say("I pay on Friday")
        await until(6.2)
        line.say("bye bye then my friend", 3000)
        await until(7)
        line.call.hangup_far()

    result, _ = chat(model, customer)
    assert (result.code, result.ended_by) == ("AG", EndedBy.CUSTOMER)


def test_who_speaks_into_a_models_goodbye_is_not_hung_up_on() -> None:
    calls = [ToolCall("set_code", '{"code": "AG"}'), ToolCall("end_call", "{}")]
    model = Model([["Thank you very much and goodbye to you now.", *calls], ["Of course."]])
    result, line = chat(model, says((4, "I pay on Friday"), (5.95, "wait I have a question for you")))
    assert len(model.asked) == 2
    assert "Of course." in texts(line.spans())
    assert result.code == "AG"


def test_the_script_goes_on_in_the_breath_of_the_models_answer() -> None:
    model = Model([["I understand.", ToolCall("go_on", '{"step": "bye"}')]])
    result, line = chat(model, says((4, "no more please thanks")))
    assert texts(line.spans())[-2:] == ["I understand.", "Goodbye then."]
    assert bot_turns(result)[-1] == "I understand. Goodbye then."
    assert result.ended_by is EndedBy.BOT


@pytest.mark.parametrize("failure", [ModelFailed("the provider is away"), RuntimeError("a bug")])
def test_a_model_that_fails_is_covered_by_the_fallback_and_then_by_the_script(failure: Exception) -> None:
    model = Model([[failure]])
    result, line = chat(model, says((4, "when is it due"), (9, "when is it due")))
    assert texts(line.spans())[1:] == ["Could you say that again?", "Goodbye then."]
    assert (result.ended_by, result.error) == (EndedBy.BOT, None)
    assert result.llm_usage[0].answers == 2


def test_a_model_that_hangs_is_given_up_at_its_time() -> None:
    model = Model([["Never."]], every_s=500)
    result, line = chat(model, says((4, "when is it due")))
    assert texts(line.spans())[1] == "Could you say that again?"
    assert line.spans()[1][1] < 4000 + 1000 + 500 + 2000 + 1000
    assert model.closed >= 1
    assert result.error is None


def test_silence_after_a_models_answer_is_counted_from_its_last_word() -> None:
    model = Model([["It is due on Friday, will you pay?"]])
    _, line = chat(model, says((4, "when is it due")))
    spans = line.spans()
    assert spans[2][0] == "Are you there?"
    assert 3900 <= spans[2][1] - spans[1][2] < 5000


def test_without_a_model_the_script_goes_on() -> None:
    result, line = hold(World(CHAT), says((4, "when is it due"), (9, "when is it due")))
    assert texts(line.spans())[-1] == "Goodbye then."
    assert result.error is None


def test_what_was_said_while_a_service_was_asked_is_written_down_although_the_customer_hangs_up() -> None:
    async def customer(line: Line) -> None:
        await until(2)
        line.say("yes I will")
        await until(4)
        line.call.hangup_far()

    result, _ = bill(Crm(takes_s=2.99), customer, max_call_s=60.0)
    said = [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert said == ["yes I will"]


def test_the_longest_time_ends_an_errand_too() -> None:
    model = Model([["One more thing to say to you."] * 40], every_s=1.0)
    result, line = hold(World(CHAT, outside=Outside(model=model), max_call_s=8.0), says((4, "tell me more")))
    assert texts(line.spans())[-1] == "I am sorry, I have to end our call now. Goodbye."
    assert (result.ended_by, model.closed) == (EndedBy.MAX_DURATION, 1)
