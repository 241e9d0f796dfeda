#include "runtime/text/jinja/parser.h"

#include <algorithm>
#include <array>

#include "runtime/text/jinja/lexer.h"

namespace regroup::jinja {
namespace {

using Kind = Node::Kind;

std::string quoted(std::string_view word) {
  return std::string(1, '\'').append(word).append(1, '\'');
}

constexpr int kMaxNesting = 128;
constexpr int kMaxHeight = 256;  // long chains of operators and filters grow a tree without nesting

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  NodePtr run() {
    NodePtr block = statements({});
    if (peek().kind != TokenKind::kEnd) fail(quoted(peek(1).text) + " closes nothing");
    return block;
  }

 private:
  // --- tokens

  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw TemplateError("line " + std::to_string(peek().line) + ": " + what);
  }
  bool is_operator(std::string_view text) const { return peek().kind == TokenKind::kOperator && peek().text == text; }
  bool is_name(std::string_view text) const { return peek().kind == TokenKind::kName && peek().text == text; }
  bool take_operator(std::string_view text) {
    if (!is_operator(text)) return false;
    next();
    return true;
  }
  bool take_name(std::string_view text) {
    if (!is_name(text)) return false;
    next();
    return true;
  }
  void expect_operator(std::string_view text) {
    if (!take_operator(text)) fail(quoted(text).append(" is missing in front of ").append(quoted(peek().text)));
  }
  std::string expect_name() {
    if (peek().kind != TokenKind::kName) fail("a name is missing");
    return next().text;
  }
  void expect_name(std::string_view text) {
    if (!take_name(text)) fail(quoted(text) + " is missing");
  }
  void expect_block_end() {
    if (peek().kind != TokenKind::kBlockEnd)
      fail(std::string("'%}' is missing in front of ").append(quoted(peek().text)));
    next();
  }

  // --- nodes

