#include "runtime/gpu/pipeline_cache.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <span>
#include <vector>

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
  return header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == info.vendor_id &&
         std::memcmp(header.pipelineCacheUUID, info.pipeline_cache_uuid.data(), 16) == 0;
}

std::vector<char> read_verified(const DeviceInfo& info, const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  Header header{};
  if (!in.read(reinterpret_cast<char*>(&header), sizeof header)) return {};
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (error || header.magic != kMagic || header.format != 1 || header.bytes > kLargestFileBytes ||
      size != sizeof header + header.bytes) {
    return {};
  }
  std::vector<char> data(header.bytes);
  if (!in.read(data.data(), static_cast<std::streamsize>(data.size()))) return {};
  if (checksum(data) != header.checksum || !made_by_this_driver(data, info)) return {};
  return data;
}

}  // namespace

std::filesystem::path pipeline_cache_path(const std::filesystem::path& directory, const DeviceInfo& info) {
  std::string uuid;
  for (const std::uint8_t byte : info.pipeline_cache_uuid) uuid += fmt::format("{:02x}", byte);
  return directory / fmt::format("pipelines-{}-{:x}.bin", uuid, info.driver_version);
}

PipelineCacheHandle load_pipeline_cache(VkDevice device, const DeviceInfo& info, const std::filesystem::path& file,
                                        FaultPlan* faults) {
  const std::vector<char> data = file.empty() ? std::vector<char>{} : read_verified(info, file);
  VkPipelineCacheCreateInfo create{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  create.initialDataSize = data.size();
  create.pInitialData = data.data();
  VkPipelineCache cache = VK_NULL_HANDLE;
  check_result(REGROUP_VK(faults, CreatePipelineCache, device, &create, nullptr, &cache),
               "creating the pipeline cache");
  return {device, cache};
}

bool store_pipeline_cache(VkDevice device, VkPipelineCache cache, const DeviceInfo& info,
                          const std::filesystem::path& file) {
  std::size_t size = 0;
  if (vkGetPipelineCacheData(device, cache, &size, nullptr) != VK_SUCCESS || size == 0 || size > kLargestFileBytes) {
    return false;
  }
  std::vector<char> data(size);
  if (vkGetPipelineCacheData(device, cache, &size, data.data()) != VK_SUCCESS) return false;
  data.resize(size);
  if (!made_by_this_driver(data, info)) return false;
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  // The process id keeps two programs that end at the same moment from writing the same temporary.
  std::filesystem::path temporary = file;
  temporary += fmt::format(".{}.tmp", getpid());
  const Header header{kMagic, 1, data.size(), checksum(data)};
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(&header), sizeof header);
    out.write(data.data(), static_cast<std::streamsize>(data.size()));
    if (!out.flush()) {
      out.close();
      std::filesystem::remove(temporary, error);
      return false;
    }
  }
  std::filesystem::rename(temporary, file, error);
  if (error) std::filesystem::remove(temporary, error);
  return !error;
}

}  // namespace regroup
