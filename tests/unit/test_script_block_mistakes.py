"""Mistakes in the blocks that ask, decide and reach outside: each with its line and a remedy."""

from __future__ import annotations

import pytest

from tests.support_scripts import problems_of, script_of

HEAD = """\
variables: {name: required}
codes: {AG: {result: Completed}}
transfers: {sales: {number: '7001'}}
steps:
  a:
"""


def in_step(block: str) -> str:
    """A script whose block begins in line 6."""
    return f"{HEAD}    - {block}\n    - end\n  b: [end]\nhandlers: {{person: b}}\n"


@pytest.mark.parametrize(
    ("block", "message", "remedy"),
    [
        ("collect: {type: date, ask: x}", "collect has no `into`", "Add `into:`"),
        ("collect: {into: d, ask: x}", "collect `d` has no type", "number, money, date"),
        ("collect: {into: d, type: dat, ask: x}", "type of collect `d` is `dat`", "Did you mean `date`?"),
        ("collect: {into: d, type: date}", "collect `d` has no `ask`", "Add `ask:`"),
        ("collect: {into: D, type: date, ask: x}", "variable name `D` cannot be used", "small letters"),
        ("collect: {into: heard, type: date, ask: x}", "variable `heard` is set during the call", "another name"),
        ("collect: {into: d, type: choice, ask: x}", "collect `d` is a choice without choices", "Add `choices:`"),
        ("collect: {into: d, type: choice, choices: [], ask: x}", "collect `d` has no choices", "Name at least one"),
        ("collect: {into: d, type: choice, choices: [r, r], ask: x}", "duplicate choice `r`", "Remove one"),
        ("collect: {into: d, type: date, choices: [a], ask: x}", "is a date and has choices", "type: choice"),
        ("collect: {into: d, type: date, min: 1, ask: x}", "is a date and has a min", "Only number and money"),
        ("collect: {into: d, type: number, min: low, ask: x}", "min of collect `d` is `low`", "in figures"),
        ("collect: {into: d, type: number, min: 9, max: 1, ask: x}", "has a max below its min", "Exchange"),
        ("collect: {into: d, type: number, currency: USD, ask: x}", "currency of collect `d` is `USD`", "Only money"),
        ("collect: {into: d, type: money, currency: EURO, ask: x}", "currency of collect `d` is `EURO`", "such as"),
        ("collect: {into: d, type: email, keys: true, ask: x}", "collect `d` cannot be typed", "Remove `keys:`"),
        ("collect: {into: d, type: date, required: false, else: b, ask: x}", "not required and has an else", "one of"),
        ("collect: {into: d, type: date, ask: x, else: nowhere}", "there is no step `nowhere`", "b"),
        ("collect: {into: d, type: date, ask: x, silence: {goto: nowhere}}", "there is no step `nowhere`", "b"),
        ("collect: {into: d, type: date, ask: '{e}'}", "undefined variable `e`", "Declare it"),
        (
            "collect: {into: d, type: date, ask: x, confirm: '{secret:K}?'}",
            "`{secret:K}` in a text",
            "only in the headers",
        ),
        ("collect: {into: d, type: date, ask: x, patience_ms: 5}", "patience_ms of collect `d` is `5`", "from 200"),
        ("collect: {into: d, type: date, ask: x, aks: y}", "unknown key `aks` in collect", "Did you mean `ask`?"),
        ("assign: {}", "assign names no variable", "assign: {name"),
        ("assign: {today: x}", "variable `today` is set during the call", "another name"),
        ("assign: {x: '{nam}'}", "undefined variable `nam`", "Did you mean `name`?"),
        ("assign: {x: '{name|dat}'}", "`{name|dat}` in a text is no variable", "The forms are number, ordinal"),
        ("assign: {x: '{name|plural: a}'}", "plural of `name` has 1 words", "write 2: one, other"),
        ("assign: {x: '{name|plural: a,}'}", "`{name|plural: a,}` in a text", "Write each word"),
        ("compute: {x: 'nam + 1'}", "undefined variable `nam` in an expression", "Did you mean `name`?"),
        ("compute: {x: 'name.upper()'}", "expression `name.upper()`: ", "Write values, comparisons"),
        ("compute: {x: 'open(name)'}", "there are only the functions abs", "Write values"),
        ("compute: {x: ''}", "an expression is empty", "Write its text"),
        ("if: {all: name}", "if leads nowhere", "Add `then:`"),
        ("if: {then: b}", "a condition is one group", "all, any, none"),
        ("if: {all: name, any: name, then: b}", "a condition is one group", "put further groups in it"),
        ("if: {all: [], then: b}", "`all` of if is empty", "Add expressions"),
        ("if: {all: [{any: 'nam'}], then: b}", "undefined variable `nam`", "Did you mean `name`?"),
        ("if: {all: name, then: bb}", "there is no step `bb`", "Did you mean `b`?"),
        ("if: {all: name, then: b, else: b}", "unreachable block in step `a`", "Move it up"),
        ("email: {to: a@b.example, subject: x}", "email has no `body`", "Add `body:`"),
        ("email: {to: nobody, subject: x, body: y}", "to of email is `nobody`", "Write an address"),
        ("email: {to: a@b.example, subject: x, body: '{secret:K}'}", "`{secret:K}` in a text", "only in the headers"),
        ("webhook: {method: GET}", "webhook has no `url`", "Add `url:`"),
        ("webhook: {url: 'ftp://x.example/'}", "url of webhook is `ftp://x.example/`", "https:// and a fixed host"),
        ("webhook: {url: 'https://{name}.example/'}", "url of webhook is `https://{name}.example/`", "after it only"),
        ("webhook: {url: 'https://x.example{name}'}", "url of webhook", "after it only"),
        ("webhook: {url: 'https://u:p@x.example/'}", "url of webhook", "fixed host"),
        ("webhook: {url: 'https://x.example/{secret:K}'}", "`{secret:K}` in a text", "only in the headers"),
        ("webhook: {url: 'https://x.example/', method: PSOT}", "method of webhook is `PSOT`", "Did you mean `POST`?"),
        (
            "webhook: {url: 'https://x.example/', method: GET, body: {a: b}}",
            "webhook by GET has a body",
            "method: POST",
        ),
        ("webhook: {url: 'https://x.example/', headers: {'A b': c}}", "header `A b` of webhook", "X-Token"),
        ("webhook: {url: 'https://x.example/', into: {x: 'a..b'}}", "path of `x` is `a..b`", "names between dots"),
        ("webhook: {url: 'https://x.example/', into: {heard: a}}", "variable `heard` is set", "another name"),
        ("webhook: {url: 'https://x.example/', timeout_ms: 1}", "timeout_ms of webhook is `1`", "from 100"),
        ("webhook: {url: 'https://x.example/', else: bb}", "there is no step `bb`", "Did you mean `b`?"),
        ("say: {text: x, audio: ../x.wav}", "audio of say is `../x.wav`", "beside the script"),
        ("say: {text: x, audio: /x.wav}", "audio of say is `/x.wav`", "beside the script"),
        ("say: {text: x, audio: x.mp3}", "audio of say is `x.mp3`", "beside the script"),
    ],
)
def test_a_mistake_in_a_block_is_named_with_line_and_remedy(block: str, message: str, remedy: str) -> None:
    problems = problems_of(in_step(block))
    found = [problem for problem in problems if message in problem.message]
    assert found, [str(problem) for problem in problems]
    assert found[0].line in (6, 7)
    assert remedy in found[0].remedy


