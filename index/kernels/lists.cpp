// The first stage of a large index: documents from the lists of the passages of each centroid.
//
// A passage is scored as by `scan_centroids`, but with the chosen centroids alone, and with a
// floor for every query vector in the place of all others. Blocks of passages keep the bytes
// that are being raised in the processor's cache.
#include "lists.h"

#include <vector>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

namespace xret {
namespace {

constexpr int64_t kAhead = 8;  // lists whose starts and members are asked for early

inline void fetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

// The larger bytes of a and b, to a.
template <int kGroups>
inline void raise(uint8_t* a, const uint8_t* b) {
#if defined(__SSE2__) || defined(_M_X64)
  for (int i = 0; i < kGroups; i++) {
    __m128i* to = reinterpret_cast<__m128i*>(a + i * kLanes);
    const __m128i other = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i * kLanes));
    _mm_storeu_si128(to, _mm_max_epu8(_mm_loadu_si128(to), other));
  }
#else
  for (int i = 0; i < kGroups * kLanes; i++) a[i] = a[i] > b[i] ? a[i] : b[i];
#endif
}

// The sum of kGroups groups of bytes.
template <int kGroups>
inline int32_t sum_of(const uint8_t* bytes) {
#if defined(__SSE2__) || defined(_M_X64)
  __m128i total = _mm_setzero_si128();
  for (int i = 0; i < kGroups; i++) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i * kLanes));
    total = _mm_add_epi32(total, _mm_sad_epu8(some, _mm_setzero_si128()));
  }
  return _mm_cvtsi128_si32(_mm_add_epi32(total, _mm_srli_si128(total, 8)));
#else
  int32_t total = 0;
  for (int i = 0; i < kGroups * kLanes; i++) total += bytes[i];
  return total;
#endif
}

// The documents that score no less than the n-th best of all that were offered.
class Best {
 public:
  Best(int64_t n, int64_t most, int64_t* positions, int32_t* scores)
      : n_(n), positions_(positions), scores_(scores), counts_(size_t(most) + 1) {}

  // Whether a document of this score is one of them, as far as is known.
  bool takes(int32_t score) const { return score >= least_; }

  void offer(int64_t position, int32_t score) {
    if (!takes(score)) return;
    positions_[size_] = position;
    scores_[size_++] = score;
    counts_[size_t(score)]++;
    kept_++;
    while (kept_ - counts_[size_t(least_)] >= n_) kept_ -= counts_[size_t(least_++)];
  }

  int64_t finish() {
    int64_t n = 0;
    for (int64_t i = 0; i < size_; i++) {
      if (scores_[i] < least_) continue;
      positions_[n] = positions_[i];
      scores_[n++] = scores_[i];
    }
    return n;
  }

 private:
  int64_t n_;
  int64_t* positions_;
  int32_t* scores_;
  std::vector<int64_t> counts_;
  int64_t size_ = 0;
  int64_t kept_ = 0;
  int32_t least_ = 0;
};

// Scores of one segment's documents, offered as soon as their last passage has been scored.
class Offers {
 public:
  Offers(const ListedSegment& segment, const Levels& levels, int64_t first, Best& best)
      : segment_(segment), levels_(levels), first_(first), best_(best) {}

  void passage(int64_t number, int32_t score) {
    if (!segment_.documents) {
      document(number, score);
      return;
    }
    if (document_ == segment_.n_documents) return;
    score_ = score > score_ ? score : score_;
    if (number + 1 < at<int64_t>(segment_.documents, document_ + 1)) return;
    document(document_++, score_);
    score_ = 0;
  }

 private:
  void document(int64_t number, int32_t score) {
    if (levels_.gains) score = level(number, score);
    if (!best_.takes(score)) return;
    if (!segment_.keep || segment_.keep[number]) best_.offer(first_ + number, score);
  }

  int32_t level(int64_t number, int32_t score) const {
    int64_t lang = at<uint16_t>(segment_.langs, number);
    if (lang >= levels_.n) lang = levels_.n - 1;  // of a deleted document
    const int64_t level = (score * levels_.gains[lang] + levels_.terms[lang]) >> 16;
    return int32_t(level < 0 ? 0 : level > kMostLevel ? kMostLevel : level);
  }

  const ListedSegment& segment_;
  const Levels& levels_;
  int64_t first_;
  Best& best_;
  int64_t document_ = 0;
  int32_t score_ = 0;
};

