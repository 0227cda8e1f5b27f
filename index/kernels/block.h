// A block of document vectors, decoded into the first-level cache for the inner products.
//
// Blocks cut across passages, so that passages of one vector cost no more a vector than long
// ones. Included by each path's source inside an unnamed namespace of its own compiler target.
#pragma once

constexpr int kRows = 64;
constexpr int kGroups = 4;  // of a trellis, side by side

#include "scratch.h"

// The rows of one passage in a block; a long passage runs through several blocks.
struct Run {
  int first;
  int last;
  int64_t column;
  bool begins;
  bool ends;
};

template <class Isa>
class Block {
 public:
  using Element = typename Isa::Element;

  explicit Block(int dim)
      : dim_(dim),
        stride_(round_up(dim, 64 / int(sizeof(Element)))),
        memory_(size_t(kRows) * stride_ * sizeof(Element)),
        plain_(size_t(round_up(dim, 64))),
        stream_(size_t(dim) * kMostRate / 8 + kGroup) {}

  const Element* rows() { return memory_.as<Element>(); }
  int stride() const { return stride_; }

  // n rows of int8 codes from `codes`, to the block's rows from `row` on.
  void stage(const int8_t* codes, int row, int n) {
    Element* out = memory_.as<Element>() + size_t(row) * stride_;
    if (dim_ == stride_) {
      Isa::stage(codes, out, n * dim_);
      return;
    }
    for (int i = 0; i < n; i++) Isa::stage(codes + size_t(i) * dim_, out + size_t(i) * stride_, dim_);
  }

  // n rows of narrow codes: plane p of a row holds dimensions p * width onwards. The levels
  // bear the flip of this path already, so that elements of a byte need no second step.
  template <int kBits>
  void decode(const uint8_t* codes, const int8_t* levels, int row, int n) {
    const int width = dim_ * kBits / 8;
    for (int i = 0; i < n; i++, row++) {
      Element* out = memory_.as<Element>() + size_t(row) * stride_;
      if (sizeof(Element) == 1) {
        Isa::template decode<kBits>(codes + size_t(i) * width, levels, width,
                                    reinterpret_cast<int8_t*>(out));
      } else {
        Isa::template decode<kBits>(codes + size_t(i) * width, levels, width, plain_.as<int8_t>());
        Isa::stage(plain_.as<int8_t>(), out, dim_);
      }
    }
  }

  // n rows of a trellis's codes. rates and levels: of each group, as Reader prepares them.
  void unroll(const uint8_t* codes, int width, const uint8_t* rates, const int8_t* levels, int row,
              int n) {
    uint8_t* stream = stream_.as<uint8_t>();
    for (int i = 0; i < n; i++, row++) {
      std::memcpy(stream, codes + size_t(i) * width, size_t(width));  // and zeros follow
      Element* out = memory_.as<Element>() + size_t(row) * stride_;
      int8_t* plain = sizeof(Element) == 1 ? reinterpret_cast<int8_t*>(out) : plain_.as<int8_t>();
      Isa::unroll(stream, rates, levels, round_up(dim_ / kGroup, kGroups), plain);
      if (sizeof(Element) != 1) Isa::stage(plain, out, dim_);
    }
  }

 private:
  int dim_;
  int stride_;
  Scratch memory_;
  Scratch plain_;
  Scratch stream_;
};

// A row's values from its stream of bits, which 16 bytes more of zeros follow. Levels lie as
// Reader prepares them: kGroups groups together, of each 16 of the 64, then the next 16 of each.
inline void unroll_plain(const uint8_t* stream, const uint8_t* rates, const int8_t* levels,
                         int groups, int8_t* out) {
  for (int group = 0; group < groups; group++) {
    const int8_t* own = levels + group / kGroups * kGroups * kWindows + group % kGroups * 16;
    for (int i = 0, bit = 0; i < kGroup; i++, bit += rates[group]) {
      const int pair = stream[bit / 8] | stream[bit / 8 + 1] << 8;
      const int window = pair >> bit % 8 & (kWindows - 1);
      *out++ = own[window / 16 * kGroups * 16 + window % 16];
    }
    stream += rates[group] * kGroup / 8;
  }
}

// Walks the passages of an answer's columns and fills block after block with their vectors.
template <class Isa>
class Reader {
 public:
  Reader(const Passages& passages, const Centroids& centroids, const Columns& columns)
      : block(passages.dim), passages_(passages), columns_(columns), n_centroids_(centroids.n),
        width_(row_bytes(passages)), column_(columns.first) {
    if (!passages.bits) prepare_trellis();
    // 16 of them whatever the bits, as table lookups by shuffle read that many.
    for (int i = 0; passages.bits && passages.levels && i < 16; i++)
      levels_[i] = int8_t(passages.levels[i & ((1 << passages.bits) - 1)] ^ Isa::kFlip);
    prefetch();
  }

