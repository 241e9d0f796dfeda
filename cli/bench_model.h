// What `regroup bench` measures: a model from a file, or a synthetic one of a given shape.
#pragma once

#include <memory>
#include <optional>

#include "cli/bench_rows.h"
#include "cli/open_model.h"
#include "runtime/model/synthetic_model.h"

namespace regroup::cli {

// Members in creation order.
struct BenchModel {
  std::optional<OpenModel> opened;  // of a file
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Device> own_device;
  selftest::KernelNeeds needs;  // what was checked of the kernels
  KernelProfile profile;
  std::unique_ptr<Model> synthetic;
  BenchSubject subject;  // rates still unmeasured

  Device& device() const { return opened ? *opened->device : *own_device; }
  const Model& model() const { return opened ? *opened->model : *synthetic; }
};

// Throws what opening throws; kOutOfMemory for a synthetic model that the device cannot hold.
BenchModel open_bench_model(const OpenOptions& options);

// Takes another synthetic shape on the same device; the old weights are freed first.
void replace_synthetic(BenchModel& bench, const SyntheticShape& shape);

}  // namespace regroup::cli
