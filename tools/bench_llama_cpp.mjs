// Prefill and decode speed of llama.cpp without building it: through the prebuilt libraries of the npm package node-llama-cpp.
// usage, in a folder of its own:
//   npm install --ignore-scripts node-llama-cpp @node-llama-cpp/linux-x64 @node-llama-cpp/linux-x64-vulkan
//   node PATH/TO/tools/bench_llama_cpp.mjs MODEL.gguf vulkan|cpu THREADS PROMPT_TOKENS TOKENS
// On lavapipe also: VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json GGML_VK_VISIBLE_DEVICES=0
import {pathToFileURL} from "node:url";
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(process.cwd() + "/node_modules/node-llama-cpp/dist/index.js"));

const [, , modelPath, backend, threadsText, promptText, tokensText] = process.argv;
const threads = Number(threadsText), promptTokens = Number(promptText), tokens = Number(tokensText);
const vulkan = backend === "vulkan";
const llama = await getLlama({build: "never", gpu: vulkan ? "vulkan" : false, logLevel: LlamaLogLevel.error, maxThreads: threads});
if (vulkan && llama.gpu !== "vulkan") throw new Error("llama.cpp found no Vulkan device");
console.log("backend:", llama.gpu || "cpu", vulkan ? await llama.getGpuDeviceNames() : "");
const model = await llama.loadModel({modelPath, gpuLayers: vulkan ? "max" : 0});
const context = await model.createContext({contextSize: 512, threads, batchSize: 512});
const sequence = context.getSequence();
const prompt = Array.from({length: promptTokens}, (_, i) => 1000 + i * 7);

async function prefill() {
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt);
  return (1000 * promptTokens) / (performance.now() - start);
}
// From the first token on, so that reading the three prompt tokens is left out.
async function decode() {
  await sequence.clearHistory();
  let count = 0, start = 0;
  for await (const _ of sequence.evaluate([1, 2, 3], {temperature: 0, yieldEogToken: true})) {
    if (count === 0) start = performance.now();
    if (count++ === tokens) break;
  }
  return (1000 * (count - 1)) / (performance.now() - start);
}

await prefill();
for (let run = 0; run < 2; ++run) {
  const pp = await prefill(), tg = await decode();
  console.log(`pp${promptTokens}: ${pp.toFixed(2)} t/s  tg${tokens}: ${tg.toFixed(2)} t/s`);
}
process.exit(0);
