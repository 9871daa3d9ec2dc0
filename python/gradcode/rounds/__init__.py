"""Coded rounds: a pure state machine, the master's and the workers' part, and the interfaces of an engine.

An engine carries models and messages. It implements `Engine` at the master and `WorkerLink` at each worker; `Cluster`
and `serve` do the rest.
"""

from gradcode.rounds.cluster import PATIENCE, Cluster
from gradcode.rounds.engine import Abandoned, Arrived, Engine, Event, Failed, Joined, Traffic
from gradcode.rounds.interrupts import Interrupts
from gradcode.rounds.machine import Action, Close, Count, Rounds, Send
from gradcode.rounds.plan import RunPlan
from gradcode.rounds.records import RoundRecord
from gradcode.rounds.share import Share
from gradcode.rounds.task import Gradient, Load, Task, task_seed
from gradcode.rounds.worker import WorkerLink, serve

__all__ = [
    "PATIENCE",
    "Abandoned",
    "Action",
    "Arrived",
    "Close",
    "Cluster",
    "Count",
    "Engine",
    "Event",
    "Failed",
    "Gradient",
    "Interrupts",
    "Joined",
    "Load",
    "RoundRecord",
    "Rounds",
    "RunPlan",
    "Send",
    "Share",
    "Task",
    "Traffic",
    "WorkerLink",
    "serve",
    "task_seed",
]
