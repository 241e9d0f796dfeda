// Models of any shape with random weights, so that shapes which nobody can store or fetch are measurable. Llama's
// architecture; a few panels of random weights are made on the host and repeated on the device, because the time of a
// step does not depend on the values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/model/model.h"

namespace regroup {

struct SyntheticShape {
  std::string name = "synthetic";
  std::uint32_t hidden = 512;
  std::uint32_t query_heads = 8;
  std::uint32_t kv_heads = 8;
  std::uint32_t head_dim = 64;
  std::uint32_t feed_forward = 1024;
  std::uint32_t layers = 2;
  std::uint32_t vocabulary = 4096;
  std::uint32_t context = 131072;
  WeightFormat format = WeightFormat::kF16;
};

// "synthetic:" before a shape, where a model is named.
bool is_synthetic(std::string_view model);

// The shape behind "synthetic:": a known model's name (llama-2-7b, llama-2-70b, llama-3-8b, t5-xxl-decoder,
// smollm2-135m) and then, or instead, hidden=, heads=, kv=, head_dim=, ff=, layers=, vocab=, type=, by commas; what is
// not given keeps the model's value or SyntheticShape's (kv follows heads, head_dim is hidden / heads). Throws kUsage.
SyntheticShape parse_synthetic(std::string_view model);

// Throws kUsage for shapes that no model may have (check_config).
ModelConfig synthetic_config(const SyntheticShape& shape);
// Device bytes of the weights in the layout of `profile`.
std::uint64_t synthetic_weight_bytes(const SyntheticShape& shape, const KernelProfile& profile);
// Throws kOutOfMemory.
std::unique_ptr<Model> make_synthetic_model(Device& device, const KernelProfile& profile, const SyntheticShape& shape);

}  // namespace regroup
