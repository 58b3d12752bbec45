"""What users get wrong, through the real command: told with file, place and remedy, and nothing is stored by halves."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from tests.support_acceptance import SCRIPT, TARIFF, Ran, Site, free_port

pytestmark = pytest.mark.acceptance

NO_MODELS = {"CAMPANA_MODELS_HUB": "none", "CAMPANA_MODELS_DIR": "nothing-here", "PIP_NO_INDEX": "1"}


@pytest.fixture
async def campaign(site: Site) -> Site:
    """A campaign C1 without contacts."""
    site.settings(trunk_port=5099)
    (await site.run("campaign", "create", str(site.campaign()))).ok()
    return site


async def _import(site: Site, content: str | bytes, *options: str, name: str = "list.csv") -> Ran:
    return await site.run("campaign", "import", "C1", str(site.write(name, content)), "--json", *options)


def _rows(site: Site, ran: Ran) -> list[dict[str, str]]:
    path = site.folder / ran.ok().json()["result_path"]
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _stored(site: Site) -> dict[str, int]:
    """Rows of every table that a user's files end up in."""
    if not site.database.exists():
        return {}
    tables = ("campaigns", "bots", "tariffs", "list_imports", "contacts", "attempts")
    return {table: len(site.rows(f"SELECT id FROM {table}")) for table in tables}


# Contact lists


async def test_a_list_with_a_bom_semicolons_and_crlf_is_read(campaign: Site) -> None:
    ran = await _import(campaign, "\ufeffSố điện thoại;Tên\r\n0901000001;Lan\r\n0901000002;Đạt\r\n".encode())
    assert [row["status"] for row in _rows(campaign, ran)] == ["accepted", "accepted"]
    stored = campaign.rows("SELECT number, name FROM contacts ORDER BY id")
    assert stored == [{"number": "+84901000001", "name": "Lan"}, {"number": "+84901000002", "name": "Đạt"}]


async def test_a_wrong_encoding_is_told_with_its_line_and_stores_nothing(campaign: Site) -> None:
    content = "phone,name\n0901000001,Lan\n0901000002,Tr\u1ea7n".encode("utf-16-le")[2:]
    told = (await _import(campaign, content)).refused("list.csv")
    assert "line" in told or "column" in told
    told = (await _import(campaign, "phone,name\n0901000001,René\n".encode("cp1252"))).refused("list.csv", "line 2")
    assert "--encoding cp1252" in told
    assert _stored(campaign)["contacts"] == _stored(campaign)["list_imports"] == 0
    ran = await _import(campaign, "phone,name\n0901000001,René\n".encode("cp1252"), "--encoding", "cp1252")
    assert _rows(campaign, ran)[0]["status"] == "accepted"
    assert campaign.rows("SELECT name FROM contacts") == [{"name": "René"}]


async def test_a_list_without_a_phone_column_is_told_with_what_it_has(campaign: Site) -> None:
    ran = await _import(campaign, "name,amount\nLan,5\n")
    ran.refused("list.csv", "line 1", "phone", "'name', 'amount'")
    assert _stored(campaign)["contacts"] == 0


async def test_one_bad_number_in_a_hundred_stops_nothing(campaign: Site) -> None:
    numbers = [f"09012{n:05}" for n in range(500)]
    bad = {7: "12345", 107: "", 207: "not a number", 307: "+1", 407: "0901 x 99"}
    lines = [bad.get(n, number) for n, number in enumerate(numbers)]
    rows = _rows(campaign, await _import(campaign, "phone,note\n" + "".join(f"{line},x\n" for line in lines)))
    assert [row["line"] for row in rows] == [str(n + 2) for n in range(500)]
    refused = {int(row["line"]) - 2: row for row in rows if row["status"] != "accepted"}
    assert refused.keys() == bad.keys()
    assert all(row["status"] == "invalid" and row["detail"] for row in refused.values())
    states = campaign.rows("SELECT state, count(*) AS n FROM contacts GROUP BY state ORDER BY state")
    assert states == [{"state": "invalid", "n": 5}, {"state": "pending", "n": 495}]


