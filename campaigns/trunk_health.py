"""A trunk's circuit breaker: what calls and probes say of it, and when it may be called over. Pure, without I/O.

healthy -> suspect (a call failed by its fault) -> paused (as many in a row as it is allowed, or one refusal of our
credentials or credit) -> trying (a probe found somebody there: one call at a time is let through) -> healthy, or
paused again for longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self, assert_never

from campaigns.settling import Settlement
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus, classify_sip

#: Calls in a row that fail by the trunk's fault before it is paused, unless its row says otherwise.
FAILURES_ALLOWED: Final = 5
#: Waits before the first probe of a paused trunk and after each one in vain, unless its row says otherwise; the last
#: is repeated.
BACK_OFF: Final = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 600))
#: Failing calls that are kept with the trunk.
CALLS_KEPT: Final = 10
_REASON_LENGTH: Final = 200
# Of a destination that is out of order somewhere behind the trunk (SIP 502; Q.850 27), nothing is told of the trunk.
_BAD_GATEWAY: Final = 502
_DESTINATION_OUT_OF_ORDER: Final = 27


class TrunkHealth(StrEnum):
    """Whether a trunk may be called over."""

    HEALTHY = "healthy"
    #: The last call, or the last few, failed by its fault; calls go on.
    SUSPECT = "suspect"
    #: No call is placed.
    PAUSED = "paused"
    #: One call at a time, until one shows that calls get through again.
    TRYING = "trying"


class Sign(StrEnum):
    """What one call says of its trunk."""

    #: The network took the call: it rang, was answered, or was refused for the callee's sake.
    WELL = "well"
    #: The call failed on its way out.
    FAULT = "fault"
    #: Credentials or credit were refused: every further call would fail too.
    REFUSED = "refused"
    #: It was picked up and brought us no audio: every further customer would hear silence too.
    DEAF = "deaf"
    #: Nothing: we called it off, or it was never placed.
    NOTHING = "nothing"


def read_sign(facts: Settlement) -> Sign:
    """What an ended call says of its trunk (docs/reference/call-outcomes.md)."""
    if facts.dialer_failed:
        return Sign.FAULT
    if facts.dial is None:
        return Sign.WELL if facts.end is not None or facts.answered_at is not None else Sign.NOTHING
    if facts.by_node:
        return Sign.NOTHING
    if facts.dial.no_audio:
        return Sign.DEAF
    return Sign.WELL if facts.dial.rang else _by_code(facts.dial) or _by_status(facts.dial)


def _by_code(dial: NotAnswered) -> Sign | None:
    if dial.sip_code is None or not 300 <= dial.sip_code <= 699:
        return None
    if classify_sip(dial.sip_code, rang=False).pause_trunk:
        return Sign.REFUSED
    # A redirection speaks of the callee; it is never followed.
    return Sign.NOTHING if dial.sip_code < 400 else None


def _by_status(dial: NotAnswered) -> Sign:
    match dial.dial_status:
        case DialStatus.CONGESTION | DialStatus.CHANUNAVAIL:
            return Sign.FAULT
        case DialStatus.ERROR:
            # Without a code it is our own doing: a header that may not be sent, a node that died.
            return Sign.NOTHING if dial.sip_code is None and dial.q850 is None else Sign.FAULT
        case DialStatus.OUT_OF_SERVICE:
            behind = dial.sip_code == _BAD_GATEWAY or dial.q850 == _DESTINATION_OUT_OF_ORDER
            return Sign.NOTHING if behind else Sign.WELL
        case DialStatus.CANCEL:
            return Sign.NOTHING
        case DialStatus.ANSWER | DialStatus.NOANSWER | DialStatus.BUSY | DialStatus.REJECTED | DialStatus.INVALID:
            return Sign.WELL
        case _:
            assert_never(dial.dial_status)


@dataclass(frozen=True)
class FailingCall:
    """A call that failed by the trunk's fault."""

    attempt_id: str
    at: datetime
    dial_status: str
    sip_code: int | None = None
    q850: int | None = None
    text: str | None = None

    @classmethod
    def of(cls, attempt_id: str, dial: NotAnswered) -> Self:
        return cls(attempt_id, dial.ended_at, dial.dial_status.value, dial.sip_code, dial.q850, dial.text)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "at": datetime.fromisoformat(data["at"])})

    def as_json(self) -> dict[str, Any]:
        """As the column `failing_calls` keeps it."""
        return vars(self) | {"at": self.at.isoformat()}

    @property
    def shown(self) -> str:
        """`401 Unauthorized`, or what is known of it."""
        text = self.text or self.dial_status
        return text if self.sip_code is None or str(self.sip_code) in text else f"{self.sip_code} {text}"


