// WebGPU: tried once a face is there. It is used where it draws the same pictures, and faster.
//
// Its runtime is four times as large as the other one, so it is fetched only where there is a GPU.

const ROUNDS = 7;
const FAR_SLOWER = 3; // times, at which one picture is enough to see that
const ONE_LEVEL = 1 / 127.5; // of 255, where pictures go from -1 to 1

// The runtime for WebGPU, or null where there is no GPU, or where somebody saves data.
export async function gpuRuntime() {
  if (navigator.connection?.saveData || !(await navigator.gpu?.requestAdapter())) {
    return null;
  }
  const ort = await import("./ort/ort.webgpu.min.mjs");
  ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  ort.env.wasm.numThreads = 1;
  return ort;
}

// Whether `gpu` draws as `other` does, and faster. Both are functions (inputs, rows), as `run` of a generator.
export async function isBetter(gpu, other, inputs) {
  const [there, here] = [await picture(gpu, inputs), await picture(other, inputs)];
  const isSame = here.every((value, i) => Math.abs(there[i] - value) < ONE_LEVEL);
  return isSame && isFaster(gpu, other, inputs);
}

// Whether the GPU takes less time for a picture.
async function isFaster(gpu, other, inputs) {
  const usual = await medianTime(other, inputs, ROUNDS);
  const first = await medianTime(gpu, inputs, 1); // a slow one must not be waited for again and again
  return first < FAR_SLOWER * usual && (await medianTime(gpu, inputs, ROUNDS)) < usual;
}

async function picture(run, inputs) {
  return (await run(inputs, 1)).image;
}

// Milliseconds.
async function medianTime(run, inputs, rounds) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    await run(inputs, 1);
    times.push(performance.now() - begun);
  }
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)];
}