  Block<Isa> block;
  alignas(64) float scales[kRows] = {};
  uint16_t centroids[kRows] = {};
  Run runs[kRows];
  int n_runs = 0;
  int n_rows = 0;

  // False at the end, or at a passage that reaches outside the arrays: `bad` is its number.
  bool next() {
    n_runs = n_rows = 0;
    while (n_rows < kRows && column_ < columns_.last) {
      const int64_t passage = columns_.which ? at<int64_t>(columns_.which, column_) : column_;
      if (passage < 0 || passage >= passages_.n) return refuse(passage);
      const int64_t begin = at<int64_t>(passages_.offsets, passage);
      const int64_t end = at<int64_t>(passages_.offsets, passage + 1);
      if (begin < 0 || begin >= end || end > passages_.rows) return refuse(passage);
      const int64_t row = begin + done_;
      const int n = int(end - row < kRows - n_rows ? end - row : kRows - n_rows);
      if (!read(row, n)) return refuse(passage);
      runs[n_runs++] = Run{n_rows, n_rows + n, column_, done_ == 0, row + n == end};
      n_rows += n;
      done_ += n;
      if (row + n == end) {
        column_++;
        done_ = 0;
      }
    }
    prefetch();
    return n_rows > 0;
  }

  int64_t bad = kSound;

 private:
  // Asks for the rows of the next block, which come while this one is being scored: one
  // stretch of a scan, or those of all the listed passages that it will hold.
  void prefetch() {
    int64_t column = column_, done = done_;
    for (int64_t n = 0; n < kRows && column < columns_.last; column++, done = 0) {
      const int64_t passage = columns_.which ? at<int64_t>(columns_.which, column) : column;
      if (passage < 0 || passage >= passages_.n) return;
      const int64_t begin = at<int64_t>(passages_.offsets, passage);
      if (begin < 0 || begin >= passages_.rows) return;
      const int64_t row = begin + done;
      int64_t end = row + kRows - n;
      if (columns_.which) {
        const int64_t own = at<int64_t>(passages_.offsets, passage + 1);
        end = own < end ? own : end;
      }
      if (row >= end || end > passages_.rows) return;
      prefetch_rows(row, end);
      n += end - row;
    }
  }

  void prefetch_rows(int64_t row, int64_t end) {
    const int64_t width = width_;
    for (int64_t byte = row * width; byte < end * width; byte += 64)
      prefetch_line(passages_.codes + byte);
    if (!columns_.which) return;
    prefetch_line(passages_.codes + end * width - 1);
    prefetch_line(static_cast<const char*>(passages_.scales) + row * 2);
    if (passages_.centroids)
      prefetch_line(static_cast<const char*>(passages_.centroids) + row * 2);
  }

  void prepare_trellis() {
    const int groups = passages_.dim / kGroup, padded = round_up(groups, kGroups);
    rates_.resize(size_t(padded));
    windows_.resize(size_t(padded) * kWindows, int8_t(Isa::kFlip));
    for (int group = 0; group < groups; group++) {
      const int8_t* levels = passages_.levels + group * kGroupLevels;
      rates_[size_t(group)] = uint8_t(levels[0]);
      int8_t* own = windows_.data() + group / kGroups * kGroups * kWindows + group % kGroups * 16;
      for (int i = 0; levels[0] && i < kWindows; i++)
        own[i / 16 * kGroups * 16 + i % 16] = int8_t(levels[1 + i] ^ Isa::kFlip);
    }
  }

  bool refuse(int64_t passage) {
    bad = passage;
    return false;
  }

  bool read(int64_t row, int n) {
    const uint8_t* codes = passages_.codes + row * width_;
    switch (passages_.bits) {
      case 8: block.stage(reinterpret_cast<const int8_t*>(codes), n_rows, n); break;
      case 4: block.template decode<4>(codes, levels_, n_rows, n); break;
      case 2: block.template decode<2>(codes, levels_, n_rows, n); break;
      case 0: block.unroll(codes, int(width_), rates_.data(), windows_.data(), n_rows, n); break;
      default: block.template decode<1>(codes, levels_, n_rows, n);
    }
    for (int i = 0; i < n; i++)
      scales[n_rows + i] = from_bfloat16(at<uint16_t>(passages_.scales, row + i));
    if (!passages_.centroids) return true;
    int largest = 0;
    for (int i = 0; i < n; i++) {
      const uint16_t centroid = at<uint16_t>(passages_.centroids, row + i);
      centroids[n_rows + i] = centroid;
      largest = centroid > largest ? centroid : largest;
    }
    return largest < n_centroids_;
  }

  const Passages& passages_;
  Columns columns_;
  int64_t n_centroids_;
  int64_t width_;
  int64_t column_;
  int64_t done_ = 0;  // rows of the current passage that earlier blocks held
  alignas(16) int8_t levels_[16] = {};
  std::vector<uint8_t> rates_;
  std::vector<int8_t> windows_;
};
