// Late-interaction scores of coded passages, written once for every instruction set.
//
// An `Isa` brings
//   Element, kFlip      type of a staged document code; what a byte of it is flipped by
//   Session             what a thread must set up before and tear down after (AMX tiles)
//   stage, decode       codes of documents into a block
//   pack, packed_bytes  the codes of kLanes query vectors, in the order that dots reads
//   dots                int32 products of a block's rows with one or two packed groups
//   Lanes               kLanes floats
// Products are exact integers. What follows is one IEEE operation at a time in a fixed
// order (convert, multiply, add the table, maximum; multiply, add), so that every path
// returns the same bits.
#pragma once

// The groups of all queries, packed; where there is a low plane it follows its group.
template <class Isa>
class Packed {
 public:
  Packed(const int8_t* codes, const int8_t* low, int64_t lanes, int dim)
      : planes_(low ? 2 : 1), bytes_(Isa::packed_bytes(dim)),
        memory_(size_t(lanes / kLanes) * planes_ * bytes_) {
    for (int64_t group = 0; group < lanes / kLanes; group++) {
      Isa::pack(codes + group * kLanes * dim, dim, memory_.as<uint8_t>() + group * planes_ * bytes_);
      if (low)
        Isa::pack(low + group * kLanes * dim, dim, memory_.as<uint8_t>() + (group * 2 + 1) * bytes_);
    }
  }
  const uint8_t* group(int64_t number) { return memory_.as<uint8_t>() + number * planes_ * bytes_; }
  size_t bytes() const { return bytes_; }

 private:
  int planes_;
  size_t bytes_;
  Scratch memory_;
};

template <class Isa>
class Scorer {
 public:
  using Lanes = typename Isa::Lanes;

  Scorer(const Queries& queries, const Passages& passages, const Centroids& centroids,
         const Columns& columns, float* out, int64_t stride)
      : queries_(queries), centroids_(centroids), coded_(passages.centroids != nullptr),
        dim_(passages.dim), out_(out), stride_(stride),
        reader_(passages, centroids, columns),
        packed_(queries.codes, queries.low, queries.lanes, passages.dim),
        best_(size_t(queries.lanes) * sizeof(float)),
        centroid_rows_(passages.dim), groups_(size_t(queries.lanes / kLanes)) {
    for (int64_t query = 0; query < queries.n; query++)
      for (int64_t lane = queries.offsets[query]; lane < queries.offsets[query + 1]; lane += kLanes)
        groups_[size_t(lane / kLanes)] = Group{query, lane == queries.offsets[query],
                                               lane + kLanes == queries.offsets[query + 1]};
  }

  int64_t run() {
    while (reader_.next()) {
      if (queries_.low)
        score_fine();
      else if (coded_)
        score_block<true>();
      else
        score_block<false>();
    }
    return reader_.bad;
  }

 private:
  struct Group {
    int64_t query;
    bool first;
    bool last;
  };

  template <bool kTable>
  void score_block() {
    const int64_t n = int64_t(groups_.size());
    for (int64_t group = 0; group + 2 <= n; group += 2) score_groups<2, kTable>(group);
    if (n % 2) score_groups<1, kTable>(n - 1);
  }

  template <int kWidth, bool kTable>
  void score_groups(int64_t group) {
    Isa::template dots<kWidth>(reader_.block.rows(), reader_.n_rows, reader_.block.stride(),
                               packed_.group(group), packed_.bytes(), dim_, dots_);
    for (int i = 0; i < reader_.n_runs; i++) {
      const Run& run = reader_.runs[i];
      Lanes best[kWidth];
      for (int j = 0; j < kWidth; j++) best[j] = start(run, group + j);
      largest<kWidth, kTable>(run, group, best);
      for (int j = 0; j < kWidth; j++) finish(run, i, group + j, best[j]);
    }
  }

  // Maxima of a run's rows; two rows at a time, as one maximum waits for the one before.
  template <int kWidth, bool kTable>
  void largest(const Run& run, int64_t group, Lanes* best) {
    Lanes other[kWidth];
    for (int j = 0; j < kWidth; j++) other[j] = best[j];
    int row = run.first;
    for (; row + 2 <= run.last; row += 2)
      for (int j = 0; j < kWidth; j++) {
        best[j] = Isa::max(best[j], similarity<kWidth, kTable>(row, group, j));
        other[j] = Isa::max(other[j], similarity<kWidth, kTable>(row + 1, group, j));
      }
    for (int j = 0; j < kWidth; j++) {
      if (row < run.last) best[j] = Isa::max(best[j], similarity<kWidth, kTable>(row, group, j));
      best[j] = Isa::max(best[j], other[j]);
    }
  }

