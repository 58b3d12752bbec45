"""The API as programs use it: tokens, refusals, idempotency, paging, and each resource over its ASGI interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from campana.settings import Settings
from reports.overview import overview
from reports.scope import Scope
from storage.clock import ManualClock
from storage.database import Database, open_database
from storage.tables import accounts, attempts, bots, campaigns, contact_events, contacts, recordings
from tests.support_api import SCRIPT, Api, campaign_body, open_api, settings_in
from tests.support_reports import START, standard
from web.api.bodies import LONGEST_BODY
from web.tokens import Tokens

#: Blocks that reach others in this installation's name.
ASKS = 'webhook: {url: "https://crm.example.com/x", headers: {A: "{secret:CRM}"}}'
WRITES = "email: {to: a@example.com, subject: Hello, body: Hello}"
PERSON = {"number": "0901230001", "external_key": "crm-1", "variables": {"amount": "12"}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tmp_path, ManualClock(START)) as opened:
        yield opened


async def _campaign(api: Api, code: str = "SPRING", *, start: bool = True, **changes: Any) -> int:
    made = await api.ask("POST", "/campaigns", json=campaign_body(code, **changes))
    assert made.status_code == 201, made.text
    if start:
        assert (await api.ask("POST", f"/campaigns/{code}/start")).status_code == 200
    return int(made.json()["id"])


def _refused(response: httpx.Response, status: int, *told: str) -> dict[str, Any]:
    problem: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"]) == (status, status), problem
    assert problem["title"]
    assert problem["type"].startswith("urn:campana:problem:")
    for text in told:
        assert text in problem["detail"], problem
    return problem


async def test_every_request_needs_a_token_with_the_scope_of_its_route(api: Api) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer campana_x"}):
        refused = await api.ask("GET", "/campaigns", headers=headers)
        _refused(refused, 401, "campana token")
        assert refused.headers["www-authenticate"].startswith("Bearer")
    reader = await api.token("campaigns:read", name="reader")
    assert (await api.ask("GET", "/campaigns", headers=reader)).status_code == 200
    refused = await api.ask("POST", "/campaigns", headers=reader, json=campaign_body())
    assert _refused(refused, 403, "reader", "campaigns:write")["type"].endswith("missing-scope")
    _refused(await api.ask("GET", "/attempts/x/recording", headers=reader), 403, "recordings:read")

    short = await api.token("*", name="short", days=1)
    clock = api.app.clock
    assert isinstance(clock, ManualClock)
    clock.advance(hours=25)
    _refused(await api.ask("GET", "/campaigns", headers=short), 401, "short is expired")
    tokens = Tokens(api.app.database, clock, api.app.account_id)
    await tokens.revoke("reader")
    _refused(await api.ask("GET", "/campaigns", headers=reader), 401, "reader is revoked")
    used = {token.name: token.last_used_at for token in await tokens.all()}
    assert used == {"all": None, "reader": START, "short": None}


async def test_what_cannot_be_read_or_stored_is_refused_with_its_place_and_never_fails(api: Api) -> None:
    await _campaign(api)
    at = "/campaigns/SPRING/contacts"
    as_json = {"content-type": "application/json"}

    async def sent(body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        return await api.ask("POST", at, content=body, headers=headers or as_json)

    _refused(await sent(b"{", as_json), 400, "line 1, column 2")
    _refused(await sent(b"\xff\xfe", as_json), 400, "UTF-8 at byte 0")
    _refused(await sent(b'{"priority": NaN}'), 400, "NaN")
    _refused(await sent(b"{}", {"content-type": "text/plain"}), 415, "text/plain")
    _refused(await sent(b"x" * (LONGEST_BODY + 1)), 413, "4 MiB")
    _refused(await sent(b"[" * 200_000), 422, "nested")
    _refused(await sent(b"[" * 40 + b"]" * 40), 422, "nested")
    _refused(await sent(b'{"priority": ' + b"9" * 5000 + b"}"), 422, "number")
    assert _refused(await sent(b'{"number": "\\u0000"}'), 422, "NUL")["errors"][0]["field"] == "number"
    assert _refused(await sent(b'{"name": "\\ud800"}'), 422, "surrogate")["errors"][0]["field"] == "name"
    _refused(await sent(b'{"a": 99999999999999999999}'), 422, "too large")
    _refused(await sent(b'{"a": 1e999}'), 422, "too large")
    problem = _refused(await sent(json.dumps({"numbr": "1", "priority": "x"}).encode()), 422)
    assert {each["field"] for each in problem["errors"]} == {"number", "numbr", "priority"}
    _refused(await sent(b"[]"), 422)
    _refused(await sent(b""), 422)
    _refused(await api.ask("POST", at, json={"number": "12", "variables": {}}), 422, "number")
    _refused(await api.ask("POST", at, json={"number": "0901230001"}), 422, "amount")
    _refused(await api.ask("GET", f"{at}?limit=x"), 422, "limit")
    _refused(await api.ask("GET", f"{at}?number=%00%00%00"), 422, "NUL")
    _refused(await api.ask("GET", f"{at}?cursor=zz"), 422, "first page")
    _refused(await api.ask("GET", "/contacts/99999999999999999999"), 404)
    _refused(await api.ask("GET", "/contacts/x"), 404)
    _refused(await api.ask("GET", "/nothing"), 404, "openapi.json")
    refused = await api.ask("PUT", "/campaigns")
    _refused(refused, 405, "GET, POST")
    assert refused.headers["allow"] == "GET, POST"
    assert (await api.client.get("/api/v2/x")).headers["content-type"] == "application/problem+json"


async def test_a_repeated_key_gives_the_first_answer_and_does_nothing_twice(database: Database, tmp_path: Path) -> None:
    url = database.url.render_as_string(hide_password=False)
    async with open_api(tmp_path, ManualClock(START), database_url=url) as api:
        await _repeat(api)


async def _repeat(api: Api) -> None:
    await _campaign(api)
    at, key = "/campaigns/SPRING/contacts", {"idempotency-key": "k-1"}
    many = await asyncio.gather(*(api.ask("POST", at, json=PERSON, headers=key) for _ in range(5)))
    while any(each.status_code == 409 for each in many):
        assert all(each.status_code in {201, 409} for each in many)
        many = await asyncio.gather(*(api.ask("POST", at, json=PERSON, headers=key) for _ in range(5)))
    assert {(each.status_code, each.text, each.headers["location"]) for each in many} == {
        (201, many[0].text, "/api/v1/contacts/1")
    }
    assert many[0].headers["idempotency-replayed"] == "true"
    async with api.app.database.read() as conn:
        assert len((await conn.execute(select(contacts))).all()) == 1
    other = await api.ask("POST", at, json=PERSON | {"name": "An"}, headers=key)
    assert _refused(other, 422, "another request")["type"].endswith("idempotency-key-reused")
    _refused(await api.ask("POST", "/calls", json={}, headers=key), 422, "another request")
    _refused(await api.ask("POST", at, json=PERSON, headers={"idempotency-key": "k" * 300}), 422, "Idempotency-Key")
    # Another token's key is another key; a refused request lets its key go.
    someone = key | await api.token("contacts:write", name="someone")
    assert (await api.ask("POST", at, json=PERSON, headers=someone)).status_code == 200
    mended = {"idempotency-key": "k-2"}
    _refused(await api.ask("POST", at, json={"number": "1"}, headers=mended), 422)
    fresh = PERSON | {"number": "0901230002", "external_key": "crm-2"}
    assert (await api.ask("POST", at, json=fresh, headers=mended)).status_code == 201
    # After a day the key is as good as new, and the external key alone tells that it is the same contact.
    clock = api.app.clock
    assert isinstance(clock, ManualClock)
    clock.advance(hours=25)
    late = await api.ask("POST", at, json=PERSON, headers=key)
    assert (late.status_code, late.headers.get("idempotency-replayed")) == (200, None)


async def test_a_campaign_from_its_creation_to_its_end(api: Api) -> None:
    made = await api.ask("POST", "/campaigns", json=campaign_body(stays_open=False, windows=["08:00-11:30"]))
    assert made.status_code == 201
    assert made.headers["location"] == "/api/v1/campaigns/1"
    assert made.json() | {"state": "draft", "windows": [["08:00", "11:30"]], "trunks": ["line"]} == made.json()
    _refused(await api.ask("POST", "/campaigns", json=campaign_body()), 409, "SPRING already")
    _refused(await api.ask("POST", "/campaigns/SPRING/start"), 409, "nobody to call")
    _refused(await api.ask("POST", "/campaigns/SPRING/pause"), 409, "draft")
    for wrong, told in (
        ({"script": "steps: {}"}, "script"),
        ({"script": SCRIPT.replace("- end", f"- {ASKS}\n    - end")}, "line 7: it asks a web service"),
        ({"script": SCRIPT.replace("- end", f"- {WRITES}\n    - end")}, "line 7: it sends e-mails"),
        ({"script": {"bot": "Nobody"}}, "GET /bots"),
        ({"tariff": {"stored": 99}}, "GET /tariffs"),
        ({"tariff": {"name": "x"}}, "tariff"),
        ({"tariff": {**campaign_body()["tariff"], "currency": "USD"}}, "currency"),
        ({"trunk": "no"}, "no trunk 'no'"),
        ({"bot": {"voice": "nobody"}}, "voice"),
        ({"machines": {"voicemail": {"message": "{Name"}}}, "machines"),
        ({"windows": ["11:30-08:00"]}, "closes before"),
        ({"start": "2026-99-99"}, "start"),
    ):
        _refused(await api.ask("POST", "/campaigns", json=campaign_body("NEXT", **wrong)), 422, told)
    stored = {"script": {"bot": "Bot"}, "tariff": {"stored": 1}, "stays_open": True}
    assert (await api.ask("POST", "/campaigns", json=campaign_body("NEXT", **stored))).status_code == 201
    versions = (await api.ask("GET", "/bots")).json()["data"]
    assert [(bot["name"], bot["version"]) for bot in versions] == [("Bot", 2), ("Bot", 1)]
    assert len((await api.ask("GET", "/tariffs")).json()["data"]) == 2

    for action, state in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        moved = await api.ask("POST", f"/campaigns/NEXT/{action}")
        assert (moved.status_code, moved.json()["state"]) == (200, state)
    listed = (await api.ask("GET", "/campaigns?state=stopped")).json()["data"]
    assert [each["code"] for each in listed] == ["NEXT"]
    assert (await api.ask("GET", "/campaigns/2")).json() == (await api.ask("GET", "/campaigns/NEXT")).json()
    _refused(await api.ask("GET", "/campaigns/NONE"), 404, "NONE")
    why = (await api.ask("GET", "/campaigns/SPRING/explain")).json()
    assert {each["clause"]: each["ok"] for each in why["clauses"]}["campaign_running"] is False


async def test_contacts_are_added_changed_held_and_told_about(api: Api) -> None:
    await _campaign(api)
    at = "/campaigns/SPRING/contacts"
    made = (await api.ask("POST", at, json=PERSON | {"priority": 3, "time_from": "08:00"})).json()
    assert (made["number"], made["origin"], made["state"], made["priority"]) == ("+84901230001", "api", "pending", 3)
    again = await api.ask("POST", at, json=PERSON | {"variables": {"amount": "99"}})
    assert _refused(again, 409, "crm-1")["type"].endswith("contact-taken")
    batch = {"contacts": [PERSON | {"external_key": "b2"}, {**PERSON, "number": "0901230002", "external_key": "b3"}]}
    outcome = (await api.ask("POST", f"{at}/batch", json=batch | {"hold": True})).json()
    assert outcome["counts"] == {"created": 1, "known": 0, "updated": 0, "refused": 1}
    assert "already" in outcome["outcomes"][0]["problem"]
    held = outcome["outcomes"][1]["contact_id"]
    assert (await api.ask("GET", f"/contacts/{held}")).json()["state"] == "held"
    assert (await api.ask("POST", f"{at}/release", json={})).json() == {"moved": 1}
    assert (await api.ask("POST", f"/contacts/{held}/hold")).json()["state"] == "held"
    _refused(await api.ask("POST", f"/contacts/{held}/hold"), 409, "held")
    assert (await api.ask("POST", f"/contacts/{held}/release")).json()["state"] == "pending"
    assert (await api.ask("POST", f"{at}/hold", json={"ids": [held], "limit": 1})).json() == {"moved": 1}

    later = (START + timedelta(days=1)).isoformat()
    change = {"schedule_at": later, "time_from": None, "variables": {"amount": "13"}}
    changed = (await api.ask("PATCH", f"/contacts/{made['id']}", json=change)).json()
    assert (changed["time_from"], changed["variables"]["amount"], changed["priority"]) == (None, "13", 3)
    assert changed["next_at"].startswith("2026-03-03")
    _refused(await api.ask("PATCH", f"/contacts/{made['id']}", json={"variables": {"amount": None}}), 422, "amount")
    found = (await api.ask("GET", f"/contacts/{made['id']}/explain")).json()
    assert found["may_be_called"] is False
    assert [each["clause"] for each in found["clauses"] if not each["ok"]] == ["next_at"]
    assert {each["kind"] for each in found["trail"]} == {"added", "edited"}
    assert {each["by"] for each in found["trail"]} == {"token all"}

    visit = {"code": "HUP", "note": "met at the shop"}
    assert (await api.ask("POST", f"/contacts/{made['id']}/visits", json=visit)).json()["state"] == "done"
    _refused(await api.ask("POST", f"/contacts/{made['id']}/visits", json={"code": "NO-SUCH"}), 422)
    assert (await api.ask("DELETE", f"/contacts/{held}")).json() == {"contact_id": held, "removed": True}
    _refused(await api.ask("GET", f"/contacts/{held}"), 404, str(held))
    for path, count in ((f"{at}?state=done", 1), (f"{at}?external_key=crm-1", 1), (f"{at}?number=0901230009", 0)):
        assert len((await api.ask("GET", path)).json()["data"]) == count


async def test_a_call_is_asked_for_once_and_only_while_its_campaign_runs(api: Api) -> None:
    await _campaign(api, start=False)
    call = {"campaign": "SPRING", "number": "+84901230001", "external_key": "order-9", "variables": {"amount": "1"}}
    _refused(await api.ask("POST", "/calls", json=call), 409, "SPRING is draft")
    await api.ask("POST", "/campaigns/SPRING/start")
    _refused(await api.ask("POST", "/calls", json=call | {"bot": "Other"}), 422, "bot")
    _refused(await api.ask("POST", "/calls", json=call | {"campaign": "NONE"}), 422, "campaign")
    _refused(await api.ask("POST", "/calls", json=call | {"external_key": "k" * 49}), 422, "external_key")
    _refused(await api.ask("POST", "/calls", json=call | {"at": "2026-03-02T10:00:00"}), 422, "at")
    at = "2026-03-03T10:00:00+07:00"
    whole = call | {"bot": "Bot", "language": "vi", "reference": "r-7", "name": "An", "at": at, "priority": 2}
    made = await api.ask("POST", "/calls", json=whole)
    contact = made.json()["contact"]
    assert (made.status_code, made.json()["created"]) == (201, True)
    assert made.headers["location"] == f"/api/v1/contacts/{contact['id']}"
    assert (contact["origin"], contact["language"], contact["variables"]["reference"]) == ("api", "vi", "r-7")
    assert contact["next_at"] == "2026-03-03T03:00:00Z"
    again = await api.ask("POST", "/calls", json=whole)
    assert (again.status_code, again.json()["created"]) == (200, False)
    _refused(await api.ask("POST", "/calls", json=whole | {"variables": {"amount": "2"}}), 409, "order-9")
    _refused(await api.ask("GET", "/calls"), 405, "POST")
    # Nobody is left once it is cancelled, and the campaign stays open for the next.
    assert (await api.ask("DELETE", f"/contacts/{contact['id']}")).status_code == 200
    assert (await api.ask("GET", "/campaigns/SPRING/status")).json()["state"] == "running"


async def test_the_link_for_a_call_opens_a_form_and_dials_nothing_until_it_is_saved(api: Api) -> None:
    await _campaign(api)
    link = "/calls/new?campaign=SPRING&number=%2B84901230001&external_key=web-1&var.amount=%3Cb%3E"
    form = await api.client.get(link)
    assert form.status_code == 200
    assert 'value="+84901230001"' in form.text
    assert "amount = &lt;b&gt;" in form.text
    async with api.app.database.read() as conn:
        assert (await conn.execute(select(contacts))).all() == []
    saved = {"campaign": "SPRING", "number": "+84901230001", "external_key": "web-1", "variables": "amount = 5"}
    here = {"origin": "http://127.0.0.1:8080"}
    for foreign in ({}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert (await api.client.post("/calls/new", data=saved, headers=foreign)).status_code == 403
    for wrong in ({"number": "1"}, {"variables": "amount"}, {"variables": ""}, {"campaign": "X"}, {"at": "soon"}):
        refused = await api.client.post("/calls/new", data=saved | wrong, headers=here)
        assert refused.status_code == 422, wrong
        assert "was not saved" in refused.text
    for _ in range(2):
        done = await api.client.post("/calls/new", data=saved, headers=here)
        assert (done.status_code, done.headers["location"]) == (303, "/campaigns/1/contacts?phone=901230001")
    async with api.app.database.read() as conn:
        (row,) = (await conn.execute(select(contacts))).mappings().all()
        assert (row["origin"], row["external_key"], row["variables"]["amount"]) == ("api", "web-1", "5")
        assert [event.by for event in (await conn.execute(select(contact_events))).all()] == ["dashboard"]
    await api.ask("POST", "/campaigns/SPRING/pause")
    paused = await api.client.post("/calls/new", data=saved, headers=here)
    assert paused.status_code == 409
    assert "is paused" in paused.text


async def test_the_form_calls_for_the_account_of_the_settings_where_another_has_the_same_code(api: Api) -> None:
    theirs = await _campaign(api)
    async with api.app.database.write() as conn:
        another = insert(accounts).values(
            name="Another", currency="VND", region="VN", time_zone="UTC", created_at=START
        )
        key = (await conn.execute(another)).inserted_primary_key
        assert key is not None
        await conn.execute(update(campaigns).values(account_id=key[0]))
    here = {"origin": "http://127.0.0.1:8080"}
    saved = {"campaign": "SPRING", "number": "+84901230001", "variables": "amount = 5"}
    assert "(not running)" in (await api.client.get("/calls/new?campaign=SPRING")).text
    assert (await api.client.post("/calls/new", data=saved, headers=here)).status_code == 422
    ours = await _campaign(api)
    assert (await api.client.get("/calls/new")).text.count('<option value="SPRING"') == 1
    done = await api.client.post("/calls/new", data=saved, headers=here)
    assert (done.status_code, done.headers["location"]) == (303, f"/campaigns/{ours}/contacts?phone=901230001")
    assert ours != theirs


async def test_numbers_that_may_not_be_called_are_kept_and_checked(api: Api) -> None:
    await _campaign(api)
    entry = {"number": "0901 230 001", "reason": "by letter"}
    added = (await api.ask("POST", "/do-not-call", json=entry)).json()
    assert added == {"number": "+84901230001", "is_new": True}
    assert (await api.ask("POST", "/do-not-call", json=entry)).json()["is_new"] is False
    _refused(await api.ask("POST", "/do-not-call", json={"number": "abc", "reason": "x"}), 422, "number")
    found = (await api.ask("GET", "/do-not-call/0901230001?campaign=SPRING")).json()
    assert (found["may_be_called"], found["standing"][0]["against"]) == (False, "do_not_call")
    (kept,) = (await api.ask("GET", "/do-not-call")).json()["data"]
    assert (kept["evidence"], kept["by"], kept["source"]) == ("by letter", "token all", "manual")
    _refused(await api.ask("POST", "/campaigns/SPRING/contacts", json=PERSON), 422, "may not be called")
    _refused(await api.ask("DELETE", "/do-not-call/0901230001"), 422, "reason")
    assert (await api.ask("DELETE", "/do-not-call/%2B84901230001?reason=mistake")).status_code == 204
    _refused(await api.ask("DELETE", "/do-not-call/%2B84901230001?reason=mistake"), 404)
    assert (await api.ask("GET", "/do-not-call/0901230001")).json()["may_be_called"] is True


async def test_pages_follow_one_another_while_rows_are_added(api: Api) -> None:
    await _campaign(api)
    at = "/campaigns/SPRING/contacts"

    async def add(place: int) -> None:
        body = {"number": f"+8490123{place:04d}", "variables": {"amount": "1"}}
        assert (await api.ask("POST", at, json=body)).status_code == 201

    for place in range(5):
        await add(place)
    seen, path = [], f"{at}?limit=2&state=pending"
    while path:
        page = (await api.ask("GET", path)).json()
        seen += [each["number"][-1] for each in page["data"]]
        if page["next"]:
            await add(5 + len(seen))
        path = (page["next"] or "").removeprefix("/api/v1")
    assert seen == ["4", "3", "2", "1", "0"]
    first = await api.ask("GET", f"{at}?limit=2")
    assert first.headers["link"] == f'<{first.json()["next"]}>; rel="next"'


async def test_webhooks_are_kept_by_the_api(api: Api) -> None:
    await _campaign(api, start=False)
    body = {"url": "https://example.com/hook", "events": ["call.ended"], "campaign": "SPRING"}
    made = await api.ask("POST", "/webhooks", json=body)
    assert (made.status_code, made.json()["secret"][:6], made.json()["campaign"]) == (201, "whsec_", "SPRING")
    assert "secret" not in (await api.ask("GET", "/webhooks/1")).json()
    _refused(await api.ask("POST", "/webhooks", json=body | {"url": "ftp://a.example"}), 422, "http and https")
    _refused(await api.ask("POST", "/webhooks", json=body | {"events": ["x"]}), 422, "known are")
    _refused(await api.ask("POST", "/webhooks", json=body | {"events": []}), 422, "events")
    _refused(await api.ask("PATCH", "/webhooks/1", json={"events": []}), 422, "events")
    sent = (await api.ask("POST", "/webhooks/1/test")).json()
    assert (sent["type"], sent["state"], sent["payload"]["data"]) == ("webhook.test", "pending", {"webhook_id": 1})
    assert (await api.ask("GET", "/webhooks/1/deliveries")).json()["data"] == [sent]
    _refused(await api.ask("POST", "/webhooks/1/deliveries/1/redeliver"), 409, "still being tried")
    _refused(await api.ask("POST", "/webhooks/1/deliveries/9/redeliver"), 404)
    assert (await api.ask("PATCH", "/webhooks/1", json={"active": False})).json()["active"] is False
    assert (await api.ask("DELETE", "/webhooks/1")).status_code == 204
    _refused(await api.ask("GET", "/webhooks/1"), 404, "webhook 1")
    assert (await api.ask("GET", "/webhooks")).json() == []


async def test_figures_attempts_and_recordings_are_those_of_the_reports_and_of_ones_own_account(tmp_path: Path) -> None:
    settings: Settings = settings_in(tmp_path)
    async with open_database(settings.url) as database:
        calls = await standard(database)
        async with database.write() as conn:
            await conn.execute(update(bots).values(script=SCRIPT))
    async with open_api(tmp_path, ManualClock(START)) as api:
        report = (await api.ask("GET", "/campaigns/C1/overview")).json()
        async with api.app.database.read() as conn:
            known = await overview(conn, Scope(1))
            placed = (await conn.execute(select(attempts.c.id).where(attempts.c.call_type == "campaign"))).scalars()
            kept = (await conn.execute(select(recordings))).mappings().all()
            assert set(placed) <= {call.id for call in calls.values()}
        totals = known.totals
        assert (report["totals"]["total"], report["totals"]["blocks"]) == (totals.total, totals.blocks)
        assert report["totals"]["answer_rate"] == pytest.approx(totals.answer_rate)
        assert float(report["totals"]["cost"]) == pytest.approx(float(totals.cost))
        assert report["contacts"]["states"] == dict(known.contacts.states)
        listed = (await api.ask("GET", "/campaigns/C1/attempts?limit=200")).json()["data"]
        assert len(listed) == totals.total
        whole = (await api.ask("GET", f"/attempts/{listed[0]['id']}")).json()
        assert whole["number"] == listed[0]["number"]
        assert {"turns", "timeline", "recording"} <= set(whole)
        for row in kept[:1]:
            path = api.app.settings.recordings_folder / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"RIFF")
            file = await api.ask("GET", f"/attempts/{row['attempt_id']}/recording")
            assert (file.content, file.headers["content-type"]) == (b"RIFF", "audio/wav")
        _refused(await api.ask("GET", f"/attempts/{'f' * 32}"), 404)
        usage = (await api.ask("GET", "/usage?from=2026-03&to=2026-03")).json()["data"]
        assert usage[-1]["month"] == "TOTAL"
        assert (await api.ask("GET", "/trunks")).json()[0]["name"] == "line"
        _refused(await api.ask("GET", "/trunks/none"), 404, "none")

        # Another account's token sees none of it.
        async with api.app.database.write() as conn:
            row = {"name": "Bell", "currency": "VND", "time_zone": "UTC", "region": "VN", "created_at": START}
            await conn.execute(insert(accounts).values(id=77, **row))
        _, secret = await Tokens(api.app.database, api.app.clock, 77).create("bell", ["*"])
        theirs = {"authorization": f"Bearer {secret}"}
        assert (await api.ask("GET", "/campaigns", headers=theirs)).json()["data"] == []
        for path in ("/campaigns/C1", "/campaigns/C1/overview", f"/attempts/{listed[0]['id']}", "/contacts/1"):
            _refused(await api.ask("GET", path, headers=theirs), 404)
        refused = await api.ask("POST", "/campaigns", headers=theirs, json=campaign_body())
        _refused(refused, 422, "account")
