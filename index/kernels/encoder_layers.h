// The forward pass over packed texts, on the lanes and products of one path.
//
// Float operations are those of kBlock lanes side by side, each written out in one order, and
// inner products in int8 are exact: every path gives the same bits. Included by each path's source
// inside an unnamed namespace of its own compiler target.
#pragma once

constexpr int kGroup = 128;  // tokens that go through the layers together: they stay in the cache
constexpr int kChunk = 64;   // tokens whose inner states are held at once

// Rows of bytes: number = (byte - zero) * scale. Words of four bytes from the rows of a tile stand
// side by side: (rows / tile, width / 4, tile, 4).
struct ByteRows {
  uint8_t* bytes;
  float* scales;
  int32_t* zeros;

  ByteRows from(int row, int width) const {
    return {bytes + size_t(row) * width, scales + row, zeros + row};
  }
};

// Memory for n tokens, and as many rows more as a tile may reach beyond them.
template <class Isa>
struct Workspace {
  Workspace(const EncoderShape& s, int n, int longest)
      : rows(round_up(n, Isa::kTile)),
        chunk(round_up(std::min(n, kChunk), Isa::kTile)),
        keys(round_up(longest, kBlock)),
        memory(bytes(s)) {
    uint8_t* next = memory.template as<uint8_t>();
    const auto part = [&](size_t size) {
      uint8_t* start = next;
      next += (size + 63) / 64 * 64;
      return start;
    };
    const auto floats = [&](size_t count) { return reinterpret_cast<float*>(part(4 * count)); };
    const auto byte_rows = [&](int count, int width) {
      ByteRows made = {part(size_t(count) * width), floats(size_t(count)), nullptr};
      made.zeros = reinterpret_cast<int32_t*>(part(4 * size_t(count)));
      return made;
    };
    outer = byte_rows(rows, s.dim);
    inner = byte_rows(chunk, std::max(s.inner, s.bottleneck));
    projected = floats(size_t(rows) * 3 * s.dim);
    context = floats(size_t(rows) * s.dim);
    wide = floats(size_t(chunk) * std::max(s.inner, s.bottleneck));
    keys_t = floats(size_t(s.dim / s.heads) * keys);
    values = floats(size_t(s.dim / s.heads) * keys);
    weights = floats(size_t(Isa::kQueryRows) * keys);
    queries = floats(size_t(Isa::kQueryRows) * size_t(s.dim / s.heads));
  }

  size_t bytes(const EncoderShape& s) const {
    const size_t wide_width = size_t(std::max(s.inner, s.bottleneck));
    const size_t head = size_t(s.dim / s.heads);
    return size_t(rows) * (17 * size_t(s.dim) + 8) + size_t(chunk) * (5 * wide_width + 8) +
           4 * (size_t(keys) * (2 * head + Isa::kQueryRows) + Isa::kQueryRows * head) + 64 * 13;
  }

  int rows, chunk, keys;
  Scratch memory;
  ByteRows outer, inner;
  float *projected, *context, *wide, *keys_t, *values, *weights, *queries;
};

// kSide numbers of lanes side by side, each operation on all before the next: a processor works on
// few instructions at once, and one long chain after another would leave it waiting.
template <class Isa>
struct Side {
  struct V {
    typename Isa::V part[Isa::kSide];
  };
  template <class F>
  XRET_INLINE static V each(F f) {
    V out;
    repeat<Isa::kSide>([&](auto i) XRET_INLINE { out.part[i] = f(i); });
    return out;
  }
  static V set1(float x) {
    return each([&](auto) XRET_INLINE { return Isa::set1(x); });
  }
  static V sub(const V& a, const V& b) {
    return each([&](auto i) XRET_INLINE { return Isa::sub(a.part[i], b.part[i]); });
  }
  static V mul(const V& a, const V& b) {
    return each([&](auto i) XRET_INLINE { return Isa::mul(a.part[i], b.part[i]); });
  }
  static V div(const V& a, const V& b) {
    return each([&](auto i) XRET_INLINE { return Isa::div(a.part[i], b.part[i]); });
  }
  static V fma(const V& a, const V& b, const V& c) {
    return each([&](auto i) XRET_INLINE { return Isa::fma(a.part[i], b.part[i], c.part[i]); });
  }
  static V max(const V& a, const V& b) {
    return each([&](auto i) XRET_INLINE { return Isa::max(a.part[i], b.part[i]); });
  }
  static V min(const V& a, const V& b) {
    return each([&](auto i) XRET_INLINE { return Isa::min(a.part[i], b.part[i]); });
  }
  static V round(const V& a) {
    return each([&](auto i) XRET_INLINE { return Isa::round(a.part[i]); });
  }
  static V shift_exponent(const V& a, const V& by) {
    return each([&](auto i) XRET_INLINE { return Isa::shift_exponent(a.part[i], by.part[i]); });
  }
};

