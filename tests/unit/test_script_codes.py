"""Codes that a script declares, mapped to class, family and generic result."""

from __future__ import annotations

import pytest

from bot.script.language import CodeDeclaration
from tests.support_scripts import problems_of, script_of

STEPS = "\nsteps: {a: [end]}\n"


def declared(codes: str) -> dict[str, CodeDeclaration]:
    return {code.code: code for code in script_of(f"codes:\n  {codes}{STEPS}").codes}


def test_a_code_is_a_success_of_its_own_family_unless_told() -> None:
    code = declared("AG: {title: Agrees, result: Completed}")["AG"]
    assert code == CodeDeclaration("AG", "Agrees", "success", "Completed", "AG")


@pytest.mark.parametrize(
    ("given", "code_class", "family"),
    [
        ("class: unsuccessful", "unsuccessful", "NA"),
        ("class: error", "error", "CU"),
        ("class: not_counted", "not_counted", "XC"),
        ("family: BS", "unsuccessful", "BS"),
        ("family: CU", "error", "CU"),
        ("class: unsuccessful, family: BS", "unsuccessful", "BS"),
        ("class: success, family: XY", "success", "XY"),
    ],
)
def test_class_and_family_follow_from_each_other(given: str, code_class: str, family: str) -> None:
    code = declared(f"XY: {{result: NoResult, {given}}}")["XY"]
    assert (code.code_class, code.family) == (code_class, family)


def test_call_back_and_opt_out_codes_are_there_without_being_declared() -> None:
    codes = declared("AG: {result: Completed}")
    assert codes["CB"].generic_result == "ToContinue"
    assert codes["DNC"].generic_result == "Completed"


def test_a_built_in_code_may_get_a_title() -> None:
    code = declared("CB: {title: Later}")["CB"]
    assert (code.title, code.family, code.code_class) == ("Later", "CB", "success")


@pytest.mark.parametrize(
    ("codes", "message", "remedy"),
    [
        ("BS: {result: Busy}", "code `BS` is assigned by the system", "Choose another code"),
        ("AG: {title: Agrees}", "code `AG` has no result", "Completed, Busy"),
        ("AG: {result: Complete}", "result of code `AG` is `Complete`", "Did you mean `Completed`?"),
        ("AG: {result: Busy, class: failure}", "class of `AG` is `failure`", "Use one of"),
        ("AG: {result: Busy, family: ZZ}", "family of `AG` is `ZZ`", "Use one of: AG, BS, CU, NA, XC"),
        ("AG: {result: Busy, class: success, family: NA}", "has class success and family NA", "Leave one of them out"),
        ("'A G': {result: Busy}", "code `A G` is no action code", "letters"),
        ("AG: {result: Busy, kind: x}", "unknown key `kind` in code `AG`", "Use one of"),
    ],
)
def test_a_wrong_code_is_named(codes: str, message: str, remedy: str) -> None:
    problem = problems_of(f"codes:\n  {codes}{STEPS}")[0]
    assert problem.line == 2
    assert message in problem.message
    assert remedy in problem.remedy
