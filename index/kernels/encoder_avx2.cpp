// The encoder on AVX2: pairs of int16 products, which cannot saturate.
#include "encoder.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,fma")
#endif

namespace xret {
namespace {

#include "scratch.h"

struct EncoderAvx2 {
  struct V {
    __m256 low, high;
  };
  static constexpr int kTile = 4, kTileBlocks = 1, kSide = 1;
  static constexpr int kQueryRows = 4, kKeyBlocks = 1, kValueBlocks = 1;

  // (kTile, kWidth, kBlock) sums of products of a tile of rows with kWidth blocks of codes.
  template <int kWidth>
  static void products(const uint8_t* tile, const int8_t* codes, int ins, int32_t* out) {
    for (int j = 0; j < kWidth; j++)
      for (int half = 0; half < kBlock; half += kBlock / 2)
        half_block(tile, codes + size_t(j) * kBlock * ins + half * 4, ins,
                   out + j * kBlock + half, kWidth * kBlock);
  }

  // Eight outputs: each 16 bytes of codes are four of them, and a sum has two parts.
  static void half_block(const uint8_t* tile, const int8_t* codes, int ins, int32_t* out,
                         int stride) {
    __m256i sums[kTile * 2];
    repeat<kTile * 2>([&](auto i) XRET_INLINE { sums[i] = _mm256_setzero_si256(); });
    for (int k = 0; k < ins; k += 4, tile += 4 * kTile, codes += 4 * kBlock) {
      const __m256i left = widened(codes), right = widened(codes + kBlock);
      repeat<kTile>([&](auto i) XRET_INLINE {
        const __m256i bytes = _mm256_cvtepu8_epi16(_mm_set1_epi32(at<int32_t>(tile, i)));
        sums[2 * i] = _mm256_add_epi32(sums[2 * i], _mm256_madd_epi16(left, bytes));
        sums[2 * i + 1] = _mm256_add_epi32(sums[2 * i + 1], _mm256_madd_epi16(right, bytes));
      });
    }
    repeat<kTile>([&](auto i) XRET_INLINE {
      const __m256i mixed = _mm256_hadd_epi32(sums[2 * i], sums[2 * i + 1]);
      const __m256i sorted = _mm256_permute4x64_epi64(mixed, 0xd8);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i * stride), sorted);
    });
  }

  static __m256i widened(const int8_t* codes) {
    return _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(codes)));
  }

  static __m256i integers(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static __m256 difference(const int32_t* products, const int32_t* sums, __m256i zero) {
    const __m256i extra = _mm256_mullo_epi32(integers(sums), zero);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(integers(products), extra));
  }
  static V corrected(const int32_t* products, const int32_t* sums, int32_t zero) {
    const __m256i factor = _mm256_set1_epi32(zero);
    return {difference(products, sums, factor), difference(products + 8, sums + 8, factor)};
  }

  static V load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static void store(float* to, V a) {
    _mm256_storeu_ps(to, a.low);
    _mm256_storeu_ps(to + 8, a.high);
  }
  static V set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static V add(V a, V b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static V sub(V a, V b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static V mul(V a, V b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static V div(V a, V b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
  static V max(V a, V b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static V min(V a, V b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
  static V fma(V a, V b, V c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static V round(V a) {
    return {_mm256_cvtepi32_ps(_mm256_cvtps_epi32(a.low)),
            _mm256_cvtepi32_ps(_mm256_cvtps_epi32(a.high))};
  }
  static V shift_exponent(V a, V by) {
    return {shifted(a.low, by.low), shifted(a.high, by.high)};
  }
  static __m256 shifted(__m256 a, __m256 by) {
    const __m256i bits = _mm256_slli_epi32(_mm256_cvtps_epi32(by), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), bits));
  }
  // Nearest bytes, in four words that lie kTile words apart.
  static void store_bytes(uint8_t* to, V a) {
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high));
    const __m256i sorted = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(sorted),
                                           _mm256_extracti128_si256(sorted, 1));
    const int32_t word[4] = {_mm_cvtsi128_si32(bytes), _mm_extract_epi32(bytes, 1),
                             _mm_extract_epi32(bytes, 2), _mm_extract_epi32(bytes, 3)};
    for (int i = 0; i < 4; i++) std::memcpy(to + size_t(i) * 4 * kTile, word + i, 4);
  }
  static float total(V a) {
    const __m256 b = _mm256_add_ps(a.low, a.high);
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
  }
  static float largest(V a) {
    const __m256 b = _mm256_max_ps(a.low, a.high);
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
  }
};

#include "encoder_layers.h"

}  // namespace

void encode_avx2(const EncoderShape& shape, const uint8_t* model, const uint8_t* const* adapters,
                 const Texts& texts) {
  encode<EncoderAvx2>(shape, model, adapters, texts);
}

}  // namespace xret

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
