"""Arrays of PyTorch, JAX and others, and buffers: the same memory in and out, the same numbers, on any device."""

from __future__ import annotations

import array
import subprocess
import sys

import numpy as np
import pytest
import reference

from gradcode import CyclicRepetition, design, kernels
from gradcode.kernels import elsewhere

FRAMEWORKS = ["torch", "jax", "array_api_strict"]
TABLE = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.5]])


def library(name, monkeypatch=None):
    """Import a library, or skip the test."""
    if name == "jax":
        if monkeypatch is not None:
            monkeypatch.setenv("JAX_PLATFORMS", "cpu")
        pytest.importorskip("jax")
        import jax.numpy

        return jax.numpy
    if name == "array_api_strict" and np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("its arrays are NumPy's, of which an older one gives away none that is read-only")
    return pytest.importorskip(name)


@pytest.fixture(params=FRAMEWORKS)
def lib(request, monkeypatch):
    return library(request.param, monkeypatch)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jnp(monkeypatch):
    return library("jax", monkeypatch)


def made(lib, values):
    """An array of the library with these values."""
    return lib.asarray(np.array(values)) if lib.__name__ != "array_api_strict" else lib.from_dlpack(np.array(values))


def address(x):
    """Where an array of whatever library lies."""
    if hasattr(x, "data_ptr"):
        return x.data_ptr()
    return x.unsafe_buffer_pointer() if hasattr(x, "unsafe_buffer_pointer") else np.from_dlpack(x).ctypes.data


def numbers(x):
    return np.asarray(x.float() if str(x.dtype) == "torch.bfloat16" else x).astype(np.float32)


@pytest.fixture
def gradients(rng):
    return [rng.standard_normal(100).astype(np.float32) for _ in range(2)]


# Arrays on the host


