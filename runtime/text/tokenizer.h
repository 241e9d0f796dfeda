// Text to token ids and back, for one model. Immutable after construction; every const member function may be called
// from many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/vocabulary.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// Longer texts are refused before any work.
inline constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;

struct EncodeOptions {
  bool add_special = true;    // BOS and EOS where the model asks for them
  bool parse_special = true;  // "<|im_end|>" in the text becomes that token; false: it is ordinary text
};

class Tokenizer {
 public:
  // Throws Error kBadModel when the specification contradicts itself.
  explicit Tokenizer(TokenizerSpec spec);
  // From a GGUF file's vocabulary (see gguf_spec.h).
  explicit Tokenizer(const Vocabulary& vocabulary);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Token ids of `text`. Bytes that are no valid UTF-8 count as U+FFFD (one for each maximal ill-formed part, as in
  // Python's errors="replace"). Throws Error kUsage when the text is longer than kMaxTextBytes.
  std::vector<std::uint32_t> encode(std::string_view text, EncodeOptions options = {}) const;

  // The bytes of one token as it would be printed inside a text; they need not be whole characters. A control token
  // gives its name. Throws Error kUsage for an id outside the vocabulary, as do all functions below.
  std::string piece(std::uint32_t id) const;

  // The bytes of a whole text; without the space that encoding put in front. Control tokens are left out unless
  // `show_special`.
  std::string decode(std::span<const std::uint32_t> ids, bool show_special = false) const;

  std::size_t vocabulary_size() const;
  bool is_control(std::uint32_t id) const;
  bool is_end_of_generation(std::uint32_t id) const;
  std::optional<std::uint32_t> bos() const;
  std::optional<std::uint32_t> eos() const;
  // What the model's files name besides these two, as a chat template calls it: {"pad_token", 0}, ...
  const std::vector<std::pair<std::string, std::uint32_t>>& named_tokens() const;
  bool adds_bos() const;  // whether encode() begins with BOS when asked for special tokens
  // The id of a token by its exact stored text.
  std::optional<std::uint32_t> find(std::string_view token) const;

  const std::string& chat_template() const;  // Jinja text from the model file, or empty
  const std::string& warning() const;        // what the user should know about this tokenizer, or empty

 private:
  struct Parts;
  std::unique_ptr<const Parts> parts_;  // on the heap: its members point at each other
};

}  // namespace regroup
