"""Transfers in a script: read, checked, run, and spoken before the call."""

from __future__ import annotations

import copy

import pytest

from bot.script.interpreter import Interpreter
from bot.script.language import Goto, Person, PutThrough
from bot.script.phrases import phrases, static_phrases
from bot.script.replies import Reply, Transfer
from telephony.transfer import Target, TransferBy
from tests.support_scripts import NOW, problems_of, said, script_of, talk

SMALL = """
script: transfers
variables:
  name: required
intents:
  person: {samples: [let me talk to a person]}
  agree: {like: "yes", samples: [I will pay]}
transfers:
  sales:
    number: "+842873001234"
    whisper: This is {name}. A question about the bill.
  desk:
    number: 7001@from-internal
    by: hand_over
    ring_s: 40
steps:
  greeting:
    - say: Hello.
    - listen:
        ask: Will you pay?
        intents: {person: person, agree: desk}
        else: desk
  person:
    - say: One moment.
    - transfer: {to: sales, else: alone}
  alone:
    - say: Nobody is there.
    - end
  desk:
    - transfer: desk
"""
DESK = Target("desk", "7001@from-internal", TransferBy.HAND_OVER, 40.0)


def test_a_transfer_is_read_with_its_defaults() -> None:
    script = script_of(SMALL)
    assert script.transfers["sales"] == Person(
        Target("sales", "+842873001234", TransferBy.SECOND_LEG, 25.0), "This is {name}. A question about the bill.", 11
    )
    assert script.transfers["desk"] == Person(DESK, None, 13)
    assert script.steps["person"].blocks[-1] == PutThrough("sales", Goto("alone", 25), 25)
    assert script.steps["desk"].blocks == (PutThrough("desk", None, 30),)


