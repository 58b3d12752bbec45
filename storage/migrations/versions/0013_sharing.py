"""How campaigns share lines and accounts; the order of dialling is kept for those alone who may be called now."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_Indexes = Mapping[str, tuple[Sequence[Any], str | None]]

_QUEUED = "state IN ('pending', 'retry_wait')"
_PRIORITY: Any = sa.literal_column("priority DESC")
_IN_ORDER = ["campaign_id", "attempts", _PRIORITY, "id"]
_BEFORE: _Indexes = {
    "ix_contacts_due": (["campaign_id", "state", "next_at"], None),
    "ix_contacts_order": (_IN_ORDER, _QUEUED),
    "ix_contacts_own_window": (_IN_ORDER, "time_from IS NOT NULL"),
}
_SINCE: _Indexes = {
    "ix_contacts_state": (["campaign_id", "state"], None),
    "ix_contacts_order": (_IN_ORDER, f"{_QUEUED} AND next_at IS NULL AND time_from IS NULL"),
    "ix_contacts_own_window": (_IN_ORDER, f"{_QUEUED} AND next_at IS NULL AND time_from IS NOT NULL"),
    "ix_contacts_put_off": (
        ["campaign_id", "next_at", "attempts", _PRIORITY, "id"],
        f"{_QUEUED} AND next_at IS NOT NULL",
    ),
    "ix_contacts_callback": (["campaign_id", "next_at", "id"], "state = 'callback'"),
}
_LIVE = "phase != 'ended'"


def upgrade() -> None:
    for table, column in (
        ("accounts", sa.Column("concurrency", sa.Integer(), nullable=True)),
        ("campaigns", sa.Column("share", sa.Integer(), nullable=False, server_default="1")),
        ("campaigns", sa.Column("share_turn", sa.BigInteger(), nullable=False, server_default="0")),
        ("campaigns", sa.Column("callback_reserve", sa.Integer(), nullable=False, server_default="0")),
        ("campaigns", sa.Column("slow_start", sa.JSON(), nullable=True)),
        ("campaigns", sa.Column("running_since", sa.BigInteger(), nullable=True)),
    ):
        op.add_column(table, column)
    op.execute("UPDATE campaigns SET running_since = started_at")
    due = sa.text(f"UPDATE contacts SET next_at = NULL WHERE {_QUEUED} AND next_at <= :now")  # noqa: S608 - a constant
    op.execute(due.bindparams(now=int(time.time() * 1000)))
    op.execute("UPDATE contacts SET next_at = 0 WHERE state = 'callback' AND next_at IS NULL")
    _replace("contacts", _BEFORE, _SINCE)
    _replace("attempts", _live(["campaign_id", "trunk", "phase"]), _live(["campaign_id", "trunk", "phase", "origin"]))


def downgrade() -> None:
    _replace("attempts", _live(["campaign_id", "trunk", "phase", "origin"]), _live(["campaign_id", "trunk", "phase"]))
    _replace("contacts", _SINCE, _BEFORE)
    for name in ("running_since", "slow_start", "callback_reserve", "share_turn", "share"):
        op.drop_column("campaigns", name)
    op.drop_column("accounts", "concurrency")


def _live(columns: Sequence[str]) -> _Indexes:
    return {"ix_attempts_live": (columns, _LIVE)}


def _replace(table: str, old: _Indexes, new: _Indexes) -> None:
    for name in old:
        op.drop_index(name, table_name=table)
    for name, (columns, where) in new.items():
        partial: dict[str, Any] = (
            {f"{engine}_where": sa.text(where) for engine in ("sqlite", "postgresql")} if where else {}
        )
        op.create_index(name, table, list(columns), **partial)