// 2 ** x for x in [-126, 0]: 1 + f * p(f) on the fraction (Moshier's Cephes, exp2f).
template <class Isa>
inline typename Isa::V power_of_two(typename Isa::V x) {
  x = Isa::max(x, Isa::set1(-126.0f));
  const auto whole = Isa::round(x);
  const auto f = Isa::sub(x, whole);
  auto p = Isa::set1(1.535336188319500e-4f);
  p = Isa::fma(p, f, Isa::set1(1.339887440266574e-3f));
  p = Isa::fma(p, f, Isa::set1(9.618437357674640e-3f));
  p = Isa::fma(p, f, Isa::set1(5.550332471162809e-2f));
  p = Isa::fma(p, f, Isa::set1(2.402264791363012e-1f));
  p = Isa::fma(p, f, Isa::set1(6.931472028550421e-1f));
  return Isa::shift_exponent(Isa::fma(p, f, Isa::set1(1.0f)), whole);
}

// x * (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel 2016); erf as the rational function of
// Eigen and XLA, to 3e-7.
template <class Isa>
inline typename Isa::V gelu(typename Isa::V value) {
  auto x = Isa::mul(value, Isa::set1(0.70710678118654752f));
  x = Isa::max(Isa::min(x, Isa::set1(4.0f)), Isa::set1(-4.0f));
  const auto square = Isa::mul(x, x);
  auto above = Isa::set1(-2.72614225801306e-10f);
  above = Isa::fma(above, square, Isa::set1(2.77068142495902e-08f));
  above = Isa::fma(above, square, Isa::set1(-2.10102402082508e-06f));
  above = Isa::fma(above, square, Isa::set1(-5.69250639462346e-05f));
  above = Isa::fma(above, square, Isa::set1(-7.34990630326855e-04f));
  above = Isa::fma(above, square, Isa::set1(-2.95459980854025e-03f));
  above = Isa::fma(above, square, Isa::set1(-1.60960333262415e-02f));
  auto below = Isa::set1(-1.45660718464996e-05f);
  below = Isa::fma(below, square, Isa::set1(-2.13374055278905e-04f));
  below = Isa::fma(below, square, Isa::set1(-1.68282697438203e-03f));
  below = Isa::fma(below, square, Isa::set1(-7.37332916720468e-03f));
  below = Isa::fma(below, square, Isa::set1(-1.42647390514189e-02f));
  const auto half = Isa::mul(value, Isa::set1(0.5f));
  return Isa::fma(half, Isa::div(Isa::mul(x, above), below), half);
}

// Bytes of n rows of floats; the range of each, zero among it, in 255 steps.
template <class Isa>
void to_bytes(const float* rows, int n, const ByteRows& out, int width) {
  using V = typename Isa::V;
  for (int i = 0; i < n; i++, rows += width) {
    V low = Isa::set1(0.0f), high = low;
    for (int k = 0; k < width; k += kBlock) {
      const V x = Isa::load(rows + k);
      low = Isa::min(x, low);
      high = Isa::max(x, high);
    }
    const float least = -Isa::largest(Isa::sub(Isa::set1(0.0f), low));
    const float range = Isa::largest(high) - least;
    const float inverse = range > 0 ? 255.0f / range : 0.0f;
    const float zero = std::nearbyint(-least * inverse);
    out.scales[i] = range / 255.0f;
    out.zeros[i] = zero >= 0 && zero <= 255 ? int32_t(zero) : 0;  // what is not finite has none
    const V factor = Isa::set1(inverse), shift = Isa::set1(zero);
    uint8_t* bytes = out.bytes + size_t(i / Isa::kTile) * Isa::kTile * width + i % Isa::kTile * 4;
    for (int k = 0; k < width; k += kBlock)
      Isa::store_bytes(bytes + k * Isa::kTile, Isa::fma(Isa::load(rows + k), factor, shift));
  }
}