@pytest.mark.parametrize(
    ("block", "message", "remedy"),
    [
        ("llm: {persona: x}", "llm has no `goal`", "Add `goal:`"),
        ("llm: {goal: x, tools: {codes: [AQ]}}", "code `AQ` is not declared", "AG"),
        ("llm: {goal: x, tools: {transfers: [sale]}}", "there is no transfer `sale`", "sales"),
        ("llm: {goal: x, tools: {steps: {bb: y}}}", "there is no step `bb`", "Did you mean `b`?"),
        ("llm: {goal: x, tools: {collect: {n: numbre}}}", "type of value `n` is `numbre`", "Did you mean `number`?"),
        ("llm: {goal: x, tools: {stop: true}}", "unknown key `stop` in tools of llm", "steps"),
        ("llm: {goal: '{nam}'}", "undefined variable `nam`", "Did you mean `name`?"),
        ("llm: {goal: x, facts: ['{secret:K}']}", "`{secret:K}` in a text", "only in the headers"),
        ("llm: {goal: x, max_turns: 0}", "max_turns of llm is `0`", "from 1"),
        ("listen: {values: {n: {type: number}}}", "value `n` has no `goto`", "Add `goto:`"),
        ("listen: {values: {n: {type: number, goto: bb}}}", "there is no step `bb`", "Did you mean `b`?"),
        ("listen: {first: value, keys: {'1': b}}", "first of listen is `value`", "Did you mean `values`?"),
    ],
)
def test_a_mistake_in_a_last_block_is_named(block: str, message: str, remedy: str) -> None:
    problems = problems_of(in_step(block).replace("    - end\n", ""))
    found = [problem for problem in problems if message in problem.message]
    assert found, [str(problem) for problem in problems]
    assert found[0].line == 6
    assert remedy in found[0].remedy


