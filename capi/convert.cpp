// Conversion in the C interface.
#include "capi/boundary.h"
#include "capi/handles.h"
#include "converter/conversion.h"
#include "runtime/decode/locate_model.h"
#include "runtime/selftest/trusted_kernels.h"
#include "runtime/tuning/tuned_families.h"

using namespace regroup;
using namespace regroup::capi;

regroup_status regroup_convert(regroup_device* device, const regroup_convert_options* options,
                               regroup_convert_result* result, regroup_error* error) {
  return guarded(error, [&] {
    require(device, "device");
    require(options, "options");
    const auto chosen = read_options(options, "regroup_convert_options");
    check_size(result, "regroup_convert_result");
    require(chosen.output, "regroup_convert_options.output");
    require(chosen.groups, "regroup_convert_options.groups");
    CancelFlag cancel{false};
    Conversion conversion{.input = locate_model(text_of(chosen.input)),
                          .output = chosen.output,
                          .groups = chosen.groups,
                          .type = text_of(chosen.type),
                          .seed = chosen.seed,
                          .overwrite = chosen.overwrite != 0,
                          .open_device =
                              [&](const ModelFile& file) {
                                auto needs = selftest::kernel_needs(file, CacheType::kF16, true);
                                needs.logits_compared = needs.calibrating = true;
                                const auto trusted = selftest::trusted_kernels(
                                    *device->device, tuning::tuned_families(*device->device, tuning::shape_of(file)),
                                    needs);
                                for (const std::string& remark : trusted.remarks) device->remark(remark);
                                return ConversionDevice{device->device.get(), trusted.profile};
                              },
                          .progress = progress_to(&chosen.progress, cancel),
                          .cancel = &cancel};
    if (chosen.method != nullptr) conversion.method = chosen.method;
    if (chosen.calibration != nullptr) conversion.calibration_text = chosen.calibration;
    if (chosen.calibration_tokens != 0) conversion.size.tokens = chosen.calibration_tokens;
    const ConversionResult done = run_conversion(conversion);
    regroup_convert_result out{};
    out.bytes_in = done.report.bytes_in;
    out.bytes_out = done.report.bytes_out;
    write_result(result, out);
  });
}
