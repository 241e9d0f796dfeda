/* Decodes with regroup's C interface: decode [PROMPT [MODEL]]. Without a model the bundled one. */
#include <regroup/regroup.h>
#include <stdio.h>
#include <string.h>

static int print(void* user, const char* text, size_t length) {
  return fwrite(text, 1, length, (FILE*)user) != length;
}

int main(int argc, char** argv) {
  const char* prompt = argc > 1 ? argv[1] : "The little girl opened the door";
  const regroup_decode_options options = {.size = sizeof options, .max_tokens = 48, .on_text = print, .user = stdout};
  regroup_error error = {REGROUP_OK, ""};
  regroup_device* device = NULL;
  regroup_model* model = NULL;
  regroup_session* session = NULL;
  uint32_t tokens[256];
  size_t count = 0;
  if (regroup_device_open(NULL, &device, &error) || regroup_model_open(device, argc > 2 ? argv[2] : NULL, NULL, &model, &error) ||
      regroup_tokenize(model, prompt, strlen(prompt), 0, tokens, 256, &count, &error) ||
      regroup_session_open(model, NULL, &session, &error) ||
      regroup_decode(session, tokens, count < 256 ? count : 256, &options, NULL, &error))
    fprintf(stderr, "decode: %s\n", error.message);
  regroup_session_close(session);
  regroup_model_close(model);
  regroup_device_close(device);
  return error.status;
}
