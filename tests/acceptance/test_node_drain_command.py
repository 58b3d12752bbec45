"""`campana node drain` ends a `campana serve` of another process, and well."""

from __future__ import annotations

import pytest

from tests.support_acceptance import Site, network, require_models, running, until

pytestmark = [pytest.mark.acceptance, pytest.mark.speech]

PERSONAS = """\
number: "+84901000001"
name: Nobody calls
busy: true
"""


async def test_a_node_that_serves_is_drained_from_elsewhere_and_ends_well(site: Site) -> None:
    require_models()
    async with network(site.folder, PERSONAS, None) as far:
        site.settings(trunk_port=far.port, more="[node]\nname = 'dialler'\nlease_s = 600")
        async with running(site, "serve", "--port", "0") as served:
            await served.says("dialling running campaigns", 120)
            await until(lambda: bool(site.rows("SELECT name FROM nodes")), 60, "it notes itself")
            (node,) = (await site.run("node", "list", "--json")).ok().json()
            assert (node["state"], node["trunks"], node["live_calls"]) == ("running", ["line"], 0)
            (await site.run("node", "drain", "dialler")).ok()
            (await served.ended(120)).ok()
    (node,) = (await site.run("node", "list", "--json")).ok().json()
    assert node["state"] == "gone"
