"""Schemathesis against the running API: no request, however odd, is answered by a 500 or against the schema."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support_api import Served, openapi, served_api

#: More by hand: CAMPANA_API_EXAMPLES=500.
EXAMPLES = int(os.environ.get("CAMPANA_API_EXAMPLES", "2"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(openapi())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
#: Names and ids of what is in the database.
THERE = {
    "campaign": st.sampled_from(["SPRING", "C1"]),
    "contact": st.integers(1, 11),
    "trunk": st.just("line"),
    "number": st.sampled_from(["+84901230000", "+84999999999"]),
    "webhook": st.just(1),
    "delivery": st.just(1),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_api(tmp_path_factory.mktemp("api")) as opened:
        yield opened


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does_not_fit"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_is_answered_against_the_schema(operation: Any, mode: GenerationMode, served: Served) -> None:
    if mode is GenerationMode.NEGATIVE and not (list(operation.iter_parameters()) or operation.body):
        return

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=st.fixed_dictionaries(THERE), is_there=st.booleans())
    def ask(case: schemathesis.Case, there: dict[str, Any], is_there: bool) -> None:
        if is_there:
            # What is made up names nothing that exists, and would be refused before anything else is looked at.
            there["attempt"] = served.attempt
            there["campaign"] = "AUTUMN" if operation.path.endswith(("/pause", "/stop")) else there["campaign"]
            case.path_parameters |= {name: value for name, value in there.items() if name in case.path_parameters}
        response = case.call(base_url=served.url, headers=served.headers)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            problem = response.json()
            assert response.headers["content-type"][0] == "application/problem+json"
            assert problem["status"] == response.status_code
            assert problem["title"]
            assert len(problem["detail"]) > 10

    ask()
