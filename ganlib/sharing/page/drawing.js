// Drawing: what is asked of the worker, and pictures on canvases.

import { enlarged } from "./enlarge.js";

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
  const { done, failed } = asked.get(data.id);
  asked.delete(data.id);
  showBusy();
  if (data.error) {
    failed(Object.assign(new Error(data.error.text), data.error));
  } else {
    done(data.result);
  }
};

worker.onerror = (event) => {
  listeners.trouble(new Error(event.message ?? "the worker did not start"));
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

// Only the last of many wishes of a kind is drawn: what was asked for in between is passed over.
const waiting = new Map();

export async function drawLast(kind, request, show) {
  const isBusy = waiting.has(kind);
  waiting.set(kind, { request, show });
  if (isBusy) {
    return;
  }
  try {
    let next = waiting.get(kind);
    while (next) {
      const { pictures, milliseconds } = await ask("draw", next.request);
      next.show(pictures, milliseconds);
      const newest = waiting.get(kind);
      next = newest === next ? null : newest;
    }
  } catch (error) {
    listeners.trouble(error);
  } finally {
    waiting.delete(kind);
  }
}

// Put a picture on a canvas, enlarged to `size` pixels.
export function paint(canvas, rgba, side, size) {
  canvas.width = size;
  canvas.height = size;
  canvas.getContext("2d").putImageData(new ImageData(enlarged(rgba, side, size), size), 0, 0);
}

// A new canvas with a picture.
export function canvasOf(rgba, side, size) {
  const canvas = document.createElement("canvas");
  paint(canvas, rgba, side, size);
  return canvas;
}
