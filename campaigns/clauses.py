"""The clauses of "may be dialled now" (VOCABULARY: Contact states), by the names that `explain` gives them."""

from __future__ import annotations

from enum import StrEnum


class Clause(StrEnum):
    """What can alone keep a contact from being dialled now."""

    CAMPAIGN_RUNNING = "campaign_running"
    CONTACT_STATE = "contact_state"
    #: Put off: by its schedule time, a retry's wait, an agreed call-back.
    NEXT_AT = "next_at"
    CAMPAIGN_WINDOW = "campaign_window"
    #: The contact's own time_from to time_to.
    OWN_WINDOW = "own_window"
    #: The contact's time zone is unknown, or its number may be in several.
    TIME_ZONE = "time_zone"
    #: The law of the contact's country, in the contact's zone.
    LEGAL_HOURS = "legal_hours"
    ATTEMPTS_LEFT = "attempts_left"
    DO_NOT_CALL = "do_not_call"
    #: The number is live in a campaign, this one or another.
    NUMBER_LIVE = "number_live"
    FREQUENCY_CAP = "frequency_cap"
    NO_CALL_BACK_PERIOD = "no_call_back_period"
    #: Calls at once: of the campaign, the account, the node.
    SLOT = "slot"
    TRUNK_OPEN = "trunk_open"
    TRUNK_CHANNEL = "trunk_channel"
    TRUNK_RATE = "trunk_rate"
    BUDGET = "budget"
    BALANCE = "balance"
