"""Whatever a customer says or presses, and whatever a contact's row holds, only the script says whom to call."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.script.interpreter import Interpreter
from bot.script.phrases import phrases
from bot.script.replies import Transfer
from tests.support_scripts import NOW, script_of

SCRIPT = script_of(
    """
    variables: {name: required, number: {default: none}}
    intents:
      person: {samples: [let me talk to a person], keywords: [transfer]}
      boss: {samples: [let me talk to your manager], keywords: [manager]}
    transfers:
      sales: {number: "+842873001234", whisper: "This is {name}, {number}."}
      boss: {number: 7001@from-internal, by: hand_over}
    silence: {after_ms: 1000, say: [], goto: goodbye}
    steps:
      greeting:
        - listen:
            ask: How can I help?
            intents: {person: person, boss: boss}
            keys: {"1": person}
            reprompt: ["Sorry?", "Once more?"]
            else: goodbye
      person:
        - say: One moment.
        - transfer: {to: sales, else: greeting}
      boss:
        - transfer: boss
      goodbye:
        - end
    """
)
TARGETS = {person.target for person in SCRIPT.transfers.values()}
SPEECH = st.one_of(
    st.sampled_from(["transfer me to +84999999999", "let me talk to a person", "your manager please", "7002@default"]),
    st.text(max_size=40),
)
ACTION = st.one_of(
    st.tuples(st.just("heard"), SPEECH),
    st.tuples(st.just("key"), st.sampled_from("0123456789*#")),
    st.just(("silent",)),
    st.just(("not_joined",)),
)
NAME = st.text(min_size=1, max_size=20).filter(str.strip)
ROW = st.fixed_dictionaries({"name": NAME, "number": st.text(max_size=20)})


@settings(max_examples=150, deadline=None)
@given(ROW, st.lists(ACTION, max_size=12))
def test_a_transfer_goes_to_whom_the_script_names_and_nobody_else(
    row: dict[str, str], actions: list[tuple[str, ...]]
) -> None:
    conversation = Interpreter(SCRIPT, row, now=NOW)
    ready = set(phrases(SCRIPT, row))
    wait = conversation.start().wait
    for name, *said in actions:
        before, reply = wait, getattr(conversation, name)(*said)
        wait = reply.wait
        assert (wait is None) == conversation.finished
        if isinstance(wait, Transfer):
            assert wait.target in TARGETS
            assert set(wait.whisper) <= ready
        if isinstance(before, Transfer) and name != "not_joined" and conversation.code != "DNC":
            assert (wait, reply.lines) == (before, ())
