"""`campana script rehearse`, the real command: conversation tests held by SIP and speech."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support_acceptance import Site

pytestmark = pytest.mark.acceptance

DEMO = Path(__file__).parents[2] / "examples" / "demo" / "script.yaml"
#: The second expects what cannot come of it, so that the command is seen to tell it.
TESTS = """
tests:
  - name: agrees
    variables: {name: James, amount: one million dong}
    talk:
      - said: Yes, I will pay on Friday.
    code: AG
  - name: expects another code
    variables: {name: James, amount: one million dong}
    talk:
      - said: Please take me off your list.
    code: AG
  - name: names no code
    talk:
      - said: Hello?
"""


async def test_what_is_said_aloud_ends_with_the_code_of_the_test(site: Site) -> None:
    tests = site.write("demo.tests.yaml", TESTS)
    ran = await site.run(
        "script", "rehearse", str(DEMO), "--tests", str(tests), "--calls", "2", "--json", timeout_s=400
    )
    assert ran.code == 1, ran.text
    (result,) = ran.json()
    assert (result["calls"], result["as_expected"]) == (2, 1), result
    (other,) = result["otherwise"]
    assert (other["case"], other["expected"], other["found"]) == ("expects another code", "AG", "DNC")
    assert (site.folder / "rehearsal" / "script" / "data" / "recordings" / other["recording"]).is_file()
    assert list(result["left_out"]) == ["names no code"]
