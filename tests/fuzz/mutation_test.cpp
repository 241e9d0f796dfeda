// The kept inputs, changed in thousands of ways that are the same in every run: what libFuzzer finds first, in every
// build and under every sanitizer, without Clang. REGROUP_FUZZ_INPUTS: how many for each target.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <random>

#include "tests/fuzz/targets.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestInput = 65536;

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::vector<std::string> words)
      : seeds_(std::move(seeds)), words_(std::move(words)) {}

  std::string next() {
    std::string input = seeds_[below(seeds_.size())];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(input);
    if (input.size() > kLongestInput) input.resize(kLongestInput);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random_() % limit); }

  void change(std::string& input) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t length = std::min(input.size() - at, below(8) == 0 ? below(4096) : below(16));
    switch (below(9)) {
      case 0:  // a bit
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:  // a byte
        if (at < input.size()) input[at] = static_cast<char>(random_());
        break;
      case 2:
        input.resize(at);
        break;
      case 3:
        input.erase(at, length);
        break;
      case 4:
        input.insert(below(input.size() + 1), input.substr(at, length));
        break;
      case 5: {  // a part of another one
        const std::string& other = seeds_[below(seeds_.size())];
        const std::size_t from = below(other.size() + 1);
        input.replace(at, length, other.substr(from, below(64)));
        break;
      }
      case 6:  // a word of the format
        if (!words_.empty()) input.insert(at, words_[below(words_.size())]);
        break;
      case 7: {  // a number, little-endian, that is likely to be on an edge
        constexpr std::uint64_t kEdges[] = {0,
                                            1,
                                            0x7f,
                                            0x80,
                                            0xff,
                                            0x7fff,
                                            0xffff,
                                            0x7fffffff,
                                            0x80000000,
                                            0xffffffff,
                                            std::uint64_t{1} << 40,
                                            ~std::uint64_t{0} >> 1,
                                            ~std::uint64_t{0}};
        const std::uint64_t edge = kEdges[below(std::size(kEdges))] + below(3) - 1;
        const std::size_t bytes = std::size_t{1} << below(4);
        for (std::size_t i = 0; i < bytes && at + i < input.size(); ++i)
          input[at + i] = static_cast<char>(edge >> (8 * i) & 0xff);
        break;
      }
      default: {  // the digits there become another number
        std::size_t begin = input.find_first_of("0123456789", at);
        if (begin == input.npos) break;
        std::size_t end = std::min(input.find_first_not_of("0123456789", begin), input.size());
        constexpr const char* kNumbers[] = {"0", "-1", "4294967296", "18446744073709551616", "1e999", "2147483647"};
        input.replace(begin, end - begin, kNumbers[below(std::size(kNumbers))]);
      }
    }
  }

  std::vector<std::string> seeds_, words_;
  std::mt19937_64 random_{20261126};
};

std::vector<std::string> seeds_of(std::string_view target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(REGROUP_SOURCE_DIR) / "tests/data/fuzz" / target))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> seeds;
  for (const fs::path& file : files) seeds.push_back(read_file(file));
  return seeds;
}

// The quoted words of a libFuzzer dictionary; escapes stay as they are.
std::vector<std::string> words_of(std::string_view target) {
  const fs::path file = fs::path(REGROUP_SOURCE_DIR) / "tests/fuzz" / (std::string(target) + ".dict");
  std::vector<std::string> words;
  if (!fs::exists(file)) return words;
  const std::string text = read_file(file);
  for (std::size_t open = text.find('"'); open != text.npos;) {
    const std::size_t close = text.find('"', open + 1);
    if (close == text.npos) break;
    words.push_back(text.substr(open + 1, close - open - 1));
    open = text.find('"', close + 1);
  }
  return words;
}

std::size_t inputs_per_target() {
  std::size_t count = 400;
  if (const char* asked = std::getenv("REGROUP_FUZZ_INPUTS"))
    std::from_chars(asked, asked + std::string_view(asked).size(), count);
  return count;
}

class FuzzMutation : public ::testing::TestWithParam<FuzzTarget> {};

TEST_P(FuzzMutation, ChangedInputsAreReadOrRefused) {
  const FuzzTarget& target = GetParam();
  Mutator mutator(seeds_of(target.name), words_of(target.name));
  for (std::size_t i = 0; i < inputs_per_target(); ++i) {
    const std::string input = mutator.next();
    // Left behind by a crash: the input that belongs into tests/data/fuzz.
    if (const char* keep = std::getenv("REGROUP_FUZZ_KEEP")) write_file(keep, input);
    ASSERT_NO_THROW(target.run(std::as_bytes(std::span(input)))) << target.name << ", input " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzMutation, ::testing::ValuesIn(kFuzzTargets),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace regroup::test
