"""Persona files: what they may say, and how mistakes are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import jsonschema
import phonenumbers
import pytest
import yaml

from telephony.simulator import persona as model
from telephony.simulator.errors import PersonaError
from telephony.simulator.grammar import ACTS, FLAGS, RECEPTIONS, REFER, json_schema
from telephony.simulator.persona import (
    Answer,
    BargeIn,
    Beep,
    Echo,
    HangUp,
    Keys,
    Noise,
    Persona,
    Refer,
    Reject,
    Repeat,
    RingOut,
    Say,
    Silent,
    Unreachable,
    Wait,
    WaitForBot,
)
from telephony.simulator.persona_file import load_personas
from telephony.simulator.settings import Setting

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo" / "personas"
Write = Callable[..., Path]
HEAD = 'number: "+84901000001"\nname: Anna\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "anna.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def _load(path: Path) -> Persona:
    (persona,) = load_personas(path)
    return persona


def _problems(path: Path) -> list[str]:
    with pytest.raises(PersonaError) as caught:
        load_personas(path)
    return [problem.replace(str(path.parent) + "/", "") for problem in caught.value.problems]


def test_the_least_persona_answers_and_stays(write: Write) -> None:
    persona = _load(write(HEAD))
    assert persona.numbers == ("+84901000001",)
    assert persona.reception == Answer(400)
    assert persona.play == ()
    assert persona.max_call_ms == 120_000


def test_every_act_in_its_short_and_long_form(write: Write) -> None:
    text = (
        HEAD
        + """
expected_code: AG
contact: {name: Anna, amount: 450}
voice: {speed: 1.25}
max_call_ms: 9000
answer: 250
play:
  - say: Hello.
  - say: {text: yes, cut_after_ms: 300}
  - wait: 500
  - wait_for_bot
  - wait_for_bot: {silence_ms: 900, max_ms: 5000}
  - barge_in: {text: Stop!, after_ms: 700}
  - beep
  - tone: {hz: 440, ms: 1000, level_db: -20}
  - keys: 12
  - keys: {digits: "*#A", ms: 200}
  - noise: -55
  - repeat: {times: 2, play: [wait: 20, say: Again.]}
  - echo: {ms: 100}
  - silent: {ms: 100, rtp: no}
  - hangup: {after_bot_ms: 50}