class Lender:
    """An object that speaks DLPack and is of no library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_what_only_speaks_dlpack_gives_numpy_arrays():
    gradient = Lender(np.arange(4.0))
    message = kernels.encode([1, 2], gradient)
    assert type(message) is np.ndarray and message.tolist() == [4, 7]
    assert kernels.decode([[1], [2]], [Lender(message)], 4).tolist() == [4, 7, 8, 14]


def test_a_type_that_does_not_fit_is_named_where_it_is():
    gradient = np.ones(4, np.float32)
    with pytest.raises(TypeError, match=r"^out must be float32 as gradients are, got float64$"):
        kernels.encode([1, 2], gradient, np.empty(2))
    with pytest.raises(TypeError, match=r"^out must be float32 as the gradient is, got float64$"):
        kernels.decode([[1]], [gradient], 4, np.empty(4))
    with pytest.raises(TypeError, match=r"^gradients.dtype must be .* got float16: only messages may have 16 bits$"):
        kernels.encode([1, 2], gradient.astype("f2"))
    with pytest.raises(TypeError, match=r"^coefficients must be an array of real numbers, got list: "):
        kernels.encode([[1], [1, 2]], [gradient])


def test_results_are_of_the_same_kind_and_have_the_same_numbers(lib, gradients):
    given = [made(lib, gradient) for gradient in gradients]
    message = kernels.encode(TABLE, given)
    expected = kernels.encode(TABLE, gradients)
    assert type(message) is type(given[0])
    np.testing.assert_array_equal(np.asarray(message), expected)
    gradient = kernels.decode([[1], [2], [0]], [message], 100)
    assert type(gradient) is type(given[0])
    np.testing.assert_array_equal(np.asarray(gradient), kernels.decode([[1], [2], [0]], [expected], 100))
    single = kernels.encode(TABLE[0], given[0])
    np.testing.assert_array_equal(np.asarray(single), kernels.encode(TABLE[0], gradients[0]))


def test_results_are_the_memory_that_was_written(lib, gradients, monkeypatch):
    written = []
    compiled = kernels.combine.gc_core.encode

    def encode(coefficients, arrays, out, *rest):
        written.append((out.ctypes.data, [a.ctypes.data for a in arrays]))
        return compiled(coefficients, arrays, out, *rest)

    monkeypatch.setattr(kernels.combine.gc_core, "encode", encode)
    given = [made(lib, gradient) for gradient in gradients]
    message = kernels.encode(TABLE, given)
    (found,) = written
    assert found == (address(message), [address(x) for x in given])


@pytest.mark.parametrize("name", ["torch", "array_api_strict"])
def test_out_is_written_in_place(name, gradients):
    lib = library(name)
    given = [made(lib, gradient) for gradient in gradients]
    out = made(lib, np.ones(34, np.float32))
    assert kernels.encode(TABLE, given, out, accumulate=True) is out
    expected = kernels.encode(TABLE, gradients, np.ones(34, np.float32), accumulate=True)
    np.testing.assert_array_equal(np.asarray(out), expected)
    total = made(lib, np.zeros(100, np.float32))
    assert kernels.decode([[1], [2], [3]], [out], 100, total) is total
    np.testing.assert_array_equal(np.asarray(total), kernels.decode([[1], [2], [3]], [expected], 100))
    assert kernels.encode(TABLE, gradients, out) is out  # whatever the inputs are


def test_immutable_arrays_cannot_be_out(jnp, gradients):
    out = jnp.zeros(34, jnp.float32)
    with pytest.raises(ValueError, match="out must be writeable, got a read-only ArrayImpl; without out, a new array"):
        kernels.encode(TABLE, gradients, out)
    with pytest.raises(ValueError, match="out must be writeable, got a read-only ArrayImpl"):
        kernels.decode([[1.0]], [gradients[0]], 100, jnp.zeros(100, jnp.float32))


def test_the_first_array_decides(torch, gradients):
    tensor = torch.from_numpy(gradients[0])
    expected = kernels.encode(TABLE, gradients)
    first = kernels.encode(TABLE, [tensor, gradients[1]])
    second = kernels.encode(TABLE, [gradients[0], torch.from_numpy(gradients[1])])
    assert isinstance(first, torch.Tensor) and type(second) is np.ndarray
    np.testing.assert_array_equal(first.numpy(), expected)
    np.testing.assert_array_equal(second, expected)
    buffered = kernels.encode(TABLE, [array.array("f", gradients[0]), torch.from_numpy(gradients[1])])
    assert type(buffered) is np.ndarray
    np.testing.assert_array_equal(buffered, expected)


def test_buffers_give_arrays(gradients):
    expected = kernels.encode(TABLE, gradients)
    for make in (
        lambda g: array.array("f", g),
        memoryview,
        lambda g: memoryview(bytearray(g.tobytes())).cast("f"),
        lambda g: memoryview(g.tobytes()).cast("f"),  # read-only
    ):
        result = kernels.encode(TABLE, [make(g) for g in gradients])
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, expected)
    out = array.array("f", [0] * 34)
    assert kernels.encode(TABLE, gradients, out) is out
    assert list(out) == expected.tolist()
    out = bytearray(34 * 4)
    kernels.encode(TABLE, gradients, memoryview(out).cast("f"))
    assert bytes(out) == expected.tobytes()
    assert kernels.decode([[1]], [array.array("d", [1, 2])], 2).tolist() == [1, 2]
    with pytest.raises(ValueError, match="out must be writeable, got a read-only memoryview"):
        kernels.encode(TABLE, gradients, memoryview(bytes(34 * 4)).cast("f"))
    with pytest.raises(TypeError, match=r"gradients\.dtype must be one of float32, float64, got uint8"):
        kernels.encode([1], bytearray(8))
    bits = array.array("H", [0x3F80] * 4)
    assert kernels.decode([[2]], [bits], 4, wire_dtype="bfloat16").tolist() == [2] * 4


@pytest.mark.parametrize("bad", [None, [1.0], 3.0, "text", {}])
def test_what_is_no_array_is_refused(bad):
    got = f"must be a numpy.ndarray, got {type(bad).__name__}, which supports neither DLPack nor the buffer protocol"
    with pytest.raises(TypeError, match=rf"^gradients\[0\] {got}$"):
        kernels.encode(TABLE[:1], [bad])
    with pytest.raises(TypeError, match=rf"^messages\[1\] {got}$"):
        kernels.decode([[1, 1]], [np.ones(3), bad], 3)
    if bad is not None:
        with pytest.raises(TypeError, match=f"^out {got}$"):
            kernels.encode([1], np.ones(3), bad)


def test_tensors_that_cannot_be_taken_as_they_are_are_refused(torch):
    tensor = torch.ones(10)
    with pytest.raises(ValueError, match=r"gradients\[0\] must be C-contiguous, got strides .8,. bytes"):
        kernels.encode([1, 1], torch.ones(20)[::2])
    with pytest.raises(ValueError, match=r"gradients must have 1 dimension, got 2"):
        kernels.encode([1, 1], torch.ones(2, 5))
    with pytest.raises(TypeError, match=r"gradients\.dtype must be one of float32, float64, got int64"):
        kernels.encode([1, 1], torch.arange(10))
    needs = torch.ones(10, requires_grad=True)
    with pytest.raises(
        ValueError, match=r"gradients\[0\] must not require a gradient, .*: pass gradients\[0\]\.detach"
    ):
        kernels.encode([1, 1], needs)
    with pytest.raises(ValueError, match=r"out must not require a gradient, got a Tensor that does: pass out\.detach"):
        kernels.encode([1], tensor, needs)
    assert kernels.encode([1], tensor, needs.detach()) is not None
    with pytest.raises(TypeError, match=r"gradients\[0\] must be readable through DLPack, got Tensor on cpu: "):
        kernels.encode([1, 1], tensor.to_sparse())
    with pytest.raises(ValueError, match=r"out must not overlap gradients\[0\]"):
        kernels.encode([1, 1], tensor, tensor[:5])
    with pytest.raises(TypeError, match=r"gradients\[1\] must be float32 as out is, got float64"):
        kernels.encode(TABLE, [tensor, tensor.double()])


def test_subclasses_are_of_the_library_of_their_base(torch, gradients):
    class Mine(torch.Tensor):
        pass

    given = torch.from_numpy(gradients[0]).as_subclass(Mine)
    assert isinstance(kernels.encode(TABLE[0], given), torch.Tensor)
    parameter = torch.nn.Parameter(torch.ones(4), requires_grad=False)
    assert isinstance(kernels.encode([1, 1], parameter), torch.Tensor)


def test_no_library_is_imported():
    script = "import sys, numpy as np, array; from gradcode import kernels; kernels.encode([1], array.array('f', [1]))"
    script += "; kernels.encode([1], np.ones(3)); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "jax", "ml_dtypes", "array_api_strict", "cupy"} & set(loaded.split())


# 16 bits


@pytest.mark.parametrize("name", ["torch", "jax"])
@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
def test_wire_types_are_those_of_the_library(name, wire, gradients, monkeypatch):
    lib = library(name, monkeypatch)
    given = [made(lib, gradient) for gradient in gradients]
    message = kernels.encode(TABLE, given, wire_dtype=wire)
    expected = kernels.encode(TABLE, gradients, wire_dtype=wire)
    assert type(message) is type(given[0]) and message.dtype == getattr(lib, wire)
    np.testing.assert_array_equal(numbers(message), reference.from_half(expected, wire))
    assert kernels.wire_name(message.dtype, "float32") == wire
    # Messages say of themselves what they are.
    gradient = kernels.decode([[1], [2], [3]], [message], 100)
    assert type(gradient) is type(given[0]) and gradient.dtype == lib.float32
    known = kernels.decode([[1], [2], [3]], [expected], 100, wire_dtype=wire)
    np.testing.assert_array_equal(np.asarray(gradient), known)
    other = "float16" if wire == "bfloat16" else "bfloat16"
    with pytest.raises(TypeError, match=rf"messages\[0\] must be .* where wire_dtype is {other}, got {wire}"):
        kernels.decode([[1], [2], [3]], [message], 100, wire_dtype=other)


@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
def test_a_tensor_of_16_bits_as_out_says_what_the_message_is(wire, torch, gradients):
    out = torch.empty(34, dtype=getattr(torch, wire))
    assert kernels.encode(TABLE, gradients, out) is out
    expected = kernels.encode(TABLE, gradients, wire_dtype=wire)
    np.testing.assert_array_equal(numbers(out), reference.from_half(expected, wire))


def test_a_library_without_the_type_is_named(gradients):
    strict = library("array_api_strict")
    given = made(strict, gradients[0])
    with pytest.raises(ValueError, match="wire_dtype must be a type of array_api_strict, got bfloat16; a NumPy array"):
        kernels.encode(TABLE[0], given, wire_dtype="bfloat16")
    out = np.empty(34, np.uint16)
    assert kernels.encode(TABLE[0], given, out, wire_dtype="bfloat16") is out
    np.testing.assert_array_equal(out, kernels.encode(TABLE[0], gradients[0], wire_dtype="bfloat16"))


# Schemes


@pytest.mark.parametrize("scheme", [design(4, 2, 2), CyclicRepetition(5, 2)], ids=repr)
def test_schemes_take_and_give_what_kernels_do(scheme, lib, rng):
    gradients = rng.standard_normal((scheme.n_subsets, 20)).astype(np.float32)
    decoder, plain = (scheme.decoder(20, "float32") for _ in range(2))
    for worker in range(scheme.stragglers, scheme.n_workers):
        held = [gradients[subset.index] for subset in scheme.subsets(worker)]
        given = [made(lib, gradient) for gradient in held]
        message = scheme.encode(worker, given[0] if scheme.summed else given)
        expected = scheme.encode(worker, held[0] if scheme.summed else held)
        assert type(message) is type(given[0])
        np.testing.assert_array_equal(np.asarray(message), expected)
        decoder.add(worker, message)
        plain.add(worker, expected)
    result = decoder.result()
    assert type(result) is type(message)
    np.testing.assert_array_equal(np.asarray(result), plain.result())
    estimate = decoder.estimate()
    assert type(estimate.gradient) is type(message)
    np.testing.assert_array_equal(np.asarray(estimate.gradient), plain.estimate().gradient)
    np.testing.assert_array_equal(decoder.result(np.empty(20, np.float32)), plain.result())
    decoder.reset()
    for worker in range(scheme.n_workers):
        decoder.add(worker, np.zeros(scheme.message_size(20, "float32"), np.float32))
    assert type(decoder.result()) is np.ndarray


def test_decoders_write_into_tensors(torch, rng):
    scheme = design(4, 2, 2)
    gradient = torch.from_numpy(rng.standard_normal(20).astype(np.float32))
    decoder = scheme.decoder(20, "float32", wire_dtype=torch.bfloat16, check="projection")
    for worker in range(4):
        decoder.add(worker, scheme.encode(worker, gradient, wire_dtype=torch.bfloat16))
    out = torch.zeros(20)
    assert decoder.result(out) is out and decoder.result(out) is out
    plain = scheme.decoder(20, "float32", wire_dtype="bfloat16")
    for worker in range(4):
        plain.add(worker, scheme.encode(worker, gradient.numpy(), wire_dtype="bfloat16"))
    np.testing.assert_array_equal(out.numpy(), plain.result())
    with pytest.raises(ValueError, match="out must be a float32 array of shape"):
        decoder.result(torch.zeros(20, dtype=torch.float64))
    message = torch.zeros(10)
    assert scheme.encode(1, gradient, message) is message
    np.testing.assert_array_equal(message.numpy(), scheme.encode(1, gradient.numpy()))


def test_decoders_refuse_immutable_arrays_as_out(jnp):
    decoder = design(4, 2, 2).decoder(20, "float32")
    for worker in (0, 1):
        decoder.add(worker, jnp.ones(10, jnp.float32))
    with pytest.raises(ValueError, match="out must be writeable, got a read-only ArrayImpl"):
        decoder.result(jnp.ones(20, jnp.float32))


# On other devices


def assert_encodes(lib, device, rng, dtype, length, parts, count, zeros=0.3):
    table = np.where(rng.random((count, parts)) < zeros, 0, rng.standard_normal((count, parts))).astype(dtype)
    gradients = [rng.standard_normal(length).astype(dtype) for _ in range(count)]
    given = [placed(lib, gradient, device) for gradient in gradients]
    size = kernels.message_size(length, parts, dtype)
    message = elsewhere.encode(table, given, None, False)
    assert type(message) is type(given[0]) and message.dtype == given[0].dtype and message.device == given[0].device
    expected, magnitude = reference.encode(table, gradients, size)
    # One more addition for each product than in one sum, since blocks and gradients are added one by one.
    reference.assert_sum(fetched(lib, message), expected, magnitude, 2 * table.size)


def assert_decodes(lib, device, rng, dtype, length, parts, count, zeros=0.3):
    table = np.where(rng.random((parts, count)) < zeros, 0, rng.standard_normal((parts, count))).astype(dtype)
    size = kernels.message_size(length, parts, dtype)
    messages = [rng.standard_normal(size).astype(dtype) for _ in range(count)]
    given = [placed(lib, message, device) for message in messages]
    gradient = elsewhere.decode(table, given, length, None, False)
    assert type(gradient) is type(given[0]) and gradient.dtype == given[0].dtype and gradient.device == given[0].device
    expected, magnitude = reference.decode(table, messages, length)
    reference.assert_sum(fetched(lib, gradient), expected, magnitude, count)


def placed(lib, values, device):
    """An array of the library on a device."""
    if lib.__name__ == "array_api_strict":
        return lib.asarray(values.tolist(), dtype=getattr(lib, values.dtype.name), device=device)
    return lib.asarray(values.copy())  # which PyTorch would share


def fetched(lib, x):
    if lib.__name__ == "array_api_strict":
        x = x.to_device(lib.Device("CPU_DEVICE"))
    return np.asarray(x)


def device_of(lib):
    return lib.Device("device1") if lib.__name__ == "array_api_strict" else None


@pytest.mark.parametrize("zeros", [0.0, 0.5, 1.0])
def test_other_devices_give_the_same_numbers(lib, rng, zeros):
    dtypes = ["float32"] if lib.__name__ == "jax.numpy" else ["float32", "float64"]
    for dtype in dtypes:
        for length, parts, count in [(1, 1, 1), (1, 3, 2), (5, 3, 2), (5, 4, 1), (12, 4, 3), (13, 4, 2), (100, 7, 3)]:
            assert_encodes(lib, device_of(lib), rng, dtype, length, parts, count, zeros)
            assert_decodes(lib, device_of(lib), rng, dtype, length, parts, count + parts, zeros)


@pytest.mark.parametrize("name", ["torch", "array_api_strict"])
def test_other_devices_write_and_add_to_out(name, rng):
    lib = library(name)
    device = device_of(lib)
    values = [rng.standard_normal(10).astype(np.float32) for _ in range(2)]
    given = [placed(lib, value, device) for value in values]
    initial = rng.standard_normal(4).astype(np.float32)
    for accumulate in (False, True):
        out = placed(lib, initial, device)
        assert elsewhere.encode(TABLE, given, out, accumulate) is out
        expected, magnitude = reference.encode(TABLE.astype("f"), values, 4, initial if accumulate else None)
        reference.assert_sum(fetched(lib, out), expected, magnitude, 12)
    messages = [value[:4] for value in values]
    given = [placed(lib, message, device) for message in messages]
    for accumulate in (False, True):
        out = placed(lib, values[0], device)
        assert elsewhere.decode(TABLE.T, given, 10, out, accumulate) is out
        initial = values[0] if accumulate else None
        expected, magnitude = reference.decode(TABLE.T.astype("f"), messages, 10, initial)
        reference.assert_sum(fetched(lib, out), expected, magnitude, 3)


def test_zero_coefficients_skip_their_block_on_other_devices(lib):
    device = device_of(lib)
    spoilt = np.array([np.nan, np.nan, 1, 2, np.nan], np.float32)  # two blocks of two, and a short one
    message = elsewhere.encode(np.array([[0.0, 3.0, 0.0]]), [placed(lib, spoilt, device)], None, False)
    assert fetched(lib, message).tolist() == [3, 6]
    bad, good = placed(lib, np.full(2, np.nan, np.float32), device), placed(lib, np.ones(2, np.float32), device)
    gradient = elsewhere.decode(np.array([[0.0, 2.0], [0.0, 0.0], [0.0, 3.0]]), [bad, good], 5, None, False)
    assert fetched(lib, gradient).tolist() == [2, 2, 0, 0, 3]
    mixed = fetched(lib, elsewhere.decode(np.array([[0.0, 2.0], [1.0, 1.0]]), [bad, good], 4, None, False))
    assert mixed[:2].tolist() == [2, 2] and np.isnan(mixed[2:]).all()


@pytest.mark.parametrize("name", ["torch", "jax"])
@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
def test_wire_types_on_other_devices(name, wire, rng, monkeypatch):
    lib = library(name, monkeypatch)
    gradients = [rng.standard_normal(10).astype(np.float32) for _ in range(2)]
    given = [placed(lib, gradient, None) for gradient in gradients]
    message = elsewhere.encode(TABLE, given, None, False, wire)
    assert message.dtype == getattr(lib, wire)
    expected, magnitude = reference.encode(TABLE.astype("f"), gradients, 4)
    bits = reference.to_half(numbers(message), wire)  # exact, it has the digits already
    reference.assert_rounded_sum(bits, wire, expected, magnitude, 12)
    gradient = elsewhere.decode(TABLE.T[:, :1], [message], 10, None, False)
    assert gradient.dtype == lib.float32
    expected, magnitude = reference.decode(TABLE.T[:, :1].astype("f"), [numbers(message)], 10)
    reference.assert_sum(np.asarray(gradient), expected, magnitude, 1)
    with pytest.raises(ValueError, match=f"accumulate must be False with messages of {wire}"):
        elsewhere.encode(TABLE, given, placed_wire(lib, wire), True, wire)
    if name == "torch":
        out = placed_wire(lib, wire)
        assert elsewhere.encode(TABLE, given, out, False) is out and (out == message).all()
    with pytest.raises(TypeError, match=r"messages\[0\] must be .* where wire_dtype is .*, got float32"):
        elsewhere.decode(TABLE.T[:, :1], [given[0]], 30, None, False, wire)


def placed_wire(lib, wire):
    return lib.zeros(4, dtype=getattr(lib, wire))


@pytest.fixture
def far(monkeypatch):
    """array-api-strict, with a device that says that it is another one."""
    strict = library("array_api_strict")
    kind = type(strict.asarray([1.0]))
    told = kind.__dlpack_device__
    elsewhere_device = strict.Device("device1")
    monkeypatch.setattr(
        kind, "__dlpack_device__", lambda self: (2, 0) if self.device == elsewhere_device else told(self)
    )
    return strict


def test_kernels_send_arrays_of_other_devices_to_their_library(far, gradients, rng):
    device = far.Device("device1")
    given = [placed(far, gradient, device) for gradient in gradients]
    message = kernels.encode(TABLE, given)
    assert message.device == device
    expected, magnitude = reference.encode(TABLE.astype("f"), gradients, 34)
    reference.assert_sum(fetched(far, message), expected, magnitude, 12)
    out = placed(far, np.zeros(100, np.float32), device)
    assert kernels.decode([[1], [2], [3]], [message], 100, out) is out
    expected, magnitude = reference.decode(np.array([[1.0], [2.0], [3.0]]), [fetched(far, message)], 100)
    reference.assert_sum(fetched(far, out), expected, magnitude, 1)
    single = kernels.encode(TABLE[0], given[0])
    assert single.device == device

    scheme = design(4, 2, 2)
    message = scheme.encode(0, given[0])
    assert message.device == device
    decoder = scheme.decoder(100, "float32")
    with pytest.raises(TypeError, match=r"message must be in the memory of the host, got Array on .*device1"):
        decoder.add(0, message)
    decoder.add(0, np.zeros(50, np.float32))
    decoder.add(1, np.zeros(50, np.float32))
    with pytest.raises(ValueError, match=r"out must be a float32 array .* in the memory of the host, got Array on"):
        decoder.result(placed(far, gradients[0], device))


def test_what_other_devices_refuse(far, gradients):
    device = far.Device("device1")
    given = [placed(far, gradient, device) for gradient in gradients]
    here = made(far, gradients[1])
    ten = placed(far, np.ones(10, np.float32), device)
    for call, error, text in [
        (lambda: kernels.encode(TABLE, given, num_threads=2), ValueError, "num_threads must be None for arrays on an"),
        (lambda: kernels.encode(TABLE, [given[0], here]), TypeError, r"gradients\[1\] must be a Array on .*device1"),
        (lambda: kernels.encode(TABLE, [given[0], gradients[1]]), TypeError, r"as gradients\[0\] is, got ndarray on"),
        (lambda: kernels.encode(TABLE, [given[0], None]), TypeError, r"gradients\[1\] must be a Array on .* got None"),
        (lambda: kernels.encode(TABLE, [given[0], ten]), ValueError, r"gradients\[1\] must have shape \(100,\), as"),
        (lambda: kernels.encode(TABLE, given[:1]), ValueError, "coefficients must have one row for each of the 1 gra"),
        (lambda: kernels.encode(TABLE, given, np.zeros(34, "f4")), TypeError, "out must be a Array on .*device1"),
        (lambda: kernels.encode(TABLE, given, ten), ValueError, r"out must have shape \(34,\), got \(10,\)"),
        (lambda: kernels.encode(TABLE, given, accumulate=True), ValueError, "out must be given where accumulate is"),
        (lambda: kernels.encode(TABLE * np.nan, given), ValueError, "coefficients must be finite in float32, got nan"),
        (lambda: kernels.encode(TABLE, given, wire_dtype="bfloat16"), ValueError, "must be a type of array_api_strict"),
        (lambda: kernels.decode([[1]], [ten], 11), ValueError, r"messages\[0\] must have 11 elements, .*, got 10"),
        (lambda: kernels.decode([[1, 1]], [ten], 10), ValueError, "weights must have one column for each of the 1"),
    ]:
        with pytest.raises(error, match=text):
            call()
    integers = far.asarray([1, 2], device=device)
    with pytest.raises(TypeError, match=r"gradients\[0\]\.dtype must be one of float32, float64, got int64"):
        kernels.encode([1], integers)
    with pytest.raises(ValueError, match=r"gradients\[0\] must have 1 dimension, got 2"):
        kernels.encode([1], far.ones((2, 5), device=device))


def test_immutable_arrays_cannot_be_out_on_other_devices(jnp, gradients):
    given = [jnp.asarray(gradient) for gradient in gradients]
    with pytest.raises(ValueError, match="out must be writeable, got an immutable ArrayImpl"):
        elsewhere.encode(TABLE, given, jnp.zeros(34, jnp.float32), False)


def test_tensors_without_memory_are_combined_by_their_library(torch):
    """A tensor on the device "meta" has a shape and no numbers, and no DLPack."""
    message = kernels.encode(TABLE, [torch.ones(100, device="meta")] * 2)
    assert message.device.type == "meta" and message.shape == (34,) and message.dtype == torch.float32
    result = kernels.decode([[1], [2], [3]], [message], 100, wire_dtype=None)
    assert result.device.type == "meta" and result.shape == (100,)
    with pytest.raises(ValueError, match=r"gradients\[0\] must not require a gradient"):
        kernels.encode([1], torch.ones(4, device="meta", requires_grad=True))
