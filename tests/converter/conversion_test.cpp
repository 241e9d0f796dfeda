// Conversions as the command line and the C interface ask for them, in the user's words.
#include "converter/conversion.h"

#include <algorithm>

#include "converter/checkpoint/provenance.h"
#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"

namespace regroup::test {
namespace {

regroup::Conversion without_device(const fs::path& input, const fs::path& output, const std::string& method) {
  regroup::Conversion conversion{.input = input, .output = output, .groups = "1", .method = method};
  conversion.open_device = [](const ModelFile&) -> ConversionDevice {
    ADD_FAILURE() << "a device was asked for";
    throw_error(ErrorCode::kNoDevice, "no device in this test");
  };
  return conversion;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ConversionTest, SeparatorsAtTheEndOfPathsMeanNothing) {
  const TemporaryFolder folder;
  const fs::path input = checkpoint("llama-gqa-9-3/"), output = folder.path() / "out/";
  auto conversion = without_device(input, output, "mean");
  run_conversion(conversion);
  const auto written = names_in(folder.path() / "out");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
  conversion.overwrite = true;
  run_conversion(conversion);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
  EXPECT_EQ(names_in(folder.path() / "out"), written);
  const auto source = stated_source(ModelFile::open(output));
  ASSERT_TRUE(source);
  EXPECT_EQ(source->name, "llama-gqa-9-3");
}

// A change of format alone.
// Its words would be split as GPT-2's are, for good and without a word.
// Neither the text nor the plan nor finished layers are made again.
}  // namespace
}  // namespace regroup::test