"""
    )
    persona = _load(write(text))
    assert persona.play == (
        Say("Hello."),
        Say("yes", 300),
        Wait(500),
        WaitForBot(),
        WaitForBot(900, 5000),
        BargeIn("Stop!", 700),
        Beep(),
        Beep(440, 1000, -20.0),
        Keys("12"),
        Keys("*#A", 200),
        Noise(-55.0),
        Repeat((Wait(20), Say("Again.")), 2),
        Echo(100),
        Silent(100, rtp=False),
        HangUp(after_bot_ms=50),
    )
    assert persona.reception == Answer(250)
    assert persona.contact == {"name": "Anna", "amount": "450"}
    assert (persona.voice.speed, persona.max_call_ms, persona.expected_code) == (1.25, 9000, "AG")
    assert list(persona.lines()) == ["Hello.", "yes", "Stop!", "Again."]


@pytest.mark.parametrize(
    ("text", "reception"),
    [
        ("busy: true", Reject(486)),
        ("ring_out: yes", RingOut()),
        ("unreachable: true", Unreachable()),
        ("reject: 603", Reject(603)),
        ("reject: {status: 503, after_ms: 100, q850: 34}", Reject(503, 100, 34)),
        ("answer: {after_ms: 0}", Answer(0)),
    ],
)
def test_receptions(write: Write, text: str, reception: object) -> None:
    assert _load(write(HEAD + text + "\n")).reception == reception


def test_the_first_calls_may_be_received_otherwise(write: Write) -> None:
    persona = _load(write(HEAD + "first: [busy, {reject: 503}, ring_out]\n"))
    assert persona.first == (Reject(486), Reject(503), RingOut())
    assert [persona.receive(calls) for calls in (0, 2, 3)] == [Reject(486), RingOut(), Answer()]


def test_numbers_need_no_quotes_and_may_be_patterns_or_a_list(write: Write) -> None:
    assert _load(write("number: +84901000001\nname: A\n")).numbers == ("+84901000001",)
    assert _load(write("number: 0901000001\nname: A\n")).numbers == ("0901000001",)
    assert _load(write('number: ["+8490200xxxx", "*"]\nname: A\n')).numbers == ("+8490200xxxx", "*")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "play:\n  - sya: Hello\n", "anna.yaml:4: there is no act `sya`; did you mean `say`?"),
        (HEAD + "anwser: 400\n", "anna.yaml:3: a persona knows no `anwser`; did you mean `answer`?"),
        (HEAD + "name: Bob\n", "anna.yaml:3: `name` stands here twice; keep one of them"),
        ("name: Anna\n", "anna.yaml:1: `number` is missing; add `number:`"),
        ('number: "12a"\nname: A\n', "anna.yaml:1: `12a` is no telephone number; write it as"),
        ("number: []\nname: A\n", "anna.yaml:1: `number` is an empty list; name at least one number"),
        (HEAD + "play:\n  - wait: soon\n", "anna.yaml:4: `ms` must be a whole number"),
        (HEAD + "play:\n  - wait: -5\n", "anna.yaml:4: `ms` is -5, outside 0 to 3600000"),
        (HEAD + "play:\n  - say\n", "anna.yaml:4: `say` needs a value; write `say: …`"),
        (HEAD + "play:\n  - say: \n", "anna.yaml:4: `text` must be a text that is not empty"),
        (HEAD + "play:\n  - say: {cut_after_ms: 100}\n", "anna.yaml:4: `say` needs `text`; add it: what to say"),
        (HEAD + "play:\n  - beep: {hertz: 100}\n", "anna.yaml:4: `beep` knows no `hertz`"),
        (HEAD + "play:\n  - keys: 1-2\n", "anna.yaml:4: `digits` must be keys in quotes"),
        (HEAD + "play:\n  - silent: {rtp: maybe}\n", "anna.yaml:4: `rtp` must be true or false"),
        (HEAD + "play: say\n", "anna.yaml:3: `play` must be a list"),
        (HEAD + "play:\n  - {say: a, wait: 1}\n", "anna.yaml:4: an entry is one word"),
        (HEAD + "busy: true\nanswer: 1\n", "anna.yaml:3: the persona has both `answer` and `busy`; keep one"),
        (HEAD + "busy: false\n", "anna.yaml:3: `busy: false` says nothing; leave the line out"),
        (HEAD + "busy: true\nplay: []\n", "anna.yaml:4: `play` stands beside `busy`; remove it"),
        (HEAD + "reject: 200\n", "anna.yaml:3: `status` is 200, outside 400 to 699"),
        (HEAD + "first: [bsy]\n", "anna.yaml:3: there is no reception `bsy`; did you mean `busy`?"),
        (HEAD + "voice: {speed: 9}\n", "anna.yaml:3: `speed` is 9, outside 0.5 to 2"),
        (HEAD + "play:\n  - say: Hello?, you\n  bad\n", "anna.yaml:5: no valid YAML"),
        ("- a\n", "anna.yaml:1: a persona must be `key: value` pairs"),
        ("", "anna.yaml:1: the file is empty"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_remedy(write: Write, text: str, said: str) -> None:
    problems = _problems(write(text))
    assert any(problem.startswith(said) for problem in problems), problems


def test_all_mistakes_of_all_files_are_told_at_once(write: Write, tmp_path: Path) -> None:
    write(HEAD + "busy: 1\nvoice: {speed: fast}\n", "a.yaml")
    write('number: "+84901000009"\nname: B\nplay: [jump]\n', "b.yaml")
    with pytest.raises(PersonaError) as caught:
        load_personas(tmp_path)
    assert len(caught.value.problems) == 3
    assert str(caught.value).count("\n") == 2


def test_two_personas_cannot_have_the_same_number(write: Write, tmp_path: Path) -> None:
    write(HEAD, "a.yaml")
    write("# the second\n" + HEAD, "b.yaml")
    with pytest.raises(PersonaError, match=r"b\.yaml:2: \+84901000001 already belongs to Anna"):
        load_personas(tmp_path)


def test_a_folder_is_read_in_order_and_an_empty_one_is_a_mistake(write: Write, tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="holds no persona"):
        load_personas(tmp_path)
    write('number: "1001"\nname: Second\n', "b.yml")
    write('number: "1000"\nname: First\n---\nnumber: "1002"\nname: Also first\n', "a.yaml")
    (tmp_path / "notes.txt").write_text("not a persona")
    assert [persona.name for persona in load_personas(tmp_path)] == ["First", "Also first", "Second"]


def test_a_missing_or_foreign_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="cannot be read"):
        load_personas(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: Café\n".encode("latin-1"))
    with pytest.raises(PersonaError, match="not UTF-8"):
        load_personas(tmp_path / "latin.yaml")


def test_acts_nested_without_end_are_refused(write: Write) -> None:
    path = write(HEAD + "play: &acts\n  - repeat: {play: *acts}\n")
    assert "nested" in _problems(path)[0]


@pytest.mark.parametrize("path", sorted(DEMO.glob("*.yaml")), ids=lambda path: path.stem)
def test_demo_personas_are_whole(path: Path) -> None:
    persona = _load(path)
    (number,) = persona.numbers
    assert phonenumbers.is_valid_number(phonenumbers.parse(number))
    assert persona.expected_code
    assert persona.contact["name"]
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), json_schema())


def test_the_demo_covers_every_outcome() -> None:
    personas = load_personas(DEMO)
    expected = {code for persona in personas for code in persona.expected_codes}
    assert expected == {"AG", "RF", "CB", "DNC", "WP", "BS", "NA", "IN", "VM", "SC", "SL", "HUP", "RJ", "CG"}
    assert len({persona.numbers for persona in personas}) == len(personas) >= 14


def test_the_schema_accepts_and_refuses_as_the_reader_does() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"number": "1000", "name": "A", "play": ["wait_for_bot", {"say": "x"}, {"repeat": {"play": ["beep"]}}]}
    jsonschema.validate(good, schema)
    for bad in ({"name": "A"}, good | {"play": ["say"]}, good | {"play": [{"say": "x", "wait": 1}]}, good | {"x": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_the_published_schema_is_the_one_in_use() -> None:
    published = json.loads((ROOT / "docs" / "reference" / "persona.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema()


def _row(name: str, setting: Setting, short: str | None) -> str:
    default = "–" if setting.default is None else str(setting.default)
    if setting.required or isinstance(setting.default, bool):
        default = "**needed**" if setting.required else default.lower()
    bounds = "" if setting.low is None else f"{setting.low:.10g} to {setting.high:.10g}"
    form = " (short form)" if setting.name == short else ""
    return f"| {name} | `{setting.name}`{form} | {setting.kind.value} | {default} | {bounds} | {setting.about} |"


def test_the_reference_page_tells_every_setting_as_it_is() -> None:
    page = (ROOT / "docs" / "reference" / "personas.md").read_text(encoding="utf-8")
    for name, word in {**RECEPTIONS, **ACTS, "refer": REFER}.items():
        for at, setting in enumerate(word.settings):
            assert _row(f"`{name}`" if at == 0 else "", setting, word.short) in page
    keys = {
        "number",
        "name",
        "expected_code",
        "contact",
        "voice",
        "speed",
        "play",
        "play_again",
        "first",
        "max_call_ms",
    }
    assert {key for key in keys if f"`{key}`" not in page} == set()
    assert {flag for flag in FLAGS if f"`{flag}: true`" not in page} == set()


def test_every_act_of_the_model_has_a_word() -> None:
    named = {word.stands_for for word in ACTS.values()}
    assert named == set(model.Act.__args__)
    assert all(fields(act) for act in named)


def test_later_calls_may_be_played_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        'number: "+84901000001"\nname: A\nexpected_code: [CB, AG]\n'
        "play: [{say: call me later}]\nplay_again: [{say: yes}, hangup]\n",
        encoding="utf-8",
    )
    (persona,) = load_personas(file)
    assert persona.expected_codes == ("CB", "AG")
    assert persona.expected_code == "AG"
    assert persona.at_call(0).play == (Say("call me later"),)
    assert persona.at_call(1).play == persona.at_call(5).play == (Say("yes"), HangUp())
    assert list(persona.lines()) == ["call me later", "yes"]


def test_without_play_again_every_call_is_played_alike(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text('number: "+84901000001"\nname: A\nexpected_code: AG\nplay: [{say: yes}]\n', encoding="utf-8")
    (persona,) = load_personas(file)
    assert persona.expected_codes == ("AG",)
    assert persona.at_call(1) is persona


def test_what_becomes_of_a_refer_is_read(write: Write) -> None:
    assert _load(write(HEAD)).refer == Refer("accepted")
    assert _load(write(HEAD + "refer: busy\n")).refer == Refer("busy")
    assert _load(write(HEAD + "refer: {answer: no_answer, after_ms: 900}\n")).refer == Refer("no_answer", 900)
    assert _load(write(HEAD + 'play: [{keys: {digits: "12", by: info}}]\n')).play == (Keys("12", by="info"),)
    (problem,) = _problems(write(HEAD + "refer: perhaps\n"))
    assert "`answer` must be one of the words; it says accepted: " in problem
