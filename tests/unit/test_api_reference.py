"""docs/reference/api.md tells of every route, scope, parameter and field of the API, as the API itself does."""

from __future__ import annotations

from tests.support_api import openapi
from tests.support_api_reference import PAGE, written


def test_the_page_is_what_the_api_says_of_itself() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(), "run: python -m tests.support_api_reference"


def test_every_operation_names_its_scope_and_each_refusal_as_a_problem() -> None:
    schema = openapi()
    assert schema["openapi"].startswith("3.1")
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["security"][0]["token"], (method, path)
            for status, told in operation["responses"].items():
                if status[0] == "4" and status != "416":
                    assert list(told["content"]) == ["application/problem+json"], (method, path, status)
            assert {"401", "403", "422"} <= set(operation["responses"])
