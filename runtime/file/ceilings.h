// The most that any model file may ask for. All far above real models; what is larger is damage or an attack, and is
// refused before memory is spent.
#pragma once

#include <cstdint>

namespace regroup {

// GGUF: everything in front of the tensor data.
inline constexpr std::uint64_t kMaxMetadataBytes = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kMaxMetadataKeys = 65536;
// GGUF: strings and inner arrays in all arrays together.
inline constexpr std::uint64_t kMaxMetadataItems = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kMaxKeyBytes = 65535;
inline constexpr std::uint32_t kMaxArrayDepth = 4;

// Mixtures of experts in Hugging Face form have some 100000.
inline constexpr std::uint64_t kMaxTensors = std::uint64_t{1} << 18;
inline constexpr std::uint64_t kMaxGgufNameBytes = 128;  // ggml itself stops at 63
inline constexpr std::uint64_t kMaxSafetensorsNameBytes = 256;
inline constexpr std::uint32_t kMaxGgufDimensions = 4;
inline constexpr std::uint32_t kMaxSafetensorsDimensions = 8;
inline constexpr std::uint32_t kMinAlignment = 8, kMaxAlignment = 65536;

// Hugging Face: a safetensors file's header, and the shard index. The format allows headers of 100 MB; kMaxTensors take
// some 30.
inline constexpr std::uint64_t kMaxTensorListBytes = std::uint64_t{32} << 20;
// Hugging Face: config.json and generation_config.json. The longest list modules by name and have some 100 KiB.
inline constexpr std::uint64_t kMaxModelConfigBytes = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kMaxModelConfigValues = std::uint64_t{1} << 18;
// Hugging Face: tokenizer_config.json and added_tokens.json, which may list all added tokens.
inline constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20;
// Hugging Face: tokenizer.json, tokenizer.model.
inline constexpr std::uint64_t kMaxSideFileBytes = std::uint64_t{256} << 20;
// Hugging Face: chat_template.jinja. The longest templates have some 50 KiB.
inline constexpr std::uint64_t kMaxChatTemplateBytes = std::uint64_t{1} << 20;

inline constexpr std::uint64_t kMaxVocabulary = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kMaxLayers = 1024;
inline constexpr std::uint64_t kMaxHeads = 4096;
inline constexpr std::uint64_t kMaxContext = std::uint64_t{16} << 20;

}  // namespace regroup