// kGroups: of the lanes of the query, or 0 where they are counted at run time.
template <int kGroups>
class Walk {
 public:
  Walk(const ListQuery& query, int64_t most_passages)
      : query_(query), lanes_(kGroups ? kGroups * kLanes : query.lanes),
        floor_(size_t(most_passages * lanes_)), cells_(floor_.size()) {
    for (int64_t i = 0; i < most_passages; i++)
      std::memcpy(&floor_[size_t(i * lanes_)], query.floors, size_t(lanes_));
  }

  bool segment(const ListedSegment& segment, Offers& offers) {
    for (int64_t first = 0, block = 0; first < segment.n_passages; first += kListBlock, block++) {
      const int64_t left = segment.n_passages - first;
      const int64_t n = left < kListBlock ? left : kListBlock;
      std::memcpy(cells_.data(), floor_.data(), size_t(n * lanes_));
      if (!raised(segment, block, n)) return false;
      for (int64_t i = 0; i < n; i++) offers.passage(first + i, sum(&cells_[size_t(i * lanes_)]));
    }
    return true;
  }

 private:
  bool raised(const ListedSegment& segment, int64_t block, int64_t n) {
    const char* starts = static_cast<const char*>(segment.starts) + block * query_.n_centroids * 4;
    for (int64_t i = 0; i < query_.n_chosen; i++) {
      if (i + 2 * kAhead < query_.n_chosen) fetch(starts + query_.chosen[i + 2 * kAhead] * 4);
      if (i + kAhead < query_.n_chosen)
        fetch(static_cast<const char*>(segment.members) +
              int64_t(at<uint32_t>(starts, query_.chosen[i + kAhead])) * 2);
      const int32_t centroid = query_.chosen[i];
      const int64_t begin = at<uint32_t>(starts, centroid);
      const int64_t end = at<uint32_t>(starts, centroid + 1);
      if (begin > end || end > segment.n_members) return false;
      const uint8_t* row = query_.table + centroid * lanes_;
      if (kGroups) {
        if (!list<kGroups ? kGroups : 1>(segment, begin, end, n, row, 0)) return false;
        continue;
      }
      for (int64_t lane = 0; lane < lanes_; lane += kLanes)
        if (!list<1>(segment, begin, end, n, row, lane)) return false;
    }
    return true;
  }

  int32_t sum(const uint8_t* cells) const {
    if (kGroups) return sum_of<kGroups>(cells);
    int32_t total = 0;
    for (int64_t lane = 0; lane < lanes_; lane += kLanes) total += sum_of<1>(cells + lane);
    return total;
  }

  template <int kWidth>
  bool list(const ListedSegment& segment, int64_t begin, int64_t end, int64_t n,
            const uint8_t* row, int64_t lane) {
    uint8_t entry[kWidth * kLanes];
    std::memcpy(entry, row + lane, sizeof(entry));
    uint8_t* cells = cells_.data() + lane;
    for (int64_t i = begin; i < end; i++) {
      const int64_t member = at<uint16_t>(segment.members, i);
      if (member >= n) return false;
      raise<kWidth>(cells + member * lanes_, entry);
    }
    return true;
  }

  const ListQuery& query_;
  int64_t lanes_;
  std::vector<uint8_t> floor_;
  std::vector<uint8_t> cells_;
};

template <int kGroups>
int64_t walked(const ListQuery& query, const std::vector<ListedSegment>& segments, Best& best) {
  int64_t most = 0;
  for (const ListedSegment& segment : segments)
    most = segment.n_passages > most ? segment.n_passages : most;
  Walk<kGroups> walk(query, most < kListBlock ? most : kListBlock);
  int64_t first = 0;
  for (size_t i = 0; i < segments.size(); i++) {
    Offers offers(segments[i], query.levels, first, best);
    if (!walk.segment(segments[i], offers)) return int64_t(i);
    first += segments[i].n_documents;
  }
  return kSound;
}

// How many rows reach `least`, of each lane of one group. Counts of bytes would run over: every
// 255 rows they are added to wider ones.
void count_rows(const uint8_t* table, int64_t n, int64_t lanes, const uint8_t* least,
                int64_t* counts) {
  for (int i = 0; i < kLanes; i++) counts[i] = 0;
  for (int64_t first = 0; first < n; first += 255) {
    const int64_t last = first + 255 < n ? first + 255 : n;
    uint8_t some[kLanes] = {};
#if defined(__SSE2__) || defined(_M_X64)
    const __m128i bound = _mm_loadu_si128(reinterpret_cast<const __m128i*>(least));
    __m128i total = _mm_setzero_si128();
    for (int64_t row = first; row < last; row++) {
      const __m128i entry =
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + row * lanes));
      total = _mm_sub_epi8(total, _mm_cmpeq_epi8(_mm_max_epu8(entry, bound), entry));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(some), total);
