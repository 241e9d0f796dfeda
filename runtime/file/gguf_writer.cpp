#include "runtime/file/gguf_writer.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>

#include "runtime/core/checked.h"
#include "runtime/core/error.h"
#include "runtime/file/gguf_parser.h"
#include "runtime/file/mapped_file.h"
#include "runtime/file/read_back.h"

namespace regroup {

namespace {

class HeaderBytes {
 public:
  template <typename T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  void string(std::string_view text) {
    number<std::uint64_t>(text.size());
    bytes_ += text;
  }

  void type(GgufType value) { number(static_cast<std::uint32_t>(value)); }

  void value(const GgufValue& value) {
    type(gguf_type_of(value));
    std::visit([this](const auto& v) { element(v); }, value);
  }

  void pad(std::uint64_t alignment) { bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment); }

  std::string take() { return std::move(bytes_); }

 private:
  void element(const std::string& text) { string(text); }
  void element(bool truth) { number<std::uint8_t>(truth ? 1 : 0); }
  void element(const GgufArray& array) {
    type(array.element_type());
    number<std::uint64_t>(array.size());
    std::visit(
        [this](const auto& values) {
          using Element = typename std::decay_t<decltype(values)>::value_type;
          for (const Element& v : values) element(v);
        },
        array.items);
  }
  template <typename T>
  requires std::is_arithmetic_v<T>
  void element(T v) { number(v); }

  std::string bytes_;
};

std::vector<GgufMetadata::Entry> entries_to_write(const GgufMetadata& metadata) {
  std::vector<GgufMetadata::Entry> out;
  for (const GgufMetadata::Entry& entry : metadata.entries()) {
    if (!entry.key.starts_with("split.")) out.push_back(entry);
  }
  return out;
}

std::vector<TensorStream::Slot> place_tensors(const std::vector<TensorPlan>& tensors, std::uint64_t alignment) {
  std::vector<TensorStream::Slot> slots;
  std::uint64_t end = 0;
  for (const TensorPlan& tensor : tensors) {
    const auto offset = checked_round_up(end, alignment);
    REGROUP_CHECK(offset.has_value());
    slots.push_back({tensor.name, *offset, planned_bytes(tensor)});
    const auto next = checked_add(*offset, slots.back().size_bytes);
    REGROUP_CHECK(next.has_value());
    end = *next;
  }
  return slots;
}

}  // namespace

GgufWriter::GgufWriter(std::filesystem::path target, const GgufMetadata& metadata, std::vector<TensorPlan> tensors,
                       Overwrite overwrite)
    : file_(std::move(target), overwrite), tensors_(std::move(tensors)) {
  const std::uint32_t alignment = metadata.find_u32("general.alignment").value_or(kGgufDefaultAlignment);
  REGROUP_CHECK(alignment > 0);
  std::vector<TensorStream::Slot> slots = place_tensors(tensors_, alignment);
  const std::vector<GgufMetadata::Entry> entries = entries_to_write(metadata);

  HeaderBytes header;
  for (const char c : std::string_view("GGUF")) header.number(c);
  header.number<std::uint32_t>(3);
  header.number<std::uint64_t>(tensors_.size());
  header.number<std::uint64_t>(entries.size());
  for (const GgufMetadata::Entry& entry : entries) {
    header.string(entry.key);
    header.value(entry.value);
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    header.string(tensors_[i].name);
    header.number(static_cast<std::uint32_t>(tensors_[i].shape.size()));
    // The file has the innermost dimension first.
    std::for_each(tensors_[i].shape.rbegin(), tensors_[i].shape.rend(), [&](std::uint64_t d) { header.number(d); });
    header.number(format_info(tensors_[i].format).gguf_type);
    header.number(slots[i].offset_bytes);
  }
  header.pad(alignment);
  header_ = header.take();
  file_.write(std::as_bytes(std::span(header_)));
  if (!slots.empty()) {
    const auto end = checked_round_up(slots.back().offset_bytes + slots.back().size_bytes, alignment);
    REGROUP_CHECK(end.has_value());
    data_bytes_ = *end;
  }
  stream_.emplace(file_, std::move(slots));
}

void GgufWriter::replace_in_header(std::string_view placeholder, std::string_view text) {
  const std::size_t at = header_.rfind(placeholder);
  REGROUP_CHECK(at != std::string::npos && placeholder.size() == text.size());
  header_.replace(at, text.size(), text);
  file_.write_over(at, std::as_bytes(std::span(text)));
}

void GgufWriter::finish() {
  stream_->finish(data_bytes_);
  file_.close();
  verify();
  file_.commit();
}

void GgufWriter::verify() const {
  const MappedFile written = MappedFile::open(file_.temporary());
  const GgufContents contents = parse_gguf(written.bytes(), file_.target().string());
  check_read_back({file_.target(), written.bytes(), contents.tensors}, header_, file_bytes(), tensors_);
}

}  // namespace regroup
