"""PyTorch modules in a coded cluster: the gradients, the optimisers and the random numbers are those of one process."""

from __future__ import annotations

import subprocess
import sys
import threading
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="gradcode.torch is for users of PyTorch, which is not installed")

import gradcode.local  # noqa: E402 - after the skip
from gradcode.errors import GradCodeError, WorkerFailed  # noqa: E402
from gradcode.rounds import Task, task_seed  # noqa: E402
from gradcode.schemes import Subset  # noqa: E402
from gradcode.torch import FlatParameters, batch, gradient  # noqa: E402

nn = torch.nn

SCHEME = gradcode.design(n_workers=6, stragglers=1, communication=2)
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(101, 4, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(3, (101,), generator=GENERATOR)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_module(dropout=0.0, dtype=torch.float64):
    torch.manual_seed(3)
    layers = nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3)
    return nn.Sequential(*layers).to(dtype)


def make_dropout_module():
    return make_module(dropout=0.5)


def load(subset):
    rows = subset.slice(len(X))
    return X[rows], Y[rows]


def loss(module, task):
    inputs, targets = task.data
    return nn.functional.cross_entropy(module(inputs), targets, reduction="sum")


def whole_loss(module):
    return nn.functional.cross_entropy(module(X), Y, reduction="sum")


def run(main, flat, make=make_module, loss=loss, scheme=SCHEME, **options):
    arguments = {"gradient_size": flat.size, "dtype": flat.dtype, "data": load} | options
    return gradcode.local.run(main, scheme, gradient(make, loss), **arguments)


def make_task(data=None, worker=0, round=0, seed=0, wanted=lambda round: True):
    subset = Subset(0, Fraction(0), Fraction(1))
    return Task(load(subset) if data is None else data, subset, 0, worker, round, seed, wanted)


def parameters(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()]).numpy().copy()


# -- the vector ----------------------------------------------------------------------------------------------------


def test_parameters_become_views_of_one_vector():
    module = make_module()
    values = [p.detach().clone() for p in module.parameters()]
    flat = FlatParameters(module)
    assert (flat.size, flat.dtype) == (4 * 8 + 8 + 8 * 3 + 3, np.dtype("float64"))
    start = 0
    for p, value in zip(module.parameters(), values, strict=True):
        assert torch.equal(p, value)
        assert p.data_ptr() == flat.vector[start:].data_ptr()
        start += p.numel()
    assert start == flat.size
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    before = flat.vector.clone()
    whole_loss(module).backward()
    optimiser.step()
    assert torch.equal(flat.vector, before - torch.cat([p.grad.flatten() for p in module.parameters()]))


def test_tied_parameters_are_counted_once_and_frozen_ones_not_at_all():
    module = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False), nn.Linear(5, 2))
    module[1].weight = module[0].weight
    module[2].weight.requires_grad = False
    frozen = module[2].weight.data_ptr()
    flat = FlatParameters(module)
    assert flat.size == 25 + 2
    assert module[1].weight is module[0].weight and module[0].weight.data_ptr() == flat.vector.data_ptr()
    assert module[2].weight.data_ptr() == frozen


def test_layouts_other_than_rows_keep_their_values():
    module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    value = module.weight.detach().clone()
    FlatParameters(module)
    assert torch.equal(module.weight, value)


def frozen_module():
    module = make_module()
    module.requires_grad_(False)
    return module


@pytest.mark.parametrize(
    ("module", "error", "text"),
    [
        (lambda: 5, TypeError, "module must be a torch.nn.Module, got int"),
        (nn.Tanh, ValueError, r"must have a parameter to train \(requires_grad=True\), got none"),
        (frozen_module, ValueError, "must have a parameter to train"),
        (
            lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()),
            TypeError,
            r"of one type, float32 or float64, got torch.float32 \('0.weight'\), torch.float64 \('1.weight'\)",
        ),
        (lambda: nn.Linear(2, 2).half(), TypeError, r"float32 or float64, got torch.float16 \('weight'\)"),
        (lambda: nn.Linear(2, 2, device="meta"), ValueError, "dense and on the CPU, got 'weight' on meta"),
        (lambda: nn.LazyLinear(2), ValueError, "must be initialised, but 'weight' is not"),
        (
            lambda: nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
            ValueError,
            r"'1' \(BatchNorm1d\) keeps some: use GroupNorm or LayerNorm",
        ),
    ],
)
def test_modules_that_cannot_be_coded_are_refused(module, error, text):
    module = module()
    with pytest.raises(error, match=text):
        FlatParameters(module)


