#include "runtime/text/jinja/text_functions.h"

#include "runtime/core/utf8.h"
#include "runtime/text/unicode/properties.h"

namespace regroup::jinja {
namespace {

char32_t upper(char32_t c) {
  if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7)) return c - 0x20;
  if ((c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f)) return c - 0x20;
  if (c >= 0x450 && c <= 0x45f) return c - 0x50;
  return c;
}

char32_t lower(char32_t c) {
  if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7)) return c + 0x20;
  if ((c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f)) return c + 0x20;
  if (c >= 0x400 && c <= 0x40f) return c + 0x50;
  return c;
}

template <typename Change>
std::string changed(std::string_view text, const Change& change) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    append_utf8(out, change(step.code_point));
    at += step.bytes;
  }
  return out;
}

bool is_letter(char32_t c) {
  return upper(c) != c || lower(c) != c;
}

// Whether the character at `at` is one of `characters`.
bool is_one_of(std::string_view characters, std::string_view text, std::size_t at, std::size_t size) {
  return characters.find(text.substr(at, size)) != std::string_view::npos;
}

std::size_t previous_size(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && size < 4 && (static_cast<unsigned char>(text[text.size() - size]) & 0xc0u) == 0x80u)
    ++size;
  return size;
}

}  // namespace

bool is_python_space(char32_t c) {
  return is_space(c) || (c >= 0x1c && c <= 0x1f);
}

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) at += utf8_step(text, at).bytes;
  return count;
}

std::string strip_text(Budget& budget, std::string_view text, const std::optional<std::string>& characters, bool left,
                       bool right) {
  if (!characters) {
    if (left) text.remove_prefix(leading_space_bytes(text, is_python_space));
    if (right) text.remove_suffix(trailing_space_bytes(text, is_python_space));
    return std::string(text);
  }
  while (left && !text.empty()) {
    const std::size_t size = utf8_step(text, 0).bytes;
    budget.spend_copy(characters->size());
    if (!is_one_of(*characters, text, 0, size)) break;
    text.remove_prefix(size);
  }
  while (right && !text.empty()) {
    const std::size_t size = previous_size(text);
    budget.spend_copy(characters->size());
    if (!is_one_of(*characters, text, text.size() - size, size)) break;
    text.remove_suffix(size);
  }
  return std::string(text);
}

void spend_search(Interpreter& interpreter, std::string_view text, std::string_view part) {
  constexpr std::size_t kComparedPerStep = 4096;
  if (part.size() <= text.size())
    interpreter.spend_steps((text.size() - part.size() + 1) * part.size() / kComparedPerStep);
}

Value split_text(Interpreter& interpreter, const std::string& text, const std::optional<std::string>& separator,
                 std::int64_t most) {
  if (separator && separator->empty()) throw TemplateError("split(): an empty separator");
  List parts;
  const auto put = [&](std::string_view part) {
    interpreter.spend_steps(1);
    parts.push_back(interpreter.made(std::string(part)));
  };
  std::string_view rest = text;
  if (separator) {
    spend_search(interpreter, text, *separator);
    for (std::int64_t cuts = 0; most < 0 || cuts < most; ++cuts) {
      const std::size_t found = rest.find(*separator);
      if (found == std::string_view::npos) break;
      put(rest.substr(0, found));
      rest.remove_prefix(found + separator->size());
    }
    put(rest);
    return parts;
  }
  rest.remove_prefix(leading_space_bytes(rest, is_python_space));
  for (std::int64_t cuts = 0; !rest.empty(); ++cuts) {
    if (most >= 0 && cuts == most) {
      put(rest);
      break;
    }
    std::size_t end = 0;
    while (end < rest.size() && leading_space_bytes(rest.substr(end, 4), is_python_space) == 0)
      end += utf8_step(rest, end).bytes;
    put(rest.substr(0, end));
    rest.remove_prefix(end);
    rest.remove_prefix(leading_space_bytes(rest, is_python_space));
  }
  return parts;
}

Value replace_text(Interpreter& interpreter, const std::string& text, const std::string& old_part,
                   const std::string& new_part, std::int64_t most) {
  spend_search(interpreter, text, old_part);
  std::string out;
  std::size_t at = 0;
  for (std::int64_t done = 0; most < 0 || done < most; ++done) {
    if (old_part.empty()) {  // between all characters
      interpreter.spend_bytes(new_part.size());
      out += new_part;
      if (at >= text.size()) break;
      const std::size_t size = utf8_step(text, at).bytes;
      out += text.substr(at, size);
      at += size;
    } else {
      const std::size_t found = text.find(old_part, at);
      if (found == std::string::npos) break;
      interpreter.spend_bytes(new_part.size());
      out += std::string_view(text).substr(at, found - at);
      out += new_part;
      at = found + old_part.size();
    }
  }
  if (at < text.size()) out += text.substr(at);
  return interpreter.made(std::move(out));
}

std::string upper_text(std::string_view text) {
  return changed(text, upper);
}
std::string lower_text(std::string_view text) {
  return changed(text, lower);
}

bool is_upper_text(std::string_view text) {
  return text == upper_text(text) && text != lower_text(text);
}
bool is_lower_text(std::string_view text) {
  return text == lower_text(text) && text != upper_text(text);
}

std::string title_text(std::string_view text) {
  bool in_word = false;
  return changed(text, [&](char32_t c) {
    const char32_t out = in_word ? lower(c) : upper(c);
    in_word = is_letter(c);
    return out;
  });
}

std::string capitalized_text(std::string_view text) {
  bool first = true;
  return changed(text, [&](char32_t c) {
    const char32_t out = first ? upper(c) : lower(c);
    first = false;
    return out;
  });
}

}  // namespace regroup::jinja
