// `make_lists`, `choose`, `lists` and `gather` of `xret.index._kernels`: many segments in one call.
#include <memory>

#include "buffers.h"
#include "lists.h"

extern const char kMakeListsDoc[];
extern const char kChooseDoc[];
extern const char kListsDoc[];
extern const char kGatherDoc[];
const char kMakeListsDoc[] =
    "make_lists(centroids, offsets, n_centroids, n_passages, starts, members) -> first damaged "
    "passage, or -1; starts are written where members is None, and read where it is not";
const char kChooseDoc[] =
    "choose(table, n_centroids, n_near, floors, chosen) -> how many rows are above a floor";
const char kListsDoc[] =
    "lists(table, n_centroids, floors, chosen, segments, wanted, positions, scores, found, gains, "
    "terms) -> first damaged segment, or -1; segments: tuples of starts, members, documents, keep, "
    "languages, n_passages, n_documents; gains and terms: of languages, or None";
const char kGatherDoc[] =
    "gather(sources, which, begins, ends, row_bytes, out) -> first rows that are not there, or -1";

namespace {

constexpr int64_t kMost = int64_t(1) << 30;

bool aligned(const Buffer& buffer, uintptr_t bytes) {
  return reinterpret_cast<uintptr_t>(buffer.view.buf) % bytes == 0;
}

// The buffers of tuples, held while they are read.
class Held {
 public:
  explicit Held(Py_ssize_t most) : buffers_(new Buffer[size_t(most > 0 ? most : 1)]) {}

  // Null with an exception set where it is no buffer; an empty one for None.
  const Buffer* hold(PyObject* object) {
    Buffer& buffer = buffers_[size_t(n_++)];
    if (object == Py_None) return &buffer;
    return object && !PyObject_GetBuffer(object, &buffer.view, PyBUF_SIMPLE) ? &buffer : nullptr;
  }

 private:
  std::unique_ptr<Buffer[]> buffers_;
  Py_ssize_t n_ = 0;
};

// False without an exception where lengths do not belong together.
bool listed(PyObject* tuple, const ListQuery& query, Held& held, ListedSegment& segment) {
  if (PyTuple_Size(tuple) != 7) return false;
  const Buffer* buffers[5];
  for (int i = 0; i < 5; i++)
    if (!(buffers[i] = held.hold(PyTuple_GetItem(tuple, i)))) return false;
  segment.n_passages = PyLong_AsLongLong(PyTuple_GetItem(tuple, 5));
  segment.n_documents = PyLong_AsLongLong(PyTuple_GetItem(tuple, 6));
  if (PyErr_Occurred()) return false;
  const auto& [starts, members, documents, keep, langs] = buffers;
  segment.n_members = members->view.len / 2;
  const int64_t p = segment.n_passages, n = segment.n_documents;
  if (p < 0 || p > kMost || n < 0 || n > p || (!*documents && n != p)) return false;
  const int64_t n_blocks = (p + kListBlock - 1) / kListBlock;
  if (!starts->holds(n_blocks * query.n_centroids + 1, 4) || !members->holds(segment.n_members, 2))
    return false;
  if ((*documents && !documents->holds(n + 1, 8)) || (*keep && !keep->holds(n, 1))) return false;
  if (query.levels.gains && !langs->holds(n, 2)) return false;
  segment.starts = starts->read<void>();
  segment.members = members->read<void>();
  segment.documents = documents->read<void>();
  segment.keep = keep->read<uint8_t>();
  segment.langs = langs->read<void>();
  return !*documents || (at<int64_t>(segment.documents, 0) == 0 &&
                         at<int64_t>(segment.documents, n) == p);
}

// Whether no score overflows by them.
bool levels(const Buffer& gains, const Buffer& terms, Levels& levels) {
  levels = {gains.read<int64_t>(), terms.read<int64_t>(), gains.view.len / 8};
  if (!gains) return !terms;
  if (levels.n < 1 || !gains.holds(levels.n, 8) || !terms.holds(levels.n, 8) ||
      !aligned(gains, 8) || !aligned(terms, 8))
    return false;
  for (int64_t i = 0; i < levels.n; i++)
    if (levels.gains[i] < 0 || levels.gains[i] > kMostGain || levels.terms[i] < -kMostTerm ||
        levels.terms[i] > kMostTerm)
      return false;
  return true;
}

bool rising_below(const Buffer& chosen, int64_t n, int64_t most) {
  if (!chosen.holds(n, 4) || !aligned(chosen, 4)) return false;
  int64_t before = -1;
  for (int64_t i = 0; i < n; i++) {
    if (chosen.read<int32_t>()[i] <= before || chosen.read<int32_t>()[i] >= most) return false;
    before = chosen.read<int32_t>()[i];
  }
  return true;
}

}  // namespace

