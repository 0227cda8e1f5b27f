// Similarities of queries with centroids, and the centroid that is nearest to a vector.
#pragma once

// Rows first to first + n of the table, for kWidth groups of lanes: each row is read once for both.
template <class Isa, int kWidth>
void table_groups(const Queries& queries, const Centroids& centroids, Packed<Isa>& packed,
                  Block<Isa>& block, int64_t first, int n, int64_t group, int dim,
                  const float* added, int32_t* dots, float* out) {
  Isa::template dots<kWidth>(block.rows(), n, block.stride(), packed.group(group), packed.bytes(),
                             dim, dots);
  for (int row = 0; row < n; row++) {
    const float scale = from_bfloat16(at<uint16_t>(centroids.scales, first + row));
    for (int j = 0; j < kWidth; j++) {
      auto values = Isa::mul(Isa::from_int32(dots + (row * kWidth + j) * kLanes),
                             Isa::set1(scale));
      if (added) values = Isa::add(values, Isa::load(added + (group + j) * kLanes));
      Isa::store(out + (first + row) * queries.lanes + (group + j) * kLanes, values);
    }
  }
}

// out[c, lane] = dot(query, centroid) * centroid's scale, in units of the query's scale; and
// + added[lane] where there are such.
template <class Isa>
void tables(const Queries& queries, const Centroids& centroids, int dim, const float* added,
            float* out) {
  [[maybe_unused]] const typename Isa::Session session;
  Packed<Isa> packed(queries.codes, nullptr, queries.lanes, dim);
  Block<Isa> block(dim);
  alignas(64) int32_t dots[kRows * 2 * kLanes];
  for (int64_t first = 0; first < centroids.n; first += kRows) {
    const int n = int(centroids.n - first < kRows ? centroids.n - first : kRows);
    block.stage(centroids.codes + first * dim, 0, n);
    int64_t group = 0;
    for (; (group + 2) * kLanes <= queries.lanes; group += 2)
      table_groups<Isa, 2>(queries, centroids, packed, block, first, n, group, dim, added, dots, out);
    if (group * kLanes < queries.lanes)
      table_groups<Isa, 1>(queries, centroids, packed, block, first, n, group, dim, added, dots, out);
  }
}

// Vectors in the lanes, centroids in the rows. The centroids of a block are staged once for
// kGroups groups of vectors.
template <class Isa>
class Nearest {
 public:
  static constexpr int kGroups = 16;
  static constexpr int kVectors = kGroups * kLanes;

  Nearest(const Vectors& vectors, const Centroids& centroids, int dim)
      : vectors_(vectors), centroids_(centroids), dim_(dim), block_(dim),
        codes_(size_t(kVectors) * dim) {}

  void run(int64_t first, int n, uint16_t* out) {
    std::memcpy(codes_.as<int8_t>(), vectors_.codes + first * dim_, size_t(n) * dim_);
    for (int lane = 0; lane < kVectors; lane++) {
      inverses_[lane] = lane < n ? vectors_.inverses[first + lane] : 0.0f;
      best_[lane] = -std::numeric_limits<float>::infinity();
      index_[lane] = 0;
    }
    const int n_groups = round_up(n, 2 * kLanes) / kLanes;
    Packed<Isa> packed(codes_.as<int8_t>(), nullptr, n_groups * kLanes, dim_);
    for (int64_t row = 0; row < centroids_.n; row += kRows) {
      const int n_rows = int(centroids_.n - row < kRows ? centroids_.n - row : kRows);
      block_.stage(centroids_.codes + row * dim_, 0, n_rows);
      for (int i = 0; i < n_rows; i++) {
        scales_[i] = from_bfloat16(at<uint16_t>(centroids_.scales, row + i));
        biases_[i] = centroids_.biases[row + i];
      }
      for (int group = 0; group < n_groups; group += 2) {
        Isa::template dots<2>(block_.rows(), n_rows, block_.stride(), packed.group(group),
                              packed.bytes(), dim_, dots_);
        compare(group * kLanes, int32_t(row), n_rows);
      }
    }
    for (int lane = 0; lane < n; lane++) out[first + lane] = uint16_t(index_[lane]);
  }

 private:
  void compare(int lane, int32_t centroid, int n_rows) {
    typename Isa::Winner winners[2];
    for (int j = 0; j < 2; j++)
      winners[j] = Isa::winner(best_ + lane + j * kLanes, index_ + lane + j * kLanes);
    for (int row = 0; row < n_rows; row++)
      for (int j = 0; j < 2; j++) {
        const auto dot = Isa::from_int32(dots_ + (row * 2 + j) * kLanes);
        const auto bias = Isa::mul(Isa::set1(biases_[row]), Isa::load(inverses_ + lane + j * kLanes));
        const auto value = Isa::sub(Isa::mul(dot, Isa::set1(scales_[row])), bias);
        Isa::challenge(winners[j], value, centroid + row);
      }
    for (int j = 0; j < 2; j++)
      Isa::settle(winners[j], best_ + lane + j * kLanes, index_ + lane + j * kLanes);
  }

  const Vectors& vectors_;
  const Centroids& centroids_;
  int dim_;
  Block<Isa> block_;
  Scratch codes_;
  alignas(64) float inverses_[kVectors];
  alignas(64) float best_[kVectors];
  alignas(64) int32_t index_[kVectors];
  alignas(64) float scales_[kRows];
  alignas(64) float biases_[kRows];
  alignas(64) int32_t dots_[kRows * 2 * kLanes];
};

template <class Isa>
void nearest(const Vectors& vectors, const Centroids& centroids, int dim, uint16_t* out) {
  [[maybe_unused]] const typename Isa::Session session;
  const auto search = std::unique_ptr<Nearest<Isa>>(new Nearest<Isa>(vectors, centroids, dim));
  for (int64_t first = vectors.first; first < vectors.last; first += Nearest<Isa>::kVectors) {
    const int64_t left = vectors.last - first;
    search->run(first, int(left < Nearest<Isa>::kVectors ? left : Nearest<Isa>::kVectors), out);
  }
}
