// Pooled projections of a loaded model: bit by bit what the host pools from the file's rows, for every method and
// kernel family; weights' bytes as predicted.
#include "runtime/model/grouping.h"

#include <bit>

#include "runtime/core/error.h"
#include "runtime/file/model_file.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/panel_layout.h"
#include "runtime/ops/pooling.h"
#include "tests/model/tiny_model.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

const std::filesystem::path kBundled = std::filesystem::path(REGROUP_SOURCE_DIR) / "assets/regroup-3m.gguf";
constexpr const char* kFamilies[] = {"cpu-texel16", "cpu-texel8",   "cpu-ssbo4",
                                     "cpu-plain",   "gpu-subgroup", "gpu-shared"};

// All rows of a tensor as floats.
std::vector<float> decoded(const ModelFile& file, const std::string& name) {
  const FileTensor* tensor = file.find(name);
  if (tensor == nullptr) throw std::logic_error("no tensor " + name);
  std::vector<float> values(tensor->elements());
  decode_row(tensor->format, tensor->bytes, values);
  return values;
}

// Rows [first, first + rows) of what a list of products computes, read back from the device.
std::vector<float> rows_on_device(Device& device, const std::vector<Projection>& products, std::uint32_t first,
                                  std::uint32_t rows) {
  std::vector<float> out;
  for (const Projection& product : products) {
    const WeightMatrix& matrix = product.matrix;
    for (const WeightSlice& slice : matrix.slices) {
      const auto bytes = download_values<std::byte>(device, slice.panels, slice.panels.size_bytes);
      const PanelLayout layout{matrix.format, slice.rows, matrix.columns, matrix.panel_rows};
      const auto panels = std::span(bytes).subspan(slice.skip_panels * layout.panel_bytes());
      for (std::uint32_t r = 0; r < slice.rows; ++r) {
        const std::uint32_t row = product.y_offset + slice.first_row + r;
        if (row < first || row >= first + rows) continue;
        for (std::uint32_t c = 0; c < matrix.columns; ++c) out.push_back(packed_weight(layout, panels, r, c));
      }
    }
  }
  return out;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
         });
}

class GroupingTest : public DeviceTest {
 protected:
  // Checks K and V of every layer that the plan pools.
  void check(const Model& model, const ModelFile& file, const GroupPlan& plan) {
    const ModelConfig& config = model.config();
    const Grouping grouping(model, plan);
    std::uint64_t pooled_rows = 0;
    for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
      SCOPED_TRACE("layer " + std::to_string(l));
      const LayerPlan& layer = plan.layers[l];
      EXPECT_EQ(grouping.groups(l), layer.groups);
      if (layer.is_identity()) continue;
      const std::uint32_t rows = layer.groups * config.head_dim;
      pooled_rows += 2ull * rows;
      std::uint32_t first = config.query_columns();
      for (const char* part : {"attn_k", "attn_v"}) {
        std::vector<float> expected(std::size_t{rows} * config.hidden);
        pool_rows_on_host(layer.terms, layer.groups, config.head_dim, config.hidden,
                          decoded(file, "blk." + std::to_string(l) + "." + part + ".weight"), expected);
        EXPECT_TRUE(same_bits(rows_on_device(model.device(), grouping.qkv(l), first, rows), expected)) << part;
        first += rows;
      }
    }
    EXPECT_GE(grouping.bytes(), pooled_rows * config.hidden * 4);
  }
};

TEST_F(GroupingTest, EveryMethodEqualsTheHostBitByBit) {
  const ModelFile file = ModelFile::open(kBundled);
  const auto model = Model::load(device(), kernel_profile(device()), file);
  for (const PoolMethod method : {PoolMethod::kMean, PoolMethod::kFirst, PoolMethod::kRandom}) {
    for (const std::vector<std::uint32_t>& groups :
         {std::vector<std::uint32_t>{4}, {2}, {1}, std::vector<std::uint32_t>{8, 4, 2, 1}}) {
      SCOPED_TRACE(std::string(pool_method_name(method)) + " to " + std::to_string(groups.front()));
      check(*model, file, GroupPlan::contiguous(model->config(), groups, method, 3));
    }
  }
}

