// kLanes floats in one AVX-512 register; what the VNNI and AMX paths share.
#pragma once

struct Avx512Lanes {
  using Lanes = __m512;

  static Lanes set1(float x) { return _mm512_set1_ps(x); }
  static Lanes load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Lanes a) { _mm512_storeu_ps(to, a); }
  static Lanes from_int32(const int32_t* from) {
    return _mm512_cvtepi32_ps(_mm512_loadu_si512(from));
  }
  static Lanes from_planes(const int32_t* from) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(half_of_planes(from)), half_of_planes(from + 8),
                              1);
  }
  static Lanes add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
  static Lanes sub(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
  static Lanes mul(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
  static Lanes max(Lanes a, Lanes b) { return _mm512_max_ps(a, b); }
  static float fold(Lanes a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

  struct Winner {
    __m512 value;
    __m512i index;
  };
  static Winner winner(const float* best, const int32_t* index) {
    return Winner{_mm512_loadu_ps(best), _mm512_loadu_si512(index)};
  }
  static void challenge(Winner& winner, Lanes value, int32_t index) {
    const __mmask16 larger = _mm512_cmp_ps_mask(value, winner.value, _CMP_GT_OQ);
    winner.value = _mm512_mask_mov_ps(winner.value, larger, value);
    winner.index = _mm512_mask_mov_epi32(winner.index, larger, _mm512_set1_epi32(index));
  }
  static void settle(const Winner& winner, float* best, int32_t* index) {
    _mm512_storeu_ps(best, winner.value);
    _mm512_storeu_si512(index, winner.index);
  }

 private:
  static __m512d load_doubles(const int32_t* from) {
    return _mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  // Doubles hold 128 * high + low exactly, so that float rounds once.
  static __m256 half_of_planes(const int32_t* from) {
    const __m512d high = _mm512_mul_pd(load_doubles(from), _mm512_set1_pd(128.0));
    return _mm512_cvtpd_ps(_mm512_add_pd(high, load_doubles(from + kLanes)));
  }
};

// As unroll_x86, kGroups groups at once.
inline void unroll_avx512(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                          int groups, int8_t* out) {
  for (int group = 0; group < groups; group += kGroups, out += kGroups * kGroup) {
    __m128i four[kGroups];
    for (int i = 0; i < kGroups; i++) {
      four[i] = group_windows(stream, rates[group + i]);
      stream += rates[group + i] * kGroup / 8;
    }
    const __m512i low = _mm512_castsi256_si512(_mm256_set_m128i(four[1], four[0]));
    const __m512i window = _mm512_inserti64x4(low, _mm256_set_m128i(four[3], four[2]), 1);
    const __mmask64 fifth = _mm512_test_epi8_mask(window, _mm512_set1_epi8(16));
    const __mmask64 sixth = _mm512_test_epi8_mask(window, _mm512_set1_epi8(32));
    const int8_t* own = levels + group * kWindows;
    __m512i value = _mm512_shuffle_epi8(_mm512_loadu_si512(own), window);
    value = _mm512_mask_shuffle_epi8(value, fifth, _mm512_loadu_si512(own + 64), window);
    __m512i upper = _mm512_shuffle_epi8(_mm512_loadu_si512(own + 128), window);
    upper = _mm512_mask_shuffle_epi8(upper, fifth, _mm512_loadu_si512(own + 192), window);
    _mm512_storeu_si512(out, _mm512_mask_mov_epi8(value, sixth, upper));
  }
}
