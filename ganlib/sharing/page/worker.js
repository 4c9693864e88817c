// The worker: it holds the generators, so that the page never waits for them.
//
// It is sent {id, verb, ...} and answers {id, result} or {id, error}: the name of a text, and what goes into
// it. While a generator arrives it also sends {progress: share of it}, and once it computes on the GPU
// {engine: "webgpu"}.

import * as wasm from "./ort/ort.wasm.min.mjs";
import { enlarged } from "./enlarge.js";
import { Generator } from "./generator.js";
import { Trouble } from "./trouble.js";
import { gpuRuntime, isBetter } from "./webgpu.js";

const IDLE = 1500; // milliseconds without a question, after which the GPU is tried

wasm.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
wasm.env.wasm.numThreads = 1; // more would need headers that static hosts do not send

const generators = new Map(); // {name: Generator}
const untried = new Map(); // {name: bytes of its file}, of those that were not tried on the GPU

// -- loading

async function load({ entry }) {
  if (generators.has(entry.name)) {
    return;
  }
  const bytes = await fetchWhole(new URL(entry.file, import.meta.url), entry.size);
  await check(bytes, entry.sha256);
  try {
    const run = await computing(wasm, "wasm", bytes, entry.about);
    generators.set(entry.name, new Generator(entry.about, run));
  } catch (error) {
    throw new Trouble("cannotRead", { name: entry.name, why: String(error.message ?? error) });
  }
  untried.set(entry.name, bytes);
}

// The function (inputs, rows) that computes with a generator's file.
async function computing(ort, provider, bytes, about) {
  const options = { executionProviders: [provider], logSeverityLevel: 3 }; // errors only
  const session = await ort.InferenceSession.create(bytes, options);
  const spare = provider === "webgpu" ? 1 : 0; // rows of a half that is not asked for: a GPU needs one
  let last = Promise.resolve();
  return (inputs, rows) => { // one after the other: a session on a GPU cannot do two things at a time
    const result = last.then(() => compute(ort, session, about, inputs, rows, spare));
    last = result.catch(() => {});
    return result;
  };
}

async function fetchWhole(address, size) {
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Trouble("noConnection");
  }
  if (!answer.ok) {
    throw new Trouble("notThere", { status: answer.status });
  }
  const bytes = new Uint8Array(size);
  let got = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Trouble("notWhole");
    });
    if (done) {
      break;
    }
    if (got + value.length > size) {
      throw new Trouble("notWhole");
    }
    bytes.set(value, got);
    got += value.length;
    postMessage({ progress: got / size });
  }
  if (got !== size) {
    throw new Trouble("notWhole");
  }
  return bytes;
}

// Browsers compute this where the page came by https, or from this computer.
async function check(bytes, expected) {
  if (!globalThis.crypto?.subtle) {
    return;
  }
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const text = [...found].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (text !== expected) {
    throw new Trouble("notWhole");
  }
}

// One half of the network: the inputs that are not given have no rows, or a spare one of zeros.
async function compute(ort, session, about, inputs, rows, spare) {
  const shapes = about.has_styles
    ? { z: [about.z_dim], ws: [about.layers, about.w_dim] }
    : { z: [inputs.z.length / rows] };
  const feeds = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const size = shape.reduce((product, length) => product * length, spare);
    const given = inputs[name] ?? new Float32Array(size);
    feeds[name] = new ort.Tensor("float32", given, [inputs[name] ? rows : spare, ...shape]);
  }
  const found = await session.run(feeds);
  return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, tensor.data]));
}

// -- the GPU

let timer = 0;

function tryGpuSoon() {
  clearTimeout(timer);
  if (untried.size) {
    timer = setTimeout(tryGpu, IDLE);
  }
}

// Once for each generator: compute on the GPU where that is better. Whatever goes wrong, all stays as it is.
async function tryGpu() {
  const [name, bytes] = untried.entries().next().value;
  untried.delete(name);
  const generator = generators.get(name);
  const { about } = generator;
  try {
    const ort = await gpuRuntime();
    if (!ort) {
      untried.clear();
      return;
    }
    const run = await computing(ort, "webgpu", bytes, about);
    const probe = about.has_styles
      ? { ws: generator.everywhere(generator.mean) }
      : { z: new Float32Array(about.z_dim + (generator.unknown?.length ?? 0)) };
    const other = generator.run;
    if (await isBetter(run, other, probe)) {
      generator.run = (inputs, rows) => run(inputs, rows).catch(() => {
        generator.run = other; // the GPU was lost, as when a laptop sleeps
        postMessage({ engine: "wasm" });
        return other(inputs, rows);
      });
      postMessage({ engine: "webgpu" });
    }
  } catch {
    // the other one goes on
  }
  tryGpuSoon();
}

// -- drawing

function latentsOf(state) {
  const generator = generators.get(state.generator);
  return generator.remembered("face", state, () => generator.latentsOf(state));
}

// Pictures of faces of one generator, RGBA of `size` pixels, or as large as they are. between: [a, b, share],
// a face on the way from a to b. missed: of each face the named colours that it did not reach.
async function draw({ states, between, size }) {
  const begun = performance.now();
  const generator = generators.get((between ?? states)[0].generator);
  const faces = [];
  for (const state of between ? between.slice(0, 2) : states) {
    faces.push(await latentsOf(state));
  }
  const wanted = between ? [generator.between(...faces, between[2])] : faces;
  const drawn = [];
  for (const face of wanted) {
    drawn.push(...(await generator.draw([face])));
    if (drawn.length < wanted.length) {
      await otherQuestions(); // of many faces one by one: a slider that is moved meanwhile does not wait
    }
  }
  const pictures = drawn.map((picture) => enlarged(picture, generator.side, size ?? generator.side));
  const missed = between ? [] : states.map((state, i) => generator.missed(state, drawn[i]));
  return { pictures, missed, milliseconds: performance.now() - begun };
}

// A moment in which the worker hears other questions.
function otherQuestions() {
  return new Promise((done) => { setTimeout(done); });
}

// The latents of a face, for a file: Float32Array and its shape.
async function latents({ state }) {
  const values = (await latentsOf(state)).slice();
  const { about } = generators.get(state.generator);
  const shape = about.has_styles ? [1, about.layers, about.w_dim] : [1, values.length];
  return { values, shape };
}

const VERBS = { load, draw, latents };

onmessage = async ({ data }) => {
  const { id, verb, ...rest } = data;
  try {
    const result = await VERBS[verb](rest);
    const buffers = result?.pictures?.map((picture) => picture.buffer) ?? [];
    postMessage({ id, result }, buffers);
  } catch (error) {
    const known = error instanceof Trouble;
    const text = known ? error.text : "unexpected";
    const values = known ? error.values : { why: String(error.message ?? error) };
    postMessage({ id, error: { text, values } });
  }
  tryGpuSoon();
};
