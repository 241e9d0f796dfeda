#include "runtime/gpu/pipeline_cache.h"

#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>

#include "runtime/core/error.h"

namespace regroup {
namespace {

constexpr std::uint32_t kMagic = 0x43504752;  // "RGPC"
constexpr std::uint64_t kLargestFileBytes = 256u << 20;

// Our own header before the driver's data.
struct Header {
  std::uint32_t magic;
  std::uint32_t format;
  std::uint64_t bytes;
  std::uint64_t checksum;
};

// FNV-1a, enough to notice damage; the driver's own header identifies the device.
std::uint64_t checksum(std::span<const char> data) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

bool made_by_this_driver(std::span<const char> data, const DeviceInfo& info) {
  VkPipelineCacheHeaderVersionOne header{};
  if (data.size() < sizeof header) return false;
  std::memcpy(&header, data.data(), sizeof header);
  // Any number may stand there, and an enumeration may not hold any number.
  std::uint32_t version = 0;
  static_assert(sizeof version == sizeof header.headerVersion);
  std::memcpy(&version, data.data() + offsetof(VkPipelineCacheHeaderVersionOne, headerVersion), sizeof version);
  return version == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == info.vendor_id &&
         std::memcmp(header.pipelineCacheUUID, info.pipeline_cache_uuid.data(), 16) == 0;
}

// The whole file; empty when it cannot be read or is too large to be one of ours.
std::vector<char> read_file(const std::filesystem::path& file) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (error || size > sizeof(Header) + kLargestFileBytes) return {};
  std::ifstream in(file, std::ios::binary);
  std::vector<char> bytes(size);
  if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return {};
  return bytes;
}

// Removes a file, when it is still there, without asking for memory.
struct Removed {
  const std::filesystem::path& path;
  ~Removed() {
    std::error_code unused;
    std::filesystem::remove(path, unused);
  }
};

}  // namespace

std::filesystem::path pipeline_cache_path(const std::filesystem::path& directory, const DeviceInfo& info) {
  std::string uuid;
  for (const std::uint8_t byte : info.pipeline_cache_uuid) uuid += fmt::format("{:02x}", byte);
  return directory / fmt::format("pipelines-{}-{:x}.bin", uuid, info.driver_version);
}

std::span<const char> verified_pipeline_cache(std::span<const char> file_bytes, const DeviceInfo& info) {
  Header header{};
  if (file_bytes.size() < sizeof header) return {};
  std::memcpy(&header, file_bytes.data(), sizeof header);
  const std::span<const char> data = file_bytes.subspan(sizeof header);
  if (header.magic != kMagic || header.format != 1 || header.bytes != data.size() ||
      checksum(data) != header.checksum || !made_by_this_driver(data, info)) {
    return {};
  }
  return data;
}

void seal_pipeline_cache(std::span<char> file_bytes) {
  if (file_bytes.size() < sizeof(Header)) return;
  const std::span<const char> data = file_bytes.subspan(sizeof(Header));
  const Header header{kMagic, 1, data.size(), checksum(data)};
  std::memcpy(file_bytes.data(), &header, sizeof header);
}

PipelineCacheHandle load_pipeline_cache(VkDevice device, const DeviceInfo& info, const std::filesystem::path& file,
                                        FaultPlan* faults) {
  const std::vector<char> bytes = file.empty() ? std::vector<char>{} : read_file(file);
  const std::span<const char> data = verified_pipeline_cache(bytes, info);
  VkPipelineCacheCreateInfo create{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  create.initialDataSize = data.size();
  create.pInitialData = data.data();
  VkPipelineCache cache = VK_NULL_HANDLE;
  VkResult result = REGROUP_VK(faults, CreatePipelineCache, device, &create, nullptr, &cache);
  if (result != VK_SUCCESS && !data.empty()) {
    // A driver may dislike its own data; an empty cache only costs time.
    create.initialDataSize = 0;
    result = REGROUP_VK(faults, CreatePipelineCache, device, &create, nullptr, &cache);
  }
  check_result(result, "creating the pipeline cache");
  return {device, cache};
}

bool store_pipeline_cache(VkDevice device, VkPipelineCache cache, const DeviceInfo& info,
                          const std::filesystem::path& file) {
  std::size_t size = 0;
  if (vkGetPipelineCacheData(device, cache, &size, nullptr) != VK_SUCCESS || size == 0 || size > kLargestFileBytes) {
    return false;
  }
  std::vector<char> bytes(sizeof(Header) + size);
  if (vkGetPipelineCacheData(device, cache, &size, bytes.data() + sizeof(Header)) != VK_SUCCESS) return false;
  bytes.resize(sizeof(Header) + size);
  seal_pipeline_cache(bytes);
  if (verified_pipeline_cache(bytes, info).empty()) return false;
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  // The process id keeps two programs that end at the same moment from writing the same temporary.
  std::filesystem::path temporary = file;
  temporary += fmt::format(".{}.tmp", getpid());
  const Removed unless_named{temporary};
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) return false;
  }
  std::filesystem::rename(temporary, file, error);
  return !error;
}

}  // namespace regroup
