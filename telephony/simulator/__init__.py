"""Simulated customers: real SIP and RTP on loopback, behaving as their personas say."""

from telephony.simulator.errors import PersonaError, SimulatorError
from telephony.simulator.lines import Lines, Synthesise, render
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Persona
from telephony.simulator.persona_file import load_personas
from telephony.simulator.process import SimulatorProcess
from telephony.simulator.record import CallRecord, Invite

__all__ = [
    "CallRecord",
    "Invite",
    "Lines",
    "Persona",
    "PersonaError",
    "SimulatedNetwork",
    "SimulatorError",
    "SimulatorProcess",
    "Synthesise",
    "load_personas",
    "render",
]
