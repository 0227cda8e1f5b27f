// The codes of a trellis whose values are nearest to a row's, by dynamic programming (Viterbi).
//
// Walks from the last dimension to the first: the best way on from each window of bits, known for
// all windows of the next dimension. What is lost is an integer below 2**24, which floats hold
// exactly, so that every path finds the same codes; of equal ways the lowest numbers are taken.
// kLanes rows are walked side by side.
#pragma once

template <class Isa>
class Trellis {
 public:
  explicit Trellis(const TrellisRows& rows)
      : rows_(rows), halves_(size_t(rows.dim / kGroup) * kWindows),
        ways_(size_t(rows.dim) * kWindows / 2 * kLanes) {
    for (int group = 0; group < rows.dim / kGroup; group++)
      for (int i = 0; i < kWindows; i++)
        halves_[size_t(group * kWindows + i)] = float(2 * rows.levels[group * kGroupLevels + 1 + i]);
  }

  // n rows, at most kLanes, from that number on.
  void code(int64_t first, int n, uint8_t* out) {
    for (int i = 0; i < kWindows; i++) Isa::store(gains_[i], Isa::set1(i ? kOutside : 0.0f));
    for (int group = rows_.dim / kGroup - 1; group >= 0; group--) {
      switch (rate(group)) {
        case 1: walk<1>(first, n, group); break;
        case 2: walk<2>(first, n, group); break;
        case 3: walk<3>(first, n, group); break;
        case 4: walk<4>(first, n, group); break;
      }
      settle();
    }
    for (int row = 0; row < n; row++) follow(row, out + row * rows_.width);
  }

 private:
  static constexpr float kOutside = -float(1 << 26);  // of windows that no codes have

  int rate(int group) const { return rows_.levels[group * kGroupLevels]; }

  template <int kRate>
  void walk(int64_t first, int n, int group) {
    constexpr int kStates = kWindows >> kRate;
    const float* levels = halves_.data() + group * kWindows;
    alignas(64) float values[kLanes] = {}, onward[kLanes];
    alignas(64) int32_t way[kLanes];
    alignas(64) const int32_t none[kLanes] = {};
    alignas(64) float before[kWindows][kLanes];
    for (int i = group * kGroup + kGroup - 1; i >= group * kGroup; i--) {
      for (int row = 0; row < n; row++)
        values[row] = float(rows_.values[(first + row) * rows_.dim + i]);
      const auto value = Isa::load(values);
      std::memcpy(before, gains_, sizeof(before));
      uint8_t* ways = ways_.data() + size_t(i) * kWindows / 2 * kLanes;
      for (int state = 0; state < kStates; state++, ways += kLanes) {
        auto winner = Isa::winner(before[state], none);
        for (int code = 1; code < 1 << kRate; code++)
          Isa::challenge(winner, Isa::load(before[state + code * kStates]), code);
        Isa::settle(winner, onward, way);
        for (int row = 0; row < kLanes; row++) ways[row] = uint8_t(way[row]);
        const auto best = Isa::load(onward);
        for (int code = 0; code < 1 << kRate; code++) {
          const int window = (state << kRate) + code;
          const auto off = Isa::sub(value, Isa::set1(levels[window]));
          Isa::store(gains_[window], Isa::sub(best, Isa::mul(off, off)));
        }
      }
    }
  }

  // Only differences count.
  void settle() {
    auto most = Isa::load(gains_[0]);
    for (int i = 1; i < kWindows; i++) most = Isa::max(most, Isa::load(gains_[i]));
    for (int i = 0; i < kWindows; i++)
      Isa::store(gains_[i],
                 Isa::max(Isa::sub(Isa::load(gains_[i]), most), Isa::set1(kOutside)));
  }

  void follow(int row, uint8_t* out) {
    std::memset(out, 0, size_t(rows_.width));
    int window = 0;
    for (int i = 1; i < kWindows; i++)
      if (gains_[i][row] > gains_[window][row]) window = i;
    int64_t bit = 0;
    for (int i = 0; i < rows_.dim; i++) {
      const int bits = rate(i / kGroup);
      if (!bits) continue;
      const int code = (window & ((1 << bits) - 1)) << bit % 8;
      out[bit / 8] |= uint8_t(code);
      if (code >> 8) out[bit / 8 + 1] |= uint8_t(code >> 8);
      bit += bits;
      const int state = window >> bits;
      const size_t way = (size_t(i) * kWindows / 2 + size_t(state)) * kLanes + size_t(row);
      window = state | ways_[way] << (kWindow - bits);
    }
  }

  const TrellisRows& rows_;
  std::vector<float> halves_;
  std::vector<uint8_t> ways_;
  alignas(64) float gains_[kWindows][kLanes];
};

template <class Isa>
void trellis(const TrellisRows& rows, uint8_t* out) {
  [[maybe_unused]] const typename Isa::Session session;
  Trellis<Isa> coder(rows);
  for (int64_t row = rows.first; row < rows.last; row += kLanes) {
    const int n = int(rows.last - row < kLanes ? rows.last - row : kLanes);
    coder.code(row, n, out + row * rows.width);
  }
}
