// The encoder on AVX-512 with VNNI.
#include "encoder.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#endif

namespace xret {
namespace {

#include "scratch.h"

struct EncoderVnni {
  using V = __m512;
  static constexpr int kTile = 8, kTileBlocks = 3, kSide = 4;
  static constexpr int kQueryRows = 8, kKeyBlocks = 2, kValueBlocks = 2;

  // (kTile, kWidth, kBlock) sums of products of a tile of rows with kWidth blocks of codes.
  template <int kWidth>
  static void products(const uint8_t* tile, const int8_t* codes, int ins, int32_t* out) {
    __m512i sums[kTile * kWidth];
    repeat<kTile * kWidth>([&](auto i) XRET_INLINE { sums[i] = _mm512_setzero_si512(); });
    for (int k = 0; k < ins; k += 4, tile += 4 * kTile, codes += 4 * kBlock) {
      __m512i weights[kWidth];
      repeat<kWidth>([&](auto j) XRET_INLINE {
        weights[j] = _mm512_load_si512(codes + size_t(j) * kBlock * ins);
      });
      repeat<kTile>([&](auto i) XRET_INLINE {
        const __m512i bytes = _mm512_set1_epi32(at<int32_t>(tile, i));
        repeat<kWidth>([&](auto j) XRET_INLINE {
          sums[i * kWidth + j] = _mm512_dpbusd_epi32(sums[i * kWidth + j], bytes, weights[j]);
        });
      });
    }
    repeat<kTile * kWidth>(
        [&](auto i) XRET_INLINE { _mm512_store_si512(out + i * kBlock, sums[i]); });
  }

  static V corrected(const int32_t* products, const int32_t* sums, int32_t zero) {
    const __m512i extra = _mm512_mullo_epi32(_mm512_loadu_si512(sums), _mm512_set1_epi32(zero));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(products), extra));
  }

  static V load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, V a) { _mm512_storeu_ps(to, a); }
  static V set1(float x) { return _mm512_set1_ps(x); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
  static V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  static V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  static V div(V a, V b) { return _mm512_div_ps(a, b); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static V max(V a, V b) { return _mm512_max_ps(a, b); }  // b where one is no number
  static V min(V a, V b) { return _mm512_min_ps(a, b); }
  static V round(V a) { return _mm512_cvtepi32_ps(_mm512_cvtps_epi32(a)); }
  static V shift_exponent(V a, V by) {
    const __m512i bits = _mm512_slli_epi32(_mm512_cvtps_epi32(by), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), bits));
  }
  // Nearest bytes, in four words that lie kTile words apart.
  static void store_bytes(uint8_t* to, V a) {
    const __m512i whole = _mm512_max_epi32(_mm512_cvtps_epi32(a), _mm512_setzero_si512());
    const __m128i bytes = _mm512_cvtusepi32_epi8(whole);
    const int32_t word[4] = {_mm_cvtsi128_si32(bytes), _mm_extract_epi32(bytes, 1),
                             _mm_extract_epi32(bytes, 2), _mm_extract_epi32(bytes, 3)};
    for (int i = 0; i < 4; i++) std::memcpy(to + size_t(i) * 4 * kTile, word + i, 4);
  }
  static float total(V a) {
    __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
  }
  static float largest(V a) {
    __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
  }
};

#include "encoder_layers.h"

}  // namespace

void encode_vnni(const EncoderShape& shape, const uint8_t* model, const uint8_t* const* adapters,
                 const Texts& texts) {
  encode<EncoderVnni>(shape, model, adapters, texts);
}

}  // namespace xret

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
