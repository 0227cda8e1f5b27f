// Memory that starts on a cache line. Included inside an unnamed namespace of each path.
#pragma once

#if defined(__GNUC__)
#define XRET_INLINE __attribute__((always_inline))
#else
#define XRET_INLINE
#endif

template <class F, int... i>
XRET_INLINE inline void repeat(std::integer_sequence<int, i...>, F f) {
  (f(std::integral_constant<int, i>()), ...);
}

// f(0) to f(n - 1), without a loop: GCC keeps an array in registers only where every index is a
// constant from the start.
template <int n, class F>
XRET_INLINE inline void repeat(F f) {
  repeat(std::make_integer_sequence<int, n>(), f);
}

// Zeroed memory that starts on a cache line.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : memory_(bytes + 64) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    start_ = memory_.data() + (64 - address % 64) % 64;
  }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(start_);
  }

 private:
  std::vector<uint8_t> memory_;
  uint8_t* start_;
};

inline int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

inline void prefetch_line(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
  __asm__ volatile("");  // without an effect that GCC knows of, it leaves the call out
#else
  (void)address;
#endif
}
