// Values as JSON text, character for character what Python's json.dumps() writes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/core/utf8.h"
#include "runtime/text/jinja/value.h"

namespace regroup::jinja {
namespace {

class Writer {
 public:
  Writer(const JsonStyle& style, Budget& budget) : style_(style), out_(budget) {}

  void write(const Value& value, int depth) {
    out_.budget().spend_steps(1);
    if (value.is_none()) {
      out_.add("null");
    } else if (value.is_bool()) {
      out_.add(value.truth() ? "true" : "false");
    } else if (value.is_float()) {
      write_real(value);
    } else if (value.is_integer()) {
      value.write_representation(out_);
    } else if (value.is_string()) {
      write_string(value.string());
    } else if (value.is_list()) {
      write_list(value.list(), depth);
    } else if (value.is_dict()) {
      write_dict(value.dict(), depth);
    } else {
      throw TemplateError("tojson: " + value.type_name() + " is nothing that JSON has");
    }
  }

  std::string take() { return out_.take(); }

 private:
  void write_real(const Value& value) {
    if (std::isnan(value.real())) {
      out_.add("NaN");
    } else if (std::isinf(value.real())) {
      out_.add(value.real() > 0 ? "Infinity" : "-Infinity");
    } else {
      value.write_representation(out_);
    }
  }

  void write_string(const std::string& text) {
    out_.budget().spend_walk(text.size());
    out_.add('"');
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = utf8_step(text, at);
      const char32_t c = step.code_point;
      if (c == '"' || c == '\\') {
        out_.add('\\');
        out_.add(static_cast<char>(c));
      } else if (c == '\n') {
        out_.add("\\n");
      } else if (c == '\r') {
        out_.add("\\r");
      } else if (c == '\t') {
        out_.add("\\t");
      } else if (c == '\b') {
        out_.add("\\b");
      } else if (c == '\f') {
        out_.add("\\f");
      } else if (c < 0x20 || (style_.ascii_only && c >= 0x7f)) {
        write_escape(c);
      } else {
        out_.add(std::string_view(text).substr(at, step.bytes));
      }
      at += step.bytes;
    }
    out_.add('"');
  }

  void write_escape(char32_t c) {
    const auto put = [&](char32_t unit) { out_.add(fmt::format("\\u{:04x}", static_cast<unsigned>(unit))); };
    if (c < 0x10000) {
      put(c);
    } else {
      put(0xd800 + ((c - 0x10000) >> 10));
      put(0xdc00 + ((c - 0x10000) & 0x3ff));
    }
  }

  void new_line(int depth) {
    out_.add('\n');
    out_.fill(static_cast<std::size_t>(depth) * static_cast<std::size_t>(style_.indent), ' ');
  }

  // Between items; `first` one has nothing in front.
  void separate(bool first, int depth) {
    if (!first) out_.add(style_.item_separator);
    if (style_.indent >= 0) new_line(depth);
  }

  void write_list(const List& list, int depth) {
    out_.add('[');
    for (std::size_t i = 0; i < list.size(); ++i) {
      separate(i == 0, depth + 1);
      write(list[i], depth + 1);
    }
    if (style_.indent >= 0 && !list.empty()) new_line(depth);
    out_.add(']');
  }

  void write_dict(const Dict& dict, int depth) {
    auto items = dict.items();
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto& a, const auto& b) { return compare(a.first, b.first, out_.budget()) < 0; });
    }
    out_.add('{');
    bool first = true;
    for (const auto& [key, value] : items) {
      separate(first, depth + 1);
      first = false;
      write_key(key);
      out_.add(style_.key_separator);
      write(value, depth + 1);
    }
    if (style_.indent >= 0 && !items.empty()) new_line(depth);
    out_.add('}');
  }

  void write_key(const Value& key) {
    if (key.is_bool()) return write_string(key.truth() ? "true" : "false");
    if (key.is_none()) return write_string("null");
    write_string(key.as_string(out_.budget()).string());
  }

  const JsonStyle& style_;
  ChargedText out_;
};

}  // namespace

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Writer writer(style, budget);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace regroup::jinja
