#include "runtime/file/unknown_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "runtime/core/error.h"

namespace regroup {

std::string describe_unknown_file(std::span<const std::byte> bytes) {
  struct Look {
    std::string_view begins;
    std::string_view clause;
  };
  static constexpr Look kLooks[] = {
      {"version https://git-lfs", "is a Git LFS pointer, not the model itself; fetch it with 'git lfs pull'"},
      {"FUGG", "is a byte-swapped GGUF file; only little-endian files can be read"},
      {"lmgg", "is an old GGML file; convert the original model to GGUF again"},
      {"fmgg", "is an old GGML file; convert the original model to GGUF again"},
      {"tjgg", "is an old GGML file; convert the original model to GGUF again"},
      {"PK\x03\x04",
       "is a zip archive or a PyTorch pickle; give a .gguf file or a Hugging Face directory with safetensors"},
      {"\x80\x02", "is a Python pickle; give a .gguf file or a Hugging Face directory with safetensors"},
      {"<!DOCTYPE", "is a web page, not a model; fetch it again"},
      {"<!doctype", "is a web page, not a model; fetch it again"},
      {"<html", "is a web page, not a model; fetch it again"},
      {"{", "is JSON text; give the directory that holds config.json and model.safetensors"},
  };
  if (bytes.empty()) return "is empty; give a .gguf file or a Hugging Face directory";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 64));
  for (const Look& look : kLooks) {
    if (text.starts_with(look.begins)) return std::string(look.clause);
  }
  if (text.size() > 8 && text[8] == '{') {
    return "is a safetensors file; give the directory that holds it and config.json";
  }
  std::string hexadecimal;
  for (const char c : text.substr(0, 4))
    hexadecimal += fmt::format("{}{:02x}", hexadecimal.empty() ? "" : " ", static_cast<unsigned char>(c));
  return fmt::format("begins with '{}' (bytes {}), not with 'GGUF'; give a .gguf file or a Hugging Face directory",
                     escaped(text.substr(0, 4)), hexadecimal);
}

}  // namespace regroup