@pytest.mark.parametrize(
    ("number", "by"),
    [
        ("+84901234567", "second_leg"),
        ("0901234567", "second_leg"),
        ("7001", "hand_over"),
        ("*97", "second_leg"),
        ("7001@from-internal", "hand_over"),
        ("sip:desk@pbx.example.com:5061;transport=tls", "hand_over"),
    ],
)
def test_numbers_that_can_be_dialled(number: str, by: str) -> None:
    text = SMALL.replace('"+842873001234"', f'"{number}"\n    by: {by}')
    text = text.replace("    whisper: This is {name}. A question about the bill.\n", "")
    assert script_of(text).transfers["sales"].target.number == number


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "remedy"),
    [
        ("to: sales", "to: seles", 25, "there is no transfer `seles`", "Did you mean `sales`?"),
        ("to: sales, else", "else", 25, "transfer leads to nobody", "`transfers:`"),
        ("else: alone", "else: alnoe", 25, "there is no step `alnoe`", "Did you mean `alone`?"),
        ('"+842873001234"', "{name}", 10, "number of transfer `sales` must be text", "on one line"),
        ('"+842873001234"', '"{name}"', 10, "number of transfer `sales` is `{name}`", "Write a fixed number"),
        ('"+842873001234"', "+84 28 7300", 10, "number of transfer `sales` is `+84 28 7300`", "15 digits"),
        ('"+842873001234"', "7001@from-internal", 10, "number of transfer `sales`", "Write a fixed number"),
        ("7001@from-internal", "7001@a,b&SIP/1", 13, "number of transfer `desk`", "extension@context or a SIP URI"),
        ('number: "+842873001234"', "ring_s: 30", 9, "transfer `sales` has no number", "such as +842873001234"),
        ("ring_s: 40", "ring_s: 4", 15, "ring_s of transfer `desk` is `4`", "from 5 to 120"),
        ("ring_s: 40", "ring_s: 121", 15, "ring_s of transfer `desk` is `121`", "from 5 to 120"),
        ("ring_s: 40", "ring: 40", 15, "unknown key `ring` in transfer `desk`", "`ring_s`"),
        ("by: hand_over", "by: handover", 14, "by of transfer `desk` is `handover`", "`hand_over`"),
        ("{name}. A", "{nmae}. A", 11, "undefined variable `nmae` in the whisper of `sales`", "`name`"),
        ("{name}. A", "{Name!}. A", 11, "`{Name!}` in the whisper of `sales` is no variable", "{name}"),
        ("ring_s: 40", "whisper: Hello", 15, "transfer `desk` is by hand_over and has a whisper", "`by: second_leg`"),
        ("to: sales", "whom: sales", 25, "unknown key `whom` in transfer", "Use one of: else, to"),
        ("else: alone", "else: person", 23, "loop without listen: person → person", "Listen"),
        ("    - transfer: desk", "    - transfer: desk\n    - end", 31, "unreachable block", "Move it up"),
        ("  desk:\n    number", "  a desk:\n    number", 12, "transfer `a desk` cannot be named so", "Use up to 64"),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(old: str, new: str, line: int, message: str, remedy: str) -> None:
    assert SMALL.count(old) == 1
    problems = problems_of(SMALL.replace(old, new))
    found = [problem for problem in problems if message in problem.message]
    assert found, [str(problem) for problem in problems]
    assert (found[0].file, found[0].line) == ("bot.yaml", line)
    assert remedy in found[0].remedy


def test_everything_a_transfer_says_is_spoken_before_the_call() -> None:
    script = script_of(SMALL)
    assert {"One moment.", "This is Anna.", "A question about the bill."} <= set(phrases(script, {"name": "Anna"}))
    assert "A question about the bill." in static_phrases(script)


def asked() -> tuple[Interpreter, Reply]:
    conversation = talk(script_of(SMALL), {"name": "Anna"})
    return conversation, conversation.heard("let me talk to a person")


WANTED = Transfer(Target("sales", "+842873001234"), ("This is Anna.", "A question about the bill."), "alone")


def test_a_transfer_follows_the_words_before_it() -> None:
    conversation, reply = asked()
    assert (said(reply), reply.wait, reply.step) == (["One moment."], WANTED, "person")
    assert not conversation.finished


def test_nothing_is_answered_while_a_person_is_called() -> None:
    conversation, _ = asked()
    for reply in (
        conversation.heard("yes I will pay"),
        conversation.heard("call me tomorrow at ten"),
        conversation.heard("transfer me to plus eight four nine nine nine"),
        conversation.key("1"),
        conversation.silent(),
    ):
        assert (reply.lines, reply.effects, reply.wait) == ((), (), WANTED)


def test_an_opt_out_is_answered_even_then() -> None:
    conversation, _ = asked()
    reply = conversation.heard("please stop calling me")
    assert (conversation.code, reply.wait) == ("DNC", None)
    assert said(reply)


def test_without_an_agent_the_script_goes_on_at_else() -> None:
    conversation, _ = asked()
    reply = conversation.not_joined()
    assert (said(reply), reply.wait, conversation.finished) == (["Nobody is there."], None, True)


def test_without_else_it_ends() -> None:
    conversation = talk(script_of(SMALL), {"name": "Anna"})
    reply = conversation.heard("yes")
    assert reply.wait == Transfer(DESK)
    reply = conversation.not_joined()
    assert (reply.lines, reply.wait, conversation.finished) == ((), None, True)


def test_an_agent_who_was_not_called_cannot_be_missed() -> None:
    conversation = talk(script_of(SMALL), {"name": "Anna"})
    before = conversation.silent()
    assert conversation.not_joined().wait == before.wait


def test_a_copy_taken_before_goes_on_as_if_nothing_had_been_asked() -> None:
    conversation = talk(script_of(SMALL), {"name": "Anna"})
    before = copy.deepcopy(conversation)
    conversation.heard("let me talk to a person")
    assert before.heard("yes").wait == Transfer(DESK)


def test_a_script_may_begin_with_a_transfer() -> None:
    script = script_of('transfers: {a: {number: "7001"}}\nsteps: {greeting: [{transfer: a}]}')
    assert Interpreter(script, {}, now=NOW).start().wait == Transfer(Target("a", "7001"))
