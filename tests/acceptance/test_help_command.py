"""Help, JSON output and the reference page of every command."""

from __future__ import annotations

import json
import re

import pytest

from tests.support_acceptance import Ran, Site, require_models
from tests.support_command_line import PAGE, Command, commands, page

COMMANDS = commands()
#: Two go on until they are told to end, the third one's result is the file that it writes.
WITHOUT_RESULT = {"campana serve", "campana talk", "campana export"}


def _name(command: Command) -> str:
    return command.name.removeprefix("campana ").replace(" ", "-")


@pytest.mark.acceptance
@pytest.mark.parametrize("command", COMMANDS, ids=_name)
async def test_help_says_what_it_does_and_gives_an_example(site: Site, command: Command) -> None:
    ran = (await site.run(*command.name.split()[1:], "--help")).ok()
    flat = " ".join(re.sub(r"[│╭╮╰╯─]", " ", ran.out).split())
    assert command.summary.split(". ")[0].rstrip(".") in flat
    assert f"Example: {command.example}" in flat
    assert command.example.startswith(command.name)
    for parameter in command.parameters:
        for form in parameter.written.split(" / "):
            assert form.lower() in flat.lower()
        assert parameter.meaning
        assert parameter.meaning in flat


@pytest.mark.acceptance
@pytest.mark.parametrize("group", ["campaign", "models", "bench", "config", "script"])
async def test_a_group_without_a_command_shows_its_commands(site: Site, group: str) -> None:
    ran = await site.run(group)
    assert "Traceback" not in ran.text
    for command in COMMANDS:
        if command.name.startswith(f"campana {group} "):
            assert command.name.split()[-1] in ran.text


def test_every_command_with_a_result_has_json() -> None:
    assert {command.name for command in COMMANDS if not command.has_json} <= WITHOUT_RESULT


def test_the_reference_page_is_the_command_line() -> None:
    """After a change of commands or options: python -m tests.support_command_line."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_command_of_the_purpose_is_there() -> None:
    names = {command.name.removeprefix("campana ") for command in COMMANDS}
    wanted = {"demo", "serve", "call", "report", "audit", "doctor", "config show", "bench turn", "bench dial"}
    wanted |= {f"campaign {verb}" for verb in ("create", "import", "start", "pause", "stop", "status")}
    wanted |= {f"models {verb}" for verb in ("list", "fetch", "verify")}
    assert wanted <= names


@pytest.fixture
async def stood(site: Site) -> Site:
    """A site with one campaign of two contacts."""
    site.settings(trunk_port=5099)
    await site.enrol(["+84901000001", "+84901000002"])
    return site


@pytest.mark.acceptance
async def test_json_is_the_whole_output_of_each_command(stood: Site) -> None:
    """`demo`, `call`, `start` while dialling and `bench turn` are run with --json by other tests of theirs."""
    campaign, contacts = str(stood.campaign("C2")), str(stood.contacts(["+84901000003"]))
    runs = {
        ("campaign", "create", campaign): {"code": "C2", "state": "draft"},
        ("campaign", "import", "C2", contacts): {"rows": 1, "added": 1},
        ("campaign", "start", "C2", "--detach"): {"code": "C2", "state": "running"},
        ("campaign", "pause", "C2"): {"campaign": "C2", "state": "paused"},
        ("campaign", "stop", "C2", "--yes"): {"campaign": "C2", "state": "stopped"},
        ("report", "C1"): {"campaign": "C1"},
        ("explain", "C1"): {"campaign": "C1", "failing": ["campaign_running"], "callable_now": 2},
        ("explain", "C1", "0901000001"): {"failing": ["campaign_running"], "may_be_dialled": False, "trail": []},
        ("audit",): {"ok": True},
        ("config", "show"): {"log_level": "warning"},
    }
    for arguments, expected in runs.items():
        found = _document(await stood.run(*arguments, "--json"))
        assert {key: found[key] for key in expected} == expected, arguments
    both = _document(await stood.run("campaign", "status", "--json"))
    assert [(one["code"], one["state"], one["contacts_left"]) for one in both] == [
        ("C2", "stopped", 0),
        ("C1", "draft", 2),
    ]


@pytest.mark.acceptance
async def test_json_of_models_doctor_and_bench(site: Site) -> None:
    require_models()
    site.settings()
    known = {row["id"]: row for row in _document(await site.run("models", "list", "--json"))}
    assert known["stt-base"]["state"] == "ok"
    for verb in ("verify", "fetch"):
        rows = _document(await site.run("models", verb, "stt-base", "--json"))
        assert [(row["id"], row["problem"]) for row in rows] == [("stt-base", None)]
    [figures] = _document(await site.run("bench", "dial", "--contacts", "20", "--runs", "1", "--json"))
    assert figures["attempts"] == 20
    findings = _document(await site.run("doctor", "--json"), codes=(0, 1))
    assert {"check", "state", "found", "remedy"} <= findings[0].keys()


def _document(ran: Ran, codes: tuple[int, ...] = (0,)) -> object:
    assert ran.code in codes, ran.text
    assert "Traceback" not in ran.err, ran.text
    return json.loads(ran.out)


@pytest.mark.acceptance
async def test_secrets_are_never_shown(site: Site) -> None:
    site.write(
        "campana.toml",
        'database_url = "postgresql://me:hidden1@127.0.0.1/x"\n[smtp]\nuser = "u"\npassword = "hidden2"\n'
        '[[trunks]]\nname = "a"\nhost = "127.0.0.1"\npassword = "hidden3"\n',
    )
    for arguments in (("config", "show"), ("config", "show", "--json")):
        ran = (await site.run(*arguments)).ok()
        assert "hidden" not in ran.out + ran.err
        assert "***" in ran.out


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("campaign", "strat"), ("report", "--jsn"), ("campaign", "create")]
)
async def test_a_command_that_is_not_known_is_told_with_how_to_get_help(site: Site, arguments: tuple[str, ...]) -> None:
    (await site.run(*arguments)).refused("--help")
