// The lists of centroids against the plain loops, on random shapes and on damaged ones.
//
// Built with the address and undefined-behaviour sanitizers by .ci/run: arrays have exactly
// their size on the heap.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "../../index/kernels/lists.h"

using namespace xret;

namespace {

std::mt19937 generator(1);
int faults = 0;

int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }

void expect(bool holds, const char* what, int trial) {
  if (holds) return;
  std::printf("wrong: %s in trial %d\n", what, trial);
  faults++;
}

struct Part {
  std::vector<int64_t> offsets{0}, documents{0};
  std::vector<uint16_t> centroids, members;
  std::vector<uint32_t> starts;
  std::vector<uint8_t> keep;
  std::vector<uint16_t> langs;

  Part(int n_passages, int n_centroids) {
    for (int i = 0; i < n_passages; i++) offsets.push_back(offsets.back() + between(1, 6));
    for (int64_t i = 0; i < offsets.back(); i++) centroids.push_back(uint16_t(between(0, n_centroids - 1)));
    while (documents.back() < n_passages)
      documents.push_back(std::min<int64_t>(n_passages, documents.back() + between(1, 3)));
    for (size_t i = 0; i + 1 < documents.size(); i++) keep.push_back(uint8_t(between(0, 3) > 0));
    for (int i = 0; i < n_passages; i++) langs.push_back(uint16_t(between(0, 4)));
    const int64_t n_blocks = (n_passages + kListBlock - 1) / kListBlock;
    starts.resize(size_t(n_blocks * n_centroids + 1));
    expect(make_lists(passages(), n_centroids, starts.data(), nullptr, 0) == kSound, "starts", 0);
    members.resize(starts.back());
    expect(make_lists(passages(), n_centroids, starts.data(), members.data(), starts.back()) == kSound, "lists", 0);
  }

  Passages passages() const {
    Passages all = {};
    all.centroids = centroids.data();
    all.offsets = offsets.data();
    all.n = int64_t(offsets.size()) - 1;
    all.rows = int64_t(centroids.size());
    return all;
  }

  ListedSegment listed(bool several, bool masked) const {
    const int64_t n = several ? int64_t(documents.size()) - 1 : int64_t(offsets.size()) - 1;
    return {starts.data(), members.data(), several ? documents.data() : nullptr,
            masked && several ? keep.data() : nullptr, langs.data(), int64_t(members.size()),
            int64_t(offsets.size()) - 1, n};
  }
};

struct Query {
  int64_t lanes;
  std::vector<uint8_t> table, floors;
  std::vector<int32_t> chosen;

  Query(int n_centroids, int n_lanes) : lanes(n_lanes), table(size_t(n_centroids * n_lanes)), floors(size_t(n_lanes)) {
    for (auto& entry : table) entry = uint8_t(between(0, 255));
    const int near = between(1, n_centroids);
    std::vector<int32_t> room(size_t(n_centroids), 0);
    room.resize(size_t(choose_lists(table.data(), n_centroids, lanes, near, floors.data(), room.data())));
    chosen = room;
    for (int lane = 0; lane < n_lanes; lane++) {
      std::vector<uint8_t> column;
      for (int c = 0; c < n_centroids; c++) column.push_back(table[size_t(c * n_lanes + lane)]);
      std::sort(column.rbegin(), column.rend());
      expect(floors[size_t(lane)] == column[size_t(near - 1)], "a floor", near);
    }
  }

  int32_t passage(const Part& part, int64_t i) const {
    std::vector<uint8_t> best = floors;
    for (int64_t row = part.offsets[size_t(i)]; row < part.offsets[size_t(i + 1)]; row++)
      for (int64_t lane = 0; lane < lanes; lane++)
        best[size_t(lane)] = std::max(best[size_t(lane)], table[size_t(part.centroids[size_t(row)] * lanes + lane)]);
    int32_t sum = 0;
    for (const uint8_t entry : best) sum += entry;
    return sum;
  }
};

