// Python buffers for the functions of `xret.index._kernels`.
#pragma once

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <new>

#include "kernels.h"

namespace {

using namespace xret;

// A borrowed view of a Python buffer, given back when it goes out of scope.
class Buffer {
 public:
  Buffer() { view.buf = nullptr, view.obj = nullptr, view.len = 0; }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view); }
  template <class T>
  const T* read() const {
    return static_cast<const T*>(view.buf);
  }
  template <class T>
  T* write() const {
    return static_cast<T*>(view.buf);
  }
  // Whether it holds n values of that many bytes; an absent one holds none.
  bool holds(int64_t n, int64_t bytes) const {
    return n >= 0 && bytes >= 0 && (bytes == 0 || n <= view.len / bytes) && view.len == n * bytes;
  }
  explicit operator bool() const { return view.buf != nullptr; }

  Py_buffer view;
};

const Path* path_named(const char* name) {
  const char* reason;
  const Path* path = find_path(name, &reason);
  if (!path) PyErr_Format(PyExc_ValueError, "%s: %s", name, reason);
  return path;
}

PyObject* wrong_sizes() {
  PyErr_SetString(PyExc_ValueError, "array lengths do not belong together");
  return nullptr;
}

// Runs `work` without the interpreter's lock; its number is the answer.
template <class F>
PyObject* unlocked(F work) {
  int64_t found = kSound;
  bool short_of_memory = false;
  PyThreadState* state = PyEval_SaveThread();
  try {
    found = work();
  } catch (const std::bad_alloc&) {
    short_of_memory = true;
  }
  PyEval_RestoreThread(state);
  return short_of_memory ? PyErr_NoMemory() : PyLong_FromLongLong(found);
}

}  // namespace
