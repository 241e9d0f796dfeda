// Merged layers of one model in one file, as live regrouping keeps them in the user's cache: everything that a Grouping
// needs beside the model, in the precision that it has on the device.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "converter/convert_layers.h"
#include "runtime/file/atomic_file.h"
#include "runtime/formats/weight_format.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model_config.h"

namespace regroup {

// A merged layer whose matrices are encoded.
struct StoredLayer {
  std::uint32_t layer = 0;
  std::uint32_t groups = 0;
  std::string method;           // that made it
  std::optional<double> error;  // see MergedLayer
  WeightFormat format = WeightFormat::kF32;
  std::vector<std::byte> query, key, value, output;
  std::vector<float> query_bias, key_bias, value_bias;

  MergedProjections projections() const;
};

// kF32 or kF16. `merged` must be merged.
StoredLayer store_layer(const MergedLayer& merged, WeightFormat format);

// Layout, little-endian: "RGGROUPS", u32 version, the key (32 bytes), u32 format, u32 count of layers that follow; per
// layer u32 number, u32 groups, u32 bytes of the method's name, the name, u32 whether there is an error, f64 error, u32
// whether there are biases, the four matrices, the three biases; at the end the XXH128 of all before it as 32
// hexadecimal digits.
class GroupingFileWriter {
 public:
  // `key` is 32 characters. Throws what AtomicFile throws.
  GroupingFileWriter(const std::filesystem::path& path, const std::string& key, WeightFormat format,
                     std::uint32_t layers);
  void add(const StoredLayer& layer);
  // The file gets its name.
  void finish();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Gives every layer to `sink`, after the whole file was checked. Throws kBadModel for a file that is no such file of
// this key and model, that is damaged, or whose layers do not fit `config`; kFailed when it cannot be read.
void read_grouping_file(const std::filesystem::path& path, const std::string& key, const ModelConfig& config,
                        const std::function<void(const StoredLayer&)>& sink);

}  // namespace regroup