async def test_formulas_are_data_and_never_run_in_a_spreadsheet(campaign: Site) -> None:
    formula = '=HYPERLINK("http://evil.example")'
    content = f'phone,name\n0901000001,"{formula.replace(chr(34), chr(34) * 2)}"\n=1+1,Lan\n'
    ran = await _import(campaign, content)
    first, second = _rows(campaign, ran)
    assert (first["status"], second["status"]) == ("accepted", "invalid")
    assert campaign.rows("SELECT name FROM contacts WHERE state = 'pending'") == [{"name": formula}]
    cells = [cell for row in (first, second) for cell in row.values() if cell]
    assert [cell for cell in cells if cell.startswith(("=", "@", "-", "+1"))] == []


async def test_the_same_list_twice_adds_nobody_twice(campaign: Site) -> None:
    content = "phone\n0901000001\n0901000002\n"
    assert (await _import(campaign, content)).ok().json()["added"] == 2
    assert (await _import(campaign, content)).ok().json()["added"] == 0
    assert len(_rows(campaign, await _import(campaign, "phone\n+84 90 1000001\n", name="other.csv"))) == 1
    states = campaign.rows("SELECT state FROM contacts ORDER BY id")
    assert [row["state"] for row in states] == ["pending", "pending", "duplicate"]


async def test_a_list_that_is_not_there_or_a_workbook(campaign: Site) -> None:
    (await campaign.run("campaign", "import", "C1", "nowhere.csv")).refused("nowhere.csv", "check the name")
    (await _import(campaign, b"PK\x03\x04rest", name="list.xlsx")).refused("list.xlsx", "workbook", "CSV UTF-8")


# Scripts


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("agree: agreed", "agree: agred"), ["line 20", "agred", "Did you mean `agreed`?"]),
        (("else: refused", "else: agreed"), ["unreachable step `refused`"]),
        (("Thank you.", "Thank you, {nmae}."), ["line 24", "undefined variable `nmae`", "variables:"]),
        (
            ('    like: "yes"\n    samples: [I will pay it this week, I will pay]', "    samples: []"),
            ["line 7", "agree", "samples"],
        ),
        (("steps:", "stepps:"), ["line 16", "stepps", "Did you mean `steps`?"]),
        (("  - say: [", "  - say: [["), ["script.yaml, line"]),
    ],
    ids=["unknown-step", "unreachable-step", "undefined-variable", "intent-without-samples", "unknown-key", "yaml"],
)
async def test_a_script_that_cannot_be_used_is_told_with_line_and_remedy(
    site: Site, change: tuple[str, str], said: list[str]
) -> None:
    site.settings(trunk_port=5099)
    script = SCRIPT.replace(*change)
    if change[0] == "else: refused":
        script = script.replace("refuse: refused", "refuse: agreed")
    if change[0].startswith("  - say: ["):
        script = SCRIPT.replace("codes:", "codes: [")
    ran = await site.run("campaign", "create", str(site.campaign(script_text=script)))
    ran.refused("script.yaml", *said)
    assert set(_stored(site).values()) <= {0}


async def test_every_mistake_of_a_script_is_told_at_once(site: Site) -> None:
    site.settings(trunk_port=5099)
    script = SCRIPT.replace("agree: agreed", "agree: agred").replace("Thank you.", "Thank you, {nmae}.")
    told = (await site.run("campaign", "create", str(site.campaign(script_text=script)))).refused("agred", "nmae")
    assert told.count("script.yaml, line") >= 2


