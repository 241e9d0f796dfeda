#include "runtime/text/unicode/normal_form.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <vector>

#include "runtime/core/utf8.h"

namespace regroup {
namespace {

#include "runtime/text/unicode/normal_form_tables.inc"

// Hangul syllables are made of a leading consonant, a vowel and perhaps a trailing consonant (Unicode 3.12).
constexpr char32_t kSyllables = 0xac00, kLeading = 0x1100, kVowels = 0x1161, kTrailing = 0x11a7;
constexpr char32_t kLeadingCount = 19, kVowelCount = 21, kTrailingCount = 28;
constexpr char32_t kSyllableCount = kLeadingCount * kVowelCount * kTrailingCount;

// The row of `width` numbers that starts with `key`, or nullptr.
template <std::size_t size>
const std::uint32_t* find_row(const std::uint32_t (&table)[size], std::size_t width, char32_t key) {
  std::size_t low = 0, high = size / width;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (table[middle * width] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < size / width && table[low * width] == key ? &table[low * width] : nullptr;
}

std::uint32_t combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const std::uint32_t* row = find_row(kCombiningClasses, 2, c);
  return row == nullptr ? 0 : row[1];
}

class Normalizer {
 public:
  explicit Normalizer(NormalForm form) : form_(form) {
    if (!form.compatible) return;
    for (std::size_t at = 0; at < std::size(kCompatible); at += kCompatible[at + 1] + 2)
      compatible_[kCompatible[at]] = at + 1;
  }

  void decompose(char32_t c) {
    if (c >= kSyllables && c < kSyllables + kSyllableCount) {
      const char32_t index = c - kSyllables;
      put(kLeading + index / (kVowelCount * kTrailingCount));
      put(kVowels + index / kTrailingCount % kVowelCount);
      if (index % kTrailingCount != 0) put(kTrailing + index % kTrailingCount);
      return;
    }
    if (const std::uint32_t* row = c < 0xa0 ? nullptr : find_row(kCanonical, 3, c)) {
      decompose(row[1]);
      if (row[2] != 0) decompose(row[2]);
      return;
    }
    if (const auto found = compatible_.find(c); found != compatible_.end()) {
      const std::uint32_t* row = &kCompatible[found->second];
      for (std::uint32_t i = 1; i <= row[0]; ++i) decompose(row[i]);
      return;
    }
    put(c);
  }

  std::string finish() {
    sort_marks(out_.size());
    if (form_.compose) compose();
    std::string text;
    for (const Character& c : out_) append_utf8(text, c.code_point);
    return text;
  }

 private:
  struct Character {
    char32_t code_point;
    std::uint32_t combining;
  };

  void put(char32_t c) {
    const std::uint32_t combining = combining_class(c);
    if (combining == 0) {
      sort_marks(out_.size());
      marks_begin_ = out_.size() + 1;
    }
    out_.push_back({c, combining});
  }

  // The marks behind the last base character, in the order of their classes.
  void sort_marks(std::size_t end) {
    if (marks_begin_ >= end) return;
    std::stable_sort(out_.begin() + static_cast<std::ptrdiff_t>(marks_begin_),
                     out_.begin() + static_cast<std::ptrdiff_t>(end),
                     [](const Character& a, const Character& b) { return a.combining < b.combining; });
  }

  // What two characters compose to, 0 when they do not.
  static char32_t composed(char32_t first, char32_t second) {
    if (first >= kLeading && first < kLeading + kLeadingCount && second >= kVowels && second < kVowels + kVowelCount) {
      return kSyllables + ((first - kLeading) * kVowelCount + (second - kVowels)) * kTrailingCount;
    }
    const bool open_syllable =
        first >= kSyllables && first < kSyllables + kSyllableCount && (first - kSyllables) % kTrailingCount == 0;
    if (open_syllable && second > kTrailing && second < kTrailing + kTrailingCount) return first + (second - kTrailing);
    for (const std::uint32_t* row = find_row(kCompositions, 3, first); row != nullptr; row += 3) {
      if (row == std::end(kCompositions) || row[0] != first) break;
      if (row[1] == second) return row[2];
    }
    return 0;
  }

  void compose() {
    std::vector<Character> composed_text;
    std::size_t starter = out_.size();  // position in composed_text; past the end: none yet
    std::uint32_t last_class = 0;       // of the character in front, when it did not compose
    for (const Character& c : out_) {
      const bool has_starter = starter < composed_text.size();
      const bool adjacent = has_starter && starter + 1 == composed_text.size();
      const bool blocked = has_starter && !adjacent && last_class >= c.combining;
      if (has_starter && !blocked) {
        const char32_t joined = composed(composed_text[starter].code_point, c.code_point);
        if (joined != 0) {
          composed_text[starter].code_point = joined;
          continue;
        }
      }
      if (c.combining == 0) starter = composed_text.size();
      last_class = c.combining;
      composed_text.push_back(c);
    }
    out_ = std::move(composed_text);
  }

  NormalForm form_;
  std::unordered_map<char32_t, std::size_t> compatible_;  // code point to its place in kCompatible
  std::vector<Character> out_;
  std::size_t marks_begin_ = 0;
};

}  // namespace

std::string normalize_unicode(std::string_view text, NormalForm form) {
  // ASCII is every normal form of itself.
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    return std::string(text);
  Normalizer normalizer(form);
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    normalizer.decompose(step.code_point);
    at += step.bytes;
  }
  return normalizer.finish();
}

}  // namespace regroup
