"""Lists and contacts through the commands of people and programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campana.cli.main import app, mistakes
from tests.support_acceptance import SCRIPT, Site

LIST = "Khách,Số máy,Mã,Nợ\nLan,0901234567,K1,5\nBo,12,K2,6\nCa,0912345678,K3,7\n"
MAPPING = ("--map", "Khách=name", "--map", "Số máy=phone", "--map", "Mã=external_key", "--map", "Nợ=debt")


class Desk:
    """The commands, run in this process from a user's folder."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.settings(trunk_port=5099)
        self._runner = CliRunner()

    def run(self, *arguments: str) -> str:
        ran = self._runner.invoke(app, list(arguments), catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
        return ran.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def refused(self, *arguments: str) -> str:
        """What a user would read."""
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever is told as a user's mistake
            self._runner.invoke(app, list(arguments), catch_exceptions=False)
        told = mistakes(caught.value)
        assert told is not None, caught.value
        return str(told[0])


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    desk = Desk(tmp_path)
    text = SCRIPT.replace("\nsteps:", "\nvariables: {name: {default: you}, debt: {required: true}}\nsteps:", 1)
    assert text != SCRIPT
    desk.run("campaign", "create", str(desk.site.campaign(script_text=text, contact_expires_days=3)))
    return desk


def test_a_list_is_looked_at_imported_on_hold_mended_and_released(desk: Desk) -> None:
    path = str(desk.site.write("list.csv", LIST))
    assert "no phone column among 'Khách', 'Số máy', 'Mã', 'Nợ'" in desk.refused("campaign", "preview", "C1", path)
    told = desk.refused("campaign", "import", "C1", path, "--map", "Telefon=phone")
    assert "--map: there is no column 'Telefon'; the list has 'Khách'" in told
    without = desk.json("campaign", "preview", "C1", path, *MAPPING[:6], "--map", "Nợ=")
    assert without["missing_variables"] == ["debt"]
    assert without["columns"][3] == {"header": "Nợ", "field": None, "kind": "left out"}
    assert [row["status"] for row in without["rows"]] == ["missing_variable", "invalid", "missing_variable"]
    found = desk.json("campaign", "preview", "C1", path, *MAPPING)
    assert found["read_as"] == {"encoding": "utf-8", "delimiter": ",", "lines": 4}
    assert [(column["field"], column["kind"]) for column in found["columns"]] == [
        ("name", "reserved"),
        ("phone", "reserved"),
        ("external_key", "reserved"),
        ("debt", "variable"),
    ]
    shown = desk.run("campaign", "preview", "C1", path, *MAPPING, "--rows", "2")
    assert re.search(r"Nợ .*debt \(variable\).* 5 .* 6 ", shown)
    assert "0912345678" not in shown

    taken = desk.json("campaign", "import", "C1", path, *MAPPING, "--hold")
    assert taken["counts"] == {"accepted": 2, "duplicate": 0, "invalid": 1, "dnc": 0, "missing_variable": 0}
    held = desk.json("contact", "list", "C1", "--state", "held")
    assert [one["external_key"] for one in held] == ["K1", "K3"]
    assert all(one["expires_at"] for one in held)
    assert "phone: too few digits" in desk.refused("contact", "edit", "C1", str(held[0]["id"] + 1), "name=Bob")
    assert "it is pending" in desk.run("contact", "edit", "C1", str(held[0]["id"] + 1), "phone=0987654321")
    assert desk.json("contact", "release", "C1", "K3") == {"released": 1}
    assert "1 contact released" in desk.run("contact", "release", "C1", "--limit", "5")
    assert desk.json("contact", "hold", "C1", "--all", "--by", "lan") == {"held": 3}
    assert desk.json("contact", "release", "C1", "--all") == {"released": 3}
    ran = CliRunner().invoke(app, ["contact", "release", "C1"])
    assert (ran.exit_code, "name contacts, or write --all" in ran.output) == (2, True)
    shown = desk.run("contact", "show", "C1", "0901234567")
    assert "debt=5" in shown
    assert re.search(r"lan +│ held +│ +│ from: pending", shown)


def test_single_contacts_are_added_visited_and_deleted(desk: Desk) -> None:
    columns = ("phone=0901234567", "name=Lan [b]", "external_key=K1", "debt=5")
    assert "debt: the script says this variable" in desk.refused("contact", "add", "C1", *columns[:3])
    assert desk.json("contact", "add", "C1", *columns)["created"] is True
    assert "there already, nothing changed" in desk.run("contact", "add", "C1", *columns)
    assert "with other content; ask for an update" in desk.refused("contact", "add", "C1", *columns, "city=Huế")
    assert "updated; it is pending" in desk.run("contact", "add", "C1", *columns, "city=Huế", "--update")
    assert "Lan [b]" in desk.run("contact", "list", "C1")
    other = desk.json("contact", "add", "C1", "phone=0912345678", "debt=6", "--hold")["contact"]
    assert other["state"] == "held"
    told = desk.refused("contact", "visit", "C1", "K1", "--code", "PAID")
    assert told.startswith("code: the campaign has no code 'PAID'; it has")
    assert "--at: 'noon' is no point in time" in desk.refused(
        "contact", "visit", "C1", "K1", "--code", "HUP", "--at", "noon"
    )
    visited = desk.json(
        "contact", "visit", "C1", "K1", "--code", "HUP", "--at", "2026-03-02 14:30", "--note", "at the shop"
    )
    assert visited["state"] == "done"
    (visit,) = desk.json("contact", "show", "C1", "K1")["tries"]
    assert (visit["call_type"], visit["at"]) == ("visitor", "2026-03-02 07:30:00+00:00")
    assert "its calls are in the books; it stays" in desk.refused("contact", "delete", "C1", "K1", "--yes")
    assert "is deleted" in desk.run("contact", "delete", "C1", "0912345678", "--yes")
    assert "no contact '0912345678'" in desk.refused("contact", "show", "C1", "0912345678")
    assert "no such contact" in desk.run("contact", "list", "C1", "--state", "held")
    assert json.loads(desk.run("audit", "C1", "--json"))


def test_a_campaign_of_another_account_is_not_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.json("contact", "list", "C1") == []
    monkeypatch.setenv("CAMPANA_ACCOUNT__NAME", "Another")
    for command in (("contact", "list", "C1"), ("webhook", "add", "https://example.com/hook", "--campaign", "C1")):
        assert "there is no campaign 'C1'" in desk.refused(*command)
    assert desk.json("webhook", "list") == []
