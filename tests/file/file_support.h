// What the file tests share: a folder that removes itself, and the check that a refusal is one clean line.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/error.h"

namespace regroup::test {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "regroup-file-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code unused;
    fs::remove_all(path_, unused);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }
  fs::path write(const std::string& name, std::string_view bytes) const {
    const fs::path file = path_ / name;
    std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file;
  }
  // Names of everything inside.
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

inline std::string read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Case {
  std::string name;
  std::string bytes;  // the file's
  std::string says;   // what the refusal must say
};

// A table of cases, filled row by row: one initialiser of a hundred rows takes compilers minutes.
class Cases {
 public:
  void operator()(std::string name, std::string bytes, std::string says) {
    cases_.push_back({std::move(name), std::move(bytes), std::move(says)});
  }
  auto begin() const { return cases_.begin(); }
  auto end() const { return cases_.end(); }
  std::size_t size() const { return cases_.size(); }

 private:
  std::vector<Case> cases_;
};

// `action` must throw Error `code`, in one line without control characters that has both fragments.
inline void expect_error(ErrorCode code, std::string_view file, std::string_view fragment,
                         const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << fragment;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(file), message.npos) << "no '" << file << "' in: " << message;
    EXPECT_NE(message.find(fragment), message.npos) << "no '" << fragment << "' in: " << message;
    EXPECT_TRUE(std::none_of(message.begin(), message.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    })) << message;
    EXPECT_LT(message.size(), 1000u) << message;
  } catch (const std::exception& other) {
    ADD_FAILURE() << "another exception: " << other.what();
  }
}

inline void expect_bad_model(std::string_view file, std::string_view fragment, const std::function<void()>& action) {
  expect_error(ErrorCode::kBadModel, file, fragment, action);
}

}  // namespace regroup::test
