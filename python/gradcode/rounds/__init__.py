"""The coded round: a pure state machine, the seam to an engine, and what master and workers do on either side of it."""

from gradcode.rounds.cluster import PATIENCE, Cluster, RoundRecord
from gradcode.rounds.engine import Abandoned, Arrived, Engine, Event, Failed, Joined, Traffic
from gradcode.rounds.interrupts import Interrupts
from gradcode.rounds.machine import Action, Arrival, Close, Count, Discard, Finish, Rounds, Send
from gradcode.rounds.plan import Plan
from gradcode.rounds.share import Share
from gradcode.rounds.task import Gradient, Load, Task, task_seed

__all__ = [
    "PATIENCE",
    "Abandoned",
    "Action",
    "Arrival",
    "Arrived",
    "Close",
    "Cluster",
    "Count",
    "Discard",
    "Engine",
    "Event",
    "Failed",
    "Finish",
    "Gradient",
    "Interrupts",
    "Joined",
    "Load",
    "Plan",
    "RoundRecord",
    "Rounds",
    "Send",
    "Share",
    "Task",
    "Traffic",
    "task_seed",
]