def test_batch_normalisation_without_changing_statistics_is_welcome():
    assert FlatParameters(nn.BatchNorm1d(2, track_running_stats=False)).size == 4
    assert FlatParameters(nn.BatchNorm1d(2).eval()).size == 4


# -- the gradient --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("scheme", [SCHEME, gradcode.Uncoded(4), gradcode.design(6, 2, 1)], ids=repr)
def test_the_gradient_is_that_of_autograd_on_all_data(scheme, chunks):
    module = make_module()
    flat = FlatParameters(module)
    value = run(lambda cluster: flat.backward(cluster), flat, scheme=scheme, chunks=chunks)
    alone = make_module()
    expected = whole_loss(alone)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-13)
    size = torch.linalg.vector_norm(flat.gradient).item()
    for p, q in zip(module.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=0, atol=1e-13 * size)


def test_float32_stays_float32():
    module = make_module(dtype=torch.float32)
    flat = FlatParameters(module)
    run(
        lambda cluster: flat.backward(cluster),
        flat,
        make=lambda: make_module(dtype=torch.float32),
        data=lambda subset: (load(subset)[0].float(), load(subset)[1]),
    )
    assert flat.dtype == np.float32 and flat.gradient.dtype == torch.float32
    alone = make_module()
    whole_loss(alone).backward()
    expected = torch.cat([p.grad.flatten() for p in alone.parameters()])
    error = torch.linalg.vector_norm(flat.gradient.double() - expected)
    assert error < 1e-5 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("communication", [1, 2])
def test_parameters_that_the_loss_does_not_use_have_no_gradient(communication):
    def make():
        module = make_module()
        module.register_parameter("spare", nn.Parameter(torch.ones(5, dtype=torch.float64)))
        return module

    module = make()
    flat = FlatParameters(module)
    scheme = gradcode.design(6, 1, communication)
    run(lambda cluster: [flat.backward(cluster) for _ in range(2)], flat, make=make, scheme=scheme)
    largest = module[0].weight.grad.abs().max().item()
    assert largest > 0
    # Blocks that travel as combinations leave their rounding in each other.
    assert module.spare.grad.abs().max().item() <= (0 if communication == 1 else 1e-14 * largest)


def test_further_scalars_are_summed():
    def with_count(module, task):
        return loss(module, task), {"rows": len(task.data[0])}

    def main(cluster):
        flat.backward(cluster)
        return cluster.log[-1].scalars

    flat = FlatParameters(make_module())
    scalars = run(main, flat, loss=with_count)
    assert scalars["rows"] == len(X) and set(scalars) == {"rows", "loss"}


class RecordingCluster:
    """What `backward` needs of a cluster, and which arrays it was given."""

    gradient_size, dtype = 67, np.dtype("float64")

    def value_and_gradient(self, params, out):
        self.arrays = params, out
        out[:] = np.arange(67)
        return 1.5, out


def test_the_cluster_works_in_the_vectors_memory():
    module, cluster = make_module(), RecordingCluster()
    flat = FlatParameters(module)
    assert flat.backward(cluster) == 1.5
    params, out = cluster.arrays
    assert params.ctypes.data == flat.vector.data_ptr() and out.ctypes.data == flat.gradient.data_ptr()
    assert torch.equal(module[3].bias.grad, torch.tensor([64.0, 65.0, 66.0], dtype=torch.float64))
    assert module[0].weight.grad.data_ptr() == flat.gradient.data_ptr()


# -- the master's module and its optimiser -------------------------------------------------------------------------


