// What the page holds: the generators, the face, its history, the kept faces. And what changes them.

import { ask, drawLast, paint } from "./drawing.js";
import { $, complain, say } from "./elements.js";
import { History, copied, newFace, toAddress } from "./state.js";
import { text, word } from "./texts.js";
import { Trouble } from "./trouble.js";

const SHOWN = 512; // pixels of the face
const REST = 250; // milliseconds without a change, after which the address is written

export const studio = {
  entries: [], // all generators
  entry: null, // the one in use
  face: null,
  history: null,
  tray: [], // {face, image}
  address: "", // that was written last
  walking: null,
  showPanel: () => {},
  firstFace: () => {}, // called once, with the milliseconds that it took
};

export function begin(face) {
  studio.face = face;
  studio.history = new History(face);
}

// -- generators

let wanted = 0;

// Use another generator, once it has arrived. Whether it is still the one that is wanted then.
export async function useGenerator(name) {
  wanted += 1;
  const mine = wanted;
  const entry = entryOf(name);
  $("progress").hidden = false;
  try {
    await ask("load", { entry });
    if (mine === wanted) {
      studio.entry = entry;
      say("");
    }
    return mine === wanted;
  } finally {
    if (mine === wanted) {
      $("progress").hidden = true;
      $("generator").value = studio.entry?.name ?? name;
    }
  }
}

// Show a face that may be of another generator. Failures are said.
export async function showOf(face, showIt) {
  try {
    if (face.generator === studio.entry.name || (await useGenerator(face.generator))) {
      showIt(face);
    }
  } catch (error) {
    complain(error);
  }
}

export function entryOf(name) {
  const found = studio.entries.find((entry) => entry.name === name);
  if (!found) {
    throw new Trouble("addressOtherGenerator");
  }
  return found;
}

// -- the face

// Show another face of this generator. kind: the name of what was moved, if it is moved in many small steps.
// redraw: whether the panel is made anew.
export function change(next, { kind = null, redraw = true } = {}) {
  studio.history.add(next, kind);
  show(next, redraw);
}

export function undo() {
  showOf(studio.history.undo(), show);
}

export function redo() {
  showOf(studio.history.redo(), show);
}

export function show(next, redraw = true) {
  studio.face = next;
  studio.walking = null;
  drawFace();
  if (redraw) {
    studio.showPanel();
  }
  setDisabled("undo", !studio.history.canUndo);
  setDisabled("redo", !studio.history.canRedo);
}

// Said to screen readers, while the keyboard may stay on the button.
function setDisabled(id, isDisabled) {
  $(id).setAttribute("aria-disabled", String(isDisabled));
}

export function drawFace() {
  const drawn = studio.face;
  drawLast("face", { states: [drawn], size: SHOWN }, ([picture], { milliseconds, missed }) => {
    showPicture(picture, drawn);
    studio.firstFace(milliseconds);
    studio.firstFace = () => {};
    sayMissed(missed[0]);
  });
  writeAddressSoon();
}

let saidMissed = false;

// Say which of the named colours this face did not reach; take that back once it has all of them.
function sayMissed(missed) {
  if (missed.length) {
    say("noNearer", { colours: missed.map(([part, name]) => `${word(part)}: ${word(name)}`).join(", ") });
  } else if (saidMissed) {
    say("");
  }
  saidMissed = missed.length > 0;
}

export function drawBetween(a, b, share, then) {
  drawLast("face", { between: [a, b, share], size: SHOWN }, ([picture]) => {
    showPicture(picture, a);
    then();
  });
}

function showPicture(picture, face) {
  const canvas = $("picture");
  paint(canvas, picture);
  canvas.setAttribute("aria-label", inWords(face).join(". "));
  canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
}

// The settings of a face, a line each, in the language of the page.
export function inWords(face) {
  const lines = [text(face.base ? "foundFace" : "face", { seed: face.seed })];
  for (const [attribute, shares] of Object.entries(face.labels)) {
    const parts = shares.map(([name, share]) => `${Math.round(100 * share)}% ${word(name)}`);
    lines.push(`${word(attribute)}: ${parts.join(", ")}`);
  }
  for (const [part, { name }] of Object.entries(face.named)) {
    lines.push(`${word(part)}: ${word(name)}`);
  }
  for (const [name, strength] of Object.entries(face.changes)) {
    lines.push(`${word(name)}: ${strength}`);
  }
  if (face.mix) {
    lines.push(text("mixedFace", { seed: face.mix.face.seed }));
  }
  return lines;
}

// -- the address

let timer = 0;

function writeAddressSoon() {
  clearTimeout(timer);
  timer = setTimeout(writeAddress, REST);
  document.documentElement.toggleAttribute("data-writing", true);
}

// Browsers refuse to write it too often: then it is written the next time.
export function writeAddress() {
  clearTimeout(timer);
  document.documentElement.toggleAttribute("data-writing", false);
  try {
    studio.address = toAddress(studio.face, studio.entry);
    window.history.replaceState(null, "", `#${studio.address}`);
  } catch {
    studio.address = "";
  }
}

// -- other faces

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
}

// A face of another seed. Boldness and labels that were asked for stay, other colours are the face's own.
export function surprise() {
  const { face, entry } = studio;
  const next = newFace(entry.name, randomSeed());
  next.psi = face.psi;
  next.hold = face.hold;
  next.labels = copied(face).labels;
  change(next);
}

export function keptHere() {
  return studio.tray.map(({ face }) => face).filter(({ generator }) => generator === studio.entry.name);
}

export function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
