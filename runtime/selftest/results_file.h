// What earlier self-tests found on a device, kept in the user's cache: selftest-<device>-<driver>.json. A result counts
// while device, driver (UUID and version) and the SPIR-V of its kernels are the same. The file is untrusted input: one
// that is damaged counts as absent.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "runtime/selftest/self_test.h"

namespace regroup::selftest {

class ResultsFile {
 public:
  // Of `device`, which outlives this. Reads and keeps nothing where the device has no cache folder, and where kernels
  // are spoiled on purpose.
  explicit ResultsFile(const Device& device);

  // What `check` found in this family; `variant` tells how its kernels were compiled.
  std::optional<CheckResult> find(const KernelProfile& family, const Check& check,
                                  const std::string& variant = {}) const;
  void put(const KernelProfile& family, const Check& check, const CheckResult& result, const std::string& variant = {});
  // Failures are silent: it is only a cache.
  void save() const;

 private:
  struct Entry {
    CheckResult result;
    std::string hash;  // of the kernels
  };
  static std::string hash_of(const CheckResult& result);
  void load();

  std::filesystem::path path_;
  std::uint32_t subgroup_size_;
  std::map<std::string, Entry> entries_;
  bool changed_ = false;
};

}  // namespace regroup::selftest
