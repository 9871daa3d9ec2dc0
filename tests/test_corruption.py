"""Corrupted messages: noticed, named and left out, and never a false alarm."""

from __future__ import annotations

import itertools
import logging
import warnings

import contract
import numpy as np
import pytest

from gradcode import CyclicRepetition, FractionalRepetition, Grouped, IgnoreStragglers, Uncoded, YeAbbe, codes, design
from gradcode.errors import CorruptedMessage, PrecisionWarning
from gradcode.schemes import corruption


@pytest.fixture(autouse=True)
def same_projections(monkeypatch):
    """The vectors are secret elsewhere; here they are the same in every run."""
    seeds = iter(range(10**9))
    monkeypatch.setattr(corruption.secrets, "randbits", lambda bits: next(seeds))


def decoded(scheme, messages, workers, dtype="float64", **options):
    decoder = scheme.decoder(messages_size(scheme, messages), dtype, check="projection", **options)
    for worker in workers:
        decoder.add(worker, messages[worker])
    return decoder


def messages_size(scheme, messages):
    return len(messages[0]) * scheme.communication


CLEAN = [
    Grouped(8, codes.default(8, 4)),
    Grouped(12, codes.default(12, 6)),
    FractionalRepetition(6, 2),
    Grouped(8, codes.hamming_extended(), prefer="decoding"),
    Grouped(10, codes.gaussian(5, 2)),
    Grouped(16, codes.default(16, 8)),
    YeAbbe(12, 6, 4, 2, "harmonic"),
    CyclicRepetition(9, 4),
    YeAbbe(10, 5, 3, 2),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("least", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_false_alarm_in_clean_decodes(dtype, least):
    """Random sets with messages to spare; normal data and data with long tails in turn."""
    rng, decodes = np.random.default_rng(0), 0
    per_scheme = -(-least // len(CLEAN))
    for scheme in CLEAN:
        size = 60 * scheme.communication
        for trial in range(per_scheme):
            if trial % 50 == 0:
                draw = rng.standard_normal if trial % 100 else lambda shape: rng.standard_t(1.5, shape)
                gradients = np.asarray(draw((scheme.n_subsets, size))).astype(dtype)
                messages = contract.encode_all(scheme, gradients)
            lost = rng.choice(scheme.n_workers, rng.integers(0, max(1, scheme.stragglers)), replace=False)
            decoder = decoded(scheme, messages, [w for w in range(scheme.n_workers) if w not in lost], dtype)
            decoder.result()
            assert decoder.corrupted == ()
            decodes += 1
    assert decodes >= least


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("survivors", [6, 7, 8])
@pytest.mark.parametrize("code", [codes.default(8, 4), codes.hamming_extended()], ids=repr)
def test_errors_of_a_thousandth_are_found_and_named(code, survivors, dtype):
    scheme, rng = Grouped(8, code), np.random.default_rng(survivors)
    found = named = 0
    trials = 300
    for _ in range(trials):
        gradient = rng.standard_normal(400).astype(dtype)
        messages = contract.encode_all(scheme, gradient[np.newaxis])
        workers = rng.choice(8, survivors, replace=False).tolist()
        wrong = int(rng.choice(workers))
        size = 1e-3 * np.linalg.norm(messages[wrong]) / np.sqrt(100)
        messages[wrong] = messages[wrong] + (size * rng.standard_normal(100)).astype(dtype)
        decoder = decoded(scheme, messages, workers, dtype)
        try:
            result = decoder.result()
        except CorruptedMessage as error:
            found += 1
            assert wrong in error.workers and error.excess > 1
            continue
        if decoder.corrupted:
            found += 1
            assert decoder.corrupted == (wrong,)
            named += 1
            assert wrong not in decoder.used
            np.testing.assert_allclose(result, gradient, atol=1e-4 if dtype == "float32" else 1e-12)
    assert found >= 0.95 * trials
    # In a code that is not MDS two messages may be to spare, and still any of several could be the wrong one.
    assert named >= (0.9 if code.is_mds or survivors > 6 else 0.2) * trials


def test_with_one_message_to_spare_it_is_noticed_and_more_messages_help(rng, caplog):
    scheme = Grouped(6, codes.default(6, 4))
    gradient = rng.standard_normal(40)
    messages = contract.encode_all(scheme, gradient[np.newaxis])
    messages[2] = 1.5 * messages[2]
    decoder = decoded(scheme, messages, [0, 1, 2, 3, 4])
    assert decoder.ready
    with pytest.raises(
        CorruptedMessage, match=r"messages of workers \[0, 1, 2, 3, 4\] contradict each other .* times"
    ) as e:
        decoder.result()
    assert e.value.workers == (0, 1, 2, 3, 4) and e.value.excess > 1e6
    decoder.add(5, messages[5])
    with caplog.at_level(logging.WARNING, "gradcode"):
        np.testing.assert_allclose(decoder.result(), gradient, atol=1e-12)
    assert decoder.corrupted == (2,) and decoder.used == (0, 1, 3, 4, 5) and decoder.unchecked == ()
    assert "the message of worker 2 contradicts those of workers [0, 1, 3, 4, 5]" in caplog.text
    decoder.reset()
    assert decoder.corrupted == ()


def test_without_any_to_spare_it_says_that_nothing_was_checked(rng):
    scheme = design(8, 2, 2)
    gradients = rng.standard_normal((2, 20))
    messages = contract.encode_all(scheme, gradients)
    decoder = decoded(scheme, messages, [0, 1, 4, 5, 6])
    decoder.result()
    assert decoder.unchecked == (0, 1)
    for nothing in (Uncoded(4), Grouped(4, codes.identity(4)), IgnoreStragglers(4, 1)):
        with pytest.warns(PrecisionWarning, match=r"check='projection' has nothing to compare in"):
            nothing.decoder(4, check="projection")
    plain = scheme.decoder(20)
    for worker in (0, 1, 4, 5, 6):
        plain.add(worker, messages[worker])
    plain.result()
    assert plain.unchecked == plain.corrupted == ()


def test_replicas_that_are_not_equal_to_the_bit(rng):
    scheme = FractionalRepetition(3, 2)
    gradient = rng.standard_normal(1000)
    messages = [gradient * (1 + 1e-7 * rng.standard_normal(1000)) for _ in range(3)]
    with pytest.raises(CorruptedMessage):
        decoded(scheme, messages, range(3)).result()
    decoder = decoded(scheme, messages, range(3), replica_error=1e-7)
    decoder.result()
    assert decoder.corrupted == ()
    messages[1] = messages[1] + 0.01 * rng.standard_normal(1000)
    decoder = decoded(scheme, messages, range(3), replica_error=1e-7)
    decoder.result()
    assert decoder.corrupted == (1,)


def test_one_in_every_group(rng):
    scheme = Grouped(18, codes.default(6, 2))
    gradients = rng.standard_normal((3, 30))
    messages = contract.encode_all(scheme, gradients)
    for wrong in (1, 10, 17):
        messages[wrong] = messages[wrong] + 1
    decoder = decoded(scheme, messages, range(18))
    while decoder.decode_ready_group():
        pass
    np.testing.assert_allclose(decoder.result(), gradients.sum(axis=0), atol=1e-12)
    assert decoder.corrupted == (1, 10, 17)


def test_folding_waits_for_whole_groups_and_leaves_contradictions_to_the_result(rng):
    scheme = Grouped(6, codes.default(3, 1))
    gradients = rng.standard_normal((2, 7))
    messages = contract.encode_all(scheme, gradients)
    messages[4] = messages[4] + 1
    decoder = decoded(scheme, messages, [0, 1, 3, 4])
    assert decoder.ready and not decoder.decode_ready_group()  # others of each group may come
    decoder.add(2, messages[2])
    assert decoder.decode_ready_group() and not decoder.decode_ready_group()
    with pytest.raises(CorruptedMessage, match=r"\[3, 4\]"):
        decoder.result()
    decoder.add(5, messages[5])
    np.testing.assert_allclose(decoder.result(), gradients.sum(axis=0), atol=1e-13)


def test_cyclic_schemes_are_checked_too(rng):
    scheme = YeAbbe(12, 6, 4, 2, "harmonic")
    gradients = rng.standard_normal((12, 50))
    messages = contract.encode_all(scheme, gradients)
    messages[7] = messages[7] * 1.01
    decoder = decoded(scheme, messages, range(12))
    np.testing.assert_allclose(decoder.result(), gradients.sum(axis=0), atol=1e-11)
    assert decoder.corrupted == (7,)


def test_numbers_that_are_not_finite_are_passed_on_unchecked():
    scheme = design(4, 2, 2)
    gradient = np.arange(8.0)
    gradient[3] = np.nan
    messages = [scheme.encode(worker, gradient) for worker in range(4)]
    decoder = decoded(scheme, messages, range(4))
    assert np.isnan(decoder.result()[3]) and decoder.unchecked == (0, 1, 2, 3)


def test_bad_options_name_argument_rule_and_value():
    scheme = design(4, 2, 2)
    with pytest.raises(ValueError, match="check must be one of projection or None, got 'parity'"):
        scheme.decoder(4, check="parity")
    with pytest.raises(ValueError, match=r"replica_error needs check='projection', got 0\.1 without"):
        scheme.decoder(4, replica_error=0.1)
    with pytest.raises(ValueError, match="replica_error must be a finite number of at least 0, got -1"):
        scheme.decoder(4, check="projection", replica_error=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheme.decoder(4, check="projection")


def test_messages_on_which_no_other_depends_are_not_called_checked():
    scheme = Grouped(6, codes.product(codes.repetition(2), codes.identity(3)))
    gradient = np.arange(12.0)
    messages = contract.encode_all(scheme, gradient[np.newaxis])
    decoder = decoded(scheme, messages, [0, 1, 2, 3])  # worker 3 repeats 0
    decoder.result()
    assert decoder.unchecked == (1, 2) and decoder.corrupted == ()
    for code, survivors in ((codes.hamming_extended(), 5), (codes.simplex(), 4)):
        scheme, rng = Grouped(code.length, code), np.random.default_rng(0)
        messages = contract.encode_all(scheme, rng.standard_normal((1, 60)))
        for workers in itertools.combinations(range(code.length), survivors):
            for wrong in workers:
                spoilt = [m + (w == wrong) * rng.standard_normal(len(m)) for w, m in enumerate(messages)]
                decoder = decoded(scheme, spoilt, workers)
                try:
                    decoder.result()
                except CorruptedMessage:
                    continue
                assert wrong in decoder.unchecked


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e155, 1e300])
def test_numbers_of_any_size_are_compared(size):
    scheme = design(4, 2, 2)
    messages = [size * scheme.encode(w, np.arange(1.0, 9.0)) for w in range(4)]
    decoder = decoded(scheme, messages, range(4))
    decoder.result()
    assert decoder.unchecked == decoder.corrupted == ()
    messages[2][1] = 1e307 if size >= 1 else 2 * size
    decoder = decoded(scheme, messages, range(4))
    decoder.result()
    assert decoder.corrupted == (2,)


def test_zeros_agree():
    decoder = decoded(design(4, 2, 2), [np.zeros(4)] * 4, range(4))
    assert (decoder.result() == 0).all() and decoder.unchecked == decoder.corrupted == ()


def test_an_estimate_leaves_out_what_the_check_has_left_out(rng):
    scheme = design(4, 2, 2)
    gradient = rng.standard_normal(20)
    messages = contract.encode_all(scheme, gradient[np.newaxis])
    messages[1] = messages[1] + 1
    decoder = decoded(scheme, messages, range(4))
    decoder.result()
    np.testing.assert_allclose(decoder.estimate().gradient, gradient, atol=1e-12)


def test_inexact_schemes_are_not_checked():
    scheme = IgnoreStragglers(4, 1)
    with pytest.warns(PrecisionWarning):
        decoder = scheme.decoder(10, check="projection")
    for worker in range(3):
        decoder.add(worker, np.full(10, float(worker)))
    np.testing.assert_allclose(decoder.result(), 4.0)
    assert decoder.unchecked == (0, 1, 2)


def test_what_was_unchecked_is_forgotten_with_the_attempt(rng):
    scheme = design(8, 2, 2)
    gradients = rng.standard_normal((2, 20))
    messages = contract.encode_all(scheme, gradients)
    messages[4] = messages[4] + 1
    decoder = decoded(scheme, messages, [0, 1, 4, 5, 6])
    with pytest.raises(CorruptedMessage):
        decoder.result()
    for worker in (2, 3, 7):
        decoder.add(worker, messages[worker])
    np.testing.assert_allclose(decoder.result(), gradients.sum(axis=0), atol=1e-12)
    assert decoder.unchecked == () and decoder.corrupted == (4,)
