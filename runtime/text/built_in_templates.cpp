#include "runtime/text/built_in_templates.h"

namespace regroup {
namespace {

constexpr BuiltInTemplate kChatMl{
    "chatml",
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"};

// The system message stands inside the first user message; BOS and EOS around every exchange.
constexpr BuiltInTemplate kLlama2{
    "llama2",
    "{% if messages and messages[0]['role'] == 'system' %}"
    "{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate, beginning with user') }}{% endif %}"
    "{% if message['role'] == 'user' %}"
    "{{ bos_token }}{{ '[INST] ' + ((system if loop.first else '') + message['content']).strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'].strip() + ' ' }}{{ eos_token }}{% endif %}"
    "{% endfor %}"};

constexpr BuiltInTemplate kLlama3{
    "llama3",
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"};

// There is no system role: its text is put in front of the first user message.
constexpr BuiltInTemplate kGemma{
    "gemma",
    "{{ bos_token }}"
    "{% if messages and messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] + '\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate, beginning with user') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' + (system if "
    "loop.first else '') }}"
    "{{ message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"};

constexpr BuiltInTemplate kMistral{
    "mistral",
    "{{ bos_token }}"
    "{% if messages and messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] + '\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate, beginning with user') }}{% endif %}"
    "{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}"
    "{% endfor %}"};

}  // namespace

Recognised recognise_chat_format(std::string_view text, const Tokenizer& tokenizer) {
  const auto mentions = [&](std::string_view word) { return text.find(word) != std::string_view::npos; };
  const auto has = [&](std::string_view token) { return tokenizer.find(token).has_value(); };
  if (mentions("<|im_start|>")) return {kChatMl, true};
  if (mentions("<|start_header_id|>")) return {kLlama3, true};
  if (mentions("<start_of_turn>")) return {kGemma, true};
  if (mentions("[INST]")) return {mentions("<<SYS>>") ? kLlama2 : kMistral, true};
  if (has("<|im_start|>")) return {kChatMl, true};
  if (has("<|start_header_id|>")) return {kLlama3, true};
  if (has("<start_of_turn>")) return {kGemma, true};
  if (has("[INST]")) return {kMistral, true};
  return {kChatMl, false};
}

}  // namespace regroup
