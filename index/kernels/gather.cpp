// Rows of several arrays, one after the other in a new one.
#include "lists.h"

namespace xret {
namespace {

constexpr int64_t kBytesAhead = 8192;  // asked for early, in 4 to 32 stretches of rows

void fetch(const char* from, int64_t bytes) {
#if defined(__GNUC__)
  for (int64_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(from + byte);
#else
  (void)from, (void)bytes;
#endif
}

}  // namespace

int64_t gather_rows(const std::vector<Source>& sources, const int32_t* which, const int64_t* begins,
                    const int64_t* ends, int64_t n, int64_t row_bytes, char* out,
                    int64_t out_rows) {
  const auto sound = [&](int64_t i) {
    return which[i] >= 0 && which[i] < int64_t(sources.size()) && begins[i] >= 0 &&
           begins[i] <= ends[i] && ends[i] <= sources[size_t(which[i])].n_rows;
  };
  const auto from = [&](int64_t i) { return sources[size_t(which[i])].bytes + begins[i] * row_bytes; };
  const int64_t mean = n ? out_rows * row_bytes / n + 1 : 1;
  const int64_t wanted = kBytesAhead / mean;
  const int64_t ahead = wanted < 4 ? 4 : wanted < 32 ? wanted : 32;
  int64_t done = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t next = i + ahead;
    if (next < n && sound(next)) fetch(from(next), (ends[next] - begins[next]) * row_bytes);
    if (!sound(i) || ends[i] - begins[i] > out_rows - done) return i;
    if (begins[i] < ends[i])  // an empty array has no address
      std::memcpy(out + done * row_bytes, from(i), size_t((ends[i] - begins[i]) * row_bytes));
    done += ends[i] - begins[i];
  }
  return done == out_rows ? kSound : n;
}

}  // namespace xret
