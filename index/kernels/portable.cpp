// The kernels in plain C++, for any processor: the compiler's own vectorization.
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "kernels.h"

namespace xret {
namespace {

#include "block.h"

struct Portable {
  using Element = int16_t;
  static constexpr int kFlip = 0;
  struct Session {
    Session() {}
  };

  static void stage(const int8_t* codes, Element* out, int n) {
    for (int i = 0; i < n; i++) out[i] = codes[i];
  }

  template <int kBits>
  static void decode(const uint8_t* codes, const int8_t* levels, int width, int8_t* out) {
    const int mask = (1 << kBits) - 1;
    for (int shift = 0; shift < 8; shift += kBits, out += width)
      for (int i = 0; i < width; i++) out[i] = levels[codes[i] >> shift & mask];
  }

  static void unroll(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                     int groups, int8_t* out) {
    unroll_plain(stream, rates, levels, groups, out);
  }

  // (kLanes, dim) int16: sums of products of int16 along a row are what compilers vectorize.
  static size_t packed_bytes(int dim) { return size_t(dim) * kLanes * sizeof(int16_t); }

  static void pack(const int8_t* codes, int dim, uint8_t* packed) {
    stage(codes, reinterpret_cast<int16_t*>(packed), dim * kLanes);
  }

  template <int kWidth>
  static void dots(const Element* rows, int n, int stride, const uint8_t* packed, size_t bytes,
                   int dim, int32_t* out) {
    for (int row = 0; row < n; row++)
      for (int group = 0; group < kWidth; group++) {
        const int16_t* query = reinterpret_cast<const int16_t*>(packed + group * bytes);
        for (int lane = 0; lane < kLanes; lane++, query += dim)
          *out++ = product(rows + size_t(row) * stride, query, dim);
      }
  }

  static int32_t product(const int16_t* a, const int16_t* b, int dim) {
    int32_t sum = 0;
    for (int i = 0; i < dim; i++) sum += a[i] * b[i];
    return sum;
  }

  struct Lanes {
    float value[kLanes];
  };

  template <class F>
  static Lanes each(F f) {
    Lanes out;
    for (int i = 0; i < kLanes; i++) out.value[i] = f(i);
    return out;
  }
  static Lanes set1(float x) {
    return each([=](int) { return x; });
  }
  static Lanes load(const float* from) {
    return each([=](int i) { return from[i]; });
  }
  static void store(float* to, const Lanes& a) { std::memcpy(to, a.value, sizeof(a.value)); }
  static Lanes from_int32(const int32_t* from) {
    return each([=](int i) { return float(from[i]); });
  }
  static Lanes from_planes(const int32_t* from) {
    return each([=](int i) { return float(from[i] * 128.0 + from[kLanes + i]); });
  }
  static Lanes add(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.value[i] + b.value[i]; });
  }
  static Lanes sub(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.value[i] - b.value[i]; });
  }
  static Lanes mul(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.value[i] * b.value[i]; });
  }
  static Lanes max(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.value[i] > b.value[i] ? a.value[i] : b.value[i]; });
  }
  static float fold(Lanes a) {
    for (int half = kLanes / 2; half; half /= 2)
      for (int i = 0; i < half; i++) a.value[i] += a.value[half + i];
    return a.value[0];
  }

  struct Winner {
    Lanes value;
    int32_t index[kLanes];
  };
  static Winner winner(const float* best, const int32_t* index) {
    Winner out;
    out.value = load(best);
    std::memcpy(out.index, index, sizeof(out.index));
    return out;
  }
  static void challenge(Winner& winner, const Lanes& value, int32_t index) {
    for (int i = 0; i < kLanes; i++) {
      const bool larger = value.value[i] > winner.value.value[i];
      winner.value.value[i] = larger ? value.value[i] : winner.value.value[i];
      winner.index[i] = larger ? index : winner.index[i];
    }
  }
  static void settle(const Winner& winner, float* best, int32_t* index) {
    store(best, winner.value);
    std::memcpy(index, winner.index, sizeof(winner.index));
  }
};

#include "maxsim.h"
#include "centroids.h"
#include "trellis.h"

}  // namespace

const Path* portable_path() {
  static const Path path = {"portable", score<Portable>, tables<Portable>, nearest<Portable>, trellis<Portable>, encode_portable};
  return &path;
}

}  // namespace xret