// out = (rows - mean) / deviation * weight + bias, row by row; out may be rows.
template <class Isa>
void normalize(const float* rows, int n, int dim, const Norm& norm, float epsilon, float* out) {
  using V = typename Isa::V;
  for (int i = 0; i < n; i++, rows += dim, out += dim) {
    V sum = Isa::set1(0.0f), squares = sum;
    for (int k = 0; k < dim; k += kBlock) sum = Isa::add(sum, Isa::load(rows + k));
    const V mean = Isa::set1(Isa::total(sum) / float(dim));
    for (int k = 0; k < dim; k += kBlock) {
      const V x = Isa::sub(Isa::load(rows + k), mean);
      squares = Isa::fma(x, x, squares);
    }
    const V inverse = Isa::set1(1.0f / std::sqrt(Isa::total(squares) / float(dim) + epsilon));
    for (int k = 0; k < dim; k += kBlock) {
      const V x = Isa::mul(Isa::sub(Isa::load(rows + k), mean), inverse);
      Isa::store(out + k, Isa::fma(x, Isa::load(norm.weight + k), Isa::load(norm.bias + k)));
    }
  }
}

// What becomes of kSide numbers of lanes on their way out of a product.
template <class Isa>
struct Plain {
  using V = typename Side<Isa>::V;
  static V of(const V& a) { return a; }
};
template <class Isa>
struct Gelu {
  using V = typename Side<Isa>::V;
  static V of(const V& a) { return gelu<Side<Isa>>(a); }
};

template <class Isa, int kWidth, class Activation, class Finish>
inline void multiply_blocks(const Dense& dense, int block, const ByteRows& in, int n,
                            Finish finish) {
  alignas(64) int32_t sums[Isa::kTile * kWidth * kBlock];
  const size_t bytes = size_t(kWidth) * kBlock * dense.ins;
  const int8_t* codes = dense.codes + size_t(block) * kBlock * dense.ins;
  const int8_t *next = codes + bytes, *end = next + bytes;  // the next blocks, or what follows them
  const size_t share = round_up(int(bytes * Isa::kTile / size_t(n)), 64);
  for (int row = 0; row < n; row += Isa::kTile) {
    for (size_t i = 0; i < share && next < end; i += 64, next += 64) prefetch_line(next);
    Isa::template products<kWidth>(in.bytes + size_t(row) * dense.ins, codes, dense.ins, sums);
    for (int j = 0; j < kWidth; j++) {
      const int column = (block + j) * kBlock;
      const auto weight = Isa::load(dense.scales + column), bias = Isa::load(dense.biases + column);
      for (int i = 0; i < Isa::kTile && row + i < n; i += Isa::kSide) {
        const auto side = Activation::of(Side<Isa>::each([&](auto s) XRET_INLINE {
          const int at_row = row + i + s;
          const auto sum = Isa::corrected(sums + ((i + s) * kWidth + j) * kBlock,
                                          dense.sums + column, in.zeros[at_row]);
          return Isa::fma(sum, Isa::mul(weight, Isa::set1(in.scales[at_row])), bias);
        }));
        repeat<Isa::kSide>([&](auto s) XRET_INLINE {
          if (row + i + s < n) finish(row + i + s, column, side.part[s]);
        });
      }
    }
  }
}

