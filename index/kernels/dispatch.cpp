// Which paths this processor and this system can run.
#include <cstring>

#include "kernels.h"

#if defined(__x86_64__) || defined(_M_X64)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif

namespace xret {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
struct Registers {
  unsigned a, b, c, d;
};

Registers cpuid(unsigned leaf) {
  Registers r = {0, 0, 0, 0};
#if defined(_MSC_VER)
  int found[4];
  __cpuid(found, 0);
  if (unsigned(found[0]) < leaf) return r;
  __cpuidex(found, int(leaf), 0);
  r = Registers{unsigned(found[0]), unsigned(found[1]), unsigned(found[2]), unsigned(found[3])};
#else
  if (unsigned(__get_cpuid_max(0, nullptr)) >= leaf) __cpuid_count(leaf, 0, r.a, r.b, r.c, r.d);
#endif
  return r;
}

// The register files that the system saves when it switches threads.
uint64_t saved_state() {
  if (!(cpuid(1).c >> 27 & 1)) return 0;
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
#endif
}

bool has(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

const char* avx2_lacks() {
  if (!has(cpuid(7).b, 1u << 5) || !has(cpuid(1).c, 1u << 12))
    return "the processor has no AVX2 with fused products";
  return (saved_state() & 0x6) == 0x6 ? nullptr : "the system does not save AVX registers";
}

const char* vnni_lacks() {
  const unsigned parts = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  if (!has(cpuid(7).b, parts) || !has(cpuid(7).c, 1u << 11))
    return "the processor has no AVX-512 VNNI";
  return (saved_state() & 0xe6) == 0xe6 ? nullptr : "the system does not save AVX-512 registers";
}

const char* amx_lacks() {
  if (vnni_lacks() || !has(cpuid(7).d, 1u << 24 | 1u << 25))
    return "the processor has no AMX for int8";
  if ((saved_state() & 0x60000) != 0x60000) return "the system does not save AMX tiles";
#if defined(__linux__)
  const long kRequestPermission = 0x1023;
  const long kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData))
    return "the system does not let this process use AMX tiles";
  return nullptr;
#else
  return "AMX tiles are asked for on Linux only";
#endif
}

const char* neon_lacks() { return "the processor is not an Arm"; }
#else
const char* avx2_lacks() { return "the processor is not an x86-64"; }
const char* vnni_lacks() { return "the processor is not an x86-64"; }
const char* amx_lacks() { return "the processor is not an x86-64"; }
const char* neon_lacks() {
#if defined(__aarch64__) && defined(__APPLE__)
  return nullptr;
#elif defined(__aarch64__) && defined(__linux__)
  const unsigned long kDotProduct = 1ul << 20;
  return getauxval(AT_HWCAP) & kDotProduct ? nullptr : "the processor has no dot product instructions";
#else
  return "only Arm processors under Linux and macOS have a path of their own";
#endif
}
#endif

struct Choice {
  const char* name;
  const char* lacks;
  const Path* path;
};

}  // namespace

const Path* find_path(const char* name, const char** reason) {
  // Asked once: a virtual machine leaves the guest for every question.
  static const Choice choices[] = {
      {"amx", amx_lacks(), amx_path()},    {"vnni", vnni_lacks(), vnni_path()},
      {"avx2", avx2_lacks(), avx2_path()}, {"neon", neon_lacks(), neon_path()},
      {"portable", nullptr, portable_path()},
  };
  *reason = "there is no such path";
  for (const Choice& choice : choices) {
    if (std::strcmp(choice.name, name)) continue;
    *reason = choice.lacks;
    if (!choice.lacks && !choice.path) *reason = "the compiler could not make it";
    return choice.lacks ? nullptr : choice.path;
  }
  return nullptr;
}

}  // namespace xret