# Campaign files, tariffs, trunks


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"trunk": "lime"}, ["'lime'", "line", "[[trunks]]"]),
        ({"tariff": "prices.yaml"}, ["tariff", "prices.yaml", "no such file"]),
        ({"script": "no.yaml"}, ["script", "no.yaml", "no such file"]),
        ({"name": None}, ["campaign.yaml", "name", "required"]),
        ({"ring_timout_s": 5}, ["campaign.yaml", "ring_timout_s", "unknown field", "ring_timeout_s"]),
        ({"time_zone": "Asia/Hanoi"}, ["campaign.yaml", "time_zone", "Asia/Ho_Chi_Minh"]),
        ({"windows": ["17:00-08:00"]}, ["campaign.yaml", "windows"]),
        ({"report_emails": ["boss"]}, ["campaign.yaml", "report_emails", "'boss' is no e-mail address"]),
        ({"start": "2026-12-02", "end": "2026-12-01"}, ["campaign.yaml", "ends before it starts"]),
        ({"call_backs": [{"when": ["bussy"]}]}, ["bussy"]),
        ({"codes": {"NAA": "X"}}, ["NAA"]),
        ({"bot": {"voice": "tts-nobody"}}, ["tts-nobody", "tts-en-joe"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_campaign_file_that_cannot_be_used(site: Site, fields: dict[str, Any], said: list[str]) -> None:
    site.settings(trunk_port=5099)
    (await site.run("campaign", "create", str(site.campaign(**fields)))).refused(*said)
    assert set(_stored(site).values()) <= {0}


async def test_a_tariff_that_cannot_be_used(site: Site) -> None:
    site.settings(trunk_port=5099)
    file = site.campaign()
    site.write("tariff.yaml", TARIFF.read_text(encoding="utf-8").replace("block_s: 30", "block_s: none"))
    (await site.run("campaign", "create", str(file))).refused("tariff.yaml", "block_s")
    site.write("tariff.yaml", TARIFF.read_text(encoding="utf-8").replace("currency: VND", "currency: USD"))
    (await site.run("campaign", "create", str(file))).refused("tariff.yaml", "currency", "VND")
    assert set(_stored(site).values()) <= {0}


async def test_what_is_no_file_or_no_date(campaign: Site) -> None:
    (await campaign.run("campaign", "create", str(campaign.folder))).refused("cannot be read", "campaign file")
    file = campaign.campaign("C2")
    text = TARIFF.read_text(encoding="utf-8")
    assert "valid_from: 2026-01-01" in text
    campaign.write("tariff.yaml", text.replace("valid_from: 2026-01-01", "valid_from: 2026-99-01"))
    (await campaign.run("campaign", "create", str(file))).refused("tariff.yaml", "valid_from", "2026-01-31")
    file.write_text(file.read_text(encoding="utf-8") + "start: 2026-99-01\n", encoding="utf-8")
    (await campaign.run("campaign", "create", str(file))).refused("campaign.yaml", "start", "2026-01-31")
    for name in ("x.xlsx", "x.csv"):
        (await campaign.run("export", "C1", f"nowhere/{name}")).refused(name, "cannot be written: No such file")


async def test_a_code_that_is_taken_leaves_nothing_behind(campaign: Site) -> None:
    before = _stored(campaign)
    (await campaign.run("campaign", "create", str(campaign.campaign()))).refused("C1", "choose another code")
    assert _stored(campaign) == before


@pytest.mark.parametrize(
    "arguments",
    [("start", "C9"), ("pause", "C9"), ("stop", "C9", "--yes"), ("status", "C9"), ("import", "C9", "list.csv")],
    ids=lambda arguments: arguments[0],
)
async def test_a_campaign_that_does_not_exist(site: Site, arguments: tuple[str, ...]) -> None:
    site.settings(trunk_port=5099)
    site.contacts(["0901000001"])
    (await site.run("campaign", *arguments)).refused("there is no campaign 'C9'", "campana campaign status")


async def test_reports_and_calls_that_cannot_be(site: Site) -> None:
    site.settings()
    script = site.write("script.yaml", SCRIPT)
    (await site.run("report", "C9")).refused("there is no campaign 'C9'")
    (await site.run("audit", "C9")).refused("there is no campaign 'C9'")
    (await site.run("campaign", "status", "9" * 26)).refused("there is no campaign '999")
    (await site.run("call", "0901000001", "--script", str(script))).refused("no trunk", "docs/reference/settings.md")
    site.settings(trunk_port=5099)
    (await site.run("call", "12", "--script", str(script))).refused("'12' cannot be called", "+84901234567")
    (await site.run("call", "0901000001", "--script", "nowhere.yaml")).refused("nowhere.yaml")


async def test_a_campaign_without_contacts_is_not_started(campaign: Site) -> None:
    (await campaign.run("campaign", "start", "C1", "--detach")).refused("nobody to call", "import")
    assert (await campaign.status())["state"] == "draft"


# The machine


async def test_missing_models_are_told_with_how_to_get_them(campaign: Site) -> None:
    (await _import(campaign, "phone\n0901000001\n")).ok()
    ran = await campaign.run("campaign", "start", "C1", env=NO_MODELS)
    ran.refused("model stt-base", "missing", "campana models fetch stt-base", code=2)
    status = await campaign.status()
    assert (status["state"], status["attempts"]) == ("draft", 0)
    ran = await campaign.run("models", "verify", env=NO_MODELS)
    assert ran.code == 1
    assert "campana models fetch stt-base" in ran.out
    assert "Traceback" not in ran.out + ran.err
    (await campaign.run("models", "fetch", "stt-base", env=NO_MODELS)).refused(
        "model stt-base", "Remedy", "CAMPANA_MODELS_SOURCE"
    )
    (await campaign.run("models", "fetch", "stt-huge")).refused("stt-huge", "stt-base")
    ran = await campaign.run("demo", env=NO_MODELS)
    ran.refused("Remedy", "CAMPANA_MODELS_SOURCE")


async def test_a_database_that_cannot_be_reached(site: Site) -> None:
    url = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/campana"
    site.settings(more=f'database_url = "{url}"')
    told = (await site.run("campaign", "status")).refused("cannot open", "check that the server runs")
    assert "secret" not in told
    site.settings(more='database_url = "mysql://x/y"')
    (await site.run("campaign", "status")).refused("'mysql' is not supported", "sqlite:///FILE")
    site.settings(more='database_url = "sqlite:////proc/nowhere/campana.db"')
    (await site.run("campaign", "status")).refused("/proc/nowhere")


async def test_a_damaged_database_file(site: Site) -> None:
    site.settings()
    site.write("data/campana.db", b"this is no database, but somebody's notes\n" * 100)
    (await site.run("campaign", "status")).refused("cannot open", "campana.db", "not a database")
    assert site.database.read_bytes().startswith(b"this is no database")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('log_level = "loud"\n', ["campana.toml", "log_level", "'warning'"]),
        ("[smtp]\nprot = 25\n", ["campana.toml", "smtp.prot"]),
        ("[smtp\n", ["campana.toml", "line 1"]),
        ('[[trunks]]\nname = "a"\n', ["campana.toml", "trunks.0.host"]),
        ('[account]\ncurrency = "dong"\n', ["campana.toml", "account.currency"]),
        ('[account]\ntime_zone = "Asia/Hanoi"\n', ["campana.toml", "account.time_zone"]),
        ('[account]\ncurrency = "XYZ"\n', ["campana.toml", "account.currency", "VND"]),
    ],
    ids=["value", "unknown", "toml", "missing", "currency", "zone", "unknown-currency"],
)
async def test_a_settings_file_that_cannot_be_used(site: Site, text: str, said: list[str]) -> None:
    site.write("campana.toml", text)
    (await site.run("campaign", "status")).refused(*said, "docs/reference/settings.md")
    assert not (site.folder / "campana-data").exists()


