"""Every scheme against the plain sum, over all straggler patterns where they can be counted."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import subprocess
import sys
import warnings
from fractions import Fraction

import contract
import numpy as np
import pytest

from gradcode import (
    CyclicRepetition,
    GradientCode,
    Grouped,
    IgnoreStragglers,
    LinearCode,
    Subset,
    Uncoded,
    YeAbbe,
    codes,
    design,
    kernels,
)
from gradcode.errors import (
    CodeParameterError,
    CorruptedMessage,
    LoadWarning,
    NotDecodable,
    PrecisionWarning,
    WorkerFailed,
)
from gradcode.schemes.names import SCHEMES, Options, named_scheme

pytestmark = pytest.mark.filterwarnings("ignore::gradcode.errors.LoadWarning")

DESIGNS = [(n, s, m) for n in range(1, 10) for s in range(n) for m in range(1, n - s + 1)]
HAMMING = [[1, 0, 0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0]]


@pytest.mark.parametrize(("n", "s", "m"), DESIGNS)
def test_designs_decode_every_straggler_pattern(n, s, m):
    scheme = design(n, s, m)
    assert scheme.stragglers >= s and scheme.communication == m
    if n % (s + m) == 0:
        assert scheme.load == s + m
    assert scheme.load <= 1.25 * (s + m)
    contract.check_scheme(scheme, sizes=(10,))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "scheme",
    [
        Grouped(8, codes.harmonic(4, 2)),
        Grouped(9, codes.gaussian(4, 2)),
        Grouped(11, codes.gaussian(5, 3, seed=3, draws=5)),
        Grouped(12, codes.harmonic(6, 3)),
        Grouped(16, codes.from_generator(HAMMING)),
        Grouped(7, codes.from_generator(np.eye(3))),
        Uncoded(5),
    ],
    ids=repr,
)
def test_schemes_keep_the_contract(scheme, dtype):
    contract.check_scheme(scheme, dtype, sizes=(1, 2, 33, 1000))
    contract.check_refusals(scheme)


def test_large_blocks_are_padded_to_whole_cache_lines():
    scheme = design(4, 2, 2)
    assert scheme.message_size(999, "float64") == 500
    size = 2 * 8192 + 1  # a block of just over 64 KiB
    assert scheme.message_size(size, "float64") == 8200
    contract.check_scheme(scheme, sizes=(size,))


def test_fractional_repetition_is_exact_to_the_bit():
    scheme = design(6, stragglers=2, communication=1)
    gradients = np.random.default_rng(0).standard_normal((2, 100))
    decoder = scheme.decoder(100)
    decoder.add(1, scheme.encode(1, gradients[0]))
    decoder.add(5, scheme.encode(5, gradients[1]))
    assert (decoder.result() == gradients[0] + gradients[1]).all()


def test_slices_without_tolerance_are_exact_to_the_bit():
    scheme = design(3, stragglers=0, communication=3)
    gradient = np.random.default_rng(0).standard_normal(10)
    decoder = scheme.decoder(10)
    for worker in (2, 0, 1):
        message = scheme.encode(worker, gradient)
        np.testing.assert_array_equal(message[: len(gradient[4 * worker :])], gradient[4 * worker : 4 * worker + 4])
        decoder.add(worker, message)
    assert (decoder.result() == gradient).all()


def test_design_golden_values():
    scheme = design(n_workers=12, stragglers=2, communication=2)
    assert repr(scheme) == "Grouped(12, <harmonic [4, 2, 3]>, load=4)"
    assert (scheme.load, scheme.n_subsets, scheme.summed) == (4.0, 3, True)
    assert isinstance(design(5, 0, 1), Uncoded)
    assert design(6, 1, 1).code == codes.repetition(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LoadWarning)
        uneven = design(7, 1, 2)  # groups of 4 and 3
    assert [len(s.workers) for s in uneven.systems] == [4, 3]
    assert uneven.load == 3.5 and uneven.stragglers == 1


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((12, 2, 2), {}, "Grouped(12, <harmonic [4, 2, 3]>, load=4)"),
        ((9, 3, 2), {}, "YeAbbe(9, load=5, stragglers=3, communication=2, nodes='harmonic')"),
        ((9, 3, 2), {"max_load": 9}, "Grouped(9, [<harmonic [9, 2, 8]>], load=9)"),
        ((9, 3, 2), {"placement": "grouped"}, "Grouped(9, [<harmonic [9, 2, 8]>], load=9)"),
        ((12, 2, 2), {"placement": "cyclic"}, "YeAbbe(12, load=4, stragglers=2, communication=2, nodes='harmonic')"),
        ((9, 2, 3), {}, "YeAbbe(9, load=5, stragglers=2, communication=3, nodes='gaussian')"),
        ((5, 2, 1), {}, "CyclicRepetition(5, stragglers=2, 'harmonic')"),
        ((5, 3, 1), {"placement": "cyclic"}, "CyclicRepetition(5, stragglers=3)"),
        ((25, 6, 6), {}, "Grouped(25, [<frequency [13, 6, 8]>, <frequency [12, 6, 7]>], load=12.5)"),
        ((14, 6, 6), {}, "Grouped(14, [<harmonic [14, 6, 9]>], load=14)"),
        ((6, 1, 2), {"prefer": "decoding"}, "Grouped(6, <parity [3, 2, 2]>, load=3, prefer='decoding')"),
        ((16, 3, 4), {"prefer": "decoding"}, "Grouped(16, <hamming_extended [8, 4, 4]>, load=8, prefer='decoding')"),
        ((14, 3, 3), {"prefer": "decoding"}, "Grouped(14, <simplex [7, 3, 4]>, load=7, prefer='decoding')"),
        (
            (18, 3, 4),
            {"prefer": "decoding", "max_load": 9},
            "Grouped(18, <product [9, 4, 4]>, load=9, prefer='decoding')",
        ),
        ((8, 4, 4), {"prefer": "decoding"}, "Grouped(8, <systematic harmonic [8, 4, 5]>, load=8, prefer='decoding')"),
        ((6, 2, 1), {"prefer": "decoding"}, "Grouped(6, <repetition [3, 1, 3]>, load=3, prefer='decoding')"),
        ((6, 0, 3), {"prefer": "decoding"}, "Grouped(6, <identity [3, 3, 1]>, load=3, prefer='decoding')"),
    ],
)
def test_design_chooses_by_load_and_preference(arguments, options, expected):
    scheme = design(*arguments, **options)
    assert repr(scheme) == expected
    _, s, m = arguments
    assert scheme.stragglers >= s and scheme.communication == m
    contract.check_patterns(scheme)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"max_load": 3.9},
            r"max_load must be at least stragglers \+ communication = 5, got 3.9: no scheme needs less",
        ),
        (
            {"max_load": 6, "placement": "grouped"},
            "max_load must be at least 9 for groups that tolerate 3 stragglers .* got 6",
        ),
        ({"max_load": 0}, "max_load must be a finite number above 0, got 0.0"),
        ({"prefer": "speed"}, "prefer must be one of stability, decoding, got 'speed'"),
        ({"placement": "random"}, "placement must be one of auto, grouped, cyclic, got 'random'"),
    ],
)
def test_design_refuses_what_no_scheme_does(options, text):
    with pytest.raises(ValueError, match=text):
        design(9, 3, 2, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (
            (9, [codes.harmonic(5, 2), codes.harmonic(5, 2)]),
            {},
            "lengths of the groups' codes must add up to n_workers, got 10",
        ),
        (
            (7, [codes.harmonic(4, 2), codes.harmonic(3, 1)]),
            {},
            r"code\[1\] must have dimension 2 as code\[0\] has, got 1",
        ),
        ((7, [codes.harmonic(4, 2), 3]), {}, r"code\[1\] must be a LinearCode, got int"),
        ((8, codes.harmonic(4, 2)), {"shares": [1]}, "shares must have one number for each of the 2 groups, got 1"),
        ((8, codes.harmonic(4, 2)), {"shares": [1, 0]}, r"shares\[1\] must be a finite number above 0, got 0.0"),
        ((8, codes.harmonic(4, 2)), {"shares": [1, np.nan]}, r"shares\[1\] must be a finite number above 0, got nan"),
        ((8, codes.harmonic(4, 2)), {"shares": "12"}, "shares must be a sequence of numbers, got str"),
        ((8, codes.harmonic(4, 2)), {"prefer": "x"}, "prefer must be one of stability, decoding, got 'x'"),
        ((2, []), {}, "got"),
    ],
)
def test_groups_of_different_codes_must_fit(arguments, options, text):
    with pytest.raises((ValueError, TypeError), match=text):
        Grouped(*arguments, **options)


def test_shares_are_exact_and_weigh_the_load():
    scheme = Grouped(9, [codes.harmonic(5, 2), codes.harmonic(4, 2)], shares=[Fraction(1, 3), 2 / 3])
    contract.check_shares(scheme)
    contract.check_scheme(scheme, sizes=(7,))
    assert scheme.load == pytest.approx(6) and scheme.stragglers == 2


def test_an_expensive_grouping_is_warned_of():
    with pytest.warns(LoadWarning, match=r"9 workers make 1 group of a code of length 5: every worker computes 9/9"):
        assert Grouped(9, codes.harmonic(5, 2)).load == 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Grouped(10, codes.harmonic(5, 2))
        Grouped(11, codes.harmonic(5, 2))  # 5.5 is within 1.25 times 5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((6, 6, 1), "stragglers must be an integer in 0..5, got 6 with n_workers=6"),
        ((6, -1, 1), "stragglers must be an integer in 0..5, got -1 with n_workers=6"),
        ((6, 1, 0), "communication must be an integer of at least 1, got 0"),
        (
            (6, 3, 4),
            r"stragglers \+ communication must be at most n_workers, got 3 \+ 4 = 7 with n_workers=6",
        ),
        ((0, 0, 1), "n_workers must be an integer of at least 1, got 0"),
    ],
)
def test_impossible_designs_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        design(*arguments)


def test_grouped_needs_a_whole_group():
    with pytest.raises(CodeParameterError, match="n_workers must be at least the length of the code, got 3 with len"):
        Grouped(3, codes.harmonic(4, 2))
    with pytest.raises(TypeError, match="code must be a LinearCode or a sequence of them, got int"):
        Grouped(3, 4)


@pytest.fixture
def scheme():
    return design(4, stragglers=2, communication=2)


def test_encode_refuses_what_it_cannot_use(scheme):
    gradient = np.ones(10)
    with pytest.raises(ValueError, match=r"worker must be in 0..3, got 4 with n_workers=4"):
        scheme.encode(4, gradient)
    with pytest.raises(TypeError, match="gradients must be one array for a summed scheme, got list"):
        scheme.encode(0, [gradient])
    with pytest.raises(TypeError, match=r"gradients\[0\]\.dtype must be one of float32, float64, got int64"):
        scheme.encode(0, np.ones(10, np.int64))
    with pytest.raises(ValueError, match=r"out must have 5 elements, .*, got 4"):
        scheme.encode(0, gradient, out=np.empty(4))
    with pytest.raises(ValueError, match=r"out must not overlap gradients\[0\]"):
        scheme.encode(0, gradient, out=gradient[2:7])


def test_decoder_refuses_what_it_cannot_use_and_stays_as_it_was(scheme):
    decoder = scheme.decoder(gradient_size=10, dtype="float64")
    good = [scheme.encode(w, np.arange(10.0)) for w in range(4)]
    decoder.add(0, good[0])
    for worker, message, text in [
        (4, good[0], "worker must be in 0..3, got 4"),
        (0, good[0], "worker 0 has been added already"),
        (1, good[1][:-1], r"message must be contiguous with shape \(5,\), got shape \(4,\)"),
        (1, np.ones(10)[::2], r"message must be contiguous with shape \(5,\)"),
        (1, good[1].astype("float32"), "message must be a NumPy array of float64, got float32"),
        (1, list(good[1]), "message must be a NumPy array of float64, got list"),
    ]:
        with pytest.raises((ValueError, TypeError), match=text):
            decoder.add(worker, message)
    assert decoder.missing == (1, 2, 3)
    with pytest.raises(NotDecodable, match=r"not decodable from workers \[0\]; more answers .* among \[1, 2, 3\]"):
        decoder.result()
    assert decoder.add(3, good[3])
    for out in (np.empty(9), np.empty(10, "float32"), np.empty(20)[::2], "no array"):
        with pytest.raises(ValueError, match=r"out must be (a float64 array of shape \(10,\), got|contiguous)"):
            decoder.result(out)
    buffer = np.zeros(12)
    with pytest.raises(ValueError, match="out must not overlap any message, but it overlaps that of worker 0"):
        scheme2_overlap(scheme, buffer)
    np.testing.assert_allclose(decoder.result(), np.arange(10.0), atol=1e-14)
    with pytest.raises(ValueError, match="worker 1 is too late"):
        decoder.add(1, good[1])


def scheme2_overlap(scheme, buffer):
    decoder = scheme.decoder(gradient_size=10)
    decoder.add(0, buffer[7:12])
    decoder.add(1, np.zeros(5))
    decoder.result(out=buffer[:10])


def test_decoder_is_used_again_after_reset(scheme):
    decoder = scheme.decoder(10)
    kept = []
    for scale in (1.0, 2.0, 3.0):
        decoder.reset()
        gradient = scale * np.arange(10.0)
        for worker in (1, 2, 3):
            decoder.add(worker, scheme.encode(worker, gradient))
        kept.append(decoder.result())
        assert decoder.result() is kept[-1]
    for scale, result in zip((1.0, 2.0, 3.0), kept, strict=True):  # results are the caller's
        np.testing.assert_allclose(result, scale * np.arange(10.0), atol=1e-13)


def test_groups_are_folded_while_others_are_awaited():
    scheme = design(8, stragglers=2, communication=2)
    gradients = np.random.default_rng(0).standard_normal((2, 50))
    messages = contract.encode_all(scheme, gradients)
    for with_out in (False, True):
        decoder = scheme.decoder(50)
        assert not decoder.decode_ready_group()  # nothing yet
        for worker in (6, 4):
            decoder.add(worker, messages[worker].copy())
        assert decoder.decode_ready_group() and not decoder.decode_ready_group()
        assert not decoder.ready and decoder.used == (4, 6)
        decoder.add(5, np.full_like(messages[5], np.nan))  # surplus: its group is decoded already
        for worker in (0, 2, 3):
            decoder.add(worker, messages[worker])
        out = np.empty(50) if with_out else None
        result = decoder.result(out)
        assert result is out or not with_out
        np.testing.assert_allclose(result, gradients.sum(axis=0), rtol=1e-12, atol=1e-12)


def test_a_decoder_can_share_an_account_that_somebody_else_keeps():
    """`add` is the account's `add` and `keep`, `reset` the account's `reset` and `forget`."""
    scheme = design(6, 1, 2)
    gradients = np.random.default_rng(5).standard_normal((scheme.n_subsets, 7))
    messages = [scheme.encode(w, gradients[scheme.subsets(w)[0].index]) for w in range(6)]
    alone, account = scheme.decoder(7), scheme.survivors()
    shared = scheme.decoder(7, survivors=account)
    assert shared.survivors is account and alone.survivors is not account
    for _ in range(2):
        for worker in (5, 0, 2, 3):
            assert alone.add(worker, messages[worker]) == account.add(worker)
            assert shared.missing == alone.missing
            shared.keep(worker, messages[worker])
        with pytest.raises(ValueError, match="worker 3 has been added already"):
            shared.keep(3, messages[3])
        assert alone.ready and shared.ready
        assert np.array_equal(shared.result(), alone.result())
        account.add(1)
        with pytest.raises(ValueError, match=r"worker 1 is too late.*call reset\(\)"):
            shared.keep(1, messages[1])
        alone.reset()
        shared.forget()
        assert account.answered == {0, 1, 2, 3, 5} and shared.data_share == 0
        account.reset()
        assert not shared.ready
    for bad, error, text in (
        (4, ValueError, "worker 4 must be counted by the account of survivors before its message is kept"),
        (6, ValueError, "worker must be in 0..5"),
    ):
        with pytest.raises(error, match=text):
            shared.keep(bad, messages[0])
    account.add(4)
    with pytest.raises(ValueError, match="message must be contiguous with shape"):
        shared.keep(4, messages[4][:-1])
    shared.keep(4, messages[4])


def test_an_ill_conditioned_set_waits_for_more_survivors():
    angle = 1e-6  # columns 0 and 1 are nearly parallel: condition 2e6, too much for float32
    code = codes.from_generator([[1, np.cos(angle), 0], [0, np.sin(angle), 1]])
    scheme = Grouped(3, code)
    gradient = np.arange(8, dtype=np.float32)
    messages = [scheme.encode(w, gradient) for w in range(3)]
    with pytest.warns(PrecisionWarning, match=r"can lose 6.3 of their 7 digits .* condition is 2.0e\+06"):
        decoder = scheme.decoder(8, "float32")
    decoder.add(0, messages[0])
    assert not decoder.add(1, messages[1]) and decoder.missing == (2,)
    assert decoder.add(2, messages[2])
    np.testing.assert_allclose(decoder.result(), gradient, rtol=1e-5, atol=1e-5)
    assert scheme.is_decodable([0, 1])  # in exact arithmetic, and in float64
    # With nobody left to wait for, it is decoded all the same.
    lonely = Grouped(2, codes.from_generator(code.generator[:, :2]))
    with pytest.warns(PrecisionWarning):
        decoder = lonely.decoder(8, "float32")
    decoder.add(0, messages[0])
    assert decoder.add(1, messages[1])
    # Nor does it wait once it is told not to.
    with pytest.warns(PrecisionWarning):
        decoder = scheme.decoder(8, "float32")
    assert not decoder.accept_any_condition()
    decoder.add(0, messages[0])
    assert decoder.add(1, messages[1]) and decoder.missing == ()
    decoder.reset()
    decoder.add(0, messages[0])
    assert not decoder.add(1, messages[1]) and decoder.accept_any_condition()


def test_weights_are_least_squares_over_all_survivors_in_the_order_given():
    scheme = Grouped(8, codes.harmonic(4, 2))
    survivors = [7, 0, 3, 1, 5]
    weights = scheme.weights(survivors)
    first = [survivors.index(w) for w in (0, 1, 3)]
    expected = np.linalg.pinv(scheme.code.generator[:, [0, 1, 3]].T)
    np.testing.assert_allclose(weights[:, first], expected, atol=1e-13)
    for bad, text in [([8], "got 8"), ([1, 1], "distinct"), ([0.5], "integers")]:
        with pytest.raises((ValueError, TypeError), match=text):
            scheme.weights(bad)


def test_solutions_are_remembered_within_bounds():
    scheme = design(8, 2, 2)
    solver = scheme.solver
    scheme.weights([0, 1, 4, 5])
    assert len(solver._cache) == 1  # both groups lost the same columns and share one solution
    solver._capacity = 3
    for workers in ([0, 1, 4, 6], [0, 2, 4, 7], [0, 3, 5, 6], [1, 2, 5, 7]):
        scheme.weights(workers)
    assert len(solver._cache) <= 3


def test_subsets_are_exact_fractions():
    whole = Subset(0, Fraction(0), Fraction(1))
    assert [s.slice(100) for s in whole.split(3)] == [slice(0, 33), slice(33, 66), slice(66, 100)]
    for rows, parts in [(10**18 + 7, 7), (5, 9)]:
        slices = [s.slice(rows) for s in whole.split(parts)]
        assert slices[0].start == 0 and slices[-1].stop == rows
        assert all(a.stop == b.start for a, b in itertools.pairwise(slices))
    with pytest.raises(ValueError, match="n_rows must be an integer of at least 0, got -1"):
        whole.slice(-1)


def test_the_fingerprint_is_the_same_in_every_process():
    script = (
        "import json, gradcode as g;"
        "print(json.dumps([g.design(12, 2, 2).fingerprint(), g.Grouped(9, g.codes.gaussian(4, 2)).fingerprint()]))"
    )
    output = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True).stdout
    here = [design(12, 2, 2).fingerprint(), Grouped(9, codes.gaussian(4, 2)).fingerprint()]
    assert json.loads(output) == here
    assert here[1] != Grouped(9, codes.gaussian(4, 2, seed=1)).fingerprint()


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_decode_can_be_repeated_and_leaves_no_trace_of_the_callers_buffer(failing, monkeypatch):
    scheme = design(4, stragglers=1, communication=1)  # two groups
    gradients = np.random.default_rng(0).standard_normal((2, 10))
    messages = contract.encode_all(scheme, gradients)
    decoder = scheme.decoder(10)
    decoder.add(0, messages[0])
    decoder.add(3, messages[3])
    real, calls = kernels.decode, []

    def fails(*arguments, **options):
        calls.append(1)
        return 1 / 0 if len(calls) == failing else real(*arguments, **options)

    out = np.zeros(10)
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "decode", fails)
        with pytest.raises(ZeroDivisionError):
            decoder.result(out)
    result = decoder.result()
    assert result is not out
    np.testing.assert_array_equal(result, gradients[0] + gradients[1])


def test_out_is_filled_every_round_without_new_memory(scheme):
    decoder, out = scheme.decoder(10), np.empty(10)
    for scale in (1.0, 2.0):
        decoder.reset()
        for worker in (0, 2):
            decoder.add(worker, scheme.encode(worker, scale * np.arange(10.0)))
        decoder.decode_ready_group()
        assert decoder.result(out) is out
        np.testing.assert_allclose(out, scale * np.arange(10.0), atol=1e-13)
    assert "ready" in repr(decoder)


def test_a_result_is_the_callers_whatever_came_before(scheme):
    decoder, buffer = scheme.decoder(10), np.empty(10)
    for worker in (0, 2):
        decoder.add(worker, scheme.encode(worker, np.arange(10.0)))
    decoder.decode_ready_group()
    decoder.result(buffer)
    kept = decoder.result()
    decoder.reset()
    for worker in (0, 2):
        decoder.add(worker, scheme.encode(worker, np.ones(10)))
    decoder.decode_ready_group()
    np.testing.assert_allclose(kept, np.arange(10.0), atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((49, 12, 12), {"prefer": "decoding"}),
        ((45, 11, 11), {"prefer": "decoding"}),
        ((129, 15, 8), {"prefer": "decoding", "max_load": 130}),
        ((61, 30, 1), {}),
        ((41, 20, 1), {}),
        ((20, 10, 10), {"placement": "cyclic"}),
    ],
)
def test_large_designs_tolerate_what_was_asked_for(arguments, options):
    scheme = design(*arguments, **options)
    assert scheme.stragglers >= arguments[1] and scheme.quick_condition < 1e6
    rng = np.random.default_rng(0)
    for _ in range(5):
        lost = rng.choice(arguments[0], arguments[1], replace=False)
        assert scheme.is_decodable([w for w in range(arguments[0]) if w not in lost])


def test_errors_survive_pickling():
    for error in (
        NotDecodable([1], [2]),
        WorkerFailed(3, "Traceback"),
        CorruptedMessage([1, 2], 5.0),
        CodeParameterError("x"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: design(4, 1, 1).is_decodable(3), "workers must be several integers in 0..3, got 3"),
        (lambda: codes.harmonic(4, 2).condition([9]), "survivors must be in 0..3, got 9 with length=4"),
        (lambda: LinearCode([[1, 2], [3]]), "generator must be a rectangular array, got rows of different lengths"),
        (lambda: GradientCode.from_coefficients([[1, 2], [3]]), "coefficients must be a rectangular array"),
        (lambda: codes.vandermonde(["a", "b"], 1), "nodes must be real numbers, got dtype"),
        (lambda: codes.vandermonde([1, np.nan], 1), "nodes must be finite, got nan"),
        (lambda: codes.vandermonde([1e200, 2e200, 3e200], 3), "nodes must have finite powers up to 2, got 3e"),
        (lambda: codes.frequency(5, [1, 2, 4], 13), "frequencies must make at most length=5 rows, got 6"),
        (lambda: YeAbbe(6, 4, 2, 2, max_condition=float("nan")), "max_condition must be a number of at least 1"),
        (lambda: YeAbbe(6, 4, 2, 2, seed=1), "seed needs nodes gaussian, got seed=1 with published"),
        (lambda: CyclicRepetition(5, 2, "harmonic", seed=1), "seed needs construction random, got seed=1"),
        (lambda: design(9, 3, 2, prefer="decoding", placement="cyclic"), "prefer needs groups"),
        (lambda: Grouped(8, codes.harmonic(4, 2), shares=[10**400, 1]), "must be a finite number above 0, got inf"),
        (lambda: CyclicRepetition(3, 1).encode(0, None), "gradients must be a list or tuple of arrays, got NoneType"),
        (lambda: codes.harmonic(6, 3).worst_condition(2, limit="x"), "limit must be an integer of at least 1, got 'x'"),
        (lambda: LinearCode.from_config({"version": 1, "code": ["x"]}), "config's code must be one of"),
    ],
)
def test_more_bad_arguments_name_argument_rule_and_value(call, text):
    with pytest.raises((ValueError, TypeError), match=re.escape(text)):
        call()


def test_negative_zero_is_zero():
    one, other = codes.from_generator([[1, 0.0], [0, 1]]), codes.from_generator([[1, -0.0], [0, 1]])
    assert one == other and hash(one) == hash(other)
    config = codes.frequency(5, [1, 2], 7).to_config()
    config["frequencies"].append(3)
    assert codes.frequency(5, [1, 2], 7).to_config()["frequencies"] == [1, 2]


@pytest.mark.parametrize("name", SCHEMES)
def test_every_name_makes_the_scheme_that_it_says(name):
    family = SCHEMES[name]
    scheme = named_scheme(name, 6, communication=1 if family.whole_gradients else 2)
    assert scheme.n_workers == 6 and scheme.stragglers == (1 if family.tolerant else 0)
    assert (scheme.communication == 1) == family.whole_gradients and family.about.endswith(".")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("raptor", 6), ValueError, "scheme must be one of auto, grouped, .*, got 'raptor'"),
        (
            ("ye-abbe", 6, 1, 2, Options(code="haar")),
            ValueError,
            "code needs scheme grouped, got code=haar with ye-abbe",
        ),
        (("uncoded", 6, 0, 1, Options(prefer="decoding")), ValueError, "prefer needs scheme grouped"),
        (("grouped", 6, 1, 2, Options(nodes="integer")), ValueError, "nodes needs scheme ye-abbe, got nodes=integer"),
        (("uncoded", 6, 1), ValueError, "scheme uncoded must have stragglers 0, got 1"),
        (("cyclic-repetition", 6, 1, 2), CodeParameterError, "must have communication 1, got 2"),
        (
            ("grouped", 6, 1, 2, Options(code="repetition")),
            CodeParameterError,
            "code repetition must have comm.*, got 2",
        ),
        (("auto", 6, 4, 3), CodeParameterError, r"must be at most workers, got 4 \+ 3 = 7 with workers=6"),
        (("auto", 0), ValueError, "workers must be an integer of at least 1, got 0"),
        (("auto", 6, 6), ValueError, r"stragglers must be an integer in 0\.\.5, got 6 with workers=6"),
    ],
)
def test_a_name_refuses_what_its_scheme_does_not_take(arguments, error, text):
    with pytest.raises(error, match=text):
        named_scheme(*arguments)


def test_only_ignoring_stragglers_is_inexact_and_scales_up():
    """The flag of the one inexact scheme follows from its system; there is nothing to compare in it."""
    scheme = IgnoreStragglers(6, 2)
    (system,) = scheme.systems
    assert not scheme.exact and scheme.worst_condition() == 1 and scheme.worst_condition().kind == "exact"
    assert system.fewest == 4 and system.surplus == 0 and system.contradictions(range(5)).shape == (0, 5)
    assert scheme.scale_up(4) == 1.5 and scheme.scale_up(0) == 1
    exact = Uncoded(6)
    assert exact.exact and exact.scale_up(4) == 1
