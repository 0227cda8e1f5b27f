// The candidate stage: for every passage the sum over query vectors of the best table entry.
//
// Bytes need no wide registers: 16 of them are in the baseline of every 64-bit processor.
#include "kernels.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace xret {
namespace {

#if defined(__SSE2__) || defined(_M_X64)
using Bytes = __m128i;
inline Bytes zero() { return _mm_setzero_si128(); }
inline Bytes load(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline Bytes max(Bytes a, Bytes b) { return _mm_max_epu8(a, b); }
inline int32_t sum(Bytes a) {
  const __m128i halves = _mm_sad_epu8(a, _mm_setzero_si128());
  return _mm_cvtsi128_si32(_mm_add_epi32(halves, _mm_srli_si128(halves, 8)));
}
#elif defined(__aarch64__)
using Bytes = uint8x16_t;
inline Bytes zero() { return vdupq_n_u8(0); }
inline Bytes load(const uint8_t* from) { return vld1q_u8(from); }
inline Bytes max(Bytes a, Bytes b) { return vmaxq_u8(a, b); }
inline int32_t sum(Bytes a) { return vaddlvq_u8(a); }
#else
struct Bytes {
  uint8_t value[kLanes];
};
inline Bytes zero() { return Bytes{}; }
inline Bytes load(const uint8_t* from) {
  Bytes out;
  std::memcpy(out.value, from, kLanes);
  return out;
}
inline Bytes max(Bytes a, Bytes b) {
  for (int i = 0; i < kLanes; i++) a.value[i] = a.value[i] > b.value[i] ? a.value[i] : b.value[i];
  return a;
}
inline int32_t sum(Bytes a) {
  int32_t total = 0;
  for (int i = 0; i < kLanes; i++) total += a.value[i];
  return total;
}
#endif

// Whether every centroid number of rows begin to end is below n.
bool below(const void* centroids, int64_t begin, int64_t end, int64_t n) {
  int largest = 0;
  for (int64_t row = begin; row < end; row++) {
    const int centroid = at<uint16_t>(centroids, row);
    largest = centroid > largest ? centroid : largest;
  }
  return largest < n;
}

template <int kWidth>
int32_t sum_of_largest(const uint8_t* table, int64_t stride, const void* centroids, int64_t begin,
                       int64_t end) {
  Bytes best[kWidth];
  for (int j = 0; j < kWidth; j++) best[j] = zero();
  for (int64_t row = begin; row < end; row++) {
    const uint8_t* entry = table + at<uint16_t>(centroids, row) * stride;
    for (int j = 0; j < kWidth; j++) best[j] = max(best[j], load(entry + j * kLanes));
  }
  int32_t total = 0;
  for (int j = 0; j < kWidth; j++) total += sum(best[j]);
  return total;
}

#if defined(__SSE2__) || defined(_M_X64)
struct Extremes {
  __m128 low[4];
  __m128 high[4];
  Extremes(const float* lowest, const float* highest) {
    for (int i = 0; i < 4; i++) {
      low[i] = _mm_loadu_ps(lowest + 4 * i);
      high[i] = _mm_loadu_ps(highest + 4 * i);
    }
  }
  void widen(const float* entry) {
    for (int i = 0; i < 4; i++) {
      const __m128 value = _mm_loadu_ps(entry + 4 * i);
      low[i] = _mm_min_ps(value, low[i]);
      high[i] = _mm_max_ps(value, high[i]);
    }
  }
  void store(float* lowest, float* highest) const {
    for (int i = 0; i < 4; i++) {
      _mm_storeu_ps(lowest + 4 * i, low[i]);
      _mm_storeu_ps(highest + 4 * i, high[i]);
    }
  }
};
inline __m128i whole(const float* entry, const float* factor, const float* term) {
  const __m128 product = _mm_mul_ps(_mm_loadu_ps(entry), _mm_loadu_ps(factor));
  const __m128 value = _mm_max_ps(_mm_add_ps(product, _mm_loadu_ps(term)), _mm_setzero_ps());
  return _mm_cvttps_epi32(_mm_min_ps(value, _mm_set1_ps(255.0f)));
}
inline void cut(const float* entry, const float* factor, const float* term, uint8_t* out) {
  const __m128i low = _mm_packs_epi32(whole(entry, factor, term),
                                      whole(entry + 4, factor + 4, term + 4));
  const __m128i high = _mm_packs_epi32(whole(entry + 8, factor + 8, term + 8),
                                       whole(entry + 12, factor + 12, term + 12));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(low, high));
}
#else
struct Extremes {
  float low[kLanes];
  float high[kLanes];
  Extremes(const float* lowest, const float* highest) {
    std::memcpy(low, lowest, sizeof(low));
    std::memcpy(high, highest, sizeof(high));
  }
  void widen(const float* entry) {
    for (int i = 0; i < kLanes; i++) {
      low[i] = entry[i] < low[i] ? entry[i] : low[i];
      high[i] = entry[i] > high[i] ? entry[i] : high[i];
    }
  }
  void store(float* lowest, float* highest) const {
    std::memcpy(lowest, low, sizeof(low));
    std::memcpy(highest, high, sizeof(high));
  }
};
inline void cut(const float* entry, const float* factor, const float* term, uint8_t* out) {
  for (int i = 0; i < kLanes; i++) {
    const float value = entry[i] * factor[i] + term[i];
    const float low = value > 0.0f ? value : 0.0f;
    out[i] = uint8_t(int32_t(low < 255.0f ? low : 255.0f));
  }
}
#endif

}  // namespace

