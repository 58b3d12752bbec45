"""The script language's pages: what they name exists, and what exists is named."""

from __future__ import annotations

import re
from textwrap import indent

import pytest

from bot.errors import Problem, ScriptErrors
from bot.script import blocks, codes, loader, transfers
from bot.script.functions import FUNCTIONS
from bot.script.language import BuiltIn
from bot.script.placeholders import Reading
from bot.script.test_files import CASE_KEYS, TURN_KEYS, load_cases
from bot.script.testing import NOW
from bot.understanding.forms import ValueKind
from tests.support_scripts import ROOT, problems_of, script_of

REFERENCE = (ROOT / "docs/reference/script-language.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs/how-to/write-a-script.md").read_text(encoding="utf-8")
TRANSFER = (ROOT / "docs/how-to/transfer-to-a-person.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HOW_TO + TRANSFER, re.DOTALL)
BLOCKS = tuple(blocks.KINDS)


@pytest.mark.parametrize("key", loader.TOP_KEYS)
def test_every_key_of_the_file_is_in_the_reference(key: str) -> None:
    assert f"| `{key}` |" in REFERENCE


@pytest.mark.parametrize("key", transfers.KEYS)
def test_every_key_of_a_transfer_is_in_the_reference(key: str) -> None:
    assert f"| `{key}` |" in REFERENCE


@pytest.mark.parametrize("key", blocks.LISTEN_KEYS)
def test_every_key_of_listen_is_in_the_reference(key: str) -> None:
    assert f"| `{key}` |" in REFERENCE


@pytest.mark.parametrize("word", [*BuiltIn, *codes.GENERIC_RESULTS, *codes.CLASSES, *sorted(codes.SYSTEM_CODES)])
def test_every_built_in_word_is_in_the_reference(word: str) -> None:
    assert re.search(rf"\b{word}\b", REFERENCE)


def test_the_blocks_of_the_reference_are_those_of_the_language() -> None:
    problem = problems_of("steps:\n  a:\n    - zzzzzz\n    - end\n")[0]
    assert problem.remedy == f"Use one of: {', '.join(sorted(BLOCKS))}"
    assert all(re.search(rf"\| `{block}[:`]", REFERENCE) for block in BLOCKS)


#: What a part of a script lacks that the whole would have.
LACKING = ("there is no", "undefined variable", "is not declared", "does not say what comes next")
PARTS = re.findall(r"```yaml\n(- .*?)```", REFERENCE, re.DOTALL)


@pytest.mark.parametrize("keys", [blocks.COLLECT_KEYS, blocks.WEBHOOK_KEYS, blocks.LLM_KEYS, blocks.TOOL_KEYS])
def test_every_key_of_a_block_is_in_the_reference(keys: tuple[str, ...]) -> None:
    for key in keys:
        assert re.search(rf"\| [^|\n]*`{key}`[^|\n]* \|", REFERENCE), key


@pytest.mark.parametrize("kind", [*ValueKind, *sorted(FUNCTIONS), *Reading])
def test_every_type_function_and_form_is_in_the_reference(kind: str) -> None:
    assert re.search(rf"[`|]{kind}[`(}}]", REFERENCE)


@pytest.mark.parametrize("part", PARTS, ids=range(1, len(PARTS) + 1))
def test_every_block_of_the_reference_is_valid(part: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        script_of(f"steps:\n  a:\n{indent(part, '    ')}")
    except ScriptErrors as errors:
        problems = errors.problems
    assert [str(each) for each in problems if not any(words in each.message for words in LACKING)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_every_example_of_the_how_to_is_a_valid_script(example: str) -> None:
    assert script_of(example).steps


def test_defaults_are_those_of_the_reference() -> None:
    assert f"| {loader.DEFAULT_SILENCE_MS} ms, one line, then the end |" in REFERENCE
    assert f"0.1 to 1 | {loader.DEFAULT_MIN_CONFIDENCE} |" in REFERENCE


def test_the_tests_of_the_how_to_are_valid_and_its_keys_are_those_of_the_reader() -> None:
    page = (ROOT / "docs/how-to/test-a-script.md").read_text(encoding="utf-8")
    for example in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        assert load_cases(example)
    for key in (*CASE_KEYS, *TURN_KEYS):
        assert re.search(rf"`{key}(: true)?`", page), key
    assert NOW.isoformat() in page
