// AVX-512 with VNNI: four int8 products a lane and instruction.
#include "kernels.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <limits>
#include <memory>
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

#include "block.h"
#include "x86_decode.h"
#include "avx512_lanes.h"

struct Vnni : Avx512Lanes {
  using Element = uint8_t;
  static constexpr int kFlip = 0x80;
  struct Session {
    Session() {}
  };

  // The instruction multiplies unsigned by signed bytes. The document is the unsigned side,
  // code + 128; the sums start at -128 times the query's own sum, which takes it off again.
  static void stage(const int8_t* codes, Element* out, int n) {
    const __m512i flip = _mm512_set1_epi8(char(kFlip));
    int i = 0;
    for (; i + 64 <= n; i += 64)
      _mm512_storeu_si512(out + i, _mm512_xor_si512(_mm512_loadu_si512(codes + i), flip));
    for (; i < n; i++) out[i] = uint8_t(codes[i] ^ kFlip);
  }

  template <int kBits>
  static void decode(const uint8_t* codes, const int8_t* levels, int width, int8_t* out) {
    decode_codes<kBits>(codes, levels, width, out);
  }

  static void unroll(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                     int groups, int8_t* out) {
    unroll_avx512(stream, rates, levels, groups, out);
  }

  // kLanes starting sums, then (dim / 4, kLanes, 4) int8.
  static size_t packed_bytes(int dim) { return size_t(dim + 4) * kLanes; }

  static void pack(const int8_t* codes, int dim, uint8_t* packed) {
    for (int lane = 0; lane < kLanes; lane++) {
      const int8_t* query = codes + size_t(lane) * dim;
      int32_t start = 0;
      for (int i = 0; i < dim; i++) start -= 128 * query[i];
      std::memcpy(packed + lane * 4, &start, 4);
      for (int i = 0; i < dim; i += 4) std::memcpy(packed + (i + 4) * kLanes + lane * 4, query + i, 4);
    }
  }

  template <int kWidth>
  static void dots(const Element* rows, int n, int stride, const uint8_t* packed, size_t bytes,
                   int dim, int32_t* out) {
    constexpr int kTile = 4;  // rows at a time; a block's last may be left from an earlier one
    for (int row = 0; row < n; row += kTile) {
      const Element* documents = rows + size_t(row) * stride;
      __m512i sums[kTile][kWidth];
      for (int i = 0; i < kTile; i++)
        for (int j = 0; j < kWidth; j++) sums[i][j] = _mm512_loadu_si512(packed + j * bytes);
      for (int k = 0; k < dim; k += 4) {
        __m512i query[kWidth];
        for (int j = 0; j < kWidth; j++)
          query[j] = _mm512_loadu_si512(packed + j * bytes + (k + 4) * kLanes);
        for (int i = 0; i < kTile; i++) {
          const __m512i document = _mm512_set1_epi32(at<int32_t>(documents + i * stride + k, 0));
          for (int j = 0; j < kWidth; j++)
            sums[i][j] = _mm512_dpbusd_epi32(sums[i][j], document, query[j]);
        }
      }
      for (int i = 0; i < kTile; i++)
        for (int j = 0; j < kWidth; j++)
          _mm512_storeu_si512(out + ((row + i) * kWidth + j) * kLanes, sums[i][j]);
    }
  }
};

#include "maxsim.h"
#include "centroids.h"
#include "trellis.h"

}  // namespace

const Path* vnni_path() {
  static const Path path = {"vnni", score<Vnni>, tables<Vnni>, nearest<Vnni>, trellis<Vnni>, encode_vnni};
  return &path;
}

}  // namespace xret

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace xret {
const Path* vnni_path() { return nullptr; }
}  // namespace xret
#endif
