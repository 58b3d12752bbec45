"""The JSON Schema of scripts: it takes what the loader takes, and refuses what the loader refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.errors import ScriptErrors
from bot.script import blocks, loader, transfers
from bot.script.loader import load_script
from bot.script.schema import json_schema
from bot.script.value_forms import KEYS as FORM_KEYS
from tests.support_scripts import DATA, ROOT, SMALL

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PAGES = ("docs/how-to/write-a-script.md", "docs/how-to/transfer-to-a-person.md")
EXAMPLES = [
    example
    for page in PAGES
    for example in re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    if re.search(r"^steps:", example, re.MULTILINE)
]
TEMPLATES = sorted(
    path
    for path in (ROOT / "bot" / "templates").rglob("*.yaml")
    if not path.name.endswith((".tests.yaml", ".sentences.yaml"))
)
SCRIPTS = sorted((ROOT / "examples").rglob("script.yaml"))

WHOLE = """
script: whole
currency: USD
variables: {name: required, amount: {default: "5"}, email: {default: ""}}
codes: {AG: {title: Agrees, result: Completed}, XX: {result: Failed, class: error}}
intents: {agree: {like: "yes", samples: [I will], keywords: will pay}}
handlers: {opt_out: bye, person: agent, silence: bye}
faq: {price: {samples: [how much], say: Five., repeat: 1}}
silence: {after_ms: 5000, say: ["Hello?"], goto: bye}
min_confidence: 0.4
machines: {voicemail: {message: Call us.}, fax: hang_up}
transfers: {sales: {number: "+842873001234", ring_s: 20, whisper: Take it.}}
steps:
  first:
    - say: {text: Hello., interruptible: false, audio: sounds/hello.wav}
    - say: 5
    - collect: {into: day, type: date, ask: "When?", required: false, patience_ms: 900}
    - collect: {into: colour, type: choice, choices: {red: [crimson], blue: }, ask: "Which?", else: bye, keys: true}
    - collect: {into: sum, type: money, min: 1, max: 10.5, currency: USD, ask: "How much?", confirm: "{sum}?"}
    - assign: {greeting: "Dear {name}", empty: ""}
    - compute: {rest: "number(amount) - 1"}
    - if: {all: ["rest > 0", {any: ["language == 'vi'", {none: "day == ''"}]}], then: bye}
    - email: {to: "{email}", subject: Thanks, body: Bye}
    - webhook:
        url: https://crm.example.com/contacts/{name}
        headers: {Authorization: "Bearer {secret:CRM}"}
        into: {balance: data.0.balance}
        timeout_ms: 3000
        else: bye
    - listen:
        ask: Well?
        first: values
        values: {n: {type: number, goto: bye}}
        intents: {agree: bye, other: {samples: [maybe], goto: agent}}
        keys: {"1": bye, "#": agent}
        reprompt: Sorry?
  agent:
    - transfer: {to: sales, else: model}
  model:
    - llm:
        goal: Sell.
        facts: [It is red.]
        tools: {codes: [AG], collect: {day2: date, size: {type: choice, choices: [s, m]}}, steps: {bye: the end}}
        else: bye
  bye:
    - code: AG
    - call_back: {ask: "When?"}
    - opt_out
    - end
"""


class Core(yaml.SafeLoader):
    """Reads plain words as YAML 1.2 does, and so do the editors: neither `yes` nor a date is more than text."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"~|null|", "~n\0"),
    ("bool", r"true|false", "tf"),
    ("int", r"-?[0-9]+", "-0123456789"),
    ("float", r"-?[0-9]+\.[0-9]+", "-0123456789"),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), [*first, ""])


def data_of(text: str) -> Any:
    """The script as an editor hands it to the schema."""
    return json.loads(json.dumps(yaml.load(text, Core)))


def refused(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data_of(text))]


