// Generation that goes on after its device was lost, and after a half-precision cache overflowed; what cannot be
// recovered from is an error.
#include <algorithm>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/decode/generate_batch.h"
#include "tests/decode/loaded_model.h"
#include "tests/model/tiny_model.h"

namespace regroup::test {
namespace {

class RecoveryTest : public DeviceTest {
 protected:
  // A model on a device of its own that can be opened again, as a program does it.
  struct Program {
    TemporaryFolder cache;  // of pipelines: opening again is quick
    FaultPlan faults;
    std::filesystem::path path;
    SessionOptions options{.context = 64, .cache_type = CacheType::kF16, .prefill_chunk = 8};
    std::unique_ptr<Device> device;
    std::optional<LoadedModel> loaded;
    std::optional<Session> session;
    std::optional<Batch> batch;
    int recoveries = 0;

    explicit Program(std::filesystem::path file) : path(std::move(file)) { open(); }
    void open() {
      session.reset();
      batch.reset();
      loaded.reset();
      device.reset();
      device = Device::open(shared_instance(), {.mask = {}, .cache_directory = cache.path(), .faults = &faults});
      loaded = load_model(*device, kernel_profile(*device), path);
    }
    Session& start() {
      session.emplace(*loaded->model, *loaded->grouping, options);
      return *session;
    }
    Batch& start_batch() {
      batch.emplace(*loaded->model, *loaded->grouping,
                    BatchOptions{.sequences = 2, .context = 64, .cache_type = options.cache_type, .prefill_chunk = 8});
      return *batch;
    }
    bool recover(const Error& failure) {
      ++recoveries;
      if (failure.code() == ErrorCode::kDeviceLost) {
        open();
        return true;
      }
      if (options.cache_type == CacheType::kF32) return false;
      options.cache_type = CacheType::kF32;
      session.reset();
      batch.reset();
      return true;
    }
    GenerateResult generate(const std::vector<std::uint32_t>& prompt, std::uint32_t count) {
      return regroup::generate(start(), nullptr, prompt, {.max_tokens = count, .recover = [&](const Error& failure) {
                                                            return recover(failure) ? &start() : nullptr;
                                                          }});
    }
    std::vector<GenerateResult> generate_together(const std::vector<BatchRequest>& requests, std::uint32_t count) {
      return generate_batch(start_batch(), nullptr, requests, {.max_tokens = count},
                            [&](const Error& failure) { return recover(failure) ? &start_batch() : nullptr; });
    }
  };
  const std::vector<std::uint32_t> prompt_ = {1, 5, 9, 2, 7, 3, 11, 4, 8, 6};
  const std::filesystem::path checkpoint_ = source_path("tests/data/checkpoints/llama-gqa-6-2-odd-sizes");
};

TEST_F(RecoveryTest, GoesOnWithTheSameTokensOnANewDevice) {
  Program program(checkpoint_);
  const GenerateResult expected = program.generate(prompt_, 12);
  ASSERT_EQ(expected.tokens.size(), 12u);
  EXPECT_EQ(program.recoveries, 0);
  program.faults.clear();
  program.generate(prompt_, 12);
  const std::uint64_t calls = program.faults.calls();
  // In the prefill, early and late while decoding.
  for (const std::uint64_t call : {calls / 20, calls / 3, calls / 2, calls - 3}) {
    SCOPED_TRACE(call);
    program.faults.clear();
    program.recoveries = 0;
    program.faults.add(std::max<std::uint64_t>(call, 1), VK_ERROR_DEVICE_LOST);
    try {
      EXPECT_EQ(program.generate(prompt_, 12).tokens, expected.tokens);
      EXPECT_EQ(program.recoveries, 1);
    } catch (const Error& error) {
      // Losing it while the session was being made is the program's to handle.
      EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
      EXPECT_EQ(program.recoveries, 0);
      program.open();
    }
  }
}

TEST_F(RecoveryTest, SampledTokensAreTheSameToo) {
  Program program(checkpoint_);
  program.options.sampling = {.temperature = 1.0f, .top_k = 20, .repeat_penalty = 1.1f, .seed = 5};
  const auto expected = program.generate(prompt_, 12).tokens;
  program.faults.clear();
  program.faults.add(8, VK_ERROR_DEVICE_LOST, "QueueSubmit");
  EXPECT_EQ(program.generate(prompt_, 12).tokens, expected);
  EXPECT_EQ(program.recoveries, 1);
}

TEST_F(RecoveryTest, ASecondLossIsTheCallers) {
  Program program(checkpoint_);
  program.faults.clear();
  program.faults.add(6, VK_ERROR_DEVICE_LOST, "QueueSubmit");
  program.faults.add(12, VK_ERROR_DEVICE_LOST, "QueueSubmit");
  try {
    program.generate(prompt_, 20);
    ADD_FAILURE() << "went on after two losses";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
  }
  EXPECT_EQ(program.recoveries, 1);
}

TEST_F(RecoveryTest, BatchesGoOn) {
  Program program(checkpoint_);
  const std::vector<BatchRequest> requests = {{prompt_, {}},
                                              {{3, 1, 4}, {.temperature = 1.0f, .top_k = 20, .seed = 3}}};
  const auto expected = program.generate_together(requests, 10);
  program.faults.clear();
  program.faults.add(7, VK_ERROR_DEVICE_LOST, "QueueSubmit");
  const auto results = program.generate_together(requests, 10);
  EXPECT_EQ(program.recoveries, 1);
  for (std::size_t s = 0; s < 2; ++s) EXPECT_EQ(results[s].tokens, expected[s].tokens) << s;
}

// What stops the program while it opens the device again: the session is gone, so that nothing can be returned.
TEST_F(RecoveryTest, AnInterruptedRecoveryIsAnInterruption) {
  Program program(checkpoint_);
  const auto interrupted = [&](const Error&) -> Session* {
    program.session.reset();
    throw_error(ErrorCode::kInterrupted, "stopped while opening again");
  };
  const auto batch_interrupted = [&](const Error&) -> Batch* {
    program.batch.reset();
    throw_error(ErrorCode::kInterrupted, "stopped while opening again");
  };
  const auto code_of = [&](const auto& work) {
    program.open();
    program.faults.clear();
    program.faults.add(7, VK_ERROR_DEVICE_LOST, "QueueSubmit");
    try {
      work();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kFailed;
  };
  const std::vector<BatchRequest> requests = {{prompt_, {}}, {prompt_, {}}};
  EXPECT_EQ(code_of([&] { generate(program.start(), nullptr, prompt_, {.max_tokens = 12, .recover = interrupted}); }),
            ErrorCode::kInterrupted);
  EXPECT_EQ(
      code_of([&] { generate_batch(program.start_batch(), nullptr, requests, {.max_tokens = 12}, batch_interrupted); }),
      ErrorCode::kInterrupted);
}

TEST_F(RecoveryTest, ABatchIsInterruptedWhileItReadsItsPrompts) {
  Program program(checkpoint_);
  CancelFlag cancel{false};
  GenerateOptions options{.max_tokens = 12, .cancel = &cancel};
  options.on_prefill = [&](std::string_view, double) { cancel = true; };
  const std::vector<BatchRequest> requests = {{prompt_, {}}, {prompt_, {}}};
  const auto results =
      generate_batch(program.start_batch(), nullptr, requests, options, [&](const Error& failure) -> Batch* {
        ADD_FAILURE() << failure.what();
        return nullptr;
      });
  ASSERT_EQ(results.size(), 2u);
  for (const GenerateResult& result : results) {
    EXPECT_EQ(result.stop, StopReason::kInterrupted);
    EXPECT_TRUE(result.tokens.empty());
  }
}

// Values of a checkpoint's V projection so large that a half-precision cache cannot hold them.
TEST_F(RecoveryTest, AnOverflowingCacheIsReplacedByF32) {
  TinyModel tiny;
  for (const char* name : {"blk.0.attn_v.weight", "blk.1.attn_v.weight"}) {
    tiny.changes[name] = [](GgufBuilder::Tensor& tensor) {
      for (std::size_t i = 0; i < tensor.data.size(); i += 4) {
        float value = 0;
        std::memcpy(&value, tensor.data.data() + i, 4);
        value *= 1e8f;
        std::memcpy(tensor.data.data() + i, &value, 4);
      }
    };
  }
  const TemporaryFolder folder;
  Program program(folder.write("large.gguf", tiny.build()));
  program.options.cache_type = CacheType::kF32;
  const auto expected = program.generate({1, 2, 3, 4}, 6).tokens;
  EXPECT_EQ(program.recoveries, 0);
  program.options.cache_type = CacheType::kF16;
  EXPECT_EQ(program.generate({1, 2, 3, 4}, 6).tokens, expected);
  EXPECT_EQ(program.recoveries, 1);
}

TEST_F(RecoveryTest, NumbersThatStayWrongAreAnError) {
  TinyModel tiny;
  tiny.changes["output_norm.weight"] = [](GgufBuilder::Tensor& tensor) {
    const float wrong = NAN;
    std::memcpy(tensor.data.data(), &wrong, 4);
  };
  const TemporaryFolder folder;
  Program program(folder.write("nan.gguf", tiny.build()));
  try {
    program.generate({1, 2, 3, 4}, 6);
    ADD_FAILURE() << "decoded NaN";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotANumber);
    EXPECT_EQ(exit_code(error.code()), 1);
    EXPECT_NE(std::string(error.what()).find("position"), std::string::npos);
  }
  EXPECT_EQ(program.recoveries, 1);
}

}  // namespace
}  // namespace regroup::test
