// Drawing: what is asked of the worker, and pictures on canvases.

import { Trouble } from "./trouble.js";

const worker = new Worker("worker.js", { type: "module" });
const asked = new Map(); // {number of a question: what to do with the answer}
let number = 0;
const listeners = { progress: () => {}, trouble: () => {} };

// progress(share): a generator arrives. trouble(error): drawing failed.
export function whenDrawing({ progress, trouble }) {
  Object.assign(listeners, { progress, trouble });
}

function showBusy() {
  document.documentElement.toggleAttribute("data-busy", asked.size > 0);
}

worker.onmessage = ({ data }) => {
  if ("progress" in data) {
    listeners.progress(data.progress);
    return;
  }
  if ("engine" in data) {
    document.documentElement.dataset.engine = data.engine;
    return;
  }
  const { done, failed } = asked.get(data.id);
  asked.delete(data.id);
  showBusy();
  if (data.error) {
    failed(new Trouble(data.error.text, data.error.values));
  } else {
    done(data.result);
  }
};

worker.onerror = (event) => {
  listeners.trouble(new Trouble("unexpected", { why: event.message ?? "the worker did not start" }));
};

// The worker's answer to one of its verbs.
export function ask(verb, rest) {
  return new Promise((done, failed) => {
    number += 1;
    asked.set(number, { done, failed });
    showBusy();
    worker.postMessage({ id: number, verb, ...rest });
  });
}

// RGBA of one face, of `size` pixels.
export async function drawOne(state, size) {
  return (await ask("draw", { states: [state], size })).pictures[0];
}

// Only the last of many wishes of a kind is drawn: what was asked for in between is passed over.
const waiting = new Map();

export async function drawLast(kind, request, show) {
  const isBusy = waiting.has(kind);
  waiting.set(kind, { request, show });
  if (isBusy) {
    return;
  }
  let next = waiting.get(kind);
  while (next) {
    try {
      const answer = await ask("draw", next.request);
      next.show(answer.pictures, answer);
    } catch (error) {
      listeners.trouble(error);
    }
    const newest = waiting.get(kind);
    next = newest === next ? null : newest;
  }
  waiting.delete(kind);
}

// Put RGBA pixels on a canvas, which takes their size.
export function paint(canvas, rgba) {
  const side = Math.sqrt(rgba.length / 4);
  canvas.width = side;
  canvas.height = side;
  canvas.getContext("2d").putImageData(new ImageData(rgba, side), 0, 0);
}

export function canvasOf(rgba) {
  const canvas = document.createElement("canvas");
  paint(canvas, rgba);
  return canvas;
}
