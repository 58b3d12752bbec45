"""The script language's pages: what they name exists, and what exists is named."""

from __future__ import annotations

import re

import pytest

from bot.script import blocks, codes, loader, transfers
from bot.script.language import BuiltIn
from tests.support_scripts import ROOT, problems_of, script_of

REFERENCE = (ROOT / "docs/reference/script-language.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs/how-to/write-a-script.md").read_text(encoding="utf-8")
TRANSFER = (ROOT / "docs/how-to/transfer-to-a-person.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HOW_TO + TRANSFER, re.DOTALL)
BLOCKS = ("say", "code", "listen", "goto", "opt_out", "call_back", "transfer", "end")


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


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_every_example_of_the_how_to_is_a_valid_script(example: str) -> None:
    assert script_of(example).steps


def test_defaults_are_those_of_the_reference() -> None:
    assert f"| {loader.DEFAULT_SILENCE_MS} ms, one line, then the end |" in REFERENCE
    assert f"0.1 to 1 | {loader.DEFAULT_MIN_CONFIDENCE} |" in REFERENCE
