// Every kernel path of this machine against the plain loops, on random shapes.
//
// Built with the address and undefined-behaviour sanitizers by .ci/run: arrays have exactly
// their size on the heap, and lie at odd addresses where the kernels must bear that.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "../../index/kernels/encoder.h"
#include "../../index/kernels/kernels.h"

using namespace xret;

namespace {

std::mt19937 generator(1);
int faults = 0;

int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }

// Bytes of n values behind one odd byte, on the heap so that a read past the end is seen.
template <class T>
struct Odd {
  explicit Odd(size_t n) : bytes(n * sizeof(T) + 1) {}
  void set(size_t i, T value) { std::memcpy(bytes.data() + 1 + i * sizeof(T), &value, sizeof(T)); }
  T get(size_t i) const { return at<T>(bytes.data() + 1, int64_t(i)); }
  const void* data() const { return bytes.data() + 1; }
  std::vector<uint8_t> bytes;
};

std::vector<int8_t> random_codes(size_t n) {
  std::vector<int8_t> codes(n);
  for (auto& code : codes) code = int8_t(between(-127, 127));
  return codes;
}

Odd<uint16_t> random_scales(size_t n) {
  Odd<uint16_t> scales(n);
  for (size_t i = 0; i < n; i++) scales.set(i, uint16_t(between(0x3b00, 0x3c80)));
  return scales;
}

int32_t product(const int8_t* a, const int8_t* b, int dim) {
  int32_t sum = 0;
  for (int i = 0; i < dim; i++) sum += a[i] * b[i];
  return sum;
}

void expect(bool equal, const char* path, const char* what, int trial) {
  if (equal) return;
  std::printf("%s: %s differs in trial %d\n", path, what, trial);
  faults++;
}

// A small index and its queries, of random shape.
struct Case {
  int bits;
  int dim = between(1, 20) * (bits == 8 ? 4 : bits ? 8 : kGroup);
  int n = between(1, 12), n_queries = between(1, 5), n_centroids = between(1, 90);
  std::vector<int64_t> query_offsets{0};
  std::vector<int8_t> query, low, levels, centroid_codes = random_codes(size_t(n_centroids) * dim);
  std::vector<float> query_scales, biases = std::vector<float>(size_t(n_centroids));
  Odd<int64_t> offsets{size_t(n) + 1};
  std::vector<uint8_t> codes;
  Odd<uint16_t> scales{0}, centroids{0}, centroid_scales = random_scales(size_t(n_centroids));
  int rows = 0;

  explicit Case(bool trellis) : bits(trellis ? 0 : 1 << between(0, 3)) {
    for (int i = 0; i < n_queries; i++) query_offsets.push_back(query_offsets.back() + 16 * between(1, 4));
    const size_t lanes = size_t(query_offsets.back());
    query = random_codes(lanes * size_t(dim));
    low = random_codes(lanes * size_t(dim));
    for (auto& code : low) code = int8_t(code / 2);
    for (size_t i = 0; i < lanes; i++) query_scales.push_back(float(between(0, 9)) / 700);
    for (int i = 0; i < n; i++) {
      offsets.set(size_t(i), rows);
      rows += between(0, 3) ? between(1, 20) : between(60, 140);
    }
    offsets.set(size_t(n), rows);
    if (bits < 8) levels = random_codes(bits ? size_t(1) << bits : size_t(dim / kGroup * kGroupLevels));
    for (int group = 0; !bits && group < dim / kGroup; group++)
      levels[size_t(group * kGroupLevels)] = int8_t(between(0, kMostRate));
    codes.resize(size_t(rows) * width());
    for (auto& code : codes) code = uint8_t(between(0, 255));
    scales = random_scales(size_t(rows));
    centroids = Odd<uint16_t>(size_t(rows));
    for (int i = 0; i < rows; i++) centroids.set(size_t(i), uint16_t(between(0, n_centroids - 1)));
    for (auto& bias : biases) bias = float(between(0, 99)) / 8;
  }