def test_the_published_schema_is_the_one_in_use_and_is_a_schema() -> None:
    """After a change: campana script schema --out docs/reference/script.schema.json."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    published = (ROOT / "docs" / "reference" / "script.schema.json").read_text(encoding="utf-8")
    assert json.loads(published) == SCHEMA


@pytest.mark.parametrize("text", [SMALL, WHOLE, *EXAMPLES], ids=["small", "whole", *map(str, range(len(EXAMPLES)))])
def test_examples_are_taken_by_both(text: str) -> None:
    assert load_script(text, "bot.yaml").steps
    assert refused(text) == []


@pytest.mark.parametrize("path", [DATA / "payment_vi.yaml", *SCRIPTS, *TEMPLATES], ids=lambda path: Path(path).name)
def test_files_are_taken_by_both(path: Path) -> None:
    assert load_script(path).steps
    assert refused(path.read_text(encoding="utf-8")) == []


def _keys(*way: str | int) -> set[str]:
    found: Any = SCHEMA
    for part in way:
        found = found[part]
    return set(found["properties"])


BLOCKS = ("$defs", "block", "anyOf", 1)


def test_every_key_of_the_language_stands_in_the_schema_and_no_other() -> None:
    of_blocks = (*BLOCKS, "properties")
    assert _keys() == set(loader.TOP_KEYS)
    assert _keys(*BLOCKS) == set(blocks.KINDS)
    assert _keys(*of_blocks, "say", "anyOf", 1) == set(blocks.SAY_KEYS)
    assert _keys(*of_blocks, "listen") == set(blocks.LISTEN_KEYS)
    assert _keys(*of_blocks, "collect") == set(blocks.COLLECT_KEYS)
    assert _keys(*of_blocks, "if") == set(blocks.IF_KEYS)
    assert _keys(*of_blocks, "email") == set(blocks.EMAIL_KEYS)
    assert _keys(*of_blocks, "webhook") == set(blocks.WEBHOOK_KEYS)
    assert _keys(*of_blocks, "llm") == set(blocks.LLM_KEYS)
    assert _keys(*of_blocks, "llm", "properties", "tools") == set(blocks.TOOL_KEYS)
    assert _keys("properties", "transfers", "additionalProperties") == set(transfers.KEYS)
    values = _keys(*of_blocks, "listen", "properties", "values", "additionalProperties")
    assert values == {*FORM_KEYS, "goto"}


BLOCK_MISTAKES = (
    "sya: Hello",
    "say: {txt: Hello}",
    "say: {text: Hello, audio: ../secret.wav}",
    "listen: {ask: Well}",
    "listen: {intents: {'yes': {samples: [x]}}}",
    "listen: {keys: {A: first}}",
    "listen: {values: {n: {type: numbr, goto: first}}}",
    "listen: {intents: {'yes': first}, first: keys}",
    "listen: {intents: {'yes': first}, min_confidence: 2}",
    "listen: {intents: {'yes': first}, silence: {after_ms: 5}}",
    "collect: {type: date, ask: Well}",
    "collect: {into: Day, type: date, ask: Well}",
    "collect: {into: today, type: date, ask: Well}",
    "collect: {into: day, ask: Well}",
    "collect: {into: day, type: choice, ask: Well}",
    "collect: {into: day, type: date, choices: [a], ask: Well}",
    "collect: {into: day, type: date, ask: Well, required: perhaps}",
    "assign: {}",
    "compute: {Big: '1'}",
    "if: {all: ['1 > 0']}",
    "if: {all: ['1 > 0'], any: ['1 > 0'], then: first}",
    "if: {all: [], then: first}",
    "email: {to: a@example.com, subject: x}",
    "webhook: {url: ftp://example.com}",
    "webhook: {url: 'https://{host}/x'}",
    "webhook: {url: https://example.com, method: FETCH}",
    "webhook: {url: https://example.com, timeout_ms: 1}",
    "llm: {persona: nice}",
    "llm: {goal: x, tools: {shell: true}}",
    "transfer: {else: first}",
    "opt_out: now",
)


@pytest.mark.parametrize("block", BLOCK_MISTAKES)
def test_mistakes_in_blocks_are_refused_by_both(block: str) -> None:
    text = f"steps:\n  first:\n    - {block}\n    - end\n"
    with pytest.raises(ScriptErrors):
        load_script(text, "bot.yaml")
    assert refused(text)


HEAD_MISTAKES = (
    "stps: {}",
    "language: English",
    "currency: dollars",
    "variables: {Name: required}",
    "variables: {name: {requird: true}}",
    "codes: {HUP: {title: x, result: Completed}}",
    "codes: {AG: {title: x}}",
    "codes: {AG: {result: Complete}}",
    "intents: {'yes': {samples: [x]}}",
    "intents: {agree: {}}",
    "intents: {agree: {like: agree}}",
    "handlers: {hello: first}",
    "faq: {price: {samples: [x]}}",
    "min_confidence: 7",
    "machines: {ivr: {message: x}}",
    "machines: {voicemail: sing}",
    "transfers: {sales: {ring_s: 10}}",
    "transfers: {sales: {number: '100', by: pigeon}}",
)


@pytest.mark.parametrize("head", HEAD_MISTAKES)
def test_mistakes_in_the_head_are_refused_by_both(head: str) -> None:
    text = f"{head}\nsteps:\n  first:\n    - end\n"
    with pytest.raises(ScriptErrors):
        load_script(text, "bot.yaml")
    assert refused(text)


def test_a_script_without_steps_is_refused_by_both() -> None:
    for text in ("script: x\n", "steps: {}\n", "steps: {first: []}\n", "steps: {_first: [end]}\n"):
        with pytest.raises(ScriptErrors):
            load_script(text, "bot.yaml")
        assert refused(text)
