// Replaces the program's operator new by one that notes sizes, and tests that it does.
#include "tests/file/largest_allocation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

namespace {

std::atomic<std::size_t> largest_bytes{0};

void* allocate(std::size_t bytes) {
  std::size_t seen = largest_bytes.load();
  while (bytes > seen && !largest_bytes.compare_exchange_weak(seen, bytes)) {
  }
  void* block = std::malloc(bytes == 0 ? 1 : bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return allocate(bytes);
}
void operator delete(void* block) noexcept {
  std::free(block);
}
void operator delete[](void* block) noexcept {
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  std::free(block);
}

namespace regroup::test {

void forget_allocations() {
  largest_bytes = 0;
}
std::size_t largest_allocation_bytes() {
  return largest_bytes;
}

TEST(LargestAllocation, IsSeen) {
  forget_allocations();
  const std::vector<char> block(123456);
  EXPECT_EQ(block.size(), 123456u);
  EXPECT_GE(largest_allocation_bytes(), 123456u);
  forget_allocations();
  EXPECT_LT(largest_allocation_bytes(), 123456u);
}

}  // namespace regroup::test
