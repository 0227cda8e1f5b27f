// `encode` of `xret.index._kernels`: the weights of a model, packed by
// `xret.retriever.encoders.packed_weights`, over packed texts.
#include <vector>

#include "buffers.h"
#include "encoder.h"

extern const char kEncodeDoc[];
const char kEncodeDoc[] =
    "encode(path, model, adapters, states, offsets, which, layers, dim, heads, inner, bottleneck, "
    "adapter_norm, norm_is_residual, epsilon, n_texts, first, last)";

namespace {

bool aligned(const Buffer& buffer, uintptr_t bytes) {
  return reinterpret_cast<uintptr_t>(buffer.view.buf) % bytes == 0;
}

bool in_blocks(int value, int most) { return value > 0 && value <= most && value % kBlock == 0; }

bool sound(const EncoderShape& s) {
  if (s.layers < 0 || s.layers > 1024 || !in_blocks(s.dim, 8192) || !in_blocks(s.inner, 32768))
    return false;
  if (s.heads < 1 || s.dim % s.heads || s.dim / s.heads % kBlock) return false;
  if (s.bottleneck && !in_blocks(s.bottleneck, 32768)) return false;
  return s.adapter_norm >= kNoNorm && s.adapter_norm <= kSharedNorm && s.epsilon >= 0;
}

// The texts rise from row 0 to the last, none longer than a forward pass can be.
bool rising(const int64_t* offsets, int64_t n, int64_t rows) {
  const int64_t kLongest = 1 << 16;
  if (offsets[0] != 0 || offsets[n] != rows) return false;
  for (int64_t i = 0; i < n; i++)
    if (offsets[i + 1] < offsets[i] || offsets[i + 1] - offsets[i] > kLongest) return false;
  return true;
}

// The buffers of a tuple of adapters, held while they are read.
class Adapters {
 public:
  Adapters() = default;
  Adapters(const Adapters&) = delete;
  Adapters& operator=(const Adapters&) = delete;
  ~Adapters() { delete[] buffers_; }

  // False with an exception set where one is no buffer.
  bool hold(PyObject* tuple) {
    n = PyTuple_Size(tuple);
    if (n < 0) return false;
    buffers_ = new Buffer[size_t(n)];
    for (Py_ssize_t i = 0; i < n; i++)
      if (PyObject_GetBuffer(PyTuple_GetItem(tuple, i), &buffers_[i].view, PyBUF_SIMPLE)) return false;
    return true;
  }

  bool fit(int64_t bytes) {
    for (Py_ssize_t i = 0; i < n; i++) {
      if (!buffers_[i].holds(bytes, 1) || !aligned(buffers_[i], kAlignment)) return false;
      starts.push_back(buffers_[i].read<uint8_t>());
    }
    return true;
  }

  Py_ssize_t n = 0;
  std::vector<const uint8_t*> starts;

 private:
  Buffer* buffers_ = nullptr;
};

bool numbers_fit(const Buffer& which, int64_t n, int64_t rows, const EncoderShape& shape) {
  if (!which) return true;
  if (!which.holds(rows, 4) || !aligned(which, 4) || (n && !shape.bottleneck)) return false;
  for (int64_t i = 0; i < rows; i++)
    if (which.read<int32_t>()[i] < -1 || which.read<int32_t>()[i] >= n) return false;
  return true;
}

}  // namespace

PyObject* encode_texts(PyObject*, PyObject* arguments) {
  const char* name;
  Buffer model, states, offsets, which;
  PyObject* tuple;
  EncoderShape s;
  int norm_is_residual;
  long long n, first, last;
  if (!PyArg_ParseTuple(arguments, "sy*Ow*y*z*iiiiiipfLLL", &name, &model.view, &tuple,
                        &states.view, &offsets.view, &which.view, &s.layers, &s.dim, &s.heads,
                        &s.inner, &s.bottleneck, &s.adapter_norm, &norm_is_residual, &s.epsilon,
                        &n, &first, &last))
    return nullptr;
  s.norm_is_residual = norm_is_residual;
  const Path* path = path_named(name);
  Adapters adapters;
  if (!path || !adapters.hold(tuple)) return nullptr;
  if (!sound(s) || n < 0 || n > int64_t(1) << 30 || first < 0 || first > last || last > n)
    return wrong_sizes();
  const int64_t rows = states.view.len / 4 / s.dim;
  if (!states.holds(rows, 4 * int64_t(s.dim)) || rows > int64_t(1) << 40 || !aligned(states, 4) ||
      !offsets.holds(n + 1, 8) || !aligned(offsets, 8) ||
      !rising(offsets.read<int64_t>(), n, rows) || !model.holds(model_bytes(s), 1) ||
      !aligned(model, kAlignment) || !adapters.fit(adapter_bytes(s)) ||
      !numbers_fit(which, adapters.n, rows, s))
    return wrong_sizes();
  const Texts texts = {states.write<float>(), offsets.read<int64_t>(), which.read<int32_t>(), first,
                       last};
  return unlocked([&] {
    path->encode(s, model.read<uint8_t>(), adapters.starts.data(), texts);
    return kSound;
  });
}