void check(int trial) {
  const int n_centroids = between(1, 300), n_lanes = kLanes * between(1, 5);
  const bool several = trial % 2, masked = trial % 3 == 0, levelled = trial % 5 < 2;
  std::vector<int64_t> gains, terms;  // of three languages; two others count as the last
  for (int i = 0; i < 3; i++) gains.push_back(between(0, 1 << 18)), terms.push_back(between(-(1 << 28), 1 << 28));
  std::vector<Part> parts;
  for (int i = 0; i < 3; i++) parts.emplace_back(trial == 5 && !i ? int(kListBlock) + 77 : between(1, 90), n_centroids);
  const Query query(n_centroids, n_lanes);
  std::vector<ListedSegment> segments;
  std::vector<std::pair<int64_t, int32_t>> all;
  int64_t first = 0;
  for (const Part& part : parts) {
    segments.push_back(part.listed(several, masked));
    for (int64_t document = 0; document < segments.back().n_documents; document++) {
      int32_t best = 0;
      const int64_t begin = several ? part.documents[size_t(document)] : document;
      const int64_t end = several ? part.documents[size_t(document + 1)] : document + 1;
      for (int64_t i = begin; i < end; i++) best = std::max(best, query.passage(part, i));
      if (levelled) {
        const size_t lang = std::min<size_t>(part.langs[size_t(document)], 2);
        const int64_t level = (best * gains[lang] + terms[lang]) >> 16;
        best = int32_t(std::min(std::max<int64_t>(level, 0), kMostLevel));
      }
      if (!(masked && several) || part.keep[size_t(document)]) all.emplace_back(first + document, best);
    }
    first += segments.back().n_documents;
  }
  const int64_t wanted = between(1, int(first) + 1);
  std::vector<int32_t> order;
  for (const auto& one : all) order.push_back(one.second);
  std::sort(order.rbegin(), order.rend());
  const int32_t least = int64_t(order.size()) < wanted ? 0 : order[size_t(wanted - 1)];
  all.erase(std::remove_if(all.begin(), all.end(), [&](const auto& one) { return one.second < least; }), all.end());

  const auto ask = [&](std::vector<int64_t>& positions, std::vector<int32_t>& scores, int64_t& n) {
    const ListQuery asked = {query.table.data(), query.floors.data(), query.chosen.data(),
                             n_centroids, n_lanes, int64_t(query.chosen.size()),
                             {levelled ? gains.data() : nullptr, terms.data(), 3}};
    return list_documents(asked, segments, wanted, positions.data(), scores.data(), &n);
  };
  std::vector<int64_t> positions(static_cast<size_t>(first));
  std::vector<int32_t> scores(static_cast<size_t>(first));
  int64_t n = 0;
  expect(ask(positions, scores, n) == kSound, "sound lists", trial);
  expect(n == int64_t(all.size()), "how many documents", trial);
  for (int64_t i = 0; i < std::min<int64_t>(n, int64_t(all.size())); i++)
    expect(positions[size_t(i)] == all[size_t(i)].first && scores[size_t(i)] == all[size_t(i)].second,
           "a document", trial);

  for (uint16_t& member : parts[1].members) member = 0xffff;  // passages that are not there
  const bool read = !query.chosen.empty() && !parts[1].members.empty();
  const int64_t damaged = ask(positions, scores, n);
  expect(!read || damaged == 1 || damaged == kSound, "damaged lists", trial);
}

void check_rows(int trial) {
  const int64_t row_bytes = between(1, 40);
  std::vector<std::vector<char>> held;
  std::vector<Source> sources;
  for (int i = 0; i < 3; i++) {
    held.emplace_back(size_t(between(0, 9)) * size_t(row_bytes));
    for (char& byte : held.back()) byte = char(between(-128, 127));
  }
  for (const auto& bytes : held) sources.push_back({bytes.data(), int64_t(bytes.size()) / row_bytes});
  std::vector<int32_t> which;
  std::vector<int64_t> begins, ends;
  std::vector<char> expected;
  for (int i = 0; i < 8; i++) {
    which.push_back(between(0, 2));
    const int64_t n = sources[size_t(which.back())].n_rows;
    begins.push_back(between(0, int(n)));
    ends.push_back(between(int(begins.back()), int(n)));
    const char* from = sources[size_t(which.back())].bytes;
    expected.insert(expected.end(), from + begins.back() * row_bytes, from + ends.back() * row_bytes);
  }
  std::vector<char> out(expected.size());
  const auto ask = [&] {
    return gather_rows(sources, which.data(), begins.data(), ends.data(), 8, row_bytes, out.data(),
                       int64_t(out.size()) / row_bytes);
  };
  expect(ask() == kSound && out == expected, "rows", trial);
  ends[7] = sources[size_t(which[7])].n_rows + 1;
  expect(ask() == 7, "rows that are not there", trial);
}

}  // namespace

int main() {
  for (int trial = 0; trial < 24; trial++) check(trial);
  for (int trial = 0; trial < 40; trial++) check_rows(trial);
  std::printf("lists: checked\n");
  return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
