// A library for LD_PRELOAD in which a program's host fails: an allocation by the program's own code, or a call on a
// file below a folder. Drivers and their files are left alone: what is tested is the program.
//   FAIL_HOST=KIND:N[+]:HOW   KIND: `memory`, `block` (allocations of 4096 bytes and more) or `file`; the N-th such
//   call
//                             fails, with a + all from there on; 0: none
//                             HOW, for files: an errno's name (ENOSPC, EIO, ENOMEM), or `short` for half the bytes
//   FAIL_HOST_UNDER=FOLDER    whose files count
//   FAIL_HOST_COUNT=FILE      the number of calls that counted is written there in the end
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>

namespace {

enum class Kind { kNone, kMemory, kFile };

struct Plan {
  Kind kind = Kind::kNone;
  std::size_t smallest = 0;  // bytes of an allocation that counts
  std::uint64_t call = 0;
  bool lasts = false;
  bool halves = false;
  int error = EIO;
  const char* under = nullptr;
};

Plan plan;
std::atomic<bool> in_main{false};
std::atomic<std::uint64_t> calls{0};
// Both thread_local variables lie in the thread's first block (initial-exec): the address sanitizer allocates before it
// has the function that finds others.
[[gnu::tls_model("initial-exec")]] thread_local bool inside = false;  // our own work counts for nothing
// What the program gave free when an allocation failed lasts for so much, even where all fail from there on.
constexpr std::size_t kReserveBytes = 65536;
std::atomic<std::size_t> reserve_left{0};

struct Range {
  std::uintptr_t begin = 0, end = 0;
  bool contains(std::uintptr_t address) const { return address >= begin && address < end; }
};
Range program;
Range familiar[8];  // the program, this library, and those that all programs stand on
std::size_t familiar_count = 0;

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int note_range(dl_phdr_info* info, std::size_t, void* first) {
  Range range{~std::uintptr_t{0}, 0};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (begin < range.begin) range.begin = begin;
    if (begin + header.p_memsz > range.end) range.end = begin + header.p_memsz;
  }
  bool& is_first = *static_cast<bool*>(first);
  if (is_first) program = range;
  bool is_familiar = is_first || range.contains(reinterpret_cast<std::uintptr_t>(&note_range));
  is_first = false;
  for (const char* name : {"libstdc++.", "libc.", "libgcc_s.", "libasan.", "libubsan."})
    is_familiar = is_familiar || std::strstr(info->dlpi_name, name) != nullptr;
  if (is_familiar && familiar_count < std::size(familiar)) familiar[familiar_count++] = range;
  return 0;
}

// A driver is a part of no familiar library, and calls the program's copies of what all programs have (std::string).
_Unwind_Reason_Code look(_Unwind_Context* context, void* is_driver) {
  const std::uintptr_t address = _Unwind_GetIP(context);
  for (std::size_t i = 0; i < familiar_count; ++i) {
    if (familiar[i].contains(address)) return _URC_NO_REASON;
  }
  *static_cast<bool*>(is_driver) = address != 0;
  return _URC_END_OF_STACK;
}

bool program_called() {
  bool is_driver = false;
  _Unwind_Backtrace(look, &is_driver);
  return !is_driver;
}

// Whether this call, which counts, is to fail.
bool turn_has_come() {
  const std::uint64_t now = ++calls;
  return plan.call != 0 && (plan.lasts ? now >= plan.call : now == plan.call);
}

bool allocation_fails(std::size_t bytes) {
  if (plan.kind != Kind::kMemory || bytes < plan.smallest || !in_main || inside) return false;
  inside = true;
  const bool fails = program_called() && turn_has_come();
  inside = false;
  if (!fails || reserve_left < bytes) return fails;
  reserve_left -= bytes;
  return false;
}

// As the real operator new: the handler gives something free, or throws.
[[noreturn]] void run_out() {
  if (const std::new_handler handler = std::get_new_handler()) {
    reserve_left = kReserveBytes;
    std::set_new_handler(nullptr);  // there is only one reserve
    handler();
  }
  throw std::bad_alloc();
}

bool path_counts(const char* path) {
  return plan.kind == Kind::kFile && in_main && !inside && plan.under != nullptr && path != nullptr &&
         std::strncmp(path, plan.under, std::strlen(plan.under)) == 0;
}

bool file_counts(int file) {
  if (plan.kind != Kind::kFile || !in_main || inside || file < 0) return false;
  char name[64], path[4096];
  std::snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return path_counts(path);
}

// For calls that know no halves.
bool fails_at(bool counts) {
  if (!counts || !turn_has_come()) return false;
  if (plan.halves) return false;
  errno = plan.error;
  return true;
}

// The bytes that a transfer may have; -1: it fails.
ssize_t allowance(int file, std::size_t bytes) {
  if (!file_counts(file) || !turn_has_come()) return static_cast<ssize_t>(bytes);
  if (plan.halves) return static_cast<ssize_t>(bytes > 1 ? bytes / 2 : bytes);
  errno = plan.error;
  return -1;
}

