"""The first schema.

Types are the stored ones (an instant is a BIGINT of milliseconds), so that a later change of a column type in
storage.types cannot alter this step.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=2), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_at"])

    op.create_table(
        "trunks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("cps", sa.Float(), nullable=False),
        sa.Column("next_call_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trunks"),
    )
    op.create_table(
        "bots",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("voice", sa.String(length=64), nullable=False),
        sa.Column("speed", sa.Float(), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_bots_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_bots"),
        sa.UniqueConstraint("account_id", "name", "version", name="uq_bots_account_id_name_version"),
    )
    op.create_table(
        "tariffs",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_tariffs_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tariffs"),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("script_type", sa.String(length=16), nullable=False),
        sa.Column("bot_id", ID, nullable=False),
        sa.Column("tariff_id", ID, nullable=False),
        sa.Column("trunk", sa.String(length=64), nullable=False),
        sa.Column("caller_id", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("region", sa.String(length=2), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=True),
        sa.Column("end_at", sa.BigInteger(), nullable=True),
        sa.Column("windows", sa.JSON(), nullable=False),
        sa.Column("weekdays", sa.JSON(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("max_call_s", sa.Integer(), nullable=False),
        sa.Column("ring_timeout_s", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("retry_rules", sa.JSON(), nullable=False),
        sa.Column("codes", sa.JSON(), nullable=False),
        sa.Column("report_emails", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_campaigns_account_id"),
        sa.ForeignKeyConstraint(["bot_id"], ["bots.id"], name="fk_campaigns_bot_id"),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariffs.id"], name="fk_campaigns_tariff_id"),
        sa.ForeignKeyConstraint(["trunk"], ["trunks.name"], name="fk_campaigns_trunk"),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        sa.UniqueConstraint("account_id", "code", name="uq_campaigns_account_id_code"),
    )
    op.create_table(
        "list_imports",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("result_path", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_list_imports_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_list_imports"),
    )
    op.create_table(
        "contacts",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("import_id", ID, nullable=True),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("phone", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("external_key", sa.String(length=48), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("time_from", sa.String(length=5), nullable=True),
        sa.Column("time_to", sa.String(length=5), nullable=True),
        sa.Column("caller_id", sa.String(length=32), nullable=True),
        sa.Column("variables", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("last_attempt_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_contacts_campaign_id"),
        sa.ForeignKeyConstraint(["import_id"], ["list_imports.id"], name="fk_contacts_import_id"),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
        sa.UniqueConstraint("campaign_id", "external_key", name="uq_contacts_campaign_id_external_key"),
    )
    op.create_index("ix_contacts_due", "contacts", ["campaign_id", "state", "next_at"])
    op.create_index("ix_contacts_number", "contacts", ["number"])
    op.create_index(
        "ix_contacts_order",
        "contacts",
        ["campaign_id", "attempts", sa.literal_column("priority DESC"), "id"],
        sqlite_where=sa.text("state IN ('pending', 'retry_wait')"),
        postgresql_where=sa.text("state IN ('pending', 'retry_wait')"),
    )
    op.create_index(
        "ix_contacts_own_window",
        "contacts",
        ["campaign_id", "attempts", sa.literal_column("priority DESC"), "id"],
        sqlite_where=sa.text("time_from IS NOT NULL"),
        postgresql_where=sa.text("time_from IS NOT NULL"),
    )

    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("bot_id", ID, nullable=False),
        sa.Column("trunk", sa.String(length=64), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("call_type", sa.String(length=16), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("caller_id", sa.String(length=32), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("originated_at", sa.BigInteger(), nullable=True),
        sa.Column("ringing_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("acw_ms", sa.Integer(), nullable=False),
        sa.Column("dial_status", sa.String(length=16), nullable=True),
        sa.Column("call_status", sa.String(length=20), nullable=True),
        sa.Column("action_code", sa.String(length=32), nullable=True),
        sa.Column("code_class", sa.String(length=16), nullable=True),
        sa.Column("code_family", sa.String(length=32), nullable=True),
        sa.Column("generic_result", sa.String(length=16), nullable=True),
        sa.Column("hangup_by", sa.String(length=16), nullable=True),
        sa.Column("amd", sa.String(length=16), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("q850", sa.Integer(), nullable=True),
        sa.Column("network_text", sa.String(length=200), nullable=True),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.Column("spoke", sa.Boolean(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("answer_to_first_word_ms", sa.Integer(), nullable=True),
        sa.Column("blocks", sa.Integer(), nullable=False),
        sa.Column("billable_s", sa.Integer(), nullable=False),
        sa.Column("tariff_snapshot", sa.JSON(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cost_bot", sa.BigInteger(), nullable=True),
        sa.Column("cost_telecom", sa.BigInteger(), nullable=True),
        sa.Column("cost_fees", sa.BigInteger(), nullable=True),
        sa.Column("cost_vat", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_attempts_account_id"),
        sa.ForeignKeyConstraint(["bot_id"], ["bots.id"], name="fk_attempts_bot_id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_attempts_campaign_id"),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name="fk_attempts_contact_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_account_time", "attempts", ["account_id", "originated_at"])
    op.create_index("ix_attempts_campaign", "attempts", ["campaign_id", "originated_at"])
    op.create_index("ix_attempts_contact", "attempts", ["contact_id"])
    op.create_index(
        "ix_attempts_live",
        "attempts",
        ["campaign_id", "trunk", "phase"],
        sqlite_where=sa.text("phase != 'ended'"),
        postgresql_where=sa.text("phase != 'ended'"),
    )
    op.create_index(
        "uq_attempts_live_contact",
        "attempts",
        ["contact_id"],
        unique=True,
        sqlite_where=sa.text("phase != 'ended'"),
        postgresql_where=sa.text("phase != 'ended'"),
    )
    op.create_index(
        "uq_attempts_live_number",
        "attempts",
        ["number"],
        unique=True,
        sqlite_where=sa.text("phase != 'ended'"),
        postgresql_where=sa.text("phase != 'ended'"),
    )

    op.create_table(
        "attempt_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("from_phase", sa.String(length=16), nullable=True),
        sa.Column("to_phase", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_attempt_events_attempt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt_events"),
    )
    op.create_index("ix_attempt_events_attempt_id", "attempt_events", ["attempt_id"])

    op.create_table(
        "do_not_call",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_do_not_call_account_id"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_do_not_call_attempt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_do_not_call"),
        sa.UniqueConstraint("account_id", "number", name="uq_do_not_call_account_id_number"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("posting_key", sa.String(length=96), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("book", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_ledger_entries_account_id"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_ledger_entries_attempt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_entries"),
        sa.UniqueConstraint("posting_key", "book", name="uq_ledger_entries_posting_key_book"),
    )
    op.create_index("ix_ledger_entries_account_id_book", "ledger_entries", ["account_id", "book"])
    op.create_index("ix_ledger_entries_attempt_id", "ledger_entries", ["attempt_id"])

    op.create_table(
        "recordings",
        sa.Column("id", ID, nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("rate_hz", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_recordings_attempt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
        sa.UniqueConstraint("attempt_id", name="uq_recordings_attempt_id"),
    )
    op.create_table(
        "turns",
        sa.Column("id", ID, nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("turn_no", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.String(length=8), nullable=False),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=True),
        sa.Column("intent", sa.String(length=64), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("stt_ms", sa.Integer(), nullable=True),
        sa.Column("voice_to_voice_ms", sa.Integer(), nullable=True),
        sa.Column("barge_in_stop_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_turns_attempt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
        sa.UniqueConstraint("attempt_id", "turn_no", name="uq_turns_attempt_id_turn_no"),
    )


def downgrade() -> None:
    for table in (
        "turns",
        "recordings",
        "ledger_entries",
        "do_not_call",
        "attempt_events",
        "attempts",
        "contacts",
        "list_imports",
        "campaigns",
        "tariffs",
        "bots",
        "trunks",
        "outbox",
        "accounts",
    ):
        op.drop_table(table)
