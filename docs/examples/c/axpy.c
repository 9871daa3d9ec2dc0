/* An extension module in C that uses the kernels of the installed gc_core. It links to nothing:
 *
 *   cc -std=c11 -O2 -shared -fPIC $(python3-config --includes) \
 *       -I"$(python3 -c 'import gc_core; print(gc_core.get_include())')" \
 *       docs/examples/c/axpy.c -o axpy$(python3-config --extension-suffix)
 *
 * axpy(weight, x, out) adds weight * x to out. Both arrays are contiguous and float32. To the kernel this is the decode
 * of one message, added to the output. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "gradcode_import.h"

static int get_floats(PyObject *object, const char *name, int flags, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, flags | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    if (strcmp(view->format, "f") == 0)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s must be float32, got format %s", name, view->format);
    PyBuffer_Release(view);
    return -1;
}

static int add(float weight, const Py_buffer *x, const Py_buffer *out)
{
    const float *const messages[] = {(const float *)x->buf};
    const size_t length = (size_t)out->len / sizeof(float);
    int status;

    if (x->len != out->len) {
        PyErr_Format(PyExc_ValueError, "x must have %zd bytes like out, got %zd", out->len, x->len);
        return -1;
    }
    if (out->len > 0 && (char *)x->buf < (char *)out->buf + out->len && (char *)out->buf < (char *)x->buf + x->len) {
        PyErr_SetString(PyExc_ValueError, "out must not overlap x, but they share memory");
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    status = gc_api->decode_f32(&weight, 1, 1, length, messages, length, (float *)out->buf, GC_ACCUMULATE, 0);
    Py_END_ALLOW_THREADS
    if (status == GC_OK)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, gc_api->status_message(status));
    return -1;
}

static PyObject *axpy(PyObject *self, PyObject *arguments)
{
    PyObject *x_object, *out_object;
    Py_buffer x, out;
    float weight;

    (void)self;
    if (!PyArg_ParseTuple(arguments, "fOO:axpy", &weight, &x_object, &out_object))
        return NULL;
    if (get_floats(x_object, "x", 0, &x) < 0)
        return NULL;
    if (get_floats(out_object, "out", PyBUF_WRITABLE, &out) < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    const int failed = add(weight, &x, &out);
    PyBuffer_Release(&out);
    PyBuffer_Release(&x);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"axpy", axpy, METH_VARARGS, "axpy(weight, x, out): add weight * x to out."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "axpy", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_axpy(void)
{
    if (gc_import() < 0)
        return NULL;
    PyObject *const created = PyModule_Create(&module);
#ifdef Py_GIL_DISABLED
    /* Without this, Python would enable the GIL for the whole process. */
    if (created)
        PyUnstable_Module_SetGIL(created, Py_MOD_GIL_NOT_USED);
#endif
    return created;
}