@dataclass(frozen=True)
class Breaker:
    """The health of one trunk; every move gives a new one. Fields are columns of the table trunks."""

    health: TrunkHealth = TrunkHealth.HEALTHY
    failures: int = 0
    failures_allowed: int = FAILURES_ALLOWED
    #: When the trunk was paused; kept until it is healthy again, so that one outage is one pause.
    paused_at: datetime | None = None
    pause_reason: str | None = None
    trials: int = 0
    probe_at: datetime | None = None
    trial_attempt_id: str | None = None
    failing_calls: Sequence[FailingCall] = ()
    #: Its own waits before probes, in seconds.
    probe_after_s: Sequence[float] | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The breaker as a row of the table trunks keeps it."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        calls = tuple(FailingCall.from_json(call) for call in row["failing_calls"])
        waits = row["probe_after_s"] and tuple(row["probe_after_s"])
        return cls(**values | {"health": TrunkHealth(row["health"]), "failing_calls": calls, "probe_after_s": waits})

    def as_row(self) -> dict[str, Any]:
        """The columns of the table trunks."""
        calls = [call.as_json() for call in self.failing_calls]
        waits = self.probe_after_s and list(self.probe_after_s)
        return vars(self) | {"health": self.health.value, "failing_calls": calls, "probe_after_s": waits}

    @property
    def is_closed(self) -> bool:
        """Whether calls wait for it."""
        return self.health in {TrunkHealth.PAUSED, TrunkHealth.TRYING}

    def admits(self, attempt_id: str) -> bool:
        """Whether this claimed attempt may be dialled now."""
        if self.health is TrunkHealth.TRYING:
            return self.trial_attempt_id == attempt_id
        return self.health is not TrunkHealth.PAUSED

    def room(self, free: int) -> int:
        """How many of so many free channels may be claimed."""
        match self.health:
            case TrunkHealth.HEALTHY | TrunkHealth.SUSPECT:
                return free
            case TrunkHealth.PAUSED:
                return 0
            case TrunkHealth.TRYING:
                return min(free, 1) if self.trial_attempt_id is None else 0
            case _:
                assert_never(self.health)

    def tries(self, attempt_id: str) -> Breaker:
        """The trial call is claimed."""
        return replace(self, trial_attempt_id=attempt_id)

    def ended(self, attempt_id: str) -> Breaker:
        """An attempt is over without a sign; if it was the trial, another may be tried."""
        return replace(self, trial_attempt_id=None) if self.trial_attempt_id == attempt_id else self

    def well(self, attempt_id: str, at: datetime) -> Breaker:
        """A call got through at this instant."""
        match self.health:
            case TrunkHealth.HEALTHY:
                return self
            case TrunkHealth.SUSPECT:
                # What rang before the last failure says nothing of the time after it.
                return self if self.failing_calls and at < self.failing_calls[-1].at else self.resumed()
            case TrunkHealth.PAUSED:
                return self
            case TrunkHealth.TRYING:
                return self.resumed() if self.trial_attempt_id == attempt_id else self
            case _:
                assert_never(self.health)

    def failed(self, sign: Sign, call: FailingCall, now: datetime) -> Breaker:
        """A call failed by the trunk's fault, or was refused."""
        before = () if self.health is TrunkHealth.HEALTHY else self.failing_calls
        noted = replace(self, failures=self.failures + 1, failing_calls=(*before, call)[-CALLS_KEPT:])
        match self.health:
            case TrunkHealth.PAUSED:
                return noted
            case TrunkHealth.TRYING:
                # Calls from before the pause may still be ending; the trial alone decides.
                return noted._paused(self._reason(sign, noted, call), now) if self._is_trial(call) else noted
            case TrunkHealth.HEALTHY | TrunkHealth.SUSPECT:
                if sign is not Sign.FAULT or noted.failures >= self.failures_allowed:
                    return noted._paused(self._reason(sign, noted, call), now)
                return replace(noted, health=TrunkHealth.SUSPECT)
            case _:
                assert_never(self.health)

    def probed(self, *, ok: bool, now: datetime) -> Breaker:
        """A probe of a paused trunk has come back."""
        if self.health is not TrunkHealth.PAUSED or self.probe_at is None:
            return self
        # Some networks never answer a probe: in the end only a call can tell, and its contact is spared.
        if ok or self.trials >= len(self._waits) - 1:
            return replace(self, health=TrunkHealth.TRYING, probe_at=None, trial_attempt_id=None)
        trials = self.trials + 1
        return replace(self, trials=trials, probe_at=now + self._wait(trials))

    def paused(self, reason: str, now: datetime) -> Breaker:
        """A person wants no call on it, until a person resumes it."""
        first = self.paused_at or now
        paused = replace(self, health=TrunkHealth.PAUSED, trial_attempt_id=None, probe_at=None)
        return replace(paused, paused_at=first, pause_reason=reason[:_REASON_LENGTH])

    def resumed(self) -> Breaker:
        """Healthy; the failing calls are kept to be looked at."""
        return Breaker(
            failures_allowed=self.failures_allowed,
            failing_calls=self.failing_calls,
            probe_after_s=self.probe_after_s,
        )

    @property
    def _waits(self) -> Sequence[timedelta]:
        return [timedelta(seconds=wait_s) for wait_s in self.probe_after_s] if self.probe_after_s else BACK_OFF

    def _wait(self, trials: int) -> timedelta:
        return self._waits[min(trials, len(self._waits) - 1)]

    def _is_trial(self, call: FailingCall) -> bool:
        return self.trial_attempt_id == call.attempt_id

    def _reason(self, sign: Sign, noted: Breaker, call: FailingCall) -> str:
        if sign is Sign.REFUSED:
            return f"the trunk refused us: {call.shown}"
        if sign is Sign.DEAF:
            return f"a call was picked up and brought no audio: {call.shown}"
        many = "1 call" if noted.failures == 1 else f"{noted.failures} calls in a row"
        return f"{many} failed, the last with: {call.shown}"

    def _paused(self, reason: str, now: datetime) -> Breaker:
        trials = self.trials + (self.paused_at is not None)
        return replace(
            self,
            health=TrunkHealth.PAUSED,
            paused_at=self.paused_at or now,
            pause_reason=reason[:_REASON_LENGTH],
            trials=trials,
            probe_at=now + self._wait(trials),
            trial_attempt_id=None,
        )
