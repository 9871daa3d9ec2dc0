"""The coded round: a pure state machine, the seam to an engine, and the cluster that joins the two."""

from gradcode.rounds.cluster import Cluster, RoundRecord
from gradcode.rounds.engine import Abandoned, Arrived, Engine, Event, Failed, Joined, Traffic
from gradcode.rounds.interrupts import Interrupts
from gradcode.rounds.machine import Action, Arrival, Close, Count, Discard, Finish, Rounds, Send

__all__ = [
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
    "Interrupts",
    "Joined",
    "RoundRecord",
    "Rounds",
    "Send",
    "Traffic",
]
