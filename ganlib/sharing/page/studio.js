// What the page holds: the generators, the face, its history, the kept faces. And what changes them.

import { drawLast, paint } from "./drawing.js";
import { $ } from "./elements.js";
import { History, copied, newFace, toAddress } from "./state.js";
import { text } from "./texts.js";

const SHOWN = 512; // pixels of the face

export const studio = {
  entries: [], // all generators
  entry: null, // the one in use
  face: null,
  history: null,
  tray: [], // {face, image}
  picture: null, // RGBA of the face
  address: "", // that was written last
  walking: null,
  showPanel: () => {},
  firstFace: () => {}, // called once, with the milliseconds that it took
};

export function begin(face) {
  studio.face = face;
  studio.history = new History(face);
}

// Show another face. kind: the name of what was moved, if it is moved in many small steps. redraw: whether
// the panel is made anew.
export function change(next, { kind = null, redraw = true } = {}) {
  studio.history.add(next, kind);
  show(next, redraw);
}

export function undo() {
  show(studio.history.undo());
}

export function redo() {
  show(studio.history.redo());
}

export function show(next, redraw = true) {
  studio.face = next;
  studio.walking = null;
  drawFace();
  if (redraw) {
    studio.showPanel();
  }
  $("undo").disabled = !studio.history.canUndo;
  $("redo").disabled = !studio.history.canRedo;
}

function drawFace() {
  const drawn = studio.face;
  drawLast("face", { states: [drawn] }, ([picture], milliseconds) => {
    showPicture(picture);
    if (drawn === studio.face) {
      writeAddress();
    }
    studio.firstFace(milliseconds);
    studio.firstFace = () => {};
  });
}

export function showPicture(picture) {
  studio.picture = picture;
  const canvas = $("picture");
  paint(canvas, picture, studio.entry.about.resolution, SHOWN);
  canvas.setAttribute("aria-label", text("face", { seed: studio.face.seed }));
  canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
}

export function writeAddress() {
  studio.address = toAddress(studio.face, studio.entry);
  window.history.replaceState(null, "", `#${studio.address}`);
}

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
}

// A face of another seed. Boldness and labels that were asked for stay.
export function surprise() {
  const { face, entry } = studio;
  const next = newFace(entry.name, randomSeed());
  next.psi = face.psi;
  next.labels = copied(face).labels;
  change(next);
}

export function entryOf(face) {
  return studio.entries.find(({ name }) => name === face.generator);
}

export function keptHere() {
  return studio.tray.map(({ face }) => face).filter(({ generator }) => generator === studio.entry.name);
}

export function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
