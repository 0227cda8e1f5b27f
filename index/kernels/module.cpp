// `xret.index._kernels`: buffers in, buffers filled. Shapes and types are the business of
// `xret.index.maxsim`; here every length is compared once more with what will be read.
#include "buffers.h"

PyObject* encode_texts(PyObject*, PyObject* arguments);
PyObject* make_lists(PyObject*, PyObject* arguments);
PyObject* choose(PyObject*, PyObject* arguments);
PyObject* lists(PyObject*, PyObject* arguments);
PyObject* gather(PyObject*, PyObject* arguments);
extern const char kEncodeDoc[];
extern const char kMakeListsDoc[];
extern const char kChooseDoc[];
extern const char kListsDoc[];
extern const char kGatherDoc[];

namespace {

bool partition(const Buffer& offsets, int64_t n, int64_t rows) {
  if (!offsets.holds(n + 1, 8) || at<int64_t>(offsets.read<void>(), 0) != 0) return false;
  for (int64_t i = 0; i < n; i++) {
    const int64_t begin = at<int64_t>(offsets.read<void>(), i);
    const int64_t end = at<int64_t>(offsets.read<void>(), i + 1);
    if (end < begin || end % kLanes) return false;
  }
  return at<int64_t>(offsets.read<void>(), n) == rows;
}

// Bytes of a row's codes by a trellis of these levels; -1 for levels of none.
int64_t trellis_width(const Buffer& levels, int dim) {
  if (dim < kGroup || dim > 32768 || dim % kGroup || !levels.holds(dim / kGroup, kGroupLevels))
    return -1;
  int64_t bytes = 0;
  for (int group = 0; group < dim / kGroup; group++) {
    const int rate = levels.read<int8_t>()[group * kGroupLevels];
    if (rate < 0 || rate > kMostRate) return -1;
    bytes += rate * kGroup / 8;
  }
  return bytes;
}

// What `score` and `scan` are given of the passages and of the answer.
struct Scored {
  Buffer codes, scales, centroids, offsets, levels, which, out;
  Passages passages = {};
  Columns columns = {};

  bool fit(int64_t n_queries, int64_t answers) const {
    const Passages& p = passages;
    const int64_t kMost = int64_t(1) << 30;  // so that no product below overflows
    if (p.n < 0 || p.n > kMost || n_queries < 0 || n_queries > kMost || answers < 0 ||
        answers > kMost || columns.first < 0 || columns.first > columns.last ||
        columns.last > answers)
      return false;
    if (!offsets.holds(p.n + 1, 8) || (centroids && !centroids.holds(p.rows, 2))) return false;
    if (which ? !which.holds(answers, 8) : answers > p.n) return false;
    return out.holds(n_queries * answers, 4);
  }

  bool fit_codes() const {
    const Passages& p = passages;
    if (p.dim < 4 || p.dim > 32768 || p.dim % 4 || !scales.holds(p.rows, 2)) return false;
    if (p.bits == 8) return codes.holds(p.rows, p.dim);
    if (!p.bits) {
      const int64_t width = trellis_width(levels, p.dim);
      return width >= 0 && codes.holds(p.rows, width);
    }
    if ((p.bits != 4 && p.bits != 2 && p.bits != 1) || p.dim % 8) return false;
    return codes.holds(p.rows, int64_t(p.dim) * p.bits / 8) && levels.holds(1 << p.bits, 1);
  }

