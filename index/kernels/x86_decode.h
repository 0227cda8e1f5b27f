// 4-, 2- and 1-bit codes to int8, 16 bytes of codes at a time.
#pragma once

template <int kBits>
inline void decode_codes(const uint8_t* codes, const int8_t* levels, int width, int8_t* out) {
  const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(levels));
  const __m128i mask = _mm_set1_epi8(char((1 << kBits) - 1));
  int i = 0;
  for (; i + 16 <= width; i += 16) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
    int8_t* plane = out + i;
    for (int shift = 0; shift < 8; shift += kBits, plane += width) {
      const __m128i code = _mm_and_si128(_mm_srli_epi16(packed, shift), mask);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(plane), _mm_shuffle_epi8(table, code));
    }
  }
  for (; i < width; i++)
    for (int shift = 0, j = i; shift < 8; shift += kBits, j += width)
      out[j] = levels[codes[i] >> shift & ((1 << kBits) - 1)];
}
