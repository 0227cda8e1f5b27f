// A transformer encoder in int8: what its kernel reads and writes.
//
// The layers are BERT's (Devlin et al. 2019): attention and a network of two layers, each with
// a norm after its residual; X-MOD's bottlenecks (Pfeiffer et al. 2022) may stand before the
// second norm. Weights are int8 with a scale for each output, activations bytes with a scale and
// a zero for each token, so that no token's numbers depend on another text's.
#pragma once

#include "kernels.h"

namespace xret {

constexpr int kBlock = 16;        // outputs side by side in packed weights
constexpr int kAlignment = 64;    // of every array in a buffer of weights

// The norm before the bottleneck of an adapter.
enum AdapterNorm { kNoNorm = 0, kOwnNorm = 1, kSharedNorm = 2 };

// Sizes are multiples of kBlock, and dim of kBlock * heads. norm_is_residual: what the norm before
// a bottleneck gives is also what is added after it.
struct EncoderShape {
  int layers;
  int dim;
  int heads;
  int inner;
  int bottleneck;  // 0 without adapters
  int adapter_norm;
  bool norm_is_residual;
  float epsilon;
};

// Walks over the arrays of a buffer, each of which starts at a multiple of kAlignment.
class Arrays {
 public:
  explicit Arrays(const uint8_t* base) : base_(base) {}
  template <class T>
  const T* take(int64_t n) {
    const uint8_t* array = base_ ? base_ + bytes : nullptr;
    bytes += (n * int64_t(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<const T*>(array);
  }

  int64_t bytes = 0;

 private:
  const uint8_t* base_;
};

// outs = (weights * ins) * scales + biases.
struct Dense {
  Dense(Arrays& from, int ins, int outs) : ins(ins), outs(outs) {
    codes = from.take<int8_t>(int64_t(ins) * outs);
    sums = from.take<int32_t>(outs);
    scales = from.take<float>(outs);
    biases = from.take<float>(outs);
  }
  int ins, outs;
  const int8_t* codes;    // (outs / kBlock, ins / 4, kBlock, 4)
  const int32_t* sums;    // (outs) of each output's codes
  const float* scales;    // (outs)
  const float* biases;    // (outs)
};

struct Norm {
  Norm(Arrays& from, int dim) : weight(from.take<float>(dim)), bias(from.take<float>(dim)) {}
  const float* weight;
  const float* bias;
};

// The projection to queries, keys and values gives the queries times log2(e) / sqrt(head width).
struct Layer {
  Layer(Arrays& from, const EncoderShape& s)
      : projection(from, s.dim, 3 * s.dim),
        attention(from, s.dim, s.dim),
        attention_norm(from, s.dim),
        up(from, s.dim, s.inner),
        down(from, s.inner, s.dim),
        norm(from, s.dim),
        adapter_norm(s.adapter_norm == kOwnNorm ? Norm(from, s.dim) : norm) {}
  Dense projection, attention;
  Norm attention_norm;
  Dense up, down;
  Norm norm, adapter_norm;
};

struct Bottleneck {
  Bottleneck(Arrays& from, const EncoderShape& s)
      : down(from, s.dim, s.bottleneck), up(from, s.bottleneck, s.dim) {}
  Dense down, up;
};

// Bytes of a model's buffer: the norm of the embeddings, then the layers.
inline int64_t model_bytes(const EncoderShape& shape) {
  Arrays counted(nullptr);
  Norm(counted, shape.dim);
  for (int i = 0; i < shape.layers; i++) Layer(counted, shape);
  return counted.bytes;
}

// Bytes of an adapter's buffer: the bottleneck of each layer.
inline int64_t adapter_bytes(const EncoderShape& shape) {
  Arrays counted(nullptr);
  for (int i = 0; i < shape.layers; i++) Bottleneck(counted, shape);
  return counted.bytes;
}

// Texts first to last of `offsets`; text i owns rows offsets[i] to offsets[i + 1] of `states`,
// sums of embeddings before their norm, which become the last layer's states.
struct Texts {
  float* states;           // (rows, dim)
  const int64_t* offsets;  // (n + 1), rising
  const int32_t* which;    // (rows) number of each token's adapter, -1 for none; or null
  int64_t first;
  int64_t last;
};

}  // namespace xret
