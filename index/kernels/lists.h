// What the list kernels read: the lists of segments, and what a query looks up in them.
#pragma once

#include <vector>

#include "kernels.h"

namespace xret {

constexpr int64_t kListBlock = 1 << 14;  // passages whose lists lie together

// For every block of kListBlock passages and centroid c the passages that have it: members
// starts[block * n_centroids + c] to starts[... + 1], counted from the block's first passage.
struct ListedSegment {
  const void* starts;     // (n_blocks * n_centroids + 1) uint32
  const void* members;    // (n_members) uint16
  const void* documents;  // (n_documents + 1) int64: document i owns passages i to i + 1; or null
  const uint8_t* keep;    // (n_documents) 0 or 1: which may be found; or null
  const void* langs;      // (n_documents) uint16: their languages; or null where levels are none
  int64_t n_members;
  int64_t n_passages;
  int64_t n_documents;
};

// The lists of passages: starts (n_blocks * n_centroids + 1) where members is null, else members by
// these starts, of which there is room for n_members. Returns the first passage that reaches outside
// the arrays, or kSound.
int64_t make_lists(const Passages& passages, int64_t n_centroids, uint32_t* starts,
                   uint16_t* members, int64_t n_members);

// Scores that compare across languages, in whole steps from 0 to kMostLevel: score s of language l
// is (s * gains[l] + terms[l]) >> 16. Without gains a score stays what it is.
struct Levels {
  const int64_t* gains;  // (n) 0 or more, or null
  const int64_t* terms;  // (n)
  int64_t n;
};

constexpr int64_t kMostLevel = 0xffff;
constexpr int64_t kMostGain = int64_t(1) << 31, kMostTerm = int64_t(1) << 61;

struct ListQuery {
  const uint8_t* table;   // (n_centroids, lanes)
  const uint8_t* floors;  // (lanes) what a passage without a chosen centroid has
  const int32_t* chosen;  // (n_chosen) rising
  int64_t n_centroids;
  int64_t lanes;
  int64_t n_chosen;
  Levels levels;
};

// Floors (lanes): of each lane the n_near-th largest entry of the table; chosen: the rows that are
// above a floor, rising, at most n_centroids. Returns how many.
int64_t choose_lists(const uint8_t* table, int64_t n_centroids, int64_t lanes, int64_t n_near,
                     uint8_t* floors, int32_t* chosen);

// The documents, counted through all segments, that score no less than the `wanted` best:
// n_found positions and scores, or levels, in rising order. Both have room for every document. Returns the
// number of a segment whose lists point outside, or kSound.
int64_t list_documents(const ListQuery& query, const std::vector<ListedSegment>& segments,
                       int64_t wanted, int64_t* positions, int32_t* scores, int64_t* n_found);

// Rows begins[i] to ends[i] of source which[i], one after the other. Returns the number i of
// rows that are not there, or kSound.
struct Source {
  const char* bytes;
  int64_t n_rows;
};
int64_t gather_rows(const std::vector<Source>& sources, const int32_t* which, const int64_t* begins,
                    const int64_t* ends, int64_t n, int64_t row_bytes, char* out, int64_t out_rows);

}  // namespace xret