async def test_settings_from_the_environment_are_told_by_their_variable(site: Site) -> None:
    ran = await site.run("campaign", "status", env={"CAMPANA_SMTP__PORT": "many"})
    ran.refused("CAMPANA_SMTP__PORT", "docs/reference/settings.md")
    ran = await site.run("campaign", "status", env={"CAMPANA_TRUNKS": "[{"})
    ran.refused("CAMPANA_TRUNKS", "not readable as JSON", "docs/reference/settings.md")
    ran = await site.run("config", "show", env={"CAMPANA_DATABASE_URL": "foo"})
    ran.refused("database_url", "'foo' is no database address", "sqlite:///FILE")
    ran = await site.run("campaign", "status", env={"CAMPANA_DATABASE_URL": "postgresql://somebody@h:notaport/x"})
    ran.refused("port that is no number", "postgresql://USER@HOST:5432/NAME")


async def test_a_settings_file_that_is_not_there(site: Site) -> None:
    (await site.run("--config", "nowhere.toml", "campaign", "status")).refused("nowhere.toml", "no such settings file")


async def test_the_dashboard_refuses_to_be_seen_from_outside(site: Site) -> None:
    site.settings()
    (await site.run("serve", "--host", "0.0.0.0", "--port", "0")).refused("0.0.0.0", "127.0.0.1")
