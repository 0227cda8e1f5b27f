// What the kernels read and write, and the table of ways to run them.
//
// Arrays may lie anywhere (a mapped file starts at odd addresses), so that numbers wider
// than a byte are read by `at`. Nothing here knows Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace xret {

constexpr int kLanes = 16;  // query vectors side by side: queries are padded to a multiple
constexpr int64_t kSound = -1;

// Codes of a trellis: a row is one stream of bits, and every dimension of a group has as many
// of them, at most kMostRate. A dimension's value is looked up by the kWindow bits that start
// with its own, the next ones' among them; behind the last there are zeros.
constexpr int kGroup = 16;
constexpr int kWindow = 6;
constexpr int kWindows = 1 << kWindow;
constexpr int kMostRate = 4;
constexpr int kGroupLevels = 1 + kWindows;  // a group's rate, then the value of each window

template <class T>
inline T at(const void* base, int64_t position) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + position * int64_t(sizeof(T)), sizeof(T));
  return value;
}

inline float from_bfloat16(uint16_t bits) {
  const uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

// n queries, each padded to whole groups of kLanes vectors with code 0 and scale 0.
struct Queries {
  const int8_t* codes;     // (lanes, dim)
  const int8_t* low;       // (lanes, dim) or null: a query is codes, or 128 * codes + low
  const float* scales;     // (lanes)
  const int64_t* offsets;  // (n + 1), multiples of kLanes
  int64_t n;
  int64_t lanes;
};

// The coded vectors of passages; passage i owns rows offsets[i] to offsets[i + 1].
struct Passages {
  const uint8_t* codes;   // (rows, dim * bits / 8); int8 bit patterns where bits is 8; see row_bytes
  const void* scales;     // (rows) bfloat16
  const void* centroids;  // (rows) uint16 or null
  const void* offsets;    // (n + 1) int64
  const int8_t* levels;   // (2 ** bits); null where bits is 8; (dim / kGroup, kGroupLevels) where 0
  int64_t n;
  int64_t rows;
  int dim;
  int bits;  // 8, 4, 2 or 1; 0 for those of a trellis
};

inline int64_t row_bytes(const Passages& passages) {
  if (passages.bits) return int64_t(passages.dim) * passages.bits / 8;
  int64_t bits = 0;
  for (int group = 0; group < passages.dim / kGroup; group++)
    bits += kGroup * passages.levels[group * kGroupLevels];
  return bits / 8;
}

// Rows that are to be coded by a trellis, in halves of the levels' unit.
struct TrellisRows {
  const int16_t* values;  // (n, dim), within +-kMostHalves
  const int8_t* levels;   // (dim / kGroup, kGroupLevels)
  int dim;
  int64_t width;          // bytes of a row's codes
  int64_t first;
  int64_t last;
};
constexpr int kMostHalves = 511;

// What a centroid adds to the similarity of its vectors: looked up, or worked out on the way.
struct Centroids {
  const float* table;   // (n, lanes) in units of the query's scale, or null
  const int8_t* codes;  // (n, dim) or null
  const void* scales;   // (n) bfloat16
  const float* biases;  // (n) half the squared length; for `nearest` alone
  int64_t n;
};

// Columns first to last of the answer: passages which[first] to which[last], or those numbers.
struct Columns {
  const void* which;  // int64, or null
  int64_t first;
  int64_t last;
};

// Vectors that look for their centroid.
struct Vectors {
  const int8_t* codes;     // (n, dim)
  const float* inverses;   // (n) 1 / scale
  int64_t first;
  int64_t last;
};

struct EncoderShape;
struct Texts;
using Encode = void(const EncoderShape&, const uint8_t* model, const uint8_t* const* adapters,
                    const Texts&);

// A forward pass of an encoder; the numbers of all three are the same, bit for bit.
Encode encode_portable;
Encode encode_avx2;
Encode encode_vnni;

// One way to run the kernels. Those that read offsets or centroid numbers return the first
// passage that reaches outside the arrays, or kSound.
struct Path {
  const char* name;
  int64_t (*score)(const Queries&, const Passages&, const Centroids&, const Columns&, float* out,
                   int64_t stride);
  void (*tables)(const Queries&, const Centroids&, int dim, const float* added, float* out);
  void (*nearest)(const Vectors&, const Centroids&, int dim, uint16_t* out);
  void (*trellis)(const TrellisRows&, uint8_t* out);
  Encode* encode;
};

// The least and the largest entry of every lane of a table (n, lanes), n > 0.
void table_extremes(const float* table, int64_t n, int64_t lanes, float* lowest, float* highest);

// out = table * factor + term in bytes, each lane with its own; two roundings, then cut.
void table_bytes(const float* table, int64_t n, int64_t lanes, const float* factors,
                 const float* terms, uint8_t* out);

int64_t scan_centroids(const uint8_t* table, int64_t n_centroids, const int64_t* query_offsets,
                       int64_t n_queries, const Passages&, const Columns&, int32_t* out,
                       int64_t stride);

// The path of that name, or null where this machine cannot run it; `reason` says why.
const Path* find_path(const char* name, const char** reason);

// Null where the compiler or its target cannot make them.
const Path* portable_path();
const Path* avx2_path();
const Path* vnni_path();
const Path* amx_path();
const Path* neon_path();

}  // namespace xret
