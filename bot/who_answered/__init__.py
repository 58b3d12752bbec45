"""Who or what took a call: a supervisor beside the conversation, which never waits for it.

docs/explanation/who-answered.md tells what is looked at and when.
"""

from bot.who_answered.amd import verdict_of_amd
from bot.who_answered.greeting import Greeting, classify_greeting
from bot.who_answered.supervisor import Supervisor
from bot.who_answered.verdict import MACHINES, Answerer, Source, Verdict

__all__ = [
    "MACHINES",
    "Answerer",
    "Greeting",
    "Source",
    "Supervisor",
    "Verdict",
    "classify_greeting",
    "verdict_of_amd",
]
