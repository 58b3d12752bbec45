"""The ready scripts: each is understood, holds its conversations and says nothing that a voice cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import BotError
from bot.reading import aloud
from bot.script.language import BuiltIn
from bot.script.loader import load_script
from bot.script.phrases import static_phrases
from bot.script.templates import Template, copy_template, find_template, templates
from bot.script.test_files import beside, load_cases
from bot.script.testing import Case, run_case

TEMPLATES = templates()
SCRIPTS = {template: load_script(template.path) for template in TEMPLATES}
CASES = [(template, case) for template in TEMPLATES for case in load_cases(beside(template.path, "tests"))]
NAMES = {
    *("debt_reminder", "appointment_confirmation", "nps_survey"),
    *("lead_qualification", "delivery_confirmation", "event_invitation"),
}


@pytest.mark.parametrize(("template", "case"), CASES, ids=[f"{t.path.name}:{case.name}" for t, case in CASES])
def test_conversations_of_templates(template: Template, case: Case) -> None:
    result = run_case(SCRIPTS[template], case)
    assert not result.failures, "\n".join(map(str, result.failures))


def test_every_template_is_there_in_both_languages() -> None:
    assert {(template.name, template.language) for template in TEMPLATES} == {
        (name, language) for name in NAMES for language in ("en", "vi")
    }


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.path.name)
def test_a_template_is_ready_for_real_calls(template: Template) -> None:
    script = SCRIPTS[template]
    tests = [case for other, case in CASES if other == template]
    assert (script.language, bool(template.title), bool(template.about)) == (template.language, True, True)
    assert {BuiltIn.OPT_OUT, BuiltIn.CALL_BACK, BuiltIn.WRONG_PERSON} <= script.handlers.keys()
    assert script.questions
    assert len(tests) >= 8


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.path.name)
def test_every_code_of_a_template_is_reached_by_a_test(template: Template) -> None:
    script = SCRIPTS[template]
    expected = [case.expected.facts for other, case in CASES if other == template]
    reached = {facts["code"][0] for facts in expected if "code" in facts}
    assert {code.code for code in script.codes} <= reached


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.path.name)
def test_sentences_of_a_template_are_short_and_hold_no_figures(template: Template) -> None:
    lines = static_phrases(SCRIPTS[template])
    # A voice speaks about 14 characters a second.
    assert max(map(len, lines)) <= 8 * 14
    assert [line for line in lines if aloud(line, template.language) != line] == []


def test_a_template_is_copied_with_its_tests_and_overwrites_nothing(tmp_path: Path) -> None:
    debt = find_template("debt_reminder", "vi", TEMPLATES)
    script, tests = copy_template(debt, tmp_path / "mine.yaml")
    assert (load_script(script).name, tests.name) == ("mine", "mine.tests.yaml")
    assert load_cases(tests)
    with pytest.raises(BotError, match="is there already"):
        copy_template(debt, tmp_path / "mine.yaml")


def test_an_unknown_template_is_answered_with_what_there_is() -> None:
    with pytest.raises(BotError, match="nps_survey"):
        find_template("nps_surwey", "en", TEMPLATES)
    with pytest.raises(BotError, match="its languages: en, vi"):
        find_template("nps_survey", "de", TEMPLATES)


def test_the_page_on_templates_names_all_of_them_their_codes_and_their_columns() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/start-from-a-template.md").read_text("utf-8")
    tables = {
        name: page.partition(heading)[2] for name, heading in (("codes", "| codes |"), ("columns", "| columns |"))
    }
    for template, script in SCRIPTS.items():
        codes, columns = (
            next(line for line in table.splitlines() if line.startswith(f"| `{template.name}` |"))
            for table in (tables["codes"], tables["columns"])
        )
        own = {code.code for code in script.codes} - {"WP", "NU", "CB", "DNC"}
        assert {code for code in own if f" {code} " in codes.replace(",", " ").replace("|", " ")} == own
        assert [name.name for name in script.variables if name.required and name.name not in columns] == []
