"""Simulated agents, to whom a customer is transferred: one who stays, one who hangs up, one busy, one never there.

An agent who answers listens until the whisper has ended, then makes the same rising sound again and again, so that it
can be found in what the customer heard and in a recording. The customer here makes a falling one all the time.
"""

from __future__ import annotations

from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Act, Answer, Chirp, HangUp, Persona, Reject, Repeat, RingOut, Wait, WaitForBot
from telephony.simulator.record import CallRecord
from telephony.simulator.sounds import chirp_pcm
from telephony.transfer import Target, TransferBy
from tests.support_sip import find

STAYS, LEAVES, BUSY, ABSENT = "+84280000001", "+84280000002", "+84280000003", "+84280000004"
SOUND = Chirp(from_hz=400, to_hz=3000, ms=500)
CUSTOMER_SOUND = Chirp(from_hz=3000, to_hz=400, ms=500)
_GAP_MS = 200


def agent(
    number: str,
    *,
    name: str = "agent",
    answer_after_ms: int = 200,
    whisper_max_ms: int = 5000,
    leaves_after: int | None = None,
) -> Persona:
    """Answers after a while, hears the whisper out, talks; hangs up after so many sounds, or stays.

    `whisper_max_ms`: talks after so long even if nothing was whispered; 0 talks at once.
    """
    hears: tuple[Act, ...] = (WaitForBot(silence_ms=400, max_ms=whisper_max_ms),) if whisper_max_ms else ()
    talks = Repeat((SOUND, Wait(_GAP_MS)), times=leaves_after)
    leaves: tuple[Act, ...] = () if leaves_after is None else (HangUp(),)
    return Persona((number,), name, Answer(answer_after_ms), (*hears, talks, *leaves))


def busy_agent(number: str) -> Persona:
    """Rejects with 486."""
    return Persona((number,), "busy agent", Reject(486))


def absent_agent(number: str) -> Persona:
    """Lets it ring."""
    return Persona((number,), "absent agent", RingOut())


def customer(number: str, *, answer_after_ms: int = 0, leaves_after: int | None = None) -> Persona:
    """Answers and makes the customer's sound; hangs up after so many, or stays."""
    leaves: tuple[Act, ...] = () if leaves_after is None else (HangUp(),)
    talks = Repeat((CUSTOMER_SOUND, Wait(_GAP_MS)), times=leaves_after)
    return Persona((number,), "customer", Answer(answer_after_ms), (talks, *leaves))


#: One of each kind, at the four numbers above.
AGENTS = (
    agent(STAYS, name="agent who stays"),
    agent(LEAVES, name="agent who hangs up", leaves_after=3),
    busy_agent(BUSY),
    absent_agent(ABSENT),
)


def target(number: str, *, by: TransferBy = TransferBy.SECOND_LEG, ring_s: float = 25.0) -> Target:
    return Target("sales", number, by, ring_s)


def pcm(sound: Chirp) -> bytes:
    """The sound as it leaves its maker, 8 kHz, to be found in what was heard."""
    return chirp_pcm(sound.from_hz, sound.to_hz, sound.ms, sound.level_db)


def has_sound(heard: bytes, sound: Chirp) -> bool:
    """Whether a 100 ms piece of the sound is in the last three seconds of audio at 8 kHz.

    One piece is enough: a busy machine loses packets, and a jitter buffer then spoils the others.
    """
    made, last = pcm(sound), heard[-48_000:]
    pieces = [made[at : at + 1600] for at in range(800, len(made) - 1600, 1600)]
    return any(find(piece, last)[1] > 0.8 for piece in pieces) if len(last) > 3200 else False


def calls_to(network: SimulatedNetwork, number: str) -> list[CallRecord]:
    """The records of the calls to a number, in order."""
    return [record for record in network.calls if record.invite.number == number]