// finish(row, column, kBlock numbers) for every part of the product. Rows after the last of `in`,
// up to a tile, are read and come to nothing.
template <class Isa, class Activation = Plain<Isa>, class Finish>
void multiply(const Dense& dense, const ByteRows& in, int n, Finish finish) {
  constexpr int kWidth = Isa::kTileBlocks;
  const int blocks = dense.outs / kBlock;
  int block = 0;
  for (; block + kWidth <= blocks; block += kWidth)
    multiply_blocks<Isa, kWidth, Activation>(dense, block, in, n, finish);
  for (; block < blocks; block++) multiply_blocks<Isa, 1, Activation>(dense, block, in, n, finish);
}

// One head of one text: `projected` starts at its first token's query.
template <class Isa>
class Head {
 public:
  using V = typename Isa::V;

  Head(const Workspace<Isa>& space, const float* projected, int n, int width, int dim)
      : space_(space), queries_(projected), n_(n), width_(width), dim_(dim), keys_(round_up(n, kBlock)) {
    const float* key = projected + dim;
    for (int j = 0; j < n; j++, key += 3 * dim) {
      for (int k = 0; k < width; k++) space.keys_t[size_t(k) * keys_ + j] = key[k];
      std::memcpy(space.values + size_t(j) * width, key + dim, size_t(width) * 4);
    }
    for (int j = n; j < keys_; j++)
      for (int k = 0; k < width; k++) space.keys_t[size_t(k) * keys_ + j] = 0.0f;
  }

  // Weighted means of the values, to rows of `out` that lie dim apart.
  void attend(float* out) {
    constexpr int kRows = Isa::kQueryRows;
    for (int row = 0; row < n_; row += kRows) {
      const int rows = std::min(kRows, n_ - row);
      for (int k = 0; k < width_; k++)  // a row after the last is the last
        for (int i = 0; i < kRows; i++)
          space_.queries[k * kRows + i] = queries_[size_t(std::min(row + i, n_ - 1)) * 3 * dim_ + k];
      int j = 0;
      for (; j + Isa::kKeyBlocks * kBlock <= keys_; j += Isa::kKeyBlocks * kBlock)
        similarities<Isa::kKeyBlocks>(row, j);
      for (; j < keys_; j += kBlock) similarities<1>(row, j);
      float inverses[kRows];
      for (int i = 0; i < rows; i++) inverses[i] = weigh(space_.weights + size_t(i) * keys_);
      int k = 0;
      for (; k + Isa::kValueBlocks * kBlock <= width_; k += Isa::kValueBlocks * kBlock)
        means<Isa::kValueBlocks>(rows, k, inverses, out + size_t(row) * dim_);
      for (; k < width_; k += kBlock) means<1>(rows, k, inverses, out + size_t(row) * dim_);
    }
  }

 private:
  template <int kBlocks>
  void similarities(int row, int j) {
    constexpr int kRows = Isa::kQueryRows;
    V sums[kRows * kBlocks];
    repeat<kRows * kBlocks>([&](auto i) XRET_INLINE { sums[i] = Isa::set1(0.0f); });
    const float* query = space_.queries;
    const float* key = space_.keys_t + j;
    for (int k = 0; k < width_; k++, key += keys_, query += kRows) {
      V block[kBlocks];
      repeat<kBlocks>([&](auto b) XRET_INLINE { block[b] = Isa::load(key + b * kBlock); });
      repeat<kRows>([&](auto i) XRET_INLINE {
        const V number = Isa::set1(query[i]);
        repeat<kBlocks>([&](auto b) XRET_INLINE {
          sums[i * kBlocks + b] = Isa::fma(number, block[b], sums[i * kBlocks + b]);
        });
      });
    }
    repeat<kRows * kBlocks>([&](auto i) XRET_INLINE {
      float* weights = space_.weights + size_t(i / kBlocks) * keys_ + j;
      Isa::store(weights + i % kBlocks * kBlock, sums[i]);
    });
  }

