// A layer sample's inputs on the device, teacher's and student's, as the converter hands them to LayerCalibration.
#pragma once

#include <memory>

#include "converter/layer_calibration.h"
#include "tests/converter/layer_samples.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {

class CalibrationSample {
 public:
  // The student's inputs are the teacher's with noise of relative size `drift`.
  CalibrationSample(Device& device, LayerSample& sample, double drift = 0.1, std::uint32_t held_out = 1,
                    std::uint32_t window = 0)
      : profile(kernel_profile(device)), arena_(device, MemoryUse::kDevice, "calibration sample") {
    for (const Eigen::MatrixXd& x : sample.inputs) {
      student.push_back(x + drift * sample.noise(x.rows(), x.cols()).cast<double>());
    }
    Buffer& table = arena_.buffer(std::max<std::size_t>(4 * sample.rope_table.size(), 4), "rope table");
    upload_values<float>(device, table, sample.rope_table);
    inputs = std::make_unique<CalibrationInputs>(
        CalibrationInputs{.device = device,
                          .profile = profile,
                          .source = sample.layer,
                          .teacher = upload_rows(device, sample.inputs),
                          .student = upload_rows(device, student),
                          .sequences = static_cast<std::uint32_t>(sample.inputs.size()),
                          .sequence_length = static_cast<std::uint32_t>(sample.inputs[0].rows()),
                          .held_out = held_out,
                          .rope_table = table,
                          .window = window});
  }

  KernelProfile profile;
  std::vector<Eigen::MatrixXd> student;
  std::unique_ptr<CalibrationInputs> inputs;

 private:
  // Rows with a gap behind each, as activations have.
  Activations upload_rows(Device& device, const std::vector<Eigen::MatrixXd>& sequences) {
    const Eigen::Index columns = sequences[0].cols(), stride = (columns + 3) / 4 * 4 + 4, length = sequences[0].rows();
    WeightRows rows = WeightRows::Zero(static_cast<Eigen::Index>(sequences.size()) * length, stride);
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      rows.block(static_cast<Eigen::Index>(s) * length, 0, length, columns) = sequences[s].cast<float>();
    }
    Buffer& buffer = arena_.buffer(4 * static_cast<std::uint64_t>(rows.size()), "inputs");
    upload_values<float>(device, buffer, {rows.data(), static_cast<std::size_t>(rows.size())});
    return {buffer, 0, static_cast<std::uint32_t>(stride)};
  }

  Arena arena_;
};

// Shapes whose heads the device can calibrate (4 divides their dims), with and without biases and unrotated dims.
inline std::vector<LayerShape> calibration_shapes() {
  return {{8, 8, 8, 8, 40, false},
          {9, 3, 12, 12, 30, false},
          {14, 2, 8, 8, 33, true},
          {12, 4, 8, 4, 37, true},
          {4, 4, 8, 0, 26, false}};
}

}  // namespace regroup::test
