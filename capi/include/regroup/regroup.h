/* The C interface of regroup: grouped-query attention on any Vulkan GPU. C99 and C++.
 *
 * Opening goes device, model, session; close in the reverse order. Nothing is kept between calls but what these
 * handles hold: no global state, no locale, no signal handler, nothing on stdout or stderr.
 *
 * Errors: what can fail returns a regroup_status and takes, last, a regroup_error* that may be NULL; its message is one
 * line without control characters that says what was attempted, on what, and what to do next. No C++ exception leaves a
 * function. A NULL handle or a NULL out-parameter is REGROUP_USAGE.
 *
 * Options: NULL stands for defaults. Otherwise the first member must be set to the structure's size, so that programs
 * compiled against an older header keep working; members that are zero have their default:
 *     regroup_session_options options = {.size = sizeof options, .context = 2048};
 *
 * Arrays that come back: give a buffer and its capacity; *count is how many there are, and when that is more than the
 * capacity, the first ones were written and the call succeeded. A capacity of 0 only counts.
 *
 * Threads: a device and a model may be used by several threads, a session by one at a time (regroup_interrupt
 * excepted).
 *
 * Text is UTF-8, a path is what the file system takes, sizes are in bytes, times in milliseconds. */
#ifndef REGROUP_REGROUP_H
#define REGROUP_REGROUP_H

#include <stddef.h>
#include <stdint.h>

/* Raised when a program that was compiled against an older header would no longer run. */
#define REGROUP_API_VERSION 1

#if defined(_WIN32) && defined(REGROUP_BUILDING)
#define REGROUP_API __declspec(dllexport)
#elif defined(_WIN32)
#define REGROUP_API __declspec(dllimport)
#elif defined(__GNUC__)
#define REGROUP_API __attribute__((visibility("default")))
#else
#define REGROUP_API
#endif

/* Vulkan's own handles, for callers who have a device already; the same types as in <vulkan/vulkan.h>. */
struct VkInstance_T;
struct VkPhysicalDevice_T;
struct VkDevice_T;
struct VkQueue_T;