  int64_t lanes() const { return query_offsets.back(); }
  Queries queries(bool fine) const {
    return {query.data(), fine ? low.data() : nullptr, query_scales.data(), query_offsets.data(),
            n_queries, lanes()};
  }
  Passages passages(bool coded) const {
    return {codes.data(), scales.data(), coded ? centroids.data() : nullptr, offsets.data(),
            bits == 8 ? nullptr : levels.data(), n, rows, dim, bits};
  }
  Centroids table(const float* values) const {
    return {values, centroid_codes.data(), centroid_scales.data(), biases.data(), n_centroids};
  }
  size_t width() const { return size_t(row_bytes(passages(false))); }
  // The window of a trellis that starts with a dimension's bits, one bit after the other.
  int8_t unrolled(int row, int i) const {
    if (!levels[size_t(i / kGroup * kGroupLevels)]) return 0;
    int first = 0, window = 0;
    for (int j = 0; j < i; j++) first += levels[size_t(j / kGroup * kGroupLevels)];
    for (int j = 0; j < kWindow; j++) {
      const size_t bit = size_t(first + j);
      if (bit < width() * 8)
        window |= (codes[size_t(row) * width() + bit / 8] >> bit % 8 & 1) << j;
    }
    return levels[size_t(i / kGroup * kGroupLevels + 1 + window)];
  }
  int8_t code(int row, int i) const {
    if (bits == 8) return int8_t(codes[size_t(row) * dim + i]);
    if (!bits) return unrolled(row, i);
    const int width = dim * bits / 8;
    const int byte = codes[size_t(row) * width + i % width];
    return levels[size_t(byte >> (i / width * bits) & ((1 << bits) - 1))];
  }
  float similarity(int row, int lane, bool fine, bool coded) const {
    std::vector<int8_t> decoded(static_cast<size_t>(dim));
    for (int i = 0; i < dim; i++) decoded[size_t(i)] = code(row, i);
    const float scaled = dot(decoded.data(), lane, fine) * from_bfloat16(scales.get(size_t(row)));
    return coded ? entry(centroids.get(size_t(row)), lane, fine) + scaled : scaled;
  }
  float entry(int centroid, int lane, bool fine) const {
    const float dots = dot(centroid_codes.data() + size_t(centroid) * dim, lane, fine);
    return dots * from_bfloat16(centroid_scales.get(size_t(centroid)));
  }
  float dot(const int8_t* codes_of, int lane, bool fine) const {
    const int64_t high = product(query.data() + size_t(lane) * dim, codes_of, dim);
    if (!fine) return float(high);
    return float(high * 128 + product(low.data() + size_t(lane) * dim, codes_of, dim));
  }
  float score(int number, int passage, bool fine, bool coded) const {
    float sums[16] = {};
    for (int64_t lane = query_offsets[size_t(number)]; lane < query_offsets[size_t(number) + 1]; lane++) {
      float best = -std::numeric_limits<float>::infinity();
      for (int64_t row = offsets.get(size_t(passage)); row < offsets.get(size_t(passage) + 1); row++)
        best = std::max(best, similarity(int(row), int(lane), fine, coded));
      sums[lane % 16] += best * query_scales[size_t(lane)];
    }
    for (int half = 8; half; half /= 2)
      for (int i = 0; i < half; i++) sums[i] += sums[half + i];
    return sums[0];
  }
};

void check_scores(const Path& path, const Case& c, const std::vector<float>& table, int trial) {
  std::vector<int64_t> which;
  for (int i = between(0, 9); i > 0; i--) which.push_back(between(0, c.n - 1));
  for (int kind = 0; kind < 8; kind++) {
    const bool fine = kind & 1, coded = kind & 2, some = kind & 4;
    const int64_t columns = some ? int64_t(which.size()) : c.n;
    std::vector<float> out(size_t(c.n_queries * columns));
    const int64_t bad =
        path.score(c.queries(fine), c.passages(coded), c.table(fine ? nullptr : coded ? table.data() : nullptr),
                   Columns{some ? which.data() : nullptr, 0, columns}, out.data(), columns);
    bool equal = bad == kSound;
    for (int query = 0; query < c.n_queries; query++)
      for (int64_t i = 0; i < columns; i++)
        equal &= out[size_t(query * columns + i)] ==
                 c.score(query, int(some ? which[size_t(i)] : i), fine, coded);
    expect(equal, path.name, "score", trial);
  }
}

