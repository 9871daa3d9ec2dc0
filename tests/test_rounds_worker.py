"""What a worker does, over a scripted link."""

from __future__ import annotations

import numpy as np
import pytest

from gradcode import design
from gradcode.rounds import RunPlan, serve

SIZE = 4


class ScriptedLink:
    """Hands out one model after the other, and writes down what the worker says; the rounds `closed` are over."""

    def __init__(self, *rounds, closed=()):
        self.orders = [(round_, np.full(SIZE, float(round_))) for round_ in rounds]
        self.closed = closed
        self.said = []

    def join(self):
        self.said.append("join")

    def receive(self):
        return self.orders.pop(0) if self.orders else None

    def wanted(self, round):
        return round not in self.closed

    def abandon(self, round):
        self.said.append(("abandon", round))

    def send_result(self, round, message, scalars, compute_seconds):
        assert compute_seconds >= 0
        self.said.append((round, message.tolist(), scalars))

    def send_failure(self, traceback):
        self.said.append(traceback.strip().splitlines()[-1])

    def leave(self):
        self.said.append("leave")


def plan_of(gradient, data=None):
    return RunPlan(
        main=print,
        scheme=design(2, stragglers=1, communication=1),
        gradient=gradient,
        gradient_size=SIZE,
        data=data,
        dtype="float64",
        wire_dtype=None,
        chunks=1,
        seed=0,
        goodbye_seconds=0.0,
        patience=2.0,
    )


def test_a_worker_answers_each_model_and_leaves():
    link = ScriptedLink(0, 1, 5, closed=(1,))
    serve(link, plan_of(lambda params, task: (2 * params, {"round": task.round})), 0)
    assert link.said == [
        "join",
        (0, [0.0] * SIZE, ({"round": 0.0},)),
        ("abandon", 1),
        (5, [10.0] * SIZE, ({"round": 5.0},)),
        "leave",
    ]


def test_what_the_gradient_raises_is_sent_and_the_worker_goes_on():
    def gradient(params, task):
        return params / 1 if task.round else 1 / 0

    link = ScriptedLink(0, 1)
    serve(link, plan_of(gradient), 1)
    assert link.said == ["join", "ZeroDivisionError: division by zero", (1, [1.0] * SIZE, ({},)), "leave"]


@pytest.mark.parametrize("error", [FileNotFoundError("no such share"), SystemExit("no such share")])
def test_a_worker_that_cannot_load_its_data_says_so_instead_of_joining(error):
    def load(subset):
        raise error

    link = ScriptedLink()
    serve(link, plan_of(lambda params, task: params, load), 0)
    assert link.said == [f"{type(error).__name__}: no such share", "leave"]