#ifdef __cplusplus
extern "C" {
#endif

/* REGROUP_API_VERSION of the library, and its version as text ("0.1.0"). */
REGROUP_API uint32_t regroup_api_version(void);
REGROUP_API const char* regroup_version(void);

/* ---- errors ---- */

/* The numbers are the exit codes of the program `regroup`. */
typedef enum regroup_status {
  REGROUP_OK = 0,
  REGROUP_FAILED = 1,        /* the work failed */
  REGROUP_USAGE = 2,         /* the caller asked for something impossible */
  REGROUP_BAD_MODEL = 3,     /* a model file is malformed or unsupported */
  REGROUP_NO_DEVICE = 4,     /* no device, or it lacks something that the work cannot do without */
  REGROUP_DEVICE_LOST = 5,   /* the driver reported a lost device; close everything that stands on it */
  REGROUP_OUT_OF_MEMORY = 6, /* host or device memory ran out or would run out */
  REGROUP_INTERRUPTED = 130  /* stopped by the caller */
} regroup_status;

typedef struct regroup_error {
  regroup_status status;
  char message[1020]; /* empty when the call succeeded */
} regroup_error;

/* Called now and then during long work with a short label and the share done in [0, 1]; anything but 0 stops the work
 * with REGROUP_INTERRUPTED. */
typedef struct regroup_progress {
  int (*report)(void* user, const char* label, double fraction);
  void* user;
} regroup_progress;

/* ---- devices ---- */

typedef struct regroup_device_info {
  uint32_t index; /* as regroup_device_options.which takes it */
  char name[256];
  char driver[256]; /* name and version */
  char uuid[40];
  uint64_t memory_bytes;
  int32_t is_cpu;    /* a driver that computes on the processor */
  int32_t is_usable; /* 0: see refusal */
  char refusal[512]; /* all reasons */
} regroup_device_info;

/* All Vulkan devices, in the loader's order. `instance`: the caller's, or NULL. */
REGROUP_API regroup_status regroup_list_devices(struct VkInstance_T* instance, regroup_device_info* devices,
                                                size_t capacity, size_t* count, regroup_error* error);

/* What the caller enabled on its VkDevice, beyond Vulkan 1.1 without any feature. No kernel uses any of it yet: nothing
 * need be enabled. */
enum {
  REGROUP_ENABLED_FP16 = 1,                  /* shaderFloat16 */
  REGROUP_ENABLED_STORAGE_16BIT = 2,         /* storageBuffer16BitAccess */
  REGROUP_ENABLED_INT8 = 4,                  /* shaderInt8 and storageBuffer8BitAccess */
  REGROUP_ENABLED_INTEGER_DOT = 8,           /* shaderIntegerDotProduct */
  REGROUP_ENABLED_SUBGROUP_SIZE_CONTROL = 16 /* subgroupSizeControl */
};

/* The caller's Vulkan objects; they must outlive the regroup_device, and the caller keeps owning them. With `device`
 * NULL a device of our own is opened on the caller's instance. While a call of ours runs, nobody else may submit to the
 * queue. */
typedef struct regroup_vulkan {
  size_t size; /* sizeof(regroup_vulkan) */
  struct VkInstance_T* instance;
  struct VkPhysicalDevice_T* physical_device;
  struct VkDevice_T* device;
  struct VkQueue_T* queue; /* takes compute commands */
  uint32_t queue_family;
  uint32_t enabled; /* REGROUP_ENABLED_... */
} regroup_vulkan;

typedef struct regroup_device regroup_device;

typedef struct regroup_device_options {
  size_t size;       /* sizeof(regroup_device_options) */
  const char* which; /* index, UUID or part of the name; NULL: $REGROUP_DEVICE, then the best */
  const char*
      cache_folder; /* for compiled kernels, which of them is fastest, and merged heads; NULL: nothing is kept */
  const char* require_features; /* "minimum": use nothing beyond Vulkan 1.1's floor; NULL: all that there is */
  const char* disable;          /* "subgroup,texel,...", as --disable takes it */
  double max_submit_ms;         /* no submission is planned to run longer; default 40 */
  const regroup_vulkan* vulkan; /* the caller's objects; NULL: our own */
  /* Called on the calling thread with one line for whoever uses the program, such as a kernel that computes wrong here
   * and what takes its place, or a chat template that is replaced; NULL: these are not told. */
  void (*on_remark)(void* user, const char* remark);
  void* user;
} regroup_device_options;

REGROUP_API regroup_status regroup_device_open(const regroup_device_options* options, regroup_device** device,
                                               regroup_error* error);
/* What was opened. */
REGROUP_API regroup_status regroup_device_describe(const regroup_device* device, regroup_device_info* info,
                                                   regroup_error* error);
REGROUP_API void regroup_device_close(regroup_device* device);

/* ---- models ---- */

typedef struct regroup_model regroup_model;

/* `path`: a .gguf file (of several shards the first), a Hugging Face directory, the name of a fetched model, or NULL
 * for the bundled one. Large files are read while this runs, and may be deleted afterwards. `progress` may be NULL. */
REGROUP_API regroup_status regroup_model_open(regroup_device* device, const char* path,
                                              const regroup_progress* progress, regroup_model** model,
                                              regroup_error* error);
REGROUP_API void regroup_model_close(regroup_model* model);

typedef struct regroup_model_info {
  size_t size; /* sizeof(regroup_model_info), set by the caller */
  char architecture[64];
  char name[256];
  uint64_t parameters;
  uint64_t weights_bytes; /* on the device */
  uint32_t layers, hidden, feed_forward, vocabulary, context;
  uint32_t query_heads, kv_heads /* of the layer that has most */, head_dim;
  int32_t has_tokenizer;
} regroup_model_info;

REGROUP_API regroup_status regroup_model_describe(const regroup_model* model, regroup_model_info* info,
                                                  regroup_error* error);

/* ---- text ---- */

enum {
  REGROUP_TEXT_PLAIN = 1,       /* tokenize: without BOS and EOS, where the model asks for them */
  REGROUP_TEXT_NO_SPECIAL = 2,  /* tokenize: "<|im_end|>" in the text is text, not that token */
  REGROUP_TEXT_SHOW_SPECIAL = 4 /* detokenize: with the names of control tokens */
};

/* `text` need not end with a zero. REGROUP_USAGE when the model has no tokenizer. */
REGROUP_API regroup_status regroup_tokenize(const regroup_model* model, const char* text, size_t length, uint32_t flags,
                                            uint32_t* tokens, size_t capacity, size_t* count, regroup_error* error);
/* Bytes, which need not be whole characters; a zero follows them where the capacity allows it, *length is without it.
 */
REGROUP_API regroup_status regroup_detokenize(const regroup_model* model, const uint32_t* tokens, size_t count,
                                              uint32_t flags, char* text, size_t capacity, size_t* length,
                                              regroup_error* error);

typedef struct regroup_message {
  const char* role; /* "system", "user", "assistant" */
  const char* content;
} regroup_message;

/* A conversation in the model's own chat template, or in ChatML where it has none that can be used (a remark tells), up
 * to where the next answer begins. */
REGROUP_API regroup_status regroup_tokenize_chat(const regroup_model* model, const regroup_message* messages,
                                                 size_t message_count, uint32_t* tokens, size_t capacity, size_t* count,
                                                 regroup_error* error);

/* ---- decoding ---- */

typedef enum regroup_cache_type {
  REGROUP_CACHE_F16 = 0,
  REGROUP_CACHE_F32 = 1,
  REGROUP_CACHE_Q8_0 = 2,
  REGROUP_CACHE_Q4_0 = 3
} regroup_cache_type;

typedef struct regroup_session_options {
  size_t size;      /* sizeof(regroup_session_options) */
  uint32_t context; /* positions; 0: the model's, at most 4096 */
  regroup_cache_type cache_type;
  /* Choosing tokens; all zero is greedy. */
  float temperature;
  uint32_t top_k;       /* 0: off */
  float top_p;          /* 0 and 1: off */
  float min_p;          /* 0: off */
  float repeat_penalty; /* 0 and 1: off */
  uint64_t seed;
} regroup_session_options;

typedef struct regroup_session regroup_session;

REGROUP_API regroup_status regroup_session_open(const regroup_model* model, const regroup_session_options* options,
                                                regroup_session** session, regroup_error* error);
REGROUP_API void regroup_session_close(regroup_session* session);

typedef enum regroup_stop {
  REGROUP_STOP_LENGTH = 0,      /* max_tokens were generated */
  REGROUP_STOP_END_OF_TEXT = 1, /* the model ended its text */
  REGROUP_STOP_TEXT = 2,        /* one of `stops` came */
  REGROUP_STOP_CONTEXT_FULL = 3,
  REGROUP_STOP_INTERRUPTED = 4 /* by a callback or regroup_interrupt; what was generated stands */
} regroup_stop;

typedef struct regroup_decode_options {
  size_t size;         /* sizeof(regroup_decode_options) */
  uint32_t max_tokens; /* 0: 128 */
  /* Called on the calling thread; anything but 0 stops. Either may be NULL. `probability`: of a greedy choice among all
   * tokens, of a sampled one among the candidates that the filters left, at this temperature. */
  int (*on_token)(void* user, uint32_t token, float probability);
  int (*on_text)(void* user, const char* text, size_t length); /* whole characters, as they become certain */
  void* user;
  const char* const* stops; /* texts in front of which the output ends */
  size_t stop_count;
} regroup_decode_options;

typedef struct regroup_decode_result {
  size_t size; /* sizeof(regroup_decode_result), set by the caller */
  regroup_stop stop;
  uint32_t prompt_tokens;    /* that had to be read: not those that the session had already */
  uint32_t generated_tokens; /* with a final end-of-text token */
  double prefill_ms, decode_ms;
} regroup_decode_result;

/* Decodes what follows `tokens`, which is the whole sequence from its beginning: what it has in common with the last
 * call's sequence is not read again. `options` and `result` may be NULL. */
REGROUP_API regroup_status regroup_decode(regroup_session* session, const uint32_t* tokens, size_t count,
                                          const regroup_decode_options* options, regroup_decode_result* result,
                                          regroup_error* error);

/* The logits, one per entry of the vocabulary, that the last token was chosen from. */
REGROUP_API regroup_status regroup_session_logits(const regroup_session* session, float* logits, size_t capacity,
                                                  size_t* count, regroup_error* error);

/* Stops a call that works on this session in another thread. */
REGROUP_API void regroup_interrupt(regroup_session* session);

/* ---- fewer key/value heads ---- */

/* Goes on with other groups, as --groups and --method of the program take them: "4", "8,8,4,2" or
 * "budget:BYTES_PER_TOKEN"; NULL is the model as it is. `method`: NULL is "mean". Cached positions are computed again,
 * so that what follows is exact. `progress` may be NULL. After an error the session is what it was. */
REGROUP_API regroup_status regroup_session_regroup(regroup_session* session, const char* groups, const char* method,
                                                   const regroup_progress* progress, regroup_error* error);
/* Bytes that one position of the session's cache takes. */
REGROUP_API regroup_status regroup_session_kv_bytes_per_token(const regroup_session* session, uint64_t* bytes,
                                                              regroup_error* error);

typedef struct regroup_convert_options {
  size_t size;                 /* sizeof(regroup_convert_options) */
  const char* input;           /* as regroup_model_open takes it */
  const char* output;          /* a name ending .gguf, or a directory for safetensors */
  const char* groups;          /* see regroup_session_regroup */
  const char* method;          /* NULL: "auto" */
  const char* type;            /* of all matrices: "f16", "q8_0", ...; NULL: as the input has them */
  const char* calibration;     /* text to calibrate on; NULL: what the model writes itself */
  uint32_t calibration_tokens; /* 0: 10240 */
  int32_t overwrite;           /* replace the output where it stands already */
  uint64_t seed;
  regroup_progress progress;
} regroup_convert_options;

typedef struct regroup_convert_result {
  size_t size; /* sizeof(regroup_convert_result), set by the caller */
  uint64_t bytes_in, bytes_out;
} regroup_convert_result;

/* Writes a checkpoint whose key/value heads are merged into fewer groups. The output appears whole or not at all, the
 * input is never touched. `result` may be NULL. */
REGROUP_API regroup_status regroup_convert(regroup_device* device, const regroup_convert_options* options,
                                           regroup_convert_result* result, regroup_error* error);

#ifdef __cplusplus
}
#endif

#endif