  template <int kWidth, bool kTable>
  Lanes similarity(int row, int64_t group, int j) {
    const Lanes dot = Isa::from_int32(dots_ + (row * kWidth + j) * kLanes);
    const Lanes scaled = Isa::mul(dot, Isa::set1(reader_.scales[row]));
    if (!kTable) return scaled;
    const float* table = centroids_.table + reader_.centroids[row] * queries_.lanes;
    return Isa::add(Isa::load(table + (group + j) * kLanes), scaled);
  }

  // Queries of two planes: the few best are scored again without the query's rounding.
  void score_fine() {
    for (int row = 0; coded_ && row < reader_.n_rows; row++)
      centroid_rows_.stage(centroids_.codes + int64_t(reader_.centroids[row]) * dim_, row, 1);
    for (int64_t group = 0; group < int64_t(groups_.size()); group++) {
      Isa::template dots<2>(reader_.block.rows(), reader_.n_rows, reader_.block.stride(),
                            packed_.group(group), packed_.bytes(), dim_, dots_);
      if (coded_)
        Isa::template dots<2>(centroid_rows_.rows(), reader_.n_rows, centroid_rows_.stride(),
                              packed_.group(group), packed_.bytes(), dim_, centroid_dots_);
      for (int i = 0; i < reader_.n_runs; i++) {
        const Run& run = reader_.runs[i];
        Lanes best = start(run, group);
        for (int row = run.first; row < run.last; row++)
          best = Isa::max(best, fine_similarity(row));
        finish(run, i, group, best);
      }
    }
  }

  Lanes fine_similarity(int row) {
    const int32_t* dots = dots_ + row * 2 * kLanes;
    const Lanes scaled = Isa::mul(Isa::from_planes(dots), Isa::set1(reader_.scales[row]));
    if (!coded_) return scaled;
    const float scale = from_bfloat16(at<uint16_t>(centroids_.scales, reader_.centroids[row]));
    const Lanes near = Isa::from_planes(centroid_dots_ + row * 2 * kLanes);
    return Isa::add(Isa::mul(near, Isa::set1(scale)), scaled);
  }

  Lanes start(const Run& run, int64_t group) {
    if (run.begins) return Isa::set1(-std::numeric_limits<float>::infinity());
    return Isa::load(best_.template as<float>() + group * kLanes);
  }

  // Maxima of a run's rows: kept where the passage goes on, else added up over the groups.
  void finish(const Run& run, int number, int64_t group, Lanes best) {
    if (!run.ends) {
      Isa::store(best_.template as<float>() + group * kLanes, best);
      return;
    }
    const Group& here = groups_[size_t(group)];
    const Lanes before = here.first ? Isa::set1(0.0f) : Isa::load(sums_ + number * kLanes);
    const Lanes scales = Isa::load(queries_.scales + group * kLanes);
    const Lanes sum = Isa::add(before, Isa::mul(best, scales));
    if (here.last)
      out_[here.query * stride_ + run.column] = Isa::fold(sum);
    else
      Isa::store(sums_ + number * kLanes, sum);
  }

  const Queries& queries_;
  const Centroids& centroids_;
  bool coded_;
  int dim_;
  float* out_;
  int64_t stride_;
  Reader<Isa> reader_;
  Packed<Isa> packed_;
  Scratch best_;  // of the passage that runs on into the next block
  Block<Isa> centroid_rows_;
  std::vector<Group> groups_;
  alignas(64) float sums_[kRows * kLanes];
  alignas(64) int32_t dots_[kRows * 2 * kLanes];
  alignas(64) int32_t centroid_dots_[kRows * 2 * kLanes];
};

template <class Isa>
int64_t score(const Queries& queries, const Passages& passages, const Centroids& centroids,
              const Columns& columns, float* out, int64_t stride) {
  [[maybe_unused]] const typename Isa::Session session;
  const auto scorer = std::unique_ptr<Scorer<Isa>>(
      new Scorer<Isa>(queries, passages, centroids, columns, out, stride));
  return scorer->run();
}
