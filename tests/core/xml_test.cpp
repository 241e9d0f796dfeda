// Text in XML documents: what has a meaning there is written so that it has none.
#include "runtime/core/xml.h"

#include <gtest/gtest.h>

namespace regroup::test {
namespace {

TEST(Xml, EscapesWhatHasAMeaningAndDropsControlCharacters) {
  EXPECT_EQ(xml_text("a < b && \"c\" > d\x01\n"), "a &lt; b &amp;&amp; &quot;c&quot; &gt; d");
  EXPECT_EQ(xml_text("\xc3\xa9"), "\xc3\xa9");
}

}  // namespace
}  // namespace regroup::test