void read_plan() {
  const char* text = std::getenv("FAIL_HOST");
  if (text == nullptr) return;
  plan.under = std::getenv("FAIL_HOST_UNDER");
  if (std::strncmp(text, "memory:", 7) == 0) plan.kind = Kind::kMemory;
  if (std::strncmp(text, "block:", 6) == 0) plan.kind = Kind::kMemory, plan.smallest = 4096;
  if (std::strncmp(text, "file:", 5) == 0) plan.kind = Kind::kFile;
  char* rest = nullptr;
  plan.call = std::strtoull(std::strchr(text, ':') + 1, &rest, 10);
  if (*rest == '+') plan.lasts = true, ++rest;
  if (std::strcmp(rest, ":ENOSPC") == 0) plan.error = ENOSPC;
  if (std::strcmp(rest, ":ENOMEM") == 0) plan.error = ENOMEM;
  if (std::strcmp(rest, ":short") == 0) plan.halves = true;
  bool first = true;
  dl_iterate_phdr(note_range, &first);
}

void write_count() {
  const char* path = std::getenv("FAIL_HOST_COUNT");
  if (path == nullptr) return;
  if (FILE* out = std::fopen(path, "w")) {
    std::fprintf(out, "%llu\n", static_cast<unsigned long long>(calls.load()));
    std::fclose(out);
  }
}

int (*program_main)(int, char**, char**) = nullptr;

int counted_main(int argc, char** argv, char** environment) {
  read_plan();
  in_main = true;
  const int code = program_main(argc, argv, environment);
  in_main = false;
  write_count();
  return code;
}

}  // namespace

extern "C" int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(),
                                 void (*fini)(), void (*rtld_fini)(), void* stack_end) {
  program_main = main;
  const auto start = real<decltype(&__libc_start_main)>("__libc_start_main");
  return start(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

void* operator new(std::size_t bytes) {
  if (allocation_fails(bytes)) run_out();
  static const auto next = real<void* (*)(std::size_t)>("_Znwm");
  return next(bytes);
}
void* operator new[](std::size_t bytes) {
  if (allocation_fails(bytes)) run_out();
  static const auto next = real<void* (*)(std::size_t)>("_Znam");
  return next(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  if (allocation_fails(bytes)) run_out();
  static const auto next = real<void* (*)(std::size_t, std::align_val_t)>("_ZnwmSt11align_val_t");
  return next(bytes, alignment);
}

extern "C" {

// Eigen's matrices; operator new calls it from the standard library, which is no call of the program's.
void* malloc(std::size_t bytes) {
  static void* (*next)(std::size_t) = nullptr;
  [[gnu::tls_model("initial-exec")]] static thread_local bool looking = false;
  if (next == nullptr) {
    if (looking) return nullptr;
    looking = true;
    next = real<void* (*)(std::size_t)>("malloc");
    looking = false;
  }
  const auto caller = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  if (program.contains(caller) && allocation_fails(bytes)) {
    errno = ENOMEM;
    return nullptr;
  }
  return next(bytes);
}

int open(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const unsigned mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  if (fails_at(path_counts(path))) return -1;
  static const auto next = real<int (*)(const char*, int, ...)>("open");
  return next(path, flags, mode);
}
FILE* fopen64(const char* path, const char* mode) {  // what std::fstream opens with
  if (fails_at(path_counts(path))) return nullptr;
  static const auto next = real<FILE* (*)(const char*, const char*)>("fopen64");
  return next(path, mode);
}
ssize_t read(int file, void* bytes, std::size_t count) {
  const ssize_t allowed = allowance(file, count);
  static const auto next = real<ssize_t (*)(int, void*, std::size_t)>("read");
  return allowed < 0 ? -1 : next(file, bytes, static_cast<std::size_t>(allowed));
}
ssize_t write(int file, const void* bytes, std::size_t count) {
  const ssize_t allowed = allowance(file, count);
  static const auto next = real<ssize_t (*)(int, const void*, std::size_t)>("write");
  return allowed < 0 ? -1 : next(file, bytes, static_cast<std::size_t>(allowed));
}
ssize_t pwrite(int file, const void* bytes, std::size_t count, off_t offset) {
  const ssize_t allowed = allowance(file, count);
  static const auto next = real<ssize_t (*)(int, const void*, std::size_t, off_t)>("pwrite");
  return allowed < 0 ? -1 : next(file, bytes, static_cast<std::size_t>(allowed), offset);
}
ssize_t writev(int file, const iovec* parts, int count) {
  if (fails_at(file_counts(file))) return -1;
  static const auto next = real<ssize_t (*)(int, const iovec*, int)>("writev");
  return next(file, parts, count);
}
void* mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  if (fails_at(file_counts(file))) return MAP_FAILED;
  static const auto next = real<void* (*)(void*, std::size_t, int, int, int, off_t)>("mmap");
  return next(address, bytes, protection, flags, file, offset);
}
int fsync(int file) {
  if (fails_at(file_counts(file))) return -1;
  static const auto next = real<int (*)(int)>("fsync");
  return next(file);
}
int rename(const char* from, const char* to) {
  if (fails_at(path_counts(to))) return -1;
  static const auto next = real<int (*)(const char*, const char*)>("rename");
  return next(from, to);
}
int link(const char* from, const char* to) {
  if (fails_at(path_counts(to))) return -1;
  static const auto next = real<int (*)(const char*, const char*)>("link");
  return next(from, to);
}
int mkdir(const char* path, mode_t mode) {
  if (fails_at(path_counts(path))) return -1;
  static const auto next = real<int (*)(const char*, mode_t)>("mkdir");
  return next(path, mode);
}

}  // extern "C"