@pytest.mark.parametrize("to_none", [True, False])
def test_adam_takes_the_steps_of_one_process(to_none):
    module, alone = make_module(), make_module()
    flat = FlatParameters(module)

    def main(cluster):
        optimiser = torch.optim.Adam(module.parameters(), lr=0.01, weight_decay=0.1)
        for _ in range(10):
            optimiser.zero_grad(set_to_none=to_none)
            flat.backward(cluster)
            optimiser.step()

    run(main, flat)
    optimiser = torch.optim.Adam(alone.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(10):
        optimiser.zero_grad()
        whole_loss(alone).backward()
        optimiser.step()
    np.testing.assert_allclose(parameters(module), parameters(alone), rtol=0, atol=1e-9)


def test_closures_and_penalties_of_the_master():
    def penalty(module):
        return 0.5 * sum(p.square().sum() for p in module.parameters())

    def train(module, value):
        def closure():
            optimiser.zero_grad()
            return value()

        optimiser = torch.optim.LBFGS(module.parameters(), max_iter=15, line_search_fn="strong_wolfe")
        optimiser.step(closure)
        return parameters(module)

    def main(cluster):
        def value():
            total = flat.backward(cluster)
            extra = penalty(module)
            extra.backward()
            return total + extra.item()

        return train(module, value)

    def value_alone():
        total = whole_loss(alone) + penalty(alone)
        total.backward()
        return total

    module, alone = make_module(), make_module()
    flat = FlatParameters(module)
    coded, single = run(main, flat), train(alone, value_alone)
    assert np.linalg.norm(single - parameters(make_module())) > 0.1
    np.testing.assert_allclose(coded, single, rtol=0, atol=1e-7)


def test_loaded_parameters_are_used():
    module, other = make_module(), make_module()
    flat = FlatParameters(module)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(0.5)
    module.load_state_dict(other.state_dict())
    value = run(lambda cluster: flat.backward(cluster), flat)
    assert value == pytest.approx(whole_loss(other).item(), rel=1e-13)


def freeze(module):
    module[0].bias.requires_grad = False


def add(module):
    module.register_parameter("more", nn.Parameter(torch.ones(1)))


def transpose(module):
    module[3].weight.data = module[3].weight.data.T


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda module: module.float(), "'0.weight'"),
        (lambda module: module.load_state_dict(make_module().state_dict(), assign=True), "'0.weight'"),
        (FlatParameters, "'0.weight'"),
        (freeze, "'0.bias'"),
        (add, "'more'"),
        (transpose, "'3.weight'"),
    ],
)
def test_parameters_that_leave_the_vector_are_noticed(change, name):
    module, cluster = make_module(), RecordingCluster()
    flat = FlatParameters(module)
    change(module)
    with pytest.raises(GradCodeError, match=f"must be those of the flat vector, but {name} was added, removed or"):
        flat.backward(cluster)
    assert not hasattr(cluster, "arrays") and all(p.grad is None for p in module.parameters())


def test_one_module_for_master_and_workers_is_noticed():
    module = make_module()
    flat = FlatParameters(module)
    with pytest.raises(GradCodeError, match="a second FlatParameters of the same module"):
        run(lambda cluster: [flat.backward(cluster) for _ in range(2)], flat, make=lambda: module)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"dtype": "float32"}, TypeError, "the run's dtype must be the module's, float64, got float32"),
        ({"gradient_size": 5}, ValueError, "the run's gradient_size must be the module's, 67, got 5"),
    ],
)
def test_another_size_or_type_of_the_run_is_refused(options, error, text):
    flat = FlatParameters(make_module())
    with pytest.raises(error, match=text):
        run(lambda cluster: flat.backward(cluster), flat, **options)
    with pytest.raises(error, match=text):
        size, dtype = options.get("gradient_size", 67), options.get("dtype", "float64")
        gradient(make_module, loss)(np.zeros(size, dtype), make_task())


# -- what the worker refuses ---------------------------------------------------------------------------------------