  // Similarities to powers of two, the largest 1; returns one over their sum.
  float weigh(float* weights) const {
    for (int j = n_; j < keys_; j++) weights[j] = -std::numeric_limits<float>::infinity();
    V most = Isa::load(weights);
    for (int j = kBlock; j < keys_; j += kBlock) most = Isa::max(Isa::load(weights + j), most);
    most = Isa::set1(Isa::largest(most));
    V sum = Isa::set1(0.0f);
    int j = 0;
    const auto whole = Side<Isa>::each([&](auto) XRET_INLINE { return most; });
    for (; j + kBlock * Isa::kSide <= keys_; j += kBlock * Isa::kSide) {
      const auto side = power_of_two<Side<Isa>>(Side<Isa>::sub(
          Side<Isa>::each([&](auto s) XRET_INLINE { return Isa::load(weights + j + s * kBlock); }),
          whole));
      repeat<Isa::kSide>([&](auto s) XRET_INLINE {
        Isa::store(weights + j + s * kBlock, side.part[s]);
        sum = Isa::add(sum, side.part[s]);
      });
    }
    for (; j < keys_; j += kBlock) {
      const V weight = power_of_two<Isa>(Isa::sub(Isa::load(weights + j), most));
      Isa::store(weights + j, weight);
      sum = Isa::add(sum, weight);
    }
    return 1.0f / Isa::total(sum);
  }

  template <int kBlocks>
  void means(int rows, int k, const float* inverses, float* out) {
    constexpr int kRows = Isa::kQueryRows;
    V sums[kRows * kBlocks];
    repeat<kRows * kBlocks>([&](auto i) XRET_INLINE { sums[i] = Isa::set1(0.0f); });
    const float* value = space_.values + k;
    const float* weights = space_.weights;
    for (int j = 0; j < n_; j++, value += width_, weights++) {
      V block[kBlocks];
      repeat<kBlocks>([&](auto b) XRET_INLINE { block[b] = Isa::load(value + b * kBlock); });
      repeat<kRows>([&](auto i) XRET_INLINE {
        const V weight = Isa::set1(weights[size_t(i) * keys_]);
        repeat<kBlocks>([&](auto b) XRET_INLINE {
          sums[i * kBlocks + b] = Isa::fma(weight, block[b], sums[i * kBlocks + b]);
        });
      });
    }
    repeat<kRows * kBlocks>([&](auto i) XRET_INLINE {
      if (i / kBlocks >= rows) return;
      float* mean = out + size_t(i / kBlocks) * dim_ + k + i % kBlocks * kBlock;
      Isa::store(mean, Isa::mul(sums[i], Isa::set1(inverses[i / kBlocks])));
    });
  }

  const Workspace<Isa>& space_;
  const float* queries_;
  int n_, width_, dim_, keys_;
};

// Texts that go through all layers together.
template <class Isa>
class Forward {
 public:
  Forward(const EncoderShape& shape, const uint8_t* model, const uint8_t* const* adapters,
          const Texts& texts, Workspace<Isa>& space)
      : shape_(shape), model_(model), adapters_(adapters), texts_(texts), space_(space) {}

  void run(int64_t first, int64_t last) {
    first_ = first;
    last_ = last;
    begin_ = texts_.offsets[first];
    n_ = int(texts_.offsets[last] - begin_);
    states_ = texts_.states + size_t(begin_) * shape_.dim;
    if (!n_) return;
    Arrays arrays(model_);
    normalize<Isa>(states_, n_, shape_.dim, Norm(arrays, shape_.dim), shape_.epsilon, states_);
    for (int i = 0; i < shape_.layers; i++) {
      const Layer layer(arrays, shape_);
      attention(layer);
      network(layer);
      if (texts_.which) adapt(layer, i);
      normalize<Isa>(states_, n_, shape_.dim, layer.norm, shape_.epsilon, states_);
    }
  }

 private:
  using V = typename Isa::V;

  float* state(int row) const { return states_ + size_t(row) * shape_.dim; }