@pytest.mark.parametrize("key", ["url", "method", "into"])
def test_a_currency_is_one_of_iso_4217(key: str) -> None:
    (problem,) = problems_of(f"currency: {key}\nsteps:\n  a: [end]\n")
    assert (problem.line, problem.message) == (1, f"currency of the script is `{key}`")


LEADS = """
steps:
  a:
    - webhook: {url: "https://x.example", else: by_webhook}
    - collect: {into: n, type: number, ask: x, else: by_collect, silence: {goto: by_silence}}
    - if: {all: n > 3, then: by_then}
    - if: {all: n > 2, else: by_else}
    - listen:
        values: {v: {type: number, goto: by_value}}
        keys: {"1": talk}
  talk:
    - llm: {goal: x, tools: {steps: {by_tool: y}}, else: by_llm}
  by_webhook: [end]
  by_collect: [end]
  by_silence: [end]
  by_then: [end]
  by_else: [end]
  by_value: [end]
  by_tool: [end]
  by_llm: [end]
  by_handler: [end]
handlers: {silence: by_handler}
"""


def test_every_way_that_leads_to_a_step_is_followed() -> None:
    assert len(script_of(LEADS).steps) > 10


@pytest.mark.parametrize("way", ["webhook", "collect", "silence", "then", "else", "value", "tool", "llm", "handler"])
def test_a_step_that_no_way_leads_to_any_more_is_named(way: str) -> None:
    lines = LEADS.splitlines()
    place = next(at for at, line in enumerate(lines) if line.startswith(f"  by_{way}:"))
    head, rest = "\n".join(lines[:place]), "\n".join(lines[place:])
    other = "by_llm" if way != "llm" else "by_tool"
    head = head.replace(f"by_{way}", other)
    rest = rest.replace(f"silence: by_{way}", f"silence: {other}")
    assert [problem.message for problem in problems_of(f"{head}\n{rest}")] == [f"unreachable step `by_{way}`"]


@pytest.mark.parametrize(
    "steps",
    [
        "a: [{if: {all: 1 > 2, then: b, else: a}}]\n  b: [{goto: a}]",
        "a: [{webhook: {url: 'https://x.example', else: a}}, {goto: a}]",
        "a: [{if: {all: 1 > 2, then: b}}, {goto: b}]\n  b: [{assign: {x: y}}, {goto: a}]",
    ],
)
def test_steps_that_never_listen_whatever_they_decide_are_named(steps: str) -> None:
    (problem,) = problems_of(f"steps:\n  {steps}\n")
    assert problem.message.startswith("loop without listen: a → ")


@pytest.mark.parametrize(
    "steps",
    [
        "a: [{if: {all: 1 > 2, then: b}}, {goto: a}]\n  b: [end]",
        "a: [{collect: {into: n, type: number, ask: x}}, {goto: a}]",
        "a: [{llm: {goal: x, else: a}}]",
    ],
)
def test_steps_that_may_end_or_listen_are_no_loop(steps: str) -> None:
    assert script_of(f"steps:\n  {steps}\n").steps


def test_collected_assigned_and_fetched_variables_need_no_declaration() -> None:
    script = script_of(
        """
        steps:
          a:
            - collect: {into: n, type: number, ask: "{x}?"}
            - assign: {x: "{n}"}
            - compute: {y: n + 1}
            - webhook: {url: "https://x.example/{n}", into: {z: a}}
            - if: {all: [n, x, y, z, v, w], then: b, else: b}
          b:
            - listen: {values: {v: {type: text, goto: c}}}
          c:
            - llm: {goal: "{n}{x}{y}{z}{v}{w}", tools: {collect: {w: text}}}
        """
    )
    assert script.required_variables == ()