def clamps(module, task):
    with torch.no_grad():
        module[0].weight.clamp_(-0.1, 0.1)
    return loss(module, task)


def forgets(module, task):
    module.zero_grad()
    return loss(module, task)


class Counting(nn.Linear):
    def __init__(self):
        super().__init__(4, 3, dtype=torch.float64)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs):
        self.calls += 1
        return super().forward(inputs)


class Averaging(nn.Linear):
    def __init__(self):
        super().__init__(4, 3, dtype=torch.float64)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, inputs):
        self.mean = 0.9 * self.mean + 0.1  # a new tensor in its place
        return super().forward(inputs)


@pytest.mark.parametrize(
    ("make", "loss", "text"),
    [
        (make_module, clamps, "must stay as it is while its gradient is computed, but '0.weight' was written to"),
        (Counting, loss, "but 'calls' was written to"),
        (Averaging, loss, "but 'mean' was written to"),
        (lambda: nn.BatchNorm1d(4), loss, "running statistics are not part of"),
        (make_module, forgets, r"the .grad of '0.weight' was replaced while the loss was computed \(zero_grad\?\)"),
        (make_module, lambda module, task: (loss(module, task), {"loss": 1}), "of other names than 'loss' beside"),
        (make_module, lambda module, task: 1.0, "must return a tensor of one element .*, got float"),
        (make_module, lambda module, task: module(X), r"got shape \(101, 3\) with requires_grad=True"),
        (make_module, lambda module, task: loss(module, task).detach(), r"got shape \(\) with requires_grad=False"),
        (make_module, lambda module, task: None, "returned None though task.wanted"),
        (lambda: 5, loss, "module must be a torch.nn.Module, got int"),
    ],
)
def test_what_would_spoil_the_sum_is_refused(make, loss, text):
    flat = FlatParameters(make() if make in (Counting, Averaging) else make_module())
    with pytest.raises(WorkerFailed, match=text):
        run(lambda cluster: flat.backward(cluster), flat, make=make, loss=loss)


def test_gradient_wants_functions():
    for wrong, name in ((5, "int"), (make_module(), "Sequential")):
        with pytest.raises(TypeError, match=f"make_module must be a function that makes a module, got {name}"):
            gradient(wrong, loss)
    with pytest.raises(TypeError, match="loss must be callable, got int"):
        gradient(make_module, 5)


def test_a_task_that_is_not_wanted_is_given_up_early():
    def unexpected(*arguments):
        raise AssertionError("this costs time")

    params = np.zeros(67)
    assert gradient(unexpected, unexpected)(params, make_task(wanted=lambda round: False)) is None

    answers = iter([True, False])  # the round ends during the forward pass
    compute = gradient(make_module, lambda module, task: Unbackwarded())
    assert compute(params, make_task(wanted=lambda round: next(answers))) is None
    assert next(answers, None) is None


class Unbackwarded:
    def backward(self):
        raise AssertionError("this costs time")


def test_a_read_only_model_is_not_written_to():
    params = parameters(make_module())
    before = params.copy()
    params.setflags(write=False)
    vector, scalars = gradient(make_module, loss)(params, make_task())
    assert np.array_equal(params, before) and not np.shares_memory(vector, params)
    assert scalars["loss"] == pytest.approx(whole_loss(make_module()).item(), rel=1e-13)


# -- random numbers ------------------------------------------------------------------------------------------------


def test_replicas_drop_the_same_bit_for_bit():
    params = parameters(make_module())
    compute = gradient(make_dropout_module, loss)
    results = {}

    def work(worker):
        for round in range(20):
            vector, _ = compute(params, make_task(worker=worker, round=round))
            results[worker, round] = vector.copy()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    for worker in range(1, 4):
        for round in range(20):
            assert np.array_equal(results[worker, round], results[0, round])
    assert len({results[0, round].tobytes() for round in range(20)}) == 20


