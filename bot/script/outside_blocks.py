"""Reads the blocks that reach outside the call: email, webhook and llm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bot.script.context import Context, raw
from bot.script.language import CallWebhook, Converse, SendEmail, Tools
from bot.script.nodes import Node, key_line, optional
from bot.script.value_forms import read_any_form

EMAIL_KEYS: Final = ("to", "subject", "body")
WEBHOOK_KEYS: Final = ("url", "method", "headers", "body", "into", "timeout_ms", "say", "else")
LLM_KEYS: Final = (
    "persona",
    "goal",
    "facts",
    "greeting",
    "tools",
    "model",
    "max_turns",
    "timeout_ms",
    "fallback",
    "else",
    "silence",
)
TOOL_KEYS: Final = ("codes", "collect", "transfers", "steps", "call_back", "end")
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITHOUT_BODY: Final = frozenset({"GET", "DELETE"})
#: Scheme, host and port hold no placeholder: nothing that is said can turn a request elsewhere.
_URL: Final = re.compile(
    r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?][^\s#]*)?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?([/?][^\s#]*)?"
)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_PATH: Final = re.compile(r"[\w-]+(\.[\w-]+)*")
LONGEST_WAIT_MS: Final = 10_000


def read_email(context: Context, node: Node, line: int) -> SendEmail:
    """The `email` block."""
    entries = context.reader.mapping(node, "email", EMAIL_KEYS)
    to, subject, body = (context.needed(entries, key, "email", node) for key in EMAIL_KEYS)
    if to and "{" not in to and "@" not in to:
        context.reader.wrong(entries["to"], f"to of email is `{to}`", "Write an address, or {email} for a variable")
    return SendEmail(to, subject, body, line)


def read_webhook(context: Context, node: Node, line: int) -> CallWebhook:
    """The `webhook` block."""
    reader = context.reader
    entries = reader.mapping(node, "webhook", WEBHOOK_KEYS)
    get = {key: optional(entries, key) for key in WEBHOOK_KEYS}
    url = context.needed(entries, "url", "webhook", node)
    if url and not _URL.fullmatch(url):
        remedy = "Write https:// and a fixed host; variables can stand after it only"
        reader.wrong(entries["url"], f"url of webhook is `{url}`", remedy)
    method = "POST" if get["method"] is None else reader.choice(get["method"], "method of webhook", METHODS, "POST")
    if get["body"] is not None and method in _WITHOUT_BODY:
        reader.wrong(get["body"], f"webhook by {method} has a body", "Write `method: POST`, or put it into the url")
    timeout = context.whole(get["timeout_ms"], "timeout_ms of webhook", 100, LONGEST_WAIT_MS)
    return CallWebhook(
        url=url,
        method=method,
        headers=_headers(context, get["headers"]),
        body=_named(context, get["body"], "body of webhook"),
        into=_into(context, get["into"]),
        timeout_ms=CallWebhook.timeout_ms if timeout is None else timeout,
        say=context.text(get["say"], "say of webhook"),
        otherwise=context.goto(get["else"], "else of webhook"),
        line=line,
    )


def _named(context: Context, node: Node | None, what: str) -> dict[str, str]:
    if node is None:
        return {}
    entries = context.reader.mapping(node, what)
    return {str(name): raw(context.reader, body, f"`{name}` of {what}") for name, body in entries.items()}


def _headers(context: Context, node: Node | None) -> Mapping[str, str]:
    found = _named(context, node, "headers of webhook")
    for name in found:
        if node is not None and not _HEADER.fullmatch(name):
            context.reader.wrong(node, f"header `{name}` of webhook cannot be sent", "Write a name such as X-Token")
    return found


def _into(context: Context, node: Node | None) -> Mapping[str, str]:
    if node is None:
        return {}
    found = {}
    for name, body in context.reader.mapping(node, "into of webhook").items():
        path = context.reader.text(body, f"path of `{name}`")
        if path and not _PATH.fullmatch(path):
            context.reader.wrong(body, f"path of `{name}` is `{path}`", "Write names between dots, as data.balance")
        found[context.variable(name, key_line(name, body))] = path
    return found


def read_llm(context: Context, node: Node, line: int) -> Converse:
    """The `llm` block."""
    entries = context.reader.mapping(node, "llm", LLM_KEYS)
    get = {key: optional(entries, key) for key in LLM_KEYS}
    turns = context.whole(get["max_turns"], "max_turns of llm", 1, 200)
    timeout = context.whole(get["timeout_ms"], "timeout_ms of llm", 500, 30_000)
    return Converse(
        goal=context.needed(entries, "goal", "llm", node),
        persona=context.text(get["persona"], "persona of llm") or "",
        facts=context.texts(get["facts"], "facts of llm"),
        greeting=context.text(get["greeting"], "greeting of llm"),
        tools=_tools(context, get["tools"]),
        model=context.text(get["model"], "model of llm"),
        max_turns=Converse.max_turns if turns is None else turns,
        timeout_ms=Converse.timeout_ms if timeout is None else timeout,
        fallback=context.text(get["fallback"], "fallback of llm"),
        otherwise=context.goto(get["else"], "else of llm"),
        silence=context.silence(get["silence"]),
        line=line,
    )


def _tools(context: Context, node: Node | None) -> Tools:
    if node is None:
        return Tools()
    reader = context.reader
    entries = reader.mapping(node, "tools of llm", TOOL_KEYS)
    get = {key: optional(entries, key) for key in TOOL_KEYS}
    collect = {} if get["collect"] is None else reader.mapping(get["collect"], "collect of llm")
    return Tools(
        codes=context.texts(get["codes"], "codes of llm"),
        collect={
            context.variable(name, key_line(name, body)): read_any_form(reader, body, f"value `{name}`")
            for name, body in collect.items()
        },
        transfers=context.texts(get["transfers"], "transfers of llm"),
        steps=_named(context, get["steps"], "steps of llm"),
        call_back=context.flag(get["call_back"], "call_back of llm", default=False),
        end=context.flag(get["end"], "end of llm", default=True),
    )
