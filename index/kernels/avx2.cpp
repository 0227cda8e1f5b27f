// AVX2: pairs of int16 products. (Pairs of int8 products would saturate.)
#include "kernels.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2")
#endif

namespace xret {
namespace {

#include "block.h"
#include "x86_decode.h"

struct Avx2 {
  using Element = int16_t;
  static constexpr int kFlip = 0;
  struct Session {
    Session() {}
  };

  static void stage(const int8_t* codes, Element* out, int n) {
    int i = 0;
    for (; i + 16 <= n; i += 16) {
      const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_cvtepi8_epi16(narrow));
    }
    for (; i < n; i++) out[i] = codes[i];
  }

  template <int kBits>
  static void decode(const uint8_t* codes, const int8_t* levels, int width, int8_t* out) {
    decode_codes<kBits>(codes, levels, width, out);
  }

  static void unroll(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                     int groups, int8_t* out) {
    unroll_x86(stream, rates, levels, groups, out);
  }

  // (dim / 2, kLanes, 2) int16.
  static size_t packed_bytes(int dim) { return size_t(dim) * kLanes * sizeof(int16_t); }

  static void pack(const int8_t* codes, int dim, uint8_t* packed) {
    int16_t* out = reinterpret_cast<int16_t*>(packed);
    for (int i = 0; i < dim; i += 2)
      for (int lane = 0; lane < kLanes; lane++) {
        *out++ = codes[size_t(lane) * dim + i];
        *out++ = codes[size_t(lane) * dim + i + 1];
      }
  }

  template <int kWidth>
  static void dots(const Element* rows, int n, int stride, const uint8_t* packed, size_t bytes,
                   int dim, int32_t* out) {
    constexpr int kTile = 4;  // rows at a time: eight sums and two queries in registers
    for (int row = 0; row < n; row += kTile)
      for (int group = 0; group < kWidth; group++) {
        const __m256i* query = reinterpret_cast<const __m256i*>(packed + group * bytes);
        const Element* documents = rows + size_t(row) * stride;
        __m256i sums[kTile][2];
        for (int i = 0; i < kTile; i++) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
        for (int k = 0; k < dim; k += 2, query += 2) {
          const __m256i left = _mm256_loadu_si256(query);
          const __m256i right = _mm256_loadu_si256(query + 1);
          for (int i = 0; i < kTile; i++) {
            const __m256i document = _mm256_set1_epi32(at<int32_t>(documents + i * stride + k, 0));
            sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(left, document));
            sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(right, document));
          }
        }
        for (int i = 0; i < kTile; i++) {
          __m256i* sum = reinterpret_cast<__m256i*>(out + ((row + i) * kWidth + group) * kLanes);
          _mm256_storeu_si256(sum, sums[i][0]);
          _mm256_storeu_si256(sum + 1, sums[i][1]);
        }
      }
  }

  struct Lanes {
    __m256 low;
    __m256 high;
  };

  static Lanes set1(float x) { return Lanes{_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Lanes load(const float* from) {
    return Lanes{_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  static void store(float* to, Lanes a) {
    _mm256_storeu_ps(to, a.low);
    _mm256_storeu_ps(to + 8, a.high);
  }
  static __m256i load_int32(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Lanes from_int32(const int32_t* from) {
    return Lanes{_mm256_cvtepi32_ps(load_int32(from)), _mm256_cvtepi32_ps(load_int32(from + 8))};
  }
  static __m256d load_doubles(const int32_t* from) {
    return _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  // Doubles hold 128 * high + low exactly, so that float rounds once.
  static __m128 quarter_of_planes(const int32_t* from) {
    const __m256d high = _mm256_mul_pd(load_doubles(from), _mm256_set1_pd(128.0));
    return _mm256_cvtpd_ps(_mm256_add_pd(high, load_doubles(from + kLanes)));
  }
  static Lanes from_planes(const int32_t* from) {
    return Lanes{_mm256_set_m128(quarter_of_planes(from + 4), quarter_of_planes(from)),
                 _mm256_set_m128(quarter_of_planes(from + 12), quarter_of_planes(from + 8))};
  }
  static Lanes add(Lanes a, Lanes b) {
    return Lanes{_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  static Lanes sub(Lanes a, Lanes b) {
    return Lanes{_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  static Lanes mul(Lanes a, Lanes b) {
    return Lanes{_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  static Lanes max(Lanes a, Lanes b) {
    return Lanes{_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
  }
  static float fold(Lanes a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

  struct Winner {
    Lanes value;
    __m256i low;
    __m256i high;
  };
  static Winner winner(const float* best, const int32_t* index) {
    return Winner{load(best), load_int32(index), load_int32(index + 8)};
  }
  static void challenge(Winner& winner, Lanes value, int32_t index) {
    const __m256 low = _mm256_cmp_ps(value.low, winner.value.low, _CMP_GT_OQ);
    const __m256 high = _mm256_cmp_ps(value.high, winner.value.high, _CMP_GT_OQ);
    const __m256i wide = _mm256_set1_epi32(index);
    winner.value.low = _mm256_blendv_ps(winner.value.low, value.low, low);
    winner.value.high = _mm256_blendv_ps(winner.value.high, value.high, high);
    winner.low = _mm256_blendv_epi8(winner.low, wide, _mm256_castps_si256(low));
    winner.high = _mm256_blendv_epi8(winner.high, wide, _mm256_castps_si256(high));
  }
  static void settle(const Winner& winner, float* best, int32_t* index) {
    store(best, winner.value);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(index), winner.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(index + 8), winner.high);
  }
};

#include "maxsim.h"
#include "centroids.h"
#include "trellis.h"

}  // namespace

const Path* avx2_path() {
  static const Path path = {"avx2", score<Avx2>, tables<Avx2>, nearest<Avx2>, trellis<Avx2>, encode_avx2};
  return &path;
}

}  // namespace xret

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace xret {
const Path* avx2_path() { return nullptr; }
}  // namespace xret
#endif
