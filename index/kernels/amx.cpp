// Intel AMX: a 16 x 16 tile of int8 products over 64 dimensions an instruction.
#include "kernels.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <immintrin.h>

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-int8"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-int8")
#endif

namespace xret {
namespace {

#include "block.h"
#include "x86_decode.h"
#include "avx512_lanes.h"

struct Amx : Avx512Lanes {
  using Element = int8_t;
  static constexpr int kFlip = 0;

  // Eight tiles of 16 rows of 64 bytes: 0 to 3 sums, 4 and 5 documents, 6 and 7 queries.
  // The shape belongs to the thread, and costs memory at every switch until it is let go.
  struct Session {
    Session() {
      alignas(64) uint8_t shape[64] = {};
      shape[0] = 1;
      for (int tile = 0; tile < 8; tile++) {
        shape[16 + 2 * tile] = 64;
        shape[48 + tile] = 16;
      }
      _tile_loadconfig(shape);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { _tile_release(); }
  };

  // A loop over whole registers: memcpy of a block's size was a tenth slower.
  static void stage(const int8_t* codes, Element* out, int n) {
    int i = 0;
    for (; i + 64 <= n; i += 64) _mm512_storeu_si512(out + i, _mm512_loadu_si512(codes + i));
    for (; i < n; i++) out[i] = codes[i];
  }

  template <int kBits>
  static void decode(const uint8_t* codes, const int8_t* levels, int width, int8_t* out) {
    decode_codes<kBits>(codes, levels, width, out);
  }

  static void unroll(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                     int groups, int8_t* out) {
    unroll_avx512(stream, rates, levels, groups, out);
  }

  // (dim / 4, kLanes, 4) int8, up to a multiple of 64 dimensions: the padding is zero, so
  // that whatever stands in a document's padding counts for nothing.
  static size_t packed_bytes(int dim) { return size_t(round_up(dim, 64)) * kLanes; }

  static void pack(const int8_t* codes, int dim, uint8_t* packed) {
    for (int lane = 0; lane < kLanes; lane++)
      for (int i = 0; i < dim; i += 4)
        std::memcpy(packed + i * kLanes + lane * 4, codes + size_t(lane) * dim + i, 4);
  }

  template <int kWidth>
  static void dots(const Element* rows, int n, int stride, const uint8_t* packed, size_t bytes,
                   int dim, int32_t* out) {
    // The tile instructions do not tell the compiler what they read.
    asm volatile("" ::: "memory");
    const size_t out_stride = kWidth * kLanes * sizeof(int32_t);
    for (int row = 0; row < n; row += 32) {
      const bool both = n - row > 16;
      const Element* documents = rows + size_t(row) * stride;
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (int k = 0; k < dim; k += 64) {
        _tile_loadd(6, packed + k * kLanes, 64);
        _tile_loadd(4, documents + k, stride);
        _tile_dpbssd(0, 4, 6);
        if (kWidth == 2) {
          _tile_loadd(7, packed + bytes + k * kLanes, 64);
          _tile_dpbssd(1, 4, 7);
        }
        if (both) {
          _tile_loadd(5, documents + 16 * stride + k, stride);
          _tile_dpbssd(2, 5, 6);
          if (kWidth == 2) _tile_dpbssd(3, 5, 7);
        }
      }
      int32_t* sums = out + row * kWidth * kLanes;
      _tile_stored(0, sums, out_stride);
      if (kWidth == 2) _tile_stored(1, sums + kLanes, out_stride);
      if (both) {
        _tile_stored(2, sums + 16 * kWidth * kLanes, out_stride);
        if (kWidth == 2) _tile_stored(3, sums + (16 * kWidth + 1) * kLanes, out_stride);
      }
    }
    asm volatile("" ::: "memory");
  }
};

#include "maxsim.h"
#include "centroids.h"
#include "trellis.h"

}  // namespace

const Path* amx_path() {
  static const Path path = {"amx", score<Amx>, tables<Amx>, nearest<Amx>, trellis<Amx>, encode_vnni};
  return &path;
}

}  // namespace xret

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace xret {
const Path* amx_path() { return nullptr; }
}  // namespace xret
#endif
