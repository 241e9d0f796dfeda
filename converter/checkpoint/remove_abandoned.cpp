#include "converter/checkpoint/remove_abandoned.h"

#include <signal.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace regroup {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnd = ".tmp", kOldEnd = ".old.tmp";

// Whether `number` is that of a process which is no more.
bool is_dead(const std::string& number) {
  if (number.empty() || number.size() > 9 || number.find_first_not_of("0123456789") != std::string::npos) return false;
  return ::kill(std::stoi(number), 0) != 0 && errno == ESRCH;
}

}  // namespace

void remove_abandoned(const fs::path& target) {
  std::error_code error;
  const fs::path folder = fs::absolute(target, error).parent_path();
  const std::string start = "." + target.filename().string() + ".";
  std::vector<fs::path> abandoned;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_old = name.ends_with(kOldEnd);
    if (!name.starts_with(start) || !name.ends_with(kEnd)) continue;
    const std::size_t around = start.size() + (is_old ? kOldEnd : kEnd).size();
    if (name.size() <= around || !is_dead(name.substr(start.size(), name.size() - around))) continue;
    std::error_code unused;
    if (is_old && !fs::exists(fs::symlink_status(target, unused))) {
      fs::rename(entry->path(), target, unused);
    } else {
      abandoned.push_back(entry->path());
    }
  }
  for (const fs::path& path : abandoned) fs::remove_all(path, error);
}

}  // namespace regroup