  void point() {
    passages.codes = codes.read<uint8_t>();
    passages.scales = scales.read<void>();
    passages.centroids = centroids.read<void>();
    passages.offsets = offsets.read<void>();
    passages.levels = passages.bits == 8 ? nullptr : levels.read<int8_t>();
    columns.which = which.read<void>();
  }
};

const char kScoreDoc[] =
    "score(path, query_codes, query_low, query_scales, query_offsets, codes, scales, centroids, "
    "offsets, levels, table, centroid_codes, centroid_scales, which, out, n_queries, n_passages, "
    "n_rows, n_centroids, dim, bits, answers, first, last) -> first damaged passage, or -1";

PyObject* score(PyObject*, PyObject* arguments) {
  const char* name;
  Buffer query_codes, query_low, query_scales, query_offsets, table, centroid_codes, centroid_scales;
  Scored s;
  long long n_queries, n_passages, n_rows, n_centroids, answers, first, last;
  if (!PyArg_ParseTuple(arguments, "sy*z*y*y*y*y*z*y*z*z*z*z*z*w*LLLLiiLLL", &name,
                        &query_codes.view, &query_low.view, &query_scales.view,
                        &query_offsets.view, &s.codes.view, &s.scales.view, &s.centroids.view,
                        &s.offsets.view, &s.levels.view, &table.view, &centroid_codes.view,
                        &centroid_scales.view, &s.which.view, &s.out.view, &n_queries, &n_passages,
                        &n_rows, &n_centroids, &s.passages.dim, &s.passages.bits, &answers, &first,
                        &last))
    return nullptr;
  const Path* path = path_named(name);
  if (!path) return nullptr;
  s.passages.n = n_passages;
  s.passages.rows = n_rows;
  s.columns.first = first;
  s.columns.last = last;
  const int dim = s.passages.dim;
  const int64_t lanes = query_scales.view.len / 4;
  if (!s.fit(n_queries, answers) || !s.fit_codes()) return wrong_sizes();
  if (!query_codes.holds(lanes, dim) || !partition(query_offsets, n_queries, lanes) ||
      (query_low && !query_low.holds(lanes, dim)))
    return wrong_sizes();
  // Centroid numbers have 16 bits: no more centroids than that can be meant.
  if (n_centroids > 65536 || (table && !table.holds(n_centroids, lanes * 4)) ||
      (centroid_codes && !centroid_codes.holds(n_centroids, dim)) ||
      (centroid_codes && !centroid_scales.holds(n_centroids, 2)))
    return wrong_sizes();
  // Centroid numbers are read where there is something to look up in: which that is hangs
  // on the query's planes.
  const bool coded = query_low ? bool(centroid_codes) : bool(table);
  if (coded != bool(s.centroids)) return wrong_sizes();
  s.point();
  const Queries queries = {query_codes.read<int8_t>(), query_low.read<int8_t>(),
                           query_scales.read<float>(), query_offsets.read<int64_t>(), n_queries,
                           lanes};
  const Centroids centroids = {table.read<float>(), centroid_codes.read<int8_t>(),
                               centroid_scales.read<void>(), nullptr, n_centroids};
  return unlocked([&] {
    return path->score(queries, s.passages, centroids, s.columns, s.out.write<float>(), answers);
  });
}

const char kTablesDoc[] =
    "tables(path, query_codes, n_lanes, centroid_codes, centroid_scales, n_centroids, dim, added, out)";

PyObject* tables(PyObject*, PyObject* arguments) {
  const char* name;
  Buffer query_codes, codes, scales, added, out;
  long long lanes, n;
  int dim;
  if (!PyArg_ParseTuple(arguments, "sy*Ly*y*Liz*w*", &name, &query_codes.view, &lanes, &codes.view,
                        &scales.view, &n, &dim, &added.view, &out.view))
    return nullptr;
  const Path* path = path_named(name);
  if (!path) return nullptr;
  if (added && !added.holds(lanes, 4)) return wrong_sizes();
  if (dim < 4 || dim > 32768 || dim % 4 || lanes % kLanes || !query_codes.holds(lanes, dim) ||
      !codes.holds(n, dim) || !scales.holds(n, 2) || !out.holds(n, lanes * 4))
    return wrong_sizes();
  const Queries queries = {query_codes.read<int8_t>(), nullptr, nullptr, nullptr, 0, lanes};
  const Centroids centroids = {nullptr, codes.read<int8_t>(), scales.read<void>(), nullptr, n};
  return unlocked([&] {
    path->tables(queries, centroids, dim, added.read<float>(), out.write<float>());
    return kSound;
  });
}

const char kNearestDoc[] =
    "nearest(path, codes, inverses, n, centroid_codes, centroid_scales, biases, n_centroids, dim, "
    "first, last, out)";

PyObject* nearest(PyObject*, PyObject* arguments) {
  const char* name;
  Buffer codes, inverses, centroid_codes, scales, biases, out;
  long long n, n_centroids, first, last;
  int dim;
  if (!PyArg_ParseTuple(arguments, "sy*y*Ly*y*y*LiLLw*", &name, &codes.view, &inverses.view, &n,
                        &centroid_codes.view, &scales.view, &biases.view, &n_centroids, &dim,
                        &first, &last, &out.view))
    return nullptr;
  const Path* path = path_named(name);
  if (!path) return nullptr;
  if (dim < 4 || dim > 32768 || dim % 4 || !codes.holds(n, dim) || !inverses.holds(n, 4) ||
      !centroid_codes.holds(n_centroids, dim) || !scales.holds(n_centroids, 2) ||
      !biases.holds(n_centroids, 4) || n_centroids > 65536 || first < 0 || first > last ||
      last > n || !out.holds(n, 2))
    return wrong_sizes();
  const Vectors vectors = {codes.read<int8_t>(), inverses.read<float>(), first, last};
  const Centroids centroids = {nullptr, centroid_codes.read<int8_t>(), scales.read<void>(),
                               biases.read<float>(), n_centroids};
  return unlocked([&] {
    path->nearest(vectors, centroids, dim, out.write<uint16_t>());
    return kSound;
  });
}

const char kTrellisDoc[] = "trellis(path, values, levels, n, dim, first, last, out)";

PyObject* trellis(PyObject*, PyObject* arguments) {
  const char* name;
  Buffer values, levels, out;
  long long n, first, last;
  int dim;
  if (!PyArg_ParseTuple(arguments, "sy*y*LiLLw*", &name, &values.view, &levels.view, &n, &dim,
                        &first, &last, &out.view))
    return nullptr;
  const Path* path = path_named(name);
  if (!path) return nullptr;
  const int64_t width = trellis_width(levels, dim);
  if (width < 0 || n < 0 || first < 0 || first > last || last > n || !values.holds(n, 2 * dim) ||
      !out.holds(n, width))
    return wrong_sizes();
  const int16_t* rows = values.read<int16_t>();
  for (int64_t i = first * dim; i < last * dim; i++)
    if (rows[i] < -kMostHalves || rows[i] > kMostHalves) return wrong_sizes();
  return unlocked([&] {
    path->trellis(TrellisRows{rows, levels.read<int8_t>(), dim, width, first, last},
                  out.write<uint8_t>());
    return kSound;
  });
}

const char kScanDoc[] =
    "scan(table, n_centroids, query_offsets, n_queries, centroids, offsets, which, out, "
    "n_passages, n_rows, answers, first, last) -> first damaged passage, or -1";

PyObject* scan(PyObject*, PyObject* arguments) {
  Buffer table, query_offsets;
  Scored s;
  long long n_centroids, n_queries, n_passages, n_rows, answers, first, last;
  if (!PyArg_ParseTuple(arguments, "y*Ly*Ly*y*z*w*LLLLL", &table.view, &n_centroids,
                        &query_offsets.view, &n_queries, &s.centroids.view, &s.offsets.view,
                        &s.which.view, &s.out.view, &n_passages, &n_rows, &answers, &first, &last))
    return nullptr;
  s.passages.n = n_passages;
  s.passages.rows = n_rows;
  s.columns.first = first;
  s.columns.last = last;
  if (n_centroids < 1 || n_centroids > 65536) return wrong_sizes();
  const int64_t lanes = table.view.len / n_centroids;
  if (!table.holds(n_centroids, lanes) || !s.centroids || !s.fit(n_queries, answers) ||
      !partition(query_offsets, n_queries, lanes))
    return wrong_sizes();
  s.point();
  return unlocked([&] {
    return scan_centroids(table.read<uint8_t>(), n_centroids, query_offsets.read<int64_t>(),
                          n_queries, s.passages, s.columns, s.out.write<int32_t>(), answers);
  });
}

const char kExtremesDoc[] = "extremes(table, n_centroids, n_lanes, lowest, highest)";

PyObject* extremes(PyObject*, PyObject* arguments) {
  Buffer table, lowest, highest;
  long long n, lanes;
  if (!PyArg_ParseTuple(arguments, "y*LLw*w*", &table.view, &n, &lanes, &lowest.view,
                        &highest.view))
    return nullptr;
  if (n < 1 || lanes < 0 || lanes % kLanes || !lowest.holds(lanes, 4) ||
      !highest.holds(lanes, 4) || !table.holds(n, lanes * 4))
    return wrong_sizes();
  return unlocked([&] {
    table_extremes(table.read<float>(), n, lanes, lowest.write<float>(), highest.write<float>());
    return kSound;
  });
}

const char kBytesDoc[] = "bytes(table, n_centroids, n_lanes, factors, terms, out)";

PyObject* bytes(PyObject*, PyObject* arguments) {
  Buffer table, factors, terms, out;
  long long n, lanes;
  if (!PyArg_ParseTuple(arguments, "y*LLy*y*w*", &table.view, &n, &lanes, &factors.view,
                        &terms.view, &out.view))
    return nullptr;
  if (n < 0 || lanes < 0 || lanes % kLanes || !factors.holds(lanes, 4) ||
      !terms.holds(lanes, 4) || !table.holds(n, lanes * 4) || !out.holds(n, lanes))
    return wrong_sizes();
  return unlocked([&] {
    table_bytes(table.read<float>(), n, lanes, factors.read<float>(), terms.read<float>(),
                out.write<uint8_t>());
    return kSound;
  });
}

const char kLacksDoc[] = "lacks(path) -> why this machine cannot run it, or an empty string";

PyObject* lacks(PyObject*, PyObject* name) {
  PyObject* bytes = PyUnicode_AsUTF8String(name);
  if (!bytes) return nullptr;
  const char* reason;
  const bool found = find_path(PyBytes_AsString(bytes), &reason) != nullptr;
  Py_DECREF(bytes);
  return PyUnicode_FromString(found ? "" : reason);
}

PyMethodDef kMethods[] = {
    {"score", score, METH_VARARGS, kScoreDoc},       {"tables", tables, METH_VARARGS, kTablesDoc},
    {"nearest", nearest, METH_VARARGS, kNearestDoc}, {"scan", scan, METH_VARARGS, kScanDoc},
    {"extremes", extremes, METH_VARARGS, kExtremesDoc}, {"bytes", bytes, METH_VARARGS, kBytesDoc},
    {"encode", encode_texts, METH_VARARGS, kEncodeDoc}, {"lacks", lacks, METH_O, kLacksDoc},
    {"trellis", trellis, METH_VARARGS, kTrellisDoc},
    {"choose", choose, METH_VARARGS, kChooseDoc},     {"lists", lists, METH_VARARGS, kListsDoc},
    {"gather", gather, METH_VARARGS, kGatherDoc},
    {"make_lists", make_lists, METH_VARARGS, kMakeListsDoc},
    {nullptr, nullptr, 0, nullptr},
};

// `KERNEL_VERSION` of index/scoring/kernel_path.py; both rise where an argument or a meaning changes.
const long kVersion = 2;

int add_version(PyObject* module) { return PyModule_AddIntConstant(module, "version", kVersion); }

PyModuleDef_Slot kSlots[] = {{Py_mod_exec, reinterpret_cast<void*>(add_version)}, {0, nullptr}};

PyModuleDef kModule = {
    PyModuleDef_HEAD_INIT, "xret.index._kernels", "Late-interaction and encoder kernels.", 0, kMethods,
    kSlots,                nullptr,               nullptr,                     nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__kernels() { return PyModuleDef_Init(&kModule); }
