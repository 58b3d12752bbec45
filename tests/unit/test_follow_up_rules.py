"""Post-conditions as pure functions: each condition decides alone, each effect is what the file says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.codes import CodeError, CodeTable
from campaigns.columns import read_header
from campaigns.errors import BadFollowUp
from campaigns.followup_rules import numbered, parse_follow_ups
from campaigns.followups import Situation, follow
from campaigns.listfile import Record
from campaigns.retargeting import is_due, parse_retarget
from campaigns.retries import Outcome
from campaigns.rows import RowRules, RowStatus, check_row
from campaigns.states import ContactState
from campana.definition import DefinitionError, load_definition

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HERE = Situation(
    now=NOW,
    entered_at=NOW - timedelta(hours=48),
    first_called_at=NOW - timedelta(hours=6),
    attempts=2,
    last=Outcome("BUSY", "BS"),
    priority=5,
    language="vi",
    bot_id=7,
    variables={"sum": "5"},
    time_zone="Asia/Ho_Chi_Minh",
)


def _holds(when: dict[str, Any], situation: Situation = HERE) -> bool:
    return bool(follow(numbered([{"when": when, "then": {"priority": 99}}]), situation, goes_on=True).values)


@pytest.mark.parametrize(
    ("holds", "fails"),
    [
        ({"waiting_h": 48}, {"waiting_h": 48.01}),
        ({"waiting_days": 2}, {"waiting_days": 3}),
        ({"waiting_h": 6, "since": "first_attempt"}, {"waiting_h": 7, "since": "first_attempt"}),
        ({"attempts": 2}, {"attempts": 3}),
        ({"attempts_at_most": 2}, {"attempts_at_most": 1}),
        ({"last": ["no answer", "busy"]}, {"last": ["no answer"]}),
        ({"last": ["code:BS"]}, {"last": ["code:NA"]}),
        ({"priority_at_least": 5}, {"priority_at_least": 6}),
        ({"priority_at_most": 5}, {"priority_at_most": 4}),
        ({"language": ["en", "vi"]}, {"language": "en"}),
        ({"bot": "Lan", "bot_ids": [6, 7]}, {"bot": "Lan", "bot_ids": [6]}),
    ],
)
def test_each_condition_alone_decides(holds: dict[str, Any], fails: dict[str, Any]) -> None:
    assert _holds(holds)
    assert not _holds(fails)
    assert not _holds(holds | fails | {"attempts": 9})


def test_what_is_not_known_of_a_contact_meets_no_condition() -> None:
    assert not _holds({"waiting_h": 0}, replace(HERE, entered_at=None))
    assert not _holds({"waiting_h": 0, "since": "first_attempt"}, replace(HERE, first_called_at=None))
    assert not _holds({"last": ["busy"]}, replace(HERE, last=None))
    assert not _holds({"language": ["en"]}, replace(HERE, language=None))


def _then(*then: dict[str, Any], goes_on: bool = True) -> Any:
    return follow(numbered([{"when": {"attempts": 1}, "then": each} for each in then]), HERE, goes_on=goes_on)


def test_effects_are_told_only_where_they_change_something() -> None:
    followed = _then(
        {"priority": 5, "language": "vi", "variables": {"sum": 5}}, {"priority": 6, "bot_id": 8, "bot": "B"}
    )
    assert followed.values == {"priority": 6, "bot_id": 8}
    assert followed.applied == [{"rule": 2, "priority": 6, "bot_id": 8}]


def test_of_two_rules_the_later_decides_and_variables_add_up() -> None:
    followed = _then({"priority": 1, "variables": {"a": "1", "b": "1"}}, {"priority": 2, "variables": {"b": "2"}})
    assert followed.values == {"priority": 2, "variables": {"sum": "5", "a": "1", "b": "2"}}
    assert [told["rule"] for told in followed.applied] == [1, 2]


@pytest.mark.parametrize(
    ("then", "at"),
    [
        ({"call_after_min": 90}, NOW + timedelta(minutes=90)),
        # 09:00 UTC is 16:00 in Vietnam.
        ({"call_at": "16:01"}, NOW + timedelta(minutes=1)),
        ({"call_at": "16:00"}, NOW + timedelta(days=1)),
        ({"call_at": "08:30"}, NOW + timedelta(hours=16.5)),
    ],
)
def test_the_next_call_is_set(then: dict[str, Any], at: datetime) -> None:
    assert _then(then).call_at == at
    assert _then(then, goes_on=False).call_at is None


def test_a_time_of_the_day_stays_what_clocks_show_when_they_are_changed() -> None:
    evening = replace(HERE, now=datetime(2026, 3, 28, 19, 0, tzinfo=UTC), time_zone="Europe/Paris")
    rules = numbered([{"when": {"attempts": 1}, "then": {"call_at": "18:30"}}])
    assert follow(rules, evening, goes_on=True).call_at == datetime(2026, 3, 29, 16, 30, tzinfo=UTC)


def test_a_rule_that_ends_a_contact_is_the_last() -> None:
    end = {"end": {"state": "done", "reason": "enough"}}
    followed = _then({"call_after_min": 5}, end, {"priority": 9})
    assert (followed.values, followed.call_at) == ({}, None)
    assert followed.end is not None
    assert (followed.end.state, followed.end.reason) == (ContactState.DONE, "enough")
    gone = _then({"end": "cancelled"}, {"priority": 9}, goes_on=False)
    assert (gone.end, gone.values) == (None, {"priority": 9})


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("later", "rule 1: write `when` and `then`"),
        ({"when": {"attempts": 1}, "then": {"priority": 1}, "else": {}}, "rule 1: else: unknown field"),
        ({"when": {}, "then": {"priority": 1}}, "when: name at least one condition: waiting_h"),
        ({"when": {"attempts": 1}, "then": {}}, "then: name at least one effect: priority"),
        ({"when": {"attempt": 1}, "then": {"priority": 1}}, r"when\.attempt: unknown field; known are waiting_h"),
        ({"when": {"attempts": "two"}, "then": {"priority": 1}}, r"when\.attempts: 'two' must be a whole number"),
        ({"when": {"waiting_h": "long"}, "then": {"priority": 1}}, r"when\.waiting_h: 'long' is no number"),
        ({"when": {"waiting_h": -1}, "then": {"priority": 1}}, r"when\.waiting_h: -1 must be a number from 0"),
        ({"when": {"waiting_h": 1, "waiting_days": 1}, "then": {"priority": 1}}, "give the waiting time once"),
        ({"when": {"since": "import"}, "then": {"priority": 1}}, r"when\.since: says from when waiting_h"),
        ({"when": {"waiting_h": 1, "since": "birth"}, "then": {"priority": 1}}, "'birth' must be one of import, first"),
        ({"when": {"last": ["bussy"]}, "then": {"priority": 1}}, r"when\.last: unknown outcome 'bussy'; write code:XY"),
        ({"when": {"language": 1}, "then": {"priority": 1}}, r"when\.language: write one language"),
        ({"when": {"attempts": 1}, "then": {"call_at": "8:30"}}, r"then\.call_at: '8:30' is no time of the day"),
        ({"when": {"attempts": 1}, "then": {"call_at": "08:30", "call_after_min": 1}}, "call next once"),
        ({"when": {"attempts": 1}, "then": {"variables": {"Due Date": 1}}}, "'Due Date' is no variable's name"),
        ({"when": {"attempts": 1}, "then": {"variables": {"due": []}}}, r"then\.variables\.due: \[\] must be a text"),
        ({"when": {"attempts": 1}, "then": {"end": "dnc_blocked"}}, "must be one of done, exhausted, cancelled"),
        ({"when": {"attempts": 1}, "then": {"end": {"state": "done", "why": "x"}}}, r"then\.end\.why: unknown field"),
        ({"when": {"attempts": 1}, "then": {"language": ""}}, r"then\.language: '' must be a text"),
        ({"when": {"attempts": 1}, "then": {"language": "English"}}, r"then\.language: 'English' is no language tag"),
        ({"when": {"attempts": 1}, "then": {"priority": 1001}}, r"then\.priority: 1001 must be .* from -1000 to 1000"),
        ({"when": {"priority_at_least": -1001}, "then": {"priority": 1}}, "-1001 must be .* from -1000 to 1000"),
    ],
)
def test_a_mistake_is_told_with_rule_field_and_remedy(rule: Any, complaint: str) -> None:
    with pytest.raises(BadFollowUp, match=complaint):
        parse_follow_ups([rule])


def test_what_a_rule_sets_is_what_a_contact_list_may_bring() -> None:
    for priority, language in ((-1000, "vi"), (1000, "en_GB")):
        (rule,) = parse_follow_ups([{"when": {"attempts": 1}, "then": {"priority": priority, "language": language}}])
        columns = read_header(["phone", "priority", "language"], source="l.csv")
        record = Record(2, ("+84901234567", str(rule.then.priority), str(rule.then.language)))
        row = check_row(record, RowRules(columns, "VN", "UTC"))
        assert (row.status, row.detail) == (RowStatus.ACCEPTED, "")
        assert row.fields == {"priority": rule.then.priority, "language": rule.then.language}


@pytest.mark.parametrize(
    ("statuses", "due"),
    [
        (["BUSY", "NOANSWER"], True),
        (["BUSY"], False),
        (["BUSY", "VOICEMAIL"], False),
        (["BUSY", "USER_HANGUP", "REJECTED"], True),
        (["CANCELLED", "BUSY"], False),
        (["BUSY", "NOANSWER", "USER_HANGUP"], False),
    ],
)
def test_a_contact_leaves_after_so_many_calls_that_nobody_took(statuses: list[str], due: bool) -> None:
    assert is_due(2, [Outcome(status, "") for status in statuses]) is due


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("B", "retarget: write {after_unanswered"),
        ({"after_unanswered": 1, "campaign": "B", "x": 1}, r"retarget\.x: unknown field"),
        ({"after_unanswered": 0, "campaign": "B"}, "0 must be a whole number, 1 or more"),
        ({"after_unanswered": 4, "campaign": "B"}, "no contact is called more than max_attempts: 3"),
        ({"after_unanswered": 1}, r"retarget\.campaign: write the code"),
        ({"after_unanswered": 1, "campaign": "A"}, "A is this campaign itself"),
    ],
)
def test_a_mistake_in_retargeting_is_told_with_its_remedy(data: Any, complaint: str) -> None:
    with pytest.raises(BadFollowUp, match=complaint):
        parse_retarget(data, code="A", max_attempts=3)


_FILE = "name: A\ncode: A1\nscript: s.yaml\ntariff: t.yaml\ntrunk: carrier\n"


def test_the_campaign_file_takes_them_and_tells_mistakes_with_their_fields(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        _FILE + "max_attempts: 3\nretarget: {after_unanswered: 3, campaign: SMS}\n"
        "post_conditions:\n  - {when: {waiting_days: 2}, then: {end: {state: done, reason: late}}}\n"
        'codes: {NA: KNM, PTP: {generic_result: Completed, class: success, rank: 1, colour: "#2a9d8f", group: Pays}}\n'
    )
    definition = load_definition(file)
    assert definition.retarget == {"after_unanswered": 3, "campaign": "SMS"}
    assert definition.post_conditions[0]["when"] == {"waiting_days": 2}
    file.write_text(
        _FILE + "retarget: {after_unanswered: 0, campaign: SMS}\ncodes: {PTP: {generic_result: Paid}}\n"
        "post_conditions: [{when: {waitin_h: 1}, then: {priority: 1}}]\n"
    )
    with pytest.raises(DefinitionError) as caught:
        load_definition(file)
    assert "post_conditions: rule 1: when.waitin_h: unknown field" in str(caught.value)
    assert "codes: codes.PTP.generic_result: must be one of Completed" in str(caught.value)
    file.write_text(_FILE + "retarget: {after_unanswered: 2, campaign: SMS}\n")
    with pytest.raises(DefinitionError, match=r"retarget\.after_unanswered: 2, but no contact is called more than"):
        load_definition(file)


def test_codes_have_a_place_a_group_and_a_colour_for_their_editor() -> None:
    own = {"generic_result": "Completed", "class": "success"}
    table = CodeTable.from_json(
        {
            "NA": "KNM",
            "LATER": own | {"group": "Pays", "rank": 2},
            "PTP": own | {"group": "Pays", "rank": 1, "colour": "#2a9d8f", "title": "Promised"},
        }
    )
    codes = table.codes()
    assert [row.code for row in codes[:3]] == ["PTP", "LATER", "HUP"]
    assert (codes[0].colour, codes[0].title, codes[0].group) == ("#2a9d8f", "Promised", "Pays")
    assert "KNM" in {row.code for row in codes}
    assert not {"NA", "XC"} & {row.code for row in codes}
    assert [table.chosen(code) is not None for code in ("PTP", "KNM", "NA", "XC", "NEW")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [({"rank": -1}, "PTP.rank: -1"), ({"colour": "red"}, "PTP.colour: 'red'"), ({"group": ""}, "PTP.group: ''")],
)
def test_a_code_that_cannot_be_shown_is_refused(extra: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CodeError, match=complaint):
        CodeTable.from_json({"PTP": {"generic_result": "Completed", "class": "success"} | extra})
