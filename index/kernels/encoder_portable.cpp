// The encoder in plain C++. One rounding for a product and a sum costs a call where the processor
// has no instruction for it; Arm's have.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "encoder.h"

namespace xret {
namespace {

#include "scratch.h"

struct EncoderPortable {
  struct V {
    float value[kBlock];
  };
  static constexpr int kTile = 4, kTileBlocks = 1, kSide = 1;
  static constexpr int kQueryRows = 4, kKeyBlocks = 1, kValueBlocks = 1;

  // (kTile, kWidth, kBlock) sums of products of a tile of rows with kWidth blocks of codes.
  template <int kWidth>
  static void products(const uint8_t* tile, const int8_t* codes, int ins, int32_t* out) {
    std::fill(out, out + kTile * kWidth * kBlock, 0);
    for (int j = 0; j < kWidth; j++)
      for (int k = 0; k < ins; k += 4, codes += 4 * kBlock)
        for (int i = 0; i < kTile; i++) {
          const uint8_t* bytes = tile + size_t(k) * kTile + i * 4;
          int32_t* sums = out + (i * kWidth + j) * kBlock;
          for (int lane = 0; lane < kBlock; lane++)
            for (int part = 0; part < 4; part++)
              sums[lane] += bytes[part] * codes[lane * 4 + part];
        }
  }

  template <class F>
  static V each(F f) {
    V out;
    for (int i = 0; i < kBlock; i++) out.value[i] = f(i);
    return out;
  }
  static V corrected(const int32_t* products, const int32_t* sums, int32_t zero) {
    return each([=](int i) { return float(products[i] - sums[i] * zero); });
  }
  static V load(const float* from) {
    V out;
    std::memcpy(out.value, from, sizeof(out.value));
    return out;
  }
  static void store(float* to, const V& a) { std::memcpy(to, a.value, sizeof(a.value)); }
  static V set1(float x) {
    return each([=](int) { return x; });
  }
  static V add(const V& a, const V& b) {
    return each([&](int i) { return a.value[i] + b.value[i]; });
  }
  static V sub(const V& a, const V& b) {
    return each([&](int i) { return a.value[i] - b.value[i]; });
  }
  static V mul(const V& a, const V& b) {
    return each([&](int i) { return a.value[i] * b.value[i]; });
  }
  static V div(const V& a, const V& b) {
    return each([&](int i) { return a.value[i] / b.value[i]; });
  }
  static V fma(const V& a, const V& b, const V& c) {
    return each([&](int i) { return std::fma(a.value[i], b.value[i], c.value[i]); });
  }
  static V max(const V& a, const V& b) {
    return each([&](int i) { return a.value[i] > b.value[i] ? a.value[i] : b.value[i]; });
  }
  static V min(const V& a, const V& b) {
    return each([&](int i) { return a.value[i] < b.value[i] ? a.value[i] : b.value[i]; });
  }
  static V round(const V& a) {
    return each([&](int i) { return std::nearbyint(a.value[i]); });
  }
  static V shift_exponent(const V& a, const V& by) {
    return each([&](int i) {
      int32_t bits;
      std::memcpy(&bits, a.value + i, 4);
      bits = int32_t(uint32_t(bits) + (uint32_t(int32_t(by.value[i])) << 23));
      float value;
      std::memcpy(&value, &bits, 4);
      return value;
    });
  }
  // Nearest bytes, in four words that lie kTile words apart; 0 for what is no number.
  static void store_bytes(uint8_t* to, const V& a) {
    for (int i = 0; i < kBlock; i++) {
      const float value = a.value[i] > 0 ? std::nearbyint(a.value[i]) : 0.0f;
      to[size_t(i / 4) * 4 * kTile + i % 4] = uint8_t(value < 255.0f ? value : 255.0f);
    }
  }
  static float total(V a) {
    for (int half = kBlock / 2; half; half /= 2)
      for (int i = 0; i < half; i++) a.value[i] += a.value[half + i];
    return a.value[0];
  }
  static float largest(V a) {
    for (int half = kBlock / 2; half; half /= 2)
      for (int i = 0; i < half; i++)
        a.value[i] = a.value[i] > a.value[half + i] ? a.value[i] : a.value[half + i];
    return a.value[0];
  }
};

#include "encoder_layers.h"

}  // namespace

void encode_portable(const EncoderShape& shape, const uint8_t* model,
                     const uint8_t* const* adapters, const Texts& texts) {
  encode<EncoderPortable>(shape, model, adapters, texts);
}

}  // namespace xret