#else
    for (int64_t row = first; row < last; row++)
      for (int i = 0; i < kLanes; i++) some[i] += table[row * lanes + i] >= least[i];
#endif
    for (int i = 0; i < kLanes; i++) counts[i] += some[i];
  }
}

bool above(const uint8_t* entry, const uint8_t* floors, int64_t lanes) {
#if defined(__SSE2__) || defined(_M_X64)
  __m128i over = _mm_setzero_si128();
  for (int64_t i = 0; i < lanes; i += kLanes)
    over = _mm_or_si128(over, _mm_subs_epu8(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(entry + i)),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(floors + i))));
  return _mm_movemask_epi8(_mm_cmpeq_epi8(over, _mm_setzero_si128())) != 0xffff;
#else
  for (int64_t i = 0; i < lanes; i++)
    if (entry[i] > floors[i]) return true;
  return false;
#endif
}

}  // namespace

int64_t make_lists(const Passages& passages, int64_t n_centroids, uint32_t* starts,
                   uint16_t* members, int64_t n_members) {
  const int64_t n_blocks = (passages.n + kListBlock - 1) / kListBlock;
  std::vector<uint32_t> next(size_t(n_centroids) + 1);
  std::vector<int64_t> last(size_t(n_centroids), -1);  // the passage that had it last
  uint32_t before = 0;
  for (int64_t block = 0; block < n_blocks; block++) {
    uint32_t* own = starts + block * n_centroids;
    for (int64_t i = 0; i <= n_centroids; i++) next[size_t(i)] = members ? own[i] : 0;
    const int64_t first = block * kListBlock;
    for (int64_t i = first; i < passages.n && i < first + kListBlock; i++) {
      const int64_t begin = at<int64_t>(passages.offsets, i);
      const int64_t end = at<int64_t>(passages.offsets, i + 1);
      if (begin < 0 || begin > end || end > passages.rows) return i;
      for (int64_t row = begin; row < end; row++) {
        const int64_t centroid = at<uint16_t>(passages.centroids, row);
        if (centroid >= n_centroids) return i;
        if (last[size_t(centroid)] == i) continue;
        last[size_t(centroid)] = i;
        const uint32_t place = next[size_t(centroid)]++;
        if (!members) continue;
        if (place >= own[centroid + 1] || place >= n_members) return i;
        members[place] = uint16_t(i - first);
      }
    }
    for (int64_t i = 0; !members && i < n_centroids; i++) {
      own[i] = before;
      before += next[size_t(i)];
    }
  }
  if (!members) starts[n_blocks * n_centroids] = before;
  return kSound;
}

int64_t choose_lists(const uint8_t* table, int64_t n_centroids, int64_t lanes, int64_t n_near,
                     uint8_t* floors, int32_t* chosen) {
  std::memset(floors, 0, size_t(lanes));
  for (int64_t lane = 0; lane < lanes; lane += kLanes)
    for (int bit = 0x80; bit; bit >>= 1) {
      uint8_t least[kLanes];
      int64_t counts[kLanes];
      for (int i = 0; i < kLanes; i++) least[i] = uint8_t(floors[lane + i] | bit);
      count_rows(table + lane, n_centroids, lanes, least, counts);
      for (int i = 0; i < kLanes; i++)
        if (counts[i] >= n_near) floors[lane + i] = least[i];
    }
  int64_t n = 0;
  for (int64_t row = 0; row < n_centroids; row++)
    if (above(table + row * lanes, floors, lanes)) chosen[n++] = int32_t(row);
  return n;
}

int64_t list_documents(const ListQuery& query, const std::vector<ListedSegment>& segments,
                       int64_t wanted, int64_t* positions, int32_t* scores, int64_t* n_found) {
  const int64_t most = query.levels.gains ? kMostLevel : 255 * query.lanes;
  Best best(wanted, most, positions, scores);
  const int64_t groups = query.lanes / kLanes;
  const int64_t damaged = groups == 1   ? walked<1>(query, segments, best)
                          : groups == 2 ? walked<2>(query, segments, best)
                          : groups == 4 ? walked<4>(query, segments, best)
                                        : walked<0>(query, segments, best);
  *n_found = best.finish();
  return damaged;
}

}  // namespace xret
