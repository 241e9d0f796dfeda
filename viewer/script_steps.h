// What a step of a script can be, as --help and the man page of regroup-view tell it.
#pragma once

namespace regroup::view {

// In the form that both are made from: a line that begins with "Example", lines of examples indented by two blanks.
constexpr const char* kScriptSteps =
    R"(Example of every step that a script can take; the file is a JSON list of them, one command each:
  [{"prompt": "Once upon a time"}, {"groups": 2}, {"run": 20}, {"screenshot": "two.png"}]

  Steps for the model; the next one begins when it has been done:
  {"open": "model.gguf"}                  or a folder, or a trace; {"drop": [files]} as if dropped on the window
  {"prompt": "Once", "chat": false}       begins anew; {"say": "Hello", "tokens": 50} goes on with a conversation
  {"run": 20}                             decodes 20 tokens; {"start": 20} does not wait for them, 0 has no end
  {"stop": true}                          also {"reset": true}, and {"back": true} for one token less
  {"rewind": [9, 100]}                    goes on with token id 100 at place 9
  {"sampling": {"temperature": 0}}        also top_k, top_p, min_p, repeat_penalty, seed
  {"groups": 2, "wait": true}             or [8, 2, ...], one G per layer
  {"method": "svd", "wait": true}         any merge method that regroup run knows
  {"mode": "pool"}                        pools the cache when G changes; "recompute" computes it again
  {"cache": "q8_0", "positions": 512}     f32, f16, q8_0 or q4_0
  {"quality": true}                       compares with the ungrouped model; {"fingerprints": true} for traces
  {"attention_layer": 0}                  whose attention is shown
  {"measure": 5}                          time per token at every G, of 5 runs
  {"save_trace": "run.json"}              {"trace": "run.json", "compare": true} shows one, beside what is there
  {"lose_device": true}                   as if the driver had reported a lost device

  Steps for the window:
  {"key": "ctrl+s"}                       {"type": "text"}, {"mouse": [x, y]}, {"click": [x, y], "button": 0}
  {"drag": [x, y, to_x, to_y]}            {"frames": 3} draws as many
  {"size": [1280, 800]}                   {"monitor_scale": 2}, {"zoom": 1.5}, {"theme": "light"}
  {"preset": "memory"}                    {"panel": "quality", "visible": false}, {"enlarge": "groups"}
  {"layer": 0, "head": 3}                 {"per_layer": true} chooses G layer by layer
  {"pin": true}                           this run's times behind the next ones; {"dismiss": true} the message
  {"screenshot": "out.png"}
  {"export": "latency", "figure": "time-against-g", "format": "svg", "path": "g.svg"}     svg, csv or png

  Steps for the script itself:
  {"wait": "idle"}                        {"wait_for_tokens": 8}
  {"report": "half way"}                  one of "reports" in --json; "only": [keys] leaves the others out
)";

}  // namespace regroup::view
