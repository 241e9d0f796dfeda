// Live regrouping by every kind of method: instant ones pool, the others merge once and come out of the cache the
// second time with the same logits; a damaged cache file costs a remark, nothing else.
#include "converter/live_grouping.h"

#include <cmath>
#include <fstream>
#include <set>

#include "converter/conversion.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

class LiveGroupingDeviceTest : public DeviceTest {
 protected:
  LiveGroupingDeviceTest()
      : folder_(fs::temp_directory_path() / ("regroup-live-grouping-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    open("llama-mha-4-4");
  }
  ~LiveGroupingDeviceTest() override { fs::remove_all(folder_); }

  void open(const std::string& name) { open_path(source_path("tests/data/checkpoints/" + name)); }
  void open_path(const fs::path& path) {
    loaded_.emplace(load_model(device(), kernel_profile(device()), path));
    outline_ = read_outline(loaded_->file);
  }
  LiveGrouping job(const std::string& method, std::uint32_t groups) {
    remarks_.clear();
    return {.file = loaded_->file,
            .outline = outline_,
            .model = *loaded_->model,
            .settings = {.method = method, .groups = std::vector<std::uint32_t>(outline_.config.layer_count(), groups)},
            .cache_folder = folder_,
            .remark = [this](std::string_view text) { remarks_.emplace_back(text); }};
  }
  std::vector<float> logits(const Grouping& grouping) {
    Session session(*loaded_->model, grouping, {.context = 32, .cache_type = CacheType::kF32});
    return logits_of(session, {3, 17, 42, 8, 91, 17, 60, 5, 33});
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> files;
    if (fs::exists(folder_ / "groupings")) {
      for (const auto& entry : fs::directory_iterator(folder_ / "groupings")) files.push_back(entry.path());
    }
    return files;
  }

  fs::path folder_;
  std::optional<LoadedModel> loaded_;
  ModelOutline outline_;
  std::vector<std::string> remarks_;
};

TEST_F(LiveGroupingDeviceTest, InstantMethodsPoolAndKeepNothing) {
  for (const char* method : {"mean", "first", "random"}) {
    EXPECT_TRUE(is_instant(method));
    const auto grouping = make_live_grouping(job(method, 2));
    EXPECT_FALSE(grouping->has_merged_layers());
    EXPECT_EQ(grouping->plan().groups(), std::vector<std::uint32_t>(outline_.config.layer_count(), 2));
  }
  EXPECT_TRUE(kept().empty());
}

TEST_F(LiveGroupingDeviceTest, TheSecondTimeComesOutOfTheCache) {
  for (const char* checkpoint : {"llama-mha-4-4", "qwen2-mha-tied", "gguf-biased-f32/model.gguf"}) {
    SCOPED_TRACE(checkpoint);
    open(checkpoint);
    const auto made = make_live_grouping(job("mean-norm", 1));
    EXPECT_TRUE(made->has_merged_layers());
    EXPECT_FALSE(remarks_.empty());
    const fs::path path = live_grouping_path(job("mean-norm", 1));
    ASSERT_TRUE(fs::exists(path));
    const auto written = fs::last_write_time(path);
    const auto again = make_live_grouping(job("mean-norm", 1));
    EXPECT_TRUE(remarks_.empty()) << remarks_[0];
    EXPECT_EQ(fs::last_write_time(path), written);
    EXPECT_EQ(logits(*again), logits(*made));
  }
  EXPECT_EQ(kept().size(), 3u);  // one per model
}

TEST_F(LiveGroupingDeviceTest, EverythingThatTheResultDependsOnNamesTheFile) {
  std::set<fs::path> paths;
  const auto add = [&](const LiveGrouping& changed) { EXPECT_TRUE(paths.insert(live_grouping_path(changed)).second); };
  add(job("mean-norm", 1));
  add(job("mean-norm", 2));
  add(job("svd", 1));
  LiveGrouping changed = job("svd", 1);
  changed.calibration_text = "a text";
  add(changed);
  changed.calibration_text = "another text";
  add(changed);
  changed.calibration.tokens = 99;
  add(changed);
  changed.settings.seed = 5;
  add(changed);
  open("llama-biased");
  add(job("mean-norm", 1));
  // The same weights under another config.
  const fs::path copy = folder_ / "copy";
  fs::copy(source_path("tests/data/checkpoints/llama-biased"), copy);
  change_rope_base(copy);
  open_path(copy);
  add(job("mean-norm", 1));
}

TEST_F(LiveGroupingDeviceTest, ADamagedCacheFileIsIgnoredWithARemark) {
  const auto made = make_live_grouping(job("mean-norm", 2));
  const fs::path path = live_grouping_path(job("mean-norm", 2));
  for (const bool cut : {false, true}) {
    if (cut) {
      fs::resize_file(path, fs::file_size(path) / 2);
    } else {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
      file.put('\x55').put('\xaa');
    }
    const auto again = make_live_grouping(job("mean-norm", 2));
    ASSERT_FALSE(remarks_.empty());
    EXPECT_NE(remarks_[0].find("not used"), std::string::npos) << remarks_[0];
    EXPECT_EQ(logits(*again), logits(*made));
    make_live_grouping(job("mean-norm", 2));  // whole again
    EXPECT_TRUE(remarks_.empty());
  }
}

TEST_F(LiveGroupingDeviceTest, AFolderThatCannotBeWrittenCostsARemark) {
  std::ofstream(folder_ / "groupings") << "a file stands where the folder should";
  const auto grouping = make_live_grouping(job("mean-norm", 2));
  EXPECT_TRUE(grouping->has_merged_layers());
  bool remarked = false;
  for (const std::string& remark : remarks_) remarked = remarked || remark.find("not kept") != std::string::npos;
  EXPECT_TRUE(remarked);
  LiveGrouping nowhere = job("mean-norm", 2);
  nowhere.cache_folder.clear();
  EXPECT_EQ(logits(*make_live_grouping(nowhere)), logits(*grouping));
}

// `auto` refines layers together where convert would; both know the same text, so that they come to the same weights.
TEST_F(LiveGroupingDeviceTest, IsWhatConvertWrites) {
  LiveGrouping live = job("auto", 2);
  live.calibration.tokens = 512;
  const auto grouping = make_live_grouping(live);
  regroup::Conversion conversion;
  conversion.input = loaded_->file.path();
  conversion.output = folder_ / "converted";
  conversion.groups = "2";
  conversion.method = "auto";
  conversion.type = "f32";
  conversion.size.tokens = 512;
  conversion.without_tokenizer = true;
  conversion.open_device = [&](const ModelFile&) {
    return ConversionDevice{.device = &device(), .profile = kernel_profile(device())};
  };
  run_conversion(conversion);
  const LoadedModel written = load_model(device(), kernel_profile(device()), conversion.output);
  const Grouping whole(*written.model, GroupPlan::identity(written.model->config()));
  Session session(*written.model, whole, {.context = 32, .cache_type = CacheType::kF32});
  const auto expected = logits_of(session, {3, 17, 42, 8, 91, 17, 60, 5, 33});
  const auto found = logits(*grouping);
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::fabs(double{expected[i]}));
    difference = std::max(difference, std::fabs(double{expected[i]} - double{found[i]}));
  }
  EXPECT_LT(difference, 1e-5 * largest);
}

TEST_F(LiveGroupingDeviceTest, AllHeadsAreTheModelItself) {
  const auto grouping = make_live_grouping(job("svd", 4));
  EXPECT_TRUE(grouping->is_identity());
  EXPECT_TRUE(kept().empty());
}

TEST_F(LiveGroupingDeviceTest, WrongRequestsAreRefusedBeforeWork) {
  for (const auto& [method, groups] : {std::pair{"median", 2u}, {"svd", 3u}, {"mean", 3u}, {"svd", 0u}}) {
    try {
      make_live_grouping(job(method, groups));
      ADD_FAILURE() << method << " " << groups;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << error.what();
    }
  }
}

}  // namespace
}  // namespace regroup::test