void check_nearest(const Path& path, const Case& c, int trial) {
  const int n = between(1, 300);
  const auto codes = random_codes(size_t(n) * c.dim);
  std::vector<float> inverses;
  for (int i = 0; i < n; i++) inverses.push_back(float(between(1, 50)));
  std::vector<uint16_t> out(static_cast<size_t>(n));
  path.nearest(Vectors{codes.data(), inverses.data(), 0, n}, c.table(nullptr), c.dim, out.data());
  bool equal = true;
  for (int i = 0; i < n; i++) {
    float best = -std::numeric_limits<float>::infinity();
    int found = 0;
    for (int k = 0; k < c.n_centroids; k++) {
      const int8_t* centroid = c.centroid_codes.data() + size_t(k) * c.dim;
      const float scaled = float(product(codes.data() + size_t(i) * c.dim, centroid, c.dim)) *
                           from_bfloat16(c.centroid_scales.get(size_t(k)));
      const float value = scaled - c.biases[size_t(k)] * inverses[size_t(i)];
      if (value > best) best = value, found = k;
    }
    equal &= out[size_t(i)] == found;
  }
  expect(equal, path.name, "nearest", trial);
}

// What a row loses by these codes, in halves of a level's unit.
int64_t loss(const Case& c, const std::vector<uint8_t>& codes, int row, const int16_t* values) {
  Case other = c;
  other.codes = codes;
  int64_t total = 0;
  for (int i = 0; i < c.dim; i++) {
    if (!c.levels[size_t(i / kGroup * kGroupLevels)]) continue;
    const int64_t off = values[i] - 2 * other.unrolled(row, i);
    total += off * off;
  }
  return total;
}

// The same codes on every path, and none that differ in one bit are nearer.
void check_trellis(const Path& path, const Case& c, int trial) {
  const int n = std::min(c.rows, 40);
  std::vector<int16_t> values(size_t(n) * c.dim);
  for (auto& value : values) value = int16_t(between(-kMostHalves, kMostHalves) / between(1, 8));
  std::vector<uint8_t> codes(size_t(n) * c.width()), expected = codes;
  const TrellisRows rows = {values.data(), c.levels.data(), c.dim, int64_t(c.width()), 0, n};
  path.trellis(rows, codes.data());
  portable_path()->trellis(rows, expected.data());
  expect(codes == expected, path.name, "trellis", trial);
  if (codes.empty()) return;
  const int row = between(0, n - 1);
  const int16_t* own = values.data() + size_t(row) * c.dim;
  const int64_t least = loss(c, codes, row, own);
  bool nearest = true;
  for (int i = 0; i < 9; i++) {
    std::vector<uint8_t> other = codes;
    other[size_t(row) * c.width() + size_t(between(0, int(c.width()) - 1))] ^= uint8_t(1 << between(0, 7));
    nearest &= loss(c, other, row, own) >= least;
  }
  expect(nearest, path.name, "trellis's nearest codes", trial);
}

void check_scan(const Case& c, int trial) {
  std::vector<uint8_t> table(size_t(c.n_centroids * c.lanes()));
  for (auto& entry : table) entry = uint8_t(between(0, 255));
  std::vector<int32_t> out(size_t(c.n_queries) * c.n);
  scan_centroids(table.data(), c.n_centroids, c.query_offsets.data(), c.n_queries,
                 c.passages(true), Columns{nullptr, 0, c.n}, out.data(), c.n);
  bool equal = true;
  for (int query = 0; query < c.n_queries; query++)
    for (int passage = 0; passage < c.n; passage++) {
      int total = 0;
      for (int64_t lane = c.query_offsets[size_t(query)]; lane < c.query_offsets[size_t(query) + 1]; lane++) {
        int best = 0;
        for (int64_t row = c.offsets.get(size_t(passage)); row < c.offsets.get(size_t(passage) + 1); row++)
          best = std::max<int>(best, table[size_t(c.centroids.get(size_t(row)) * c.lanes() + lane)]);
        total += best;
      }
      equal &= out[size_t(query * c.n + passage)] == total;
    }
  expect(equal, "scan", "sum", trial);
}