void table_extremes(const float* table, int64_t n, int64_t lanes, float* lowest, float* highest) {
  constexpr int64_t kBlock = 64;  // rows whose lines stay in the cache for all groups of lanes
  std::memcpy(lowest, table, size_t(lanes) * sizeof(float));
  std::memcpy(highest, table, size_t(lanes) * sizeof(float));
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t last = first + kBlock < n ? first + kBlock : n;
    for (int64_t lane = 0; lane < lanes; lane += kLanes) {
      Extremes extremes(lowest + lane, highest + lane);
      for (int64_t row = first; row < last; row++) extremes.widen(table + row * lanes + lane);
      extremes.store(lowest + lane, highest + lane);
    }
  }
}

void table_bytes(const float* table, int64_t n, int64_t lanes, const float* factors,
                 const float* terms, uint8_t* out) {
  for (int64_t row = 0; row < n; row++)
    for (int64_t lane = 0; lane < lanes; lane += kLanes, table += kLanes, out += kLanes)
      cut(table, factors + lane, terms + lane, out);
}

int64_t scan_centroids(const uint8_t* table, int64_t n_centroids, const int64_t* query_offsets,
                       int64_t n_queries, const Passages& passages, const Columns& columns,
                       int32_t* out, int64_t stride) {
  const int64_t lanes = query_offsets[n_queries];
  for (int64_t column = columns.first; column < columns.last; column++) {
    const int64_t passage = columns.which ? at<int64_t>(columns.which, column) : column;
    if (passage < 0 || passage >= passages.n) return passage;
    const int64_t begin = at<int64_t>(passages.offsets, passage);
    const int64_t end = at<int64_t>(passages.offsets, passage + 1);
    if (begin < 0 || begin >= end || end > passages.rows) return passage;
    if (!below(passages.centroids, begin, end, n_centroids)) return passage;
    for (int64_t query = 0; query < n_queries; query++) {
      int32_t total = 0;
      int64_t lane = query_offsets[query];
      for (; lane + 2 * kLanes <= query_offsets[query + 1]; lane += 2 * kLanes)
        total += sum_of_largest<2>(table + lane, lanes, passages.centroids, begin, end);
      if (lane < query_offsets[query + 1])
        total += sum_of_largest<1>(table + lane, lanes, passages.centroids, begin, end);
      out[query * stride + column] = total;
    }
  }
  return kSound;
}

}  // namespace xret