def test_dropout_is_that_of_one_process_with_the_tasks_seeds():
    rounds, rate, seed = 10, 0.01, 7
    module, alone = make_module(), make_dropout_module()
    flat = FlatParameters(module)

    def main(cluster):
        for _ in range(rounds):
            flat.backward(cluster)
            flat.vector.sub_(flat.gradient, alpha=rate)

    run(main, flat, make=make_dropout_module, seed=seed)
    subsets = {subset.index: subset for worker in range(6) for subset in SCHEME.subsets(worker)}
    flat_alone = FlatParameters(alone)
    for round in range(rounds):
        alone.zero_grad()
        for index, subset in subsets.items():
            torch.manual_seed(task_seed(seed, round, index))
            inputs, targets = load(subset)
            nn.functional.cross_entropy(alone(inputs), targets, reduction="sum").backward()
        flat_alone.vector.sub_(torch.cat([p.grad.flatten() for p in alone.parameters()]), alpha=rate)
    np.testing.assert_allclose(parameters(module), parameters(alone), rtol=0, atol=1e-11)
    assert np.linalg.norm(parameters(module) - parameters(make_module())) > 0.1


def test_the_callers_random_numbers_are_left_alone():
    params = parameters(make_module())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    gradient(make_dropout_module, loss)(params, make_task())
    assert torch.equal(torch.rand(3), expected)


def test_a_batch_is_the_tasks_own():
    task = make_task(round=3)
    rows = batch(task, 50, 20)
    assert rows.dtype == torch.int64 and rows.shape == (20,) and len(set(rows.tolist())) == 20
    assert torch.equal(rows, batch(make_task(worker=4, round=3), 50, 20))
    assert not torch.equal(rows, batch(make_task(round=4), 50, 20))
    assert sorted(batch(task, 50, 50).tolist()) == list(range(50))


def test_every_row_is_as_likely_as_any_other():
    n_rows, size, rounds = 20, 5, 4000
    counts = np.zeros(n_rows)
    for round in range(rounds):
        counts[batch(make_task(round=round), n_rows, size)] += 1
    p = size / n_rows
    assert np.abs(counts / rounds - p).max() < 4 * np.sqrt(p * (1 - p) / rounds)


@pytest.mark.parametrize(
    ("n_rows", "size", "text"),
    [
        (0, 1, "n_rows must be an integer of at least 1, got 0"),
        (5, 6, "size must be an integer in 1..5, got 6 with n_rows=5"),
        (5, 0, "size must be an integer in 1..5, got 0 with n_rows=5"),
    ],
)
def test_impossible_batches_are_refused(n_rows, size, text):
    with pytest.raises(ValueError, match=text):
        batch(make_task(), n_rows, size)


def test_without_pytorch_the_extra_is_named():
    script = "import sys; sys.modules['torch'] = None; import gradcode.torch"
    completed = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert "gradcode.torch needs PyTorch; install it with: pip install 'gradcode[torch]'" in completed.stderr


# -- the example ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "epochs"), [(torch.float32, 3), (torch.float64, 1)], ids=str)
def test_the_example_trains_as_in_one_process_with_a_worker_blocked(dtype, epochs, capsys):
    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    from digits import EXAMPLE, allowance, load_example, parameters, train_alone

    if not EXAMPLE.exists():
        pytest.skip("the examples are not beside the tests")
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        example = load_example()
        assert example.EPOCHS == 3
        example.EPOCHS = epochs
        model, log = example.train(gradcode.local.run, delay=600.0)
        alone, path = train_alone(example)
        _, _, images, labels = example.load_data()
        accuracy = example.accuracy(model, images, labels)
    finally:
        torch.set_default_dtype(default)
    assert len(log) == 89 * epochs and all(record.late for record in log)
    error, size = np.linalg.norm(parameters(model) - parameters(alone)), np.linalg.norm(parameters(alone))
    assert error <= allowance(example, path, str(dtype).removeprefix("torch.")), error
    assert error <= (1e-4 if dtype == torch.float32 else 1e-9) * size
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == epochs and f"test accuracy {accuracy:.3f}" in printed[-1]
    if epochs == 3:
        assert accuracy >= 0.97
