"""Conversation tests as simulated customers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.errors import BotError
from bot.script.loader import load_script
from bot.script.test_files import load_cases
from bot.script.testing import Case
from campana.rehearsing import _make_room, longest_silence_ms, persona_of, why_not
from telephony.simulator import load_personas

TESTS = """
tests:
  - name: agrees by voice and key after a while
    variables: {name: Anna}
    talk:
      - silence: true
      - said: Yes, I will.
        bot: Thank you
      - key: "1"
    code: AG
  - name: says nothing of a code
    talk:
      - said: Hello?
  - name: is put through
    talk:
      - said: A person, please.
        transfer: sales
    code: TR
  - name: has a balance
    webhooks: [{balance: "12"}]
    talk:
      - said: How much?
    code: AG
"""
SCRIPT = """
silence: {after_ms: 4000}
steps:
  a:
    - listen: {ask: "Well?", intents: {"yes": b}, silence: {after_ms: 9000}}
  b:
    - end
"""


@pytest.fixture
def cases() -> tuple[Case, ...]:
    return load_cases(TESTS)


def test_only_what_a_telephone_call_can_hold_is_called(cases: tuple[Case, ...]) -> None:
    assert [bool(why_not(case)) for case in cases] == [False, True, True, True]


def test_a_test_becomes_a_persona_that_the_simulator_reads(cases: tuple[Case, ...], tmp_path: Path) -> None:
    persona = persona_of(cases[0], "+8490100xxxx", silence_ms=10_000)
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(persona), encoding="utf-8")
    (read,) = load_personas(tmp_path)
    acts = [type(act).__name__ for act in read.play]
    assert acts == ["WaitForBot", "Wait", "WaitForBot", "Say", "WaitForBot", "Keys", "WaitForBot", "HangUp"]
    assert read.expected_codes == ("AG",)


def test_a_silent_customer_is_silent_for_longer_than_any_step_waits() -> None:
    assert longest_silence_ms(load_script(SCRIPT)) == 9000


def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    theirs = tmp_path / "data" / "theirs.txt"
    for path in (theirs, tmp_path / "contacts.csv"):
        path.write_text("theirs", encoding="utf-8")
    with pytest.raises(BotError, match="holds other things than a rehearsal; name another folder by --out"):
        _make_room(tmp_path)
    assert theirs.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["contacts.csv", "data"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_rehearsal_makes_room_again_in_its_own_folder(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    _make_room(out)
    for name in ("data", "lines"):
        (out / name).mkdir()
        (out / name / "file").touch()
    (out / "contacts.csv").touch()
    _make_room(out)
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == ["lines"]
    assert (out / "lines" / "file").exists()
