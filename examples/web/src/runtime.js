// ONNX Runtime: its WebAssembly build where there is no GPU, else one of those with WebGPU, which are larger.

const BUILDS = {
  wasm: { provider: "wasm", script: "ort.wasm.bundle.min.mjs", binary: "ort-wasm-simd-threaded.wasm.bin" },
  // Two ways to wait for the GPU inside of WebAssembly; the first is smaller, but not every browser has it.
  jspi: { provider: "webgpu", script: "ort.jspi.bundle.min.mjs", binary: "ort-wasm-simd-threaded.jspi.wasm.bin" },
  asyncify: {
    provider: "webgpu", script: "ort.webgpu.bundle.min.mjs", binary: "ort-wasm-simd-threaded.asyncify.wasm.bin",
  },
};

/** Whether there is a GPU to compute on. One that the CPU imitates is none. */
export async function hasGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}

/** {ort, provider} for a provider "wasm" or "webgpu". vendor: URL of the folder with the builds. */
export async function loadRuntime(provider, vendor) {
  const build = BUILDS[provider === "wasm" ? "wasm" : "Suspending" in WebAssembly ? "jspi" : "asyncify"];
  const binary = fetch(new URL(build.binary, vendor));
  const ort = await import(new URL(build.script, vendor));
  // Gzipped by us, since not every static server compresses: a quarter of the download.
  const unpacked = (await binary).body.pipeThrough(new DecompressionStream("gzip"));
  ort.env.wasm.wasmBinary = await new Response(unpacked).arrayBuffer();
  ort.env.wasm.numThreads = 1;
  return { ort, provider: build.provider };
}
