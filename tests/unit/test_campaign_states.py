"""The tables of states say what VOCABULARY says, and refuse the rest."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from campaigns.errors import IllegalMove
from campaigns.states import (
    FINISHED,
    ON_THE_NETWORK,
    UNFINISHED,
    AttemptPhase,
    CampaignState,
    ContactState,
    is_terminal,
    move_attempt,
    move_campaign,
    move_contact,
)

_PATH = ["draft", "scheduled", "running", "paused", "running", "completed", "archived"]


def test_a_campaign_goes_its_way() -> None:
    for old, new in pairwise(_PATH):
        assert move_campaign(CampaignState(old), CampaignState(new)) is CampaignState(new)


@pytest.mark.parametrize(
    ("old", "new"), list(product(sorted(FINISHED), sorted(set(CampaignState) - {CampaignState.ARCHIVED})))
)
def test_an_ended_campaign_can_only_be_archived(old: CampaignState, new: CampaignState) -> None:
    with pytest.raises(IllegalMove, match="a campaign cannot go from"):
        move_campaign(old, new)


def test_an_archived_campaign_stays() -> None:
    for new in CampaignState:
        with pytest.raises(IllegalMove):
            move_campaign(CampaignState.ARCHIVED, new)


@pytest.mark.parametrize("state", ContactState)
def test_a_terminal_contact_goes_nowhere_and_another_one_somewhere(state: ContactState) -> None:
    ways = []
    for new in ContactState:
        try:
            ways.append(move_contact(state, new))
        except IllegalMove:
            continue
    assert bool(ways) is not is_terminal(state)


def test_only_a_call_ends_with_a_fault_or_a_wish_and_a_rule_with_a_result() -> None:
    for old in UNFINISHED - {ContactState.IN_PROGRESS}:
        for new in (ContactState.OPTED_OUT, ContactState.INVALID, ContactState.ERROR):
            with pytest.raises(IllegalMove):
                move_contact(old, new)
            assert move_contact(ContactState.IN_PROGRESS, new) is new
        assert move_contact(old, ContactState.DONE) is ContactState.DONE
    with pytest.raises(IllegalMove):
        move_contact(ContactState.HELD, ContactState.IN_PROGRESS)


@pytest.mark.parametrize(("old", "new"), list(product(AttemptPhase, repeat=2)))
def test_an_attempt_only_goes_forward(old: AttemptPhase, new: AttemptPhase) -> None:
    phases = list(AttemptPhase)
    if phases.index(new) > phases.index(old):
        assert move_attempt(old, new) is new
    else:
        with pytest.raises(IllegalMove, match="an attempt cannot go from"):
            move_attempt(old, new)


def test_a_claimed_attempt_is_not_on_the_network_yet() -> None:
    assert set(AttemptPhase) - ON_THE_NETWORK == {AttemptPhase.CREATED, AttemptPhase.WRAPUP, AttemptPhase.ENDED}