  NodePtr make(Kind kind) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->line = peek().line;
    return node;
  }
  void add(Node& parent, NodePtr child) const {
    grow(parent, child.get());
    parent.children.push_back(std::move(child));
  }
  void grow(Node& parent, const Node* child) const {
    if (child != nullptr) parent.height = std::max(parent.height, child->height + 1);
    if (parent.height > kMaxHeight) fail("the template is nested too deeply");
  }
  NodePtr with(Kind kind, NodePtr first, NodePtr second = nullptr) const {
    NodePtr node = make(kind);
    add(*node, std::move(first));
    if (second) add(*node, std::move(second));
    return node;
  }

  struct Nesting {
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxNesting) parser_.fail("the template is nested too deeply");
    }
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    Parser& parser_;
  };

  // --- statements

  // Until {% one of `ends` %}, whose tag is left for the caller (behind its "{%"), or the end of the template.
  NodePtr statements(const std::vector<std::string_view>& ends) {
    const Nesting nesting(*this);
    NodePtr block = make(Kind::kBlock);
    while (peek().kind != TokenKind::kEnd) {
      const Token& token = peek();
      if (token.kind == TokenKind::kText) {
        NodePtr text = make(Kind::kText);
        text->text = next().text;
        add(*block, std::move(text));
      } else if (token.kind == TokenKind::kOutputBegin) {
        next();
        add(*block, with(Kind::kOutput, tuple_expression()));
        if (peek().kind != TokenKind::kOutputEnd)
          fail(std::string("'}}' is missing in front of ").append(quoted(peek().text)));
        next();
      } else {
        const Token& word = peek(1);
        const bool ends_here =
            std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return word.text == end; });
        if (word.kind == TokenKind::kName && ends_here) {
          next();
          return block;
        }
        if (word.kind == TokenKind::kName &&
            (word.text.starts_with("end") || word.text == "else" || word.text == "elif")) {
          fail(quoted(word.text) + " closes nothing");
        }
        next();
        statement(*block);
      }
    }
    if (!ends.empty()) fail(quoted(ends.back()) + " is missing");
    return block;
  }

  void statement(Node& block) {
    const std::string word = expect_name();
    if (word == "if") {
      add(block, if_statement());
    } else if (word == "for") {
      add(block, for_statement());
    } else if (word == "set") {
      add(block, set_statement());
    } else if (word == "macro") {
      add(block, macro_statement());
    } else if (word == "call") {
      add(block, call_statement());
    } else if (word == "filter") {
      NodePtr node = with(Kind::kFilterBlock, filter_chain(nullptr, true));
      expect_block_end();
      add(*node, body("endfilter"));
      add(block, std::move(node));
    } else if (word == "break" || word == "continue") {
      add(block, make(word == "break" ? Kind::kBreak : Kind::kContinue));
      expect_block_end();
    } else if (word == "generation") {  // marks what was generated; the text is the same
      expect_block_end();
      add(block, body("endgeneration"));
    } else {
      fail(quoted(word) + " is not supported");
    }
  }

  NodePtr body(std::string_view end) {
    NodePtr block = statements({end});
    expect_name(end);
    expect_block_end();
    return block;
  }

  NodePtr if_statement() {
    NodePtr node = with(Kind::kIf, tuple_expression());
    expect_block_end();
    while (true) {
      add(*node, statements({"elif", "else", "endif"}));
      const std::string word = expect_name();
      if (word == "endif") break;
      if (word == "elif") {
        add(*node, tuple_expression());
        expect_block_end();
        continue;
      }
      expect_block_end();
      add(*node, statements({"endif"}));
      expect_name("endif");
      break;
    }
    expect_block_end();
    return node;
  }

  NodePtr for_statement() {
    NodePtr node = make(Kind::kFor);
    node->names = targets();
    expect_name("in");
    add(*node, tuple_expression(false));
    add(*node, take_name("if") ? expression() : nullptr);
    if (is_name("recursive")) fail("recursive loops are not supported");
    expect_block_end();
    add(*node, statements({"else", "endfor"}));
    if (take_name("else")) {
      expect_block_end();
      add(*node, statements({"endfor"}));
    } else {
      add(*node, nullptr);
    }
    expect_name("endfor");
    expect_block_end();
    return node;
  }

  std::vector<std::string> targets() {
    std::vector<std::string> names;
    const bool bracket = take_operator("(");
    do {
      if (!names.empty() && peek().kind != TokenKind::kName) break;  // a comma at the end
      names.push_back(expect_name());
    } while (take_operator(","));
    if (bracket) expect_operator(")");
    return names;
  }

  NodePtr set_statement() {
    NodePtr node = make(Kind::kSet);
    node->names = targets();
    if (node->names.size() == 1 && take_operator(".")) node->text = expect_name();
    if (take_operator("=")) {
      add(*node, tuple_expression());
      expect_block_end();
      return node;
    }
    if (node->names.size() != 1 || !node->text.empty()) fail("'=' is missing");
    node->kind = Kind::kSetBlock;
    add(*node, is_operator("|") ? filter_chain(nullptr, false) : nullptr);
    expect_block_end();
    add(*node, body("endset"));
    return node;
  }

  void parameters(Node& node) {
    expect_operator("(");
    while (!take_operator(")")) {
      if (!node.named.empty()) {
        expect_operator(",");
        if (take_operator(")")) break;
      }
      std::string name = expect_name();
      NodePtr otherwise = take_operator("=") ? expression() : nullptr;
      grow(node, otherwise.get());
      node.named.emplace_back(std::move(name), std::move(otherwise));
    }
  }

  NodePtr macro_statement() {
    NodePtr node = make(Kind::kMacro);
    node->text = expect_name();
    parameters(*node);
    expect_block_end();
    add(*node, body("endmacro"));
    return node;
  }

  NodePtr call_statement() {
    NodePtr node = make(Kind::kCallBlock);
    if (is_operator("(")) parameters(*node);
    NodePtr call = expression();
    if (call->kind != Kind::kCall) fail("a call block needs a call");
    add(*node, std::move(call));
    expect_block_end();
    add(*node, body("endcall"));
    return node;
  }

  // --- expressions, from the loosest binding to the tightest

  // One expression, or several with commas between them, which are a list.
  NodePtr tuple_expression(bool with_condition = true) {
    NodePtr first = with_condition ? expression() : or_expression();
    if (!is_operator(",")) return first;
    NodePtr list = with(Kind::kList, std::move(first));
    while (take_operator(",")) {
      if (peek().kind == TokenKind::kBlockEnd || peek().kind == TokenKind::kOutputEnd || is_operator(")")) break;
      add(*list, with_condition ? expression() : or_expression());
    }
    return list;
  }

  NodePtr expression() {
    const Nesting nesting(*this);
    NodePtr value = or_expression();
    while (take_name("if")) {
      NodePtr node = with(Kind::kConditional, or_expression());
      add(*node, std::move(value));
      add(*node, take_name("else") ? expression() : nullptr);
      value = std::move(node);
    }
    return value;
  }

  NodePtr or_expression() {
    NodePtr left = and_expression();
    while (take_name("or")) left = with(Kind::kOr, std::move(left), and_expression());
    return left;
  }

  NodePtr and_expression() {
    NodePtr left = not_expression();
    while (take_name("and")) left = with(Kind::kAnd, std::move(left), not_expression());
    return left;
  }

  NodePtr not_expression() {
    if (is_name("not")) {
      const Nesting nesting(*this);
      next();
      return with(Kind::kNot, not_expression());
    }
    return comparison();
  }

  NodePtr comparison() {
    NodePtr left = sum();
    NodePtr node;
    while (true) {
      std::string name;
      constexpr std::array<std::string_view, 6> kOperators{"==", "!=", "<", "<=", ">", ">="};
      if (peek().kind == TokenKind::kOperator &&
          std::find(kOperators.begin(), kOperators.end(), peek().text) != kOperators.end()) {
        name = next().text;
      } else if (take_name("in")) {
        name = "in";
      } else if (is_name("not") && peek(1).kind == TokenKind::kName && peek(1).text == "in") {
        next();
        next();
        name = "not in";
      } else {
        break;
      }
      if (!node) node = with(Kind::kCompare, std::move(left));
      node->names.push_back(std::move(name));
      add(*node, sum());
    }
    return node ? std::move(node) : std::move(left);
  }

  // A chain of one level of binary operators, from the left.
  template <std::size_t count>
  NodePtr chain(const std::array<std::string_view, count>& operators, NodePtr (Parser::*operand)()) {
    NodePtr left = (this->*operand)();
    while (peek().kind == TokenKind::kOperator &&
           std::find(operators.begin(), operators.end(), peek().text) != operators.end()) {
      const std::string name = next().text;
      left = with(Kind::kBinary, std::move(left), (this->*operand)());
      left->text = name;
    }
    return left;
  }

  NodePtr sum() { return chain(std::array<std::string_view, 2>{"+", "-"}, &Parser::concatenation); }
  NodePtr concatenation() { return chain(std::array<std::string_view, 1>{"~"}, &Parser::product); }
  NodePtr product() { return chain(std::array<std::string_view, 4>{"*", "/", "//", "%"}, &Parser::power); }
  NodePtr power() { return chain(std::array<std::string_view, 1>{"**"}, &Parser::unary_with_filters); }

  NodePtr unary_with_filters() { return filter_chain(unary(), false); }

  NodePtr unary() {
    if (is_operator("-") || is_operator("+")) {
      const Nesting nesting(*this);
      const Kind kind = next().text == "-" ? Kind::kNegative : Kind::kPositive;
      return with(kind, unary());
    }
    return postfix(primary());
  }

  NodePtr postfix(NodePtr value) {
    while (true) {
      if (take_operator(".")) {
        NodePtr node = with(Kind::kAttribute, std::move(value));
        if (peek().kind == TokenKind::kInteger) {
          NodePtr index = make(Kind::kConstant);
          index->constant = next().integer;
          node->kind = Kind::kSubscript;
          add(*node, std::move(index));
        } else {
          node->text = expect_name();
        }
        value = std::move(node);
      } else if (take_operator("[")) {
        value = subscript(std::move(value));
      } else if (is_operator("(")) {
        NodePtr node = with(Kind::kCall, std::move(value));
        arguments(*node);
        value = std::move(node);
      } else {
        return value;
      }
    }
  }

  NodePtr subscript(NodePtr object) {
    const auto part = [&]() -> NodePtr { return is_operator(":") || is_operator("]") ? nullptr : expression(); };
    NodePtr start = part();
    if (!is_operator(":")) {
      if (!start) fail("an index is missing");
      NodePtr node = with(Kind::kSubscript, std::move(object), std::move(start));
      expect_operator("]");
      return node;
    }
    NodePtr node = with(Kind::kSlice, std::move(object));
    add(*node, std::move(start));
    next();
    add(*node, part());
    add(*node, take_operator(":") ? part() : nullptr);
    expect_operator("]");
    return node;
  }

  void arguments(Node& node) {
    expect_operator("(");
    bool first = true;
    while (!take_operator(")")) {
      if (!first) {
        expect_operator(",");
        if (take_operator(")")) break;
      }
      first = false;
      if (is_operator("*") || is_operator("**")) fail("unpacked arguments are not supported");
      if (peek().kind == TokenKind::kName && peek(1).kind == TokenKind::kOperator && peek(1).text == "=") {
        std::string name = next().text;
        next();
        NodePtr value = expression();
        grow(node, value.get());
        node.named.emplace_back(std::move(name), std::move(value));
      } else {
        if (!node.named.empty()) fail("a positional argument behind a named one");
        add(node, expression());
      }
    }
  }

  // Filters and tests behind `value`; `first_is_filter`: a filter's name comes without "|" (in a filter block).
  NodePtr filter_chain(NodePtr value, bool first_is_filter) {
    while (true) {
      if (first_is_filter || take_operator("|")) {
        first_is_filter = false;
        NodePtr node = make(Kind::kFilter);
        add(*node, std::move(value));
        node->text = expect_name();
        while (take_operator(".")) node->text.append(1, '.').append(expect_name());
        if (is_operator("(")) arguments(*node);
        value = std::move(node);
      } else if (is_name("is") && value) {
        next();
        value = test(std::move(value));
      } else if (is_operator("(") && value) {
        NodePtr node = with(Kind::kCall, std::move(value));
        arguments(*node);
        value = std::move(node);
      } else {
        return value;
      }
    }
  }

  NodePtr test(NodePtr value) {
    const bool negated = take_name("not");
    NodePtr node = with(Kind::kTest, std::move(value));
    node->text = expect_name();
    const Token& token = peek();
    const bool bracket = token.kind == TokenKind::kOperator && (token.text == "[" || token.text == "{");
    const bool word = token.kind == TokenKind::kName && token.text != "else" && token.text != "or" &&
                      token.text != "and" && token.text != "is" && token.text != "if" && token.text != "not" &&
                      token.text != "in";
    const bool constant =
        token.kind == TokenKind::kString || token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat;
    if (is_operator("(")) {
      arguments(*node);
    } else if (bracket || word || constant) {
      add(*node, postfix(primary()));
    }
    return negated ? with(Kind::kNot, std::move(node)) : std::move(node);
  }

  NodePtr primary() {
    const Nesting nesting(*this);
    NodePtr node = make(Kind::kConstant);
    const Token& token = peek();
    switch (token.kind) {
      case TokenKind::kInteger:
        node->constant = next().integer;
        return node;
      case TokenKind::kFloat:
        node->constant = next().real;
        return node;
      case TokenKind::kString: {
        std::string text;
        while (peek().kind == TokenKind::kString) text += next().text;
        node->constant = std::move(text);
        return node;
      }
      case TokenKind::kName:
        return name();
      case TokenKind::kOperator:
        if (token.text == "(") return bracketed();
        if (token.text == "[") return list();
        if (token.text == "{") return dictionary();
        break;
      default:
        break;
    }
    fail(token.text.empty() ? "an expression is missing" : std::string("unexpected ").append(quoted(token.text)));
  }

  NodePtr name() {
    NodePtr node = make(Kind::kConstant);
    const std::string text = next().text;
    if (text == "true" || text == "True") {
      node->constant = true;
    } else if (text == "false" || text == "False") {
      node->constant = false;
    } else if (text == "none" || text == "None") {
      node->constant = Value::None{};
    } else {
      node->kind = Kind::kName;
      node->text = text;
    }
    return node;
  }

  NodePtr bracketed() {
    next();
    if (take_operator(")")) return make(Kind::kList);
    NodePtr value = tuple_expression();
    expect_operator(")");
    return value;
  }

  NodePtr list() {
    next();
    NodePtr node = make(Kind::kList);
    while (!take_operator("]")) {
      if (!node->children.empty()) {
        expect_operator(",");
        if (take_operator("]")) break;
      }
      add(*node, expression());
    }
    return node;
  }

  NodePtr dictionary() {
    next();
    NodePtr node = make(Kind::kDict);
    while (!take_operator("}")) {
      if (!node->children.empty()) {
        expect_operator(",");
        if (take_operator("}")) break;
      }
      add(*node, expression());
      expect_operator(":");
      add(*node, expression());
    }
    return node;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

NodePtr parse(std::string_view source) {
  return Parser(tokenize(source)).run();
}

}  // namespace regroup::jinja