PyObject* make_lists(PyObject*, PyObject* arguments) {
  Buffer centroids, offsets, starts, members;
  long long n_centroids, n_passages;
  if (!PyArg_ParseTuple(arguments, "y*y*LLw*z*", &centroids.view, &offsets.view, &n_centroids,
                        &n_passages, &starts.view, &members.view))
    return nullptr;
  if (n_centroids < 1 || n_centroids > 65536 || n_passages < 0 || n_passages > kMost)
    return wrong_sizes();
  Passages passages = {};
  passages.n = n_passages;
  passages.rows = centroids.view.len / 2;
  const int64_t n_blocks = (n_passages + kListBlock - 1) / kListBlock;
  const int64_t n_starts = n_blocks * n_centroids + 1;
  if (!centroids.holds(passages.rows, 2) || !offsets.holds(n_passages + 1, 8) ||
      !starts.holds(n_starts, 4) || !aligned(starts, 4) || passages.rows > kMost)
    return wrong_sizes();
  if (members && (!members.holds(starts.read<uint32_t>()[n_starts - 1], 2) || members.view.readonly ||
                  !aligned(members, 2)))
    return wrong_sizes();
  passages.centroids = centroids.read<void>();
  passages.offsets = offsets.read<void>();
  return unlocked([&] {
    return xret::make_lists(passages, n_centroids, starts.write<uint32_t>(),
                            members.write<uint16_t>(), members.view.len / 2);
  });
}

PyObject* choose(PyObject*, PyObject* arguments) {
  Buffer table, floors, chosen;
  long long n, n_near;
  if (!PyArg_ParseTuple(arguments, "y*LLw*w*", &table.view, &n, &n_near, &floors.view, &chosen.view))
    return nullptr;
  const int64_t lanes = floors.view.len;
  if (n < 1 || n > 65536 || n_near < 1 || n_near > n || lanes % kLanes || lanes > 1 << 20 ||
      !table.holds(n, lanes) || !chosen.holds(n, 4) || !aligned(chosen, 4))
    return wrong_sizes();
  return unlocked([&] {
    return choose_lists(table.read<uint8_t>(), n, lanes, n_near, floors.write<uint8_t>(),
                        chosen.write<int32_t>());
  });
}

PyObject* lists(PyObject*, PyObject* arguments) {
  Buffer table, floors, chosen, positions, scores, found, gains, terms;
  PyObject* tuple;
  ListQuery query = {};
  long long n_centroids, wanted;
  if (!PyArg_ParseTuple(arguments, "y*Ly*y*O!Lw*w*w*z*z*", &table.view, &n_centroids, &floors.view,
                        &chosen.view, &PyTuple_Type, &tuple, &wanted, &positions.view,
                        &scores.view, &found.view, &gains.view, &terms.view))
    return nullptr;
  query.lanes = floors.view.len;
  query.n_centroids = n_centroids;
  query.n_chosen = chosen.view.len / 4;
  if (n_centroids < 1 || n_centroids > 65536 || query.lanes < kLanes || query.lanes % kLanes ||
      query.lanes > 1 << 20 || wanted < 1 || !table.holds(n_centroids, query.lanes) ||
      !rising_below(chosen, query.n_chosen, n_centroids) || !found.holds(1, 8) ||
      !aligned(found, 8) || !aligned(positions, 8) || !aligned(scores, 4) ||
      !levels(gains, terms, query.levels))
    return wrong_sizes();
  query.table = table.read<uint8_t>();
  query.floors = floors.read<uint8_t>();
  query.chosen = chosen.read<int32_t>();
  const Py_ssize_t n = PyTuple_Size(tuple);
  Held held(5 * n);
  std::vector<ListedSegment> segments(static_cast<size_t>(n));
  int64_t documents = 0;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* part = PyTuple_GetItem(tuple, i);
    if (!PyTuple_Check(part) || !listed(part, query, held, segments[size_t(i)]))
      return PyErr_Occurred() ? nullptr : wrong_sizes();
    documents += segments[size_t(i)].n_documents;
  }
  if (!positions.holds(documents, 8) || !scores.holds(documents, 4)) return wrong_sizes();
  return unlocked([&] {
    return list_documents(query, segments, wanted, positions.write<int64_t>(),
                          scores.write<int32_t>(), found.write<int64_t>());
  });
}

PyObject* gather(PyObject*, PyObject* arguments) {
  Buffer which, begins, ends, out;
  PyObject* tuple;
  long long row_bytes;
  if (!PyArg_ParseTuple(arguments, "O!y*y*y*Lw*", &PyTuple_Type, &tuple, &which.view, &begins.view,
                        &ends.view, &row_bytes, &out.view))
    return nullptr;
  const int64_t n = which.view.len / 4;
  if (row_bytes < 1 || row_bytes > kMost || n > kMost || !which.holds(n, 4) || !begins.holds(n, 8) ||
      !ends.holds(n, 8) || out.view.len % row_bytes || !aligned(which, 4) || !aligned(begins, 8) ||
      !aligned(ends, 8))
    return wrong_sizes();
  const Py_ssize_t n_sources = PyTuple_Size(tuple);
  Held held(n_sources);
  std::vector<Source> sources(static_cast<size_t>(n_sources));
  for (Py_ssize_t i = 0; i < n_sources; i++) {
    const Buffer* buffer = held.hold(PyTuple_GetItem(tuple, i));
    if (!buffer) return nullptr;
    sources[size_t(i)] = Source{buffer->read<char>(), buffer->view.len / row_bytes};
  }
  return unlocked([&] {
    return gather_rows(sources, which.read<int32_t>(), begins.read<int64_t>(),
                       ends.read<int64_t>(), n, row_bytes, out.write<char>(),
                       out.view.len / row_bytes);
  });
}
