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

// Windows of kRate bits a step: each dimension's two bytes side by side, shifted to the top of
// 16 bits and down again.
template <int kRate>
inline __m128i windows(__m128i stream) {
  alignas(16) static constexpr auto kPlan = [] {
    struct Plan {
      uint8_t bytes[2 * kGroup];
      uint16_t factors[kGroup];
    } plan = {};
    for (int i = 0; i < kGroup; i++) {
      plan.bytes[2 * i] = uint8_t(i * kRate / 8);
      plan.bytes[2 * i + 1] = uint8_t(i * kRate / 8 + 1);
      plan.factors[i] = uint16_t(1 << (16 - kWindow - i * kRate % 8));
    }
    return plan;
  }();
  const __m128i* bytes = reinterpret_cast<const __m128i*>(kPlan.bytes);
  const __m128i* factors = reinterpret_cast<const __m128i*>(kPlan.factors);
  const __m128i low = _mm_mullo_epi16(_mm_shuffle_epi8(stream, _mm_loadu_si128(bytes)),
                                      _mm_loadu_si128(factors));
  const __m128i high = _mm_mullo_epi16(_mm_shuffle_epi8(stream, _mm_loadu_si128(bytes + 1)),
                                       _mm_loadu_si128(factors + 1));
  return _mm_packus_epi16(_mm_srli_epi16(low, 16 - kWindow), _mm_srli_epi16(high, 16 - kWindow));
}

inline __m128i group_windows(const uint8_t* stream, int rate) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(stream));
  switch (rate) {
    case 1: return windows<1>(bits);
    case 2: return windows<2>(bits);
    case 3: return windows<3>(bits);
    case 4: return windows<4>(bits);
  }
  return _mm_setzero_si128();
}

// 64 levels in four registers: each looks up the low four bits, the high two choose among them.
inline void unroll_x86(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                       int groups, int8_t* out) {
  for (int group = 0; group < groups; group++, out += kGroup) {
    const int8_t* own = levels + group / kGroups * kGroups * kWindows + group % kGroups * 16;
    const __m128i window = group_windows(stream, rates[group]);
    __m128i found[4];
    for (int i = 0; i < 4; i++)
      found[i] = _mm_shuffle_epi8(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(own + i * kGroups * 16)), window);
    const __m128i fifth = _mm_slli_epi16(window, 3), sixth = _mm_slli_epi16(window, 2);
    const __m128i value = _mm_blendv_epi8(_mm_blendv_epi8(found[0], found[1], fifth),
                                          _mm_blendv_epi8(found[2], found[3], fifth), sixth);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), value);
    stream += rates[group] * kGroup / 8;
  }
}
