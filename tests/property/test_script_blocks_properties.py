"""Any script of valid blocks, whatever is said, typed, fetched or written by a model: nothing breaks or escapes."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ScriptErrors
from bot.script.expressions import ExpressionError, parse
from bot.script.interpreter import Interpreter, ScriptFailed
from bot.script.language import Converse, Label, Script
from bot.script.loader import load_script
from bot.script.placeholders import fill_header, with_secrets
from bot.script.progress import MOST_BLOCKS
from bot.script.replies import Consult, Consulted, Fetch, Keep, Reply, SetCode, ToolCall, Transfer, Wait
from bot.understanding.forms import ValueKind
from tests.support_scripts import NOW

STEPS = ("s0", "s1", "s2")
NAMES = ("v0", "v1", "v2")
TO = st.sampled_from(STEPS)
NAME = st.sampled_from(NAMES)
TEXT = st.sampled_from(["Hello {name}.", "{v0} and {v1|date}.", "{n|money}, {v2|plural: one, more}. Well?", "{heard}"])
TEXTS = st.lists(TEXT, max_size=2)
#: Expressions that have a value whatever the variables hold.
SAFE = st.sampled_from(
    ["v0 == v1", "number(v0, 1) > 3", "v1 and not v2", "len(v0) + 1", "text(v2) + '!'", "number(n, 0) - number(v1, 2)"]
)
FORM = st.sampled_from([kind.value for kind in ValueKind]).map(
    lambda kind: {"type": kind, "choices": {"red": ["crimson"], "blue": []}} if kind == "choice" else {"type": kind}
)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def block(
    kind: str, needed: dict[str, st.SearchStrategy[Any]], **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    return st.tuples(st.fixed_dictionaries(needed), maybe(**fields)).map(lambda parts: {kind: parts[0] | parts[1]})


SILENCE = st.fixed_dictionaries({"say": TEXTS}, optional={"goto": TO})
COLLECT = st.tuples(
    block("collect", {"into": NAME, "ask": TEXT}, ask_again=TEXTS, confirm=TEXT, silence=SILENCE),
    FORM,
    st.sampled_from([{"required": False}, {"else": "s1"}, {}]),
    st.booleans(),
).map(
    lambda parts: {
        "collect": parts[0]["collect"] | parts[1] | parts[2] | {"keys": parts[3] and parts[1]["type"] != "email"}
    }
)
WITHIN = st.one_of(
    st.fixed_dictionaries({"say": TEXT}),
    st.fixed_dictionaries({"code": st.sampled_from(["AG", "NO"])}),
    st.fixed_dictionaries({"assign": st.dictionaries(NAME, TEXT, min_size=1)}),
    st.fixed_dictionaries({"compute": st.dictionaries(NAME, SAFE, min_size=1)}),
    block("if", {"any": st.lists(SAFE, min_size=1, max_size=2), "then": TO}),
    block("email", {"to": st.sampled_from(["{v0}", "a@b.example"]), "subject": TEXT, "body": TEXT}),
    block(
        "webhook",
        {"url": st.just("https://x.example/{v0}?q={name}"), "into": st.just({"v1": "a.b"})},
        headers=st.just({"A": "{secret:KEY} {heard}"}),
        **{"else": TO, "say": TEXT},
    ),
    st.just("opt_out"),
    block("call_back", {"ask": TEXTS}),
    COLLECT,
)
TOOLS = maybe(
    codes=st.just(["AG"]),
    collect=st.just({"v2": "number", "v0": "text"}),
    transfers=st.just(["desk"]),
    steps=st.just({"s2": "wants more"}),
    call_back=st.booleans(),
    end=st.booleans(),
)
LAST = st.one_of(
    st.just("end"),
    st.fixed_dictionaries({"goto": TO}),
    block("transfer", {"to": st.just("desk")}, **{"else": TO}),
    block("llm", {"goal": TEXT, "tools": TOOLS}, greeting=TEXT, **{"else": TO, "max_turns": st.integers(1, 3)}),
    block(
        "listen",
        {"intents": st.just({"yes": "s1", "no": "s2"})},
        values=FORM.map(lambda form: {"v1": form | {"goto": "s1"}}),
        first=st.sampled_from(["values", "intents"]),
        keys=st.just({"1": "s0", "#": "s2"}),
        reprompt=TEXTS,
        **{"else": TO, "silence": SILENCE},
    ),
)
STEP = st.tuples(st.lists(WITHIN, max_size=4), LAST).map(lambda parts: [*parts[0], parts[1]])
SCRIPTS = st.tuples(st.fixed_dictionaries(dict.fromkeys(STEPS, STEP)), maybe(person=TO, who_is_calling=TO, silence=TO))

VOCABULARY = """
yes no not tomorrow friday ten fifty dollars red blue call me back again who person 5 a@b.example
"""
SIGNS = "a b 1 2.5 'x' + - * / % ( ) , == < in and or not if else min max number days_until . [ **"
WORDS = st.sampled_from(VOCABULARY.split())
SPEECH = st.one_of(st.lists(WORDS, max_size=6).map(" ".join), st.text(max_size=30))
CALLS = st.builds(
    ToolCall,
    st.sampled_from(["set_code", "keep_value", "call_back", "transfer", "go_on", "end_call", "run"]),
    st.one_of(
        st.sampled_from(
            [
                {"code": "AG"},
                {"code": "NO"},
                {"name": "v2", "value": "7"},
                {"name": "v0", "value": "{name}"},
                {"to": "desk"},
                {"to": "+15551234567"},
                {"step": "s2"},
                {"step": "s0"},
                {},
            ]
        ).map(json.dumps),
        st.text(max_size=10),
    ),
)
ACTION = st.one_of(
    st.tuples(st.just("heard"), SPEECH),
    st.tuples(st.just("key"), st.sampled_from("0123456789*#")),
    st.tuples(st.just("silent")),
    st.tuples(st.just("not_joined")),
    st.tuples(
        st.just("fetched"), st.one_of(st.none(), st.dictionaries(st.sampled_from(["v1", "v2"]), st.text(max_size=9)))
    ),
    st.tuples(
        st.just("consulted"),
        st.builds(
            Consulted, st.sampled_from(["", "All right."]), st.lists(CALLS, max_size=3).map(tuple), st.booleans()
        ),
    ),
)


def script_of_parts(steps: dict[str, Any], handlers: dict[str, Any]) -> Script | None:
    """The script, None where its steps lead to each other without listening."""
    menu = {"say": "Hello {name}."}, {"listen": {"keys": {str(place): name for place, name in enumerate(STEPS)}}}
    whole = {
        "variables": {"name": "required", "n": {"default": "120"}, **{name: {"default": ""} for name in NAMES}},
        "codes": {code: {"result": "Completed"} for code in ("AG", "NO")},
        "transfers": {"desk": {"number": "7001", "whisper": "This is {name}, {v0}."}},
        "handlers": handlers,
        "steps": {"menu": list(menu), **steps},
    }
    told: set[str] = set()
    try:
        script = load_script(yaml.safe_dump(whole, sort_keys=False), "bot.yaml")
    except ScriptErrors as errors:
        script, told = None, {problem.message.partition(":")[0] for problem in errors.problems}
    assert told <= {"loop without listen"}
    return script


def check_reply(script: Script, conversation: Interpreter, reply: Reply) -> None:
    assert reply.step in script.steps
    assert (reply.wait is None) == conversation.finished
    offered = {block.code for _, block in script.blocks() if isinstance(block, Label)} | {"CB", "DNC"}
    for _, each in script.blocks():
        offered.update(each.tools.codes if isinstance(each, Converse) else ())
    assert {effect.code for effect in reply.effects if isinstance(effect, SetCode)} <= offered
    assert {effect.name for effect in reply.effects if isinstance(effect, Keep)} <= set(NAMES)
    assert all(line.text.isprintable() and any(c.isalnum() for c in line.text) for line in reply.lines)
    match reply.wait:
        case Transfer():
            assert reply.wait.target.number == "7001"
        case Fetch():
            assert reply.wait.url.startswith("https://x.example/")
            assert with_secrets(reply.wait.headers.get("A", "{secret:KEY}"), {"KEY": "k"}.__getitem__).startswith("k")
        case Consult():
            assert reply.wait.messages[0]["role"] == "system"
        case Wait():
            assert reply.wait.silence_ms > 0


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCRIPTS, st.lists(ACTION, max_size=10), st.sampled_from("012"))
def test_no_script_of_valid_blocks_breaks_hangs_or_does_what_it_does_not_offer(
    parts: tuple[dict[str, Any], dict[str, Any]], actions: list[tuple[Any, ...]], first: str
) -> None:
    script = script_of_parts(*parts)
    if script is None:
        return
    conversation = Interpreter(script, {"name": "Anna"}, now=NOW)
    check_reply(script, conversation, conversation.start())
    failed = f"{MOST_BLOCKS} blocks ran unheard"
    try:
        for name, *given_ in [("key", first), *actions]:
            twin = copy.deepcopy(conversation)
            reply = getattr(conversation, name)(*given_)
            check_reply(script, conversation, reply)
            assert getattr(twin, name)(*given_) == reply, "a copy goes on alike, and apart"
    except ScriptFailed as error:
        failed = str(error)
    assert f"{MOST_BLOCKS} blocks ran unheard" in failed


PIECES = st.sampled_from(SIGNS.split())


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=12).map(" ".join), st.text(max_size=40)))
def test_an_expression_has_a_value_of_three_types_or_says_that_it_has_none(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        value = parse(text).value({"a": "12", "b": "", "today": "2026-03-04"})
        assert type(value).__name__ in ("str", "bool", "Decimal")


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_value_in_a_header_can_ask_for_a_secret(value: str, other: str) -> None:
    header = fill_header("Bearer {secret:KEY} {a}", lambda _: f"{value}{{secret:KEY}}{other}")
    assert with_secrets(header, {"KEY": "hush"}.__getitem__) == f"Bearer hush {value}{{secret:KEY}}{other}"