void check_bytes(const Case& c, const std::vector<float>& table, int trial) {
  const size_t lanes = size_t(c.lanes());
  std::vector<float> lowest(lanes), highest(lanes), factors(lanes), terms(lanes);
  for (auto& factor : factors) factor = float(between(-90, 90)) / 7;
  for (auto& term : terms) term = float(between(0, 2560)) / 10;
  std::vector<uint8_t> bytes(table.size());
  table_extremes(table.data(), c.n_centroids, c.lanes(), lowest.data(), highest.data());
  table_bytes(table.data(), c.n_centroids, c.lanes(), factors.data(), terms.data(), bytes.data());
  bool equal = true;
  std::vector<float> low(lanes, std::numeric_limits<float>::infinity()), high(lanes, -low[0]);
  for (size_t i = 0; i < table.size(); i++) {
    const size_t lane = i % lanes;
    low[lane] = std::min(low[lane], table[i]);
    high[lane] = std::max(high[lane], table[i]);
    const float value = std::max(0.0f, table[i] * factors[lane] + terms[lane]);
    equal &= bytes[i] == uint8_t(std::min(255.0f, value));
  }
  expect(equal && low == lowest && high == highest, "bytes", "table", trial);
}

// Offsets and centroid numbers from a damaged file are told, and nothing outside is read.
void check_damage(const Path& path, Case c, const std::vector<float>& table, int trial) {
  const int passage = between(0, c.n - 1);
  const int64_t bad_offsets[] = {-1, c.rows + 1, std::numeric_limits<int64_t>::max(),
                                 std::numeric_limits<int64_t>::min(), c.offsets.get(size_t(passage)) };
  std::vector<float> out(size_t(c.n_queries) * c.n);
  const Columns all{nullptr, 0, c.n};
  for (const int64_t offset : bad_offsets) {
    Case damaged = c;
    damaged.offsets.set(size_t(passage) + 1, offset);
    const int64_t bad = path.score(damaged.queries(false), damaged.passages(true),
                                   damaged.table(table.data()), all, out.data(), c.n);
    expect(bad == passage, path.name, "damaged offset", trial);
  }
  c.centroids.set(size_t(c.offsets.get(size_t(passage) + 1) - 1), uint16_t(c.n_centroids));
  const int64_t bad = path.score(c.queries(false), c.passages(true), c.table(table.data()), all,
                                 out.data(), c.n);
  expect(bad == passage, path.name, "damaged centroid", trial);
}

// Memory of exactly so many bytes that starts where the kernels' arrays do.
struct Aligned {
  explicit Aligned(int64_t bytes)
      : start(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, size_t(bytes)))) {}
  Aligned(const Aligned&) = delete;
  ~Aligned() { std::free(start); }
  uint8_t* start;
};

template <class T>
void fill(const T* array, int64_t n, T (*value)()) {
  for (int64_t i = 0; i < n; i++) const_cast<T*>(array)[i] = value();
}

float near_one() { return float(between(900, 1100)) / 1000; }
float near_zero() { return float(between(-300, 300)) / 1000; }
float small() { return float(between(1, 20)) / 40000; }
int8_t code() { return int8_t(between(-127, 127)); }

void fill_norm(const Norm& norm, int dim) {
  fill(norm.weight, dim, near_one);
  fill(norm.bias, dim, near_zero);
}

void fill_dense(const Dense& dense) {
  fill(dense.codes, int64_t(dense.ins) * dense.outs, code);
  for (int out = 0; out < dense.outs; out++) {
    int32_t sum = 0;
    for (int i = 0; i < dense.ins; i++)
      sum += dense.codes[size_t(out / kBlock * kBlock) * dense.ins + i / 4 * 4 * kBlock +
                         out % kBlock * 4 + i % 4];
    const_cast<int32_t*>(dense.sums)[out] = sum;
  }
  fill(dense.scales, dense.outs, small);
  fill(dense.biases, dense.outs, near_zero);
}

