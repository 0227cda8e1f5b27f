// 64-bit Arm with the dot product instructions (ARMv8.2): four int8 products a lane.
#include "kernels.h"

// Before version 16, clang declares the instructions only where they are its default.
#if defined(__aarch64__) && defined(__GNUC__) && \
    (!defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD))
#include <arm_neon.h>

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

namespace xret {
namespace {

#include "block.h"

struct Neon {
  using Element = int8_t;
  static constexpr int kFlip = 0;
  struct Session {
    Session() {}
  };

  static void stage(const int8_t* codes, Element* out, int n) { std::memcpy(out, codes, size_t(n)); }

  template <int kBits>
  static void decode(const uint8_t* codes, const int8_t* levels, int width, int8_t* out) {
    const int8x16_t table = vld1q_s8(levels);
    const uint8x16_t mask = vdupq_n_u8(uint8_t((1 << kBits) - 1));
    int i = 0;
    for (; i + 16 <= width; i += 16) {
      const uint8x16_t packed = vld1q_u8(codes + i);
      int8_t* plane = out + i;
      for (int shift = 0; shift < 8; shift += kBits, plane += width) {
        const uint8x16_t code = vandq_u8(vshlq_u8(packed, vdupq_n_s8(int8_t(-shift))), mask);
        vst1q_s8(plane, vqtbl1q_s8(table, code));
      }
    }
    for (; i < width; i++)
      for (int shift = 0, j = i; shift < 8; shift += kBits, j += width)
        out[j] = levels[codes[i] >> shift & ((1 << kBits) - 1)];
  }

  static void unroll(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                     int groups, int8_t* out) {
    unroll_plain(stream, rates, levels, groups, out);
  }

  // (dim / 4, kLanes, 4) int8, up to a multiple of 16 dimensions: the padding is zero.
  static size_t packed_bytes(int dim) { return size_t(round_up(dim, 16)) * kLanes; }

  static void pack(const int8_t* codes, int dim, uint8_t* packed) {
    for (int lane = 0; lane < kLanes; lane++)
      for (int i = 0; i < dim; i += 4)
        std::memcpy(packed + i * kLanes + lane * 4, codes + size_t(lane) * dim + i, 4);
  }

  static constexpr int kTile = 4;  // rows at a time: 16 sums, 4 documents, 4 queries in registers

  template <int kPart>
  static void step(const int8_t* query, const int8x16_t* documents, int32x4_t (*sums)[4]) {
    for (int j = 0; j < 4; j++) {
      const int8x16_t lanes = vld1q_s8(query + kPart * 4 * kLanes + j * 16);
      for (int i = 0; i < kTile; i++) sums[i][j] = vdotq_laneq_s32(sums[i][j], lanes, documents[i], kPart);
    }
  }

  template <int kWidth>
  static void dots(const Element* rows, int n, int stride, const uint8_t* packed, size_t bytes,
                   int dim, int32_t* out) {
    for (int row = 0; row < n; row += kTile)
      for (int group = 0; group < kWidth; group++) {
        const int8_t* query = reinterpret_cast<const int8_t*>(packed + group * bytes);
        int32x4_t sums[kTile][4];
        for (int i = 0; i < kTile; i++)
          for (int j = 0; j < 4; j++) sums[i][j] = vdupq_n_s32(0);
        for (int k = 0; k < dim; k += 16, query += 16 * kLanes) {
          int8x16_t documents[kTile];
          for (int i = 0; i < kTile; i++) documents[i] = vld1q_s8(rows + size_t(row + i) * stride + k);
          step<0>(query, documents, sums);
          step<1>(query, documents, sums);
          step<2>(query, documents, sums);
          step<3>(query, documents, sums);
        }
        for (int i = 0; i < kTile; i++)
          for (int j = 0; j < 4; j++)
            vst1q_s32(out + ((row + i) * kWidth + group) * kLanes + 4 * j, sums[i][j]);
      }
  }

  struct Lanes {
    float32x4_t part[4];
  };

  template <class F>
  static Lanes each(F f) {
    return Lanes{{f(0), f(1), f(2), f(3)}};
  }
  static Lanes set1(float x) {
    return each([=](int) { return vdupq_n_f32(x); });
  }
  static Lanes load(const float* from) {
    return each([=](int i) { return vld1q_f32(from + 4 * i); });
  }
  static void store(float* to, const Lanes& a) {
    for (int i = 0; i < 4; i++) vst1q_f32(to + 4 * i, a.part[i]);
  }
  static Lanes from_int32(const int32_t* from) {
    return each([=](int i) { return vcvtq_f32_s32(vld1q_s32(from + 4 * i)); });
  }
  // Doubles hold 128 * high + low exactly, so that float rounds once.
  static Lanes from_planes(const int32_t* from) {
    const auto wide = [](const int32_t* at) { return vcvtq_f64_s64(vmovl_s32(vld1_s32(at))); };
    const auto pair = [&](const int32_t* at) {
      return vcvt_f32_f64(vaddq_f64(vmulq_f64(wide(at), vdupq_n_f64(128.0)), wide(at + kLanes)));
    };
    return each([&](int i) { return vcombine_f32(pair(from + 4 * i), pair(from + 4 * i + 2)); });
  }
  static Lanes add(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return vaddq_f32(a.part[i], b.part[i]); });
  }
  static Lanes sub(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return vsubq_f32(a.part[i], b.part[i]); });
  }
  static Lanes mul(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return vmulq_f32(a.part[i], b.part[i]); });
  }
  static Lanes max(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return vmaxq_f32(a.part[i], b.part[i]); });
  }
  static float fold(const Lanes& a) {
    const float32x4_t left = vaddq_f32(a.part[0], a.part[2]);
    const float32x4_t four = vaddq_f32(left, vaddq_f32(a.part[1], a.part[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }

  struct Winner {
    Lanes value;
    uint32x4_t index[4];
  };
  static Winner winner(const float* best, const int32_t* index) {
    Winner out;
    out.value = load(best);
    for (int i = 0; i < 4; i++) out.index[i] = vreinterpretq_u32_s32(vld1q_s32(index + 4 * i));
    return out;
  }
  static void challenge(Winner& winner, const Lanes& value, int32_t index) {
    for (int i = 0; i < 4; i++) {
      const uint32x4_t larger = vcgtq_f32(value.part[i], winner.value.part[i]);
      winner.value.part[i] = vbslq_f32(larger, value.part[i], winner.value.part[i]);
      winner.index[i] = vbslq_u32(larger, vdupq_n_u32(uint32_t(index)), winner.index[i]);
    }
  }
  static void settle(const Winner& winner, float* best, int32_t* index) {
    store(best, winner.value);
    for (int i = 0; i < 4; i++) vst1q_s32(index + 4 * i, vreinterpretq_s32_u32(winner.index[i]));
  }
};

#include "maxsim.h"
#include "centroids.h"
#include "trellis.h"

}  // namespace

const Path* neon_path() {
  static const Path path = {"neon", score<Neon>, tables<Neon>, nearest<Neon>, trellis<Neon>, encode_portable};
  return &path;
}

}  // namespace xret

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace xret {
const Path* neon_path() { return nullptr; }
}  // namespace xret
#endif
