// Where a conversion may write: nothing that is somebody's own is replaced, and what is refused is refused before work.
#include "converter/checkpoint/check_target.h"

#include <limits>

#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"

namespace regroup::test {
namespace {

template <typename Work>
void expect_refusal(const Work& work, ErrorCode code, const std::string& fragment) {
  try {
    work();
    ADD_FAILURE() << "nothing was refused; expected: " << fragment;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
  }
}

class CheckTargetTest : public ::testing::Test {
 protected:
  void refuses(const fs::path& input, const fs::path& target, ModelFileKind kind, const std::string& fragment) const {
    SCOPED_TRACE(target);
    const ModelFile source = ModelFile::open(input);
    expect_refusal([&] { check_target(source, target, kind, Overwrite::kYes); }, ErrorCode::kUsage, fragment);
  }
  fs::path write(const std::string& name) const {
    fs::create_directories((folder_.path() / name).parent_path());
    return folder_.write(name, "dear to somebody");
  }

  TemporaryFolder folder_;
  fs::path root_ = folder_.path();
};

TEST_F(CheckTargetTest, NoFolderThatHoldsTheInputIsReplaced) {
  fs::create_directories(root_ / "llama/gguf");
  write("llama/config.json");
  const fs::path file = root_ / "llama/gguf/x.gguf";
  fs::copy_file(checkpoint("gguf-llama-f32/model.gguf"), file);
  for (const char* target : {"llama", "llama/gguf", "llama/gguf/../../llama", "."}) {
    refuses(file, root_ / target, ModelFileKind::kHuggingFace, "it holds the input");
  }
  // By a link in either direction.
  fs::create_directories(root_ / "links");
  fs::create_symlink(file, root_ / "links/x.gguf");
  for (const char* target : {"links", "llama"}) {
    refuses(root_ / "links/x.gguf", root_ / target, ModelFileKind::kHuggingFace, "it holds the input");
  }
  fs::create_directory_symlink(root_ / "llama", root_ / "other-name");
  refuses(file, root_ / "other-name", ModelFileKind::kHuggingFace, "it holds the input");
  // The directory as a whole is what an input from Hugging Face is.
  fs::create_directories(root_ / "hub");
  fs::copy(checkpoint("llama-gqa-9-3"), root_ / "hub/model");
  refuses(root_ / "hub/model", root_ / "hub", ModelFileKind::kHuggingFace, "it holds the input");
  refuses(root_ / "hub/model", root_ / "hub/model", ModelFileKind::kHuggingFace, "it is the input");
}

TEST_F(CheckTargetTest, OnlyDirectoriesOfAModelsFilesAreReplaced) {
  const fs::path input = checkpoint("llama-gqa-9-3");
  const fs::path target = root_ / "project";
  write("project/config.json");
  refuses(input, target, ModelFileKind::kHuggingFace, "not a model's directory");
  write("project/model.safetensors");
  const ModelFile source = ModelFile::open(input);
  EXPECT_NO_THROW(check_target(source, target, ModelFileKind::kHuggingFace, Overwrite::kYes));
  write("project/src/main.cpp");
  refuses(input, target, ModelFileKind::kHuggingFace, "it holds the directory 'src'");
  refuses(input, write("notes"), ModelFileKind::kHuggingFace, "not a model's directory");
  fs::create_directories(root_ / "x.gguf");
  refuses(input, root_ / "x.gguf", ModelFileKind::kGguf, "it is a directory");
  fs::create_directories(root_ / "empty");
  EXPECT_NO_THROW(check_target(source, root_ / "empty", ModelFileKind::kHuggingFace, Overwrite::kYes));
}

// So does a run that writes nothing.
TEST_F(CheckTargetTest, APlanIsRefusedAsTheConversionIs) {
  write("photos/holiday.jpg");
  fs::create_directories(root_ / "x.gguf");
  const ModelFile source = ModelFile::open(checkpoint("llama-gqa-9-3"));
  const ModelOutline outline = read_outline(source);
  ConvertCheckpoint job{.source = source, .outline = outline};
  job.settings = {.method = "svd", .groups = uniform_groups(outline.config, 1)};
  job.overwrite = Overwrite::kYes;
  for (const char* target : {"photos", "x.gguf"}) {
    job.target = root_ / target;
    job.output.kind = job.target.extension() == ".gguf" ? ModelFileKind::kGguf : ModelFileKind::kHuggingFace;
    expect_refusal([&] { outline_conversion(job); }, ErrorCode::kUsage, "cannot write");
    expect_refusal([&] { convert_checkpoint(job); }, ErrorCode::kUsage, "cannot write");
  }
  EXPECT_TRUE(fs::exists(root_ / "photos/holiday.jpg"));
  EXPECT_FALSE(fs::exists(root_ / "photos.regroup-state"));
}

TEST_F(CheckTargetTest, TheDiskMustHoldIt) {
  EXPECT_NO_THROW(check_space(root_ / "out.gguf", 1));
  expect_refusal([&] { check_space(root_ / "out.gguf", std::numeric_limits<std::uint64_t>::max()); },
                 ErrorCode::kFailed, "are free on its disk");
}

TEST_F(CheckTargetTest, NamesWithoutSeparatorsAtTheirEnd) {
  EXPECT_EQ(named_path("a/b/"), fs::path("a/b"));
  EXPECT_EQ(named_path("a//"), fs::path("a"));
  EXPECT_EQ(named_path("a.gguf"), fs::path("a.gguf"));
  EXPECT_EQ(named_path("/"), fs::path("/"));
  EXPECT_EQ(named_path(""), fs::path());
  EXPECT_EQ(named_path(root_ / "."), fs::canonical(root_));
  fs::create_directories(root_ / "inner");
  EXPECT_EQ(named_path(root_ / "inner/../"), fs::canonical(root_));
}

}  // namespace
}  // namespace regroup::test