  void attention(const Layer& layer) {
    const int dim = shape_.dim, width = dim / shape_.heads;
    to_bytes<Isa>(states_, n_, space_.outer, dim);
    multiply<Isa>(layer.projection, space_.outer, n_, [&](int row, int column, V x) {
      Isa::store(space_.projected + size_t(row) * 3 * dim + column, x);
    });
    for (int64_t text = first_; text < last_; text++) {
      const int64_t start = texts_.offsets[text] - begin_;
      const int n = int(texts_.offsets[text + 1] - texts_.offsets[text]);
      for (int h = 0; h < shape_.heads && n; h++) {
        Head<Isa> head(space_, space_.projected + size_t(start) * 3 * dim + h * width, n, width, dim);
        head.attend(space_.context + size_t(start) * dim + h * width);
      }
    }
    to_bytes<Isa>(space_.context, n_, space_.outer, dim);
    multiply<Isa>(layer.attention, space_.outer, n_, [&](int row, int column, V x) {
      float* residual = state(row) + column;
      Isa::store(residual, Isa::add(x, Isa::load(residual)));
    });
    normalize<Isa>(states_, n_, dim, layer.attention_norm, shape_.epsilon, states_);
  }

  void network(const Layer& layer) {
    to_bytes<Isa>(states_, n_, space_.outer, shape_.dim);
    for (int row = 0; row < n_; row += kChunk)
      through(layer.up, layer.down, space_.outer.from(row, shape_.dim), row, std::min(kChunk, n_ - row));
  }

  // Adds to n states from `first` on what two layers make of the bytes.
  void through(const Dense& one, const Dense& two, const ByteRows& in, int first, int n) {
    multiply<Isa, Gelu<Isa>>(one, in, n, [&](int row, int column, V x) {
      Isa::store(space_.wide + size_t(row) * one.outs + column, x);
    });
    to_bytes<Isa>(space_.wide, n, space_.inner, one.outs);
    multiply<Isa>(two, space_.inner, n, [&](int row, int column, V x) {
      float* residual = state(first + row) + column;
      Isa::store(residual, Isa::add(x, Isa::load(residual)));
    });
  }

  // Each token through the bottleneck of its adapter, runs of one adapter together.
  void adapt(const Layer& layer, int number) {
    const int dim = shape_.dim;
    const float* ins = states_;
    if (shape_.adapter_norm != kNoNorm) {
      float* normed = shape_.norm_is_residual ? states_ : space_.context;
      normalize<Isa>(states_, n_, dim, layer.adapter_norm, shape_.epsilon, normed);
      ins = normed;
    }
    const int32_t* which = texts_.which + begin_;
    for (int row = 0, end = 0; row < n_; row = end) {
      while (end < n_ && end < row + kChunk && which[end] == which[row]) end++;
      if (which[row] < 0) continue;
      Arrays arrays(adapters_[which[row]]);
      for (int i = 0; i < number; i++) Bottleneck(arrays, shape_);
      const Bottleneck bottleneck(arrays, shape_);
      to_bytes<Isa>(ins + size_t(row) * dim, end - row, space_.outer, dim);
      through(bottleneck.down, bottleneck.up, space_.outer, row, end - row);
    }
  }

  const EncoderShape& shape_;
  const uint8_t* model_;
  const uint8_t* const* adapters_;
  const Texts& texts_;
  Workspace<Isa>& space_;
  int64_t first_ = 0, last_ = 0, begin_ = 0;
  int n_ = 0;
  float* states_ = nullptr;
};

// The text after the last that goes with text `first`: as many tokens as kGroup, or one text.
inline int64_t group_end(const Texts& texts, int64_t first) {
  int64_t last = first + 1;
  while (last < texts.last && texts.offsets[last + 1] - texts.offsets[first] <= kGroup) last++;
  return last;
}

template <class Isa>
void encode(const EncoderShape& shape, const uint8_t* model, const uint8_t* const* adapters,
            const Texts& texts) {
  int64_t most = 1, longest = 1;
  for (int64_t i = texts.first; i < texts.last; i++)
    longest = std::max(longest, texts.offsets[i + 1] - texts.offsets[i]);
  for (int64_t i = texts.first, end; i < texts.last; i = end) {
    end = group_end(texts, i);
    most = std::max(most, texts.offsets[end] - texts.offsets[i]);
  }
  Workspace<Isa> space(shape, int(most), int(longest));
  Forward<Isa> forward(shape, model, adapters, texts, space);
  for (int64_t i = texts.first, end; i < texts.last; i = end) {
    end = group_end(texts, i);
    forward.run(i, end);
  }
}
