"""docs/reference/api.md, written from the API's own description: `python -m tests.support_api_reference` writes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support_api import openapi
from web.tokens import Scope

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
_HEAD = """\
# API

Addresses stand under `/api/v1`; [how to use it](../how-to/use-the-api.md) tells of tokens, refusals, repeated \
requests and pages. This page is written from `/api/v1/openapi.json`, which has every field; a test holds it.

## Scopes

| scope | lets a token |
|---|---|
"""
_CAMPAIGN_FILE = (
    'The fields of [the campaign file](campaign-file.md). `script` is its YAML text, or `{"bot": NAME, "version": N}`; '
    '`tariff` its fields, or `{"stored": ID}`.'
)
_MAY = {
    Scope.ALL: "do everything",
    Scope.CAMPAIGNS_READ: "read campaigns, their status and figures, bots and tariffs",
    Scope.CAMPAIGNS_WRITE: "create, start, pause, resume and stop campaigns",
    Scope.CONTACTS_READ: "read contacts, and why one is not called",
    Scope.CONTACTS_WRITE: "add, change, hold, release, delete and visit contacts",
    Scope.CALLS_WRITE: "have numbers called",
    Scope.ATTEMPTS_READ: "read attempts with their transcripts",
    Scope.RECORDINGS_READ: "download recordings",
    Scope.DNC_READ: "read the do-not-call list, and check numbers",
    Scope.DNC_WRITE: "add to the do-not-call list, and take from it",
    Scope.TRUNKS_READ: "read trunks with their health",
    Scope.USAGE_READ: "read usage",
    Scope.WEBHOOKS_READ: "read webhooks and their deliveries",
    Scope.WEBHOOKS_WRITE: "add, change, test, redeliver and remove webhooks",
}


def written() -> str:
    """The page as it should be."""
    schema = openapi()
    lines = [_HEAD.rstrip("\n"), *(f"| `{scope.value}` | {_MAY[scope]} |" for scope in Scope)]
    lines += ["", "## Routes", "", "| route | scope | what it does |", "|---|---|---|"]
    operations = [
        (path, method, operation) for path, methods in schema["paths"].items() for method, operation in methods.items()
    ]
    for path, method, operation in operations:
        scope = operation["security"][0]["token"][0]
        told = re.split(r"\n\n", operation["description"])[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{method.upper()} {path}` | `{scope}` | {told} |")
    lines += ["", "## Parameters", "", "| route | parameter | meaning |", "|---|---|---|"]
    for path, method, operation in operations:
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                lines.append(f"| `{method.upper()} {path}` | `{parameter['name']}` | {_meaning(parameter)} |")
    lines += ["", "## Bodies", ""]
    for path, method, operation in operations:
        if "requestBody" in operation:
            lines += _body(schema, f"{method.upper()} {path}", operation["requestBody"])
    return "\n".join(lines).rstrip() + "\n"


def _meaning(field: dict[str, Any]) -> str:
    return str(field.get("description", "")).replace("\n", " ").replace("|", "\\|")


def _body(schema: dict[str, Any], route: str, body: dict[str, Any]) -> list[str]:
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    if name == "NewCampaign":
        return [f"### `{route}`", "", _CAMPAIGN_FILE, ""]
    model = schema["components"]["schemas"][name]
    required = set(model.get("required", []))
    rows = [
        f"| `{field}` | {'yes' if field in required else ''} | {_meaning(told)} |"
        for field, told in model["properties"].items()
    ]
    return [f"### `{route}`", "", "| field | required | meaning |", "|---|---|---|", *rows, ""]


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