TEST_F(GroupingTest, EveryKernelFamilyEqualsTheHostBitByBit) {
  const ModelFile file = ModelFile::open(kBundled);
  int families = 0;
  for (const char* name : kFamilies) {
    std::unique_ptr<Model> model;
    try {
      model = Model::load(device(), kernel_profile_named(device(), name), file);
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kUsage) << error.what();  // the device lacks what it needs
      continue;
    }
    SCOPED_TRACE(name);
    ++families;
    check(*model, file, GroupPlan::contiguous(model->config(), {2}, PoolMethod::kMean));
  }
  EXPECT_GE(families, 2);
}

TEST_F(GroupingTest, AllGroupsAreTheIdentity) {
  const ModelFile file = ModelFile::open(kBundled);
  const auto model = Model::load(device(), kernel_profile(device()), file);
  const ModelConfig& config = model->config();
  for (const GroupPlan& plan : {GroupPlan::identity(config), GroupPlan::contiguous(config, {8}, PoolMethod::kMean)}) {
    const Grouping grouping(*model, plan);
    EXPECT_EQ(grouping.bytes(), 0u);  // the model's own weights, no copy
    for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
      ASSERT_EQ(grouping.qkv(l).size(), model->layer(l).qkv.size());
      EXPECT_EQ(grouping.qkv(l)[0].matrix.slices[0].panels.buffer,
                model->layer(l).qkv[0].matrix.slices[0].panels.buffer);
    }
  }
}

TEST_F(GroupingTest, PoolingEqualHeadsGivesThatHead) {
  TinyModel tiny;
  tiny.heads = tiny.kv_heads = 4;
  for (const char* name :
       {"blk.0.attn_k.weight", "blk.0.attn_v.weight", "blk.1.attn_k.weight", "blk.1.attn_v.weight"}) {
    tiny.changes[name] = [&](GgufBuilder::Tensor& tensor) {
      const std::size_t head_bytes = tensor.data.size() / 4;
      for (std::size_t h = 1; h < 4; ++h) tensor.data.replace(h * head_bytes, head_bytes, tensor.data, 0, head_bytes);
    };
  }
  const TemporaryFolder folder;
  const ModelFile file = ModelFile::open(folder.write("model.gguf", tiny.build()));
  const auto model = Model::load(device(), kernel_profile(device()), file);
  const ModelConfig& config = model->config();
  const std::vector<float> heads = decoded(file, "blk.1.attn_v.weight");
  for (const std::uint32_t g : {2u, 1u}) {
    const Grouping grouping(*model, GroupPlan::contiguous(config, {g}, PoolMethod::kMean));
    const std::uint32_t rows = g * config.head_dim;
    const auto pooled = rows_on_device(device(), grouping.qkv(1), config.query_columns() + rows, rows);
    EXPECT_TRUE(same_bits(pooled, std::span(heads).first(pooled.size())));
    EXPECT_EQ(pooled.size(), std::size_t{rows} * config.hidden);
  }
}

TEST_F(GroupingTest, QueriesAreLeftAsTheyAre) {
  const ModelFile file = ModelFile::open(kBundled);
  const auto model = Model::load(device(), kernel_profile(device()), file);
  const Grouping grouping(*model, GroupPlan::contiguous(model->config(), {1}, PoolMethod::kMean));
  const auto queries = rows_on_device(device(), grouping.qkv(0), 0, model->config().query_columns());
  EXPECT_TRUE(same_bits(queries, decoded(file, "blk.0.attn_q.weight")));
}

TEST_F(GroupingTest, WeightBytesArePredicted) {
  const ModelFile file = ModelFile::open(kBundled);
  const ModelOutline outline = read_outline(file);
  for (const char* name : kFamilies) {
    SCOPED_TRACE(name);
    KernelProfile profile;
    try {
      profile = kernel_profile_named(device(), name);
    } catch (const Error&) {  // the device lacks what it needs
      continue;
    }
    const WeightBytes predicted = weight_bytes(file, outline, profile);
    const auto model = Model::load(device(), profile, file);
    const auto actual = static_cast<double>(model->weights_bytes());
    EXPECT_NEAR(actual, static_cast<double>(predicted.total()), static_cast<double>(predicted.vectors));
    EXPECT_EQ(model->parameter_count(), 3148032u);
  }
}

}  // namespace
}  // namespace regroup::test