// Random encoders over texts of random lengths: every path gives the bits of the portable one,
// texts together or one by one, and nothing beyond an array is touched.
void check_encoder(int trial) {
  const int heads = between(1, 3), bottleneck = 16 * between(1, 3);
  const EncoderShape shape = {between(1, 2), 16 * heads * between(1, 2), heads,
                              16 * between(1, 9), bottleneck, between(0, 2),
                              bool(between(0, 1)), 1e-5f};
  const Aligned model(model_bytes(shape)), one(adapter_bytes(shape)), two(adapter_bytes(shape));
  Arrays arrays(model.start);
  fill_norm(Norm(arrays, shape.dim), shape.dim);
  for (int i = 0; i < shape.layers; i++) {
    const Layer layer(arrays, shape);
    for (const Dense* dense : {&layer.projection, &layer.attention, &layer.up, &layer.down})
      fill_dense(*dense);
    for (const Norm* norm : {&layer.attention_norm, &layer.norm, &layer.adapter_norm})
      fill_norm(*norm, shape.dim);
  }
  for (uint8_t* start : {one.start, two.start}) {
    Arrays parts(start);
    for (int i = 0; i < shape.layers; i++) {
      const Bottleneck part(parts, shape);
      fill_dense(part.down);
      fill_dense(part.up);
    }
  }
  const uint8_t* adapters[] = {one.start, two.start};
  std::vector<int64_t> offsets{0};
  const int n = between(1, 5);
  for (int i = 0; i < n; i++) offsets.push_back(offsets.back() + between(0, i % 2 ? 200 : 20));
  std::vector<float> states(size_t(offsets.back() * shape.dim));
  for (float& state : states) state = near_zero() * 5;
  std::vector<int32_t> which(size_t(offsets.back()));
  for (int32_t& number : which) number = between(0, 20) ? trial % 3 - 1 : between(-1, 1);

  std::vector<float> expected = states;
  const int32_t* numbers = between(0, 3) ? which.data() : nullptr;
  const Texts texts = {expected.data(), offsets.data(), numbers, 0, n};
  encode_portable(shape, model.start, adapters, texts);
  for (const char* name : {"amx", "vnni", "avx2", "neon", "portable"}) {
    const char* reason;
    const Path* path = find_path(name, &reason);
    if (!path) continue;
    std::vector<float> together = states, alone = states;
    Texts found = {together.data(), offsets.data(), numbers, 0, n};
    path->encode(shape, model.start, adapters, found);
    expect(together == expected, name, "encoder", trial);
    for (int i = 0; i < n; i++) {
      found = {alone.data(), offsets.data(), numbers, i, i + 1};
      path->encode(shape, model.start, adapters, found);
    }
    expect(alone == expected, name, "encoder's text alone", trial);
  }
}

}  // namespace

int main() {
  for (int trial = 0; trial < 8; trial++) check_encoder(trial);
  for (const char* name : {"amx", "vnni", "avx2", "neon", "portable"}) {
    const char* reason;
    const Path* path = find_path(name, &reason);
    std::printf("%s: %s\n", name, path ? "checked" : reason);
    for (int trial = 0; path && trial < 6; trial++) {
      const Case c(trial % 3 == 0);
      std::vector<float> table(size_t(c.n_centroids * c.lanes()));
      std::vector<float> added(size_t(c.lanes()), float(between(-9, 9)) / 8);
      path->tables(c.queries(false), c.table(nullptr), c.dim, added.data(), table.data());
      bool equal = true;
      for (int k = 0; k < c.n_centroids; k++)
        for (int64_t lane = 0; lane < c.lanes(); lane++)
          equal &= table[size_t(k * c.lanes() + lane)] == c.entry(k, int(lane), false) + added[0];
      expect(equal, name, "tables", trial);
      path->tables(c.queries(false), c.table(nullptr), c.dim, nullptr, table.data());
      check_scores(*path, c, table, trial);
      check_nearest(*path, c, trial);
      if (!c.bits) check_trellis(*path, c, trial);
      check_scan(c, trial);
      check_bytes(c, table, trial);
      check_damage(*path, c, table, trial);
    }
  }
  return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
