// What a face is: its settings, as text in the page's address, and the history of them.
//
// A face is an object of plain values:
//   generator, seed, psi    the name of its generator, and where it comes from
//   steps     [[seed, number, amount], ...]: from neighbour to neighbour
//   base      null, or latents from a file in the place of seed, psi and steps (see half.js)
//   labels    {attribute: [[class, share], ...]}: of a generator that has learned labels
//   named     {part: {name, amount}}: colours by name, of one that has not
//   changes   {slider: strength}
//   hold      whether directions leave the rest alone
//   mix       null, or {face, layers: [[first, end], ...]}: these layers are those of another face
//
// Whatever comes from outside (an address, a file, the browser's storage) goes through `fromAddress`, which
// checks all of it.

import { STAY } from "./generator.js";
import { unpacked } from "./half.js";
import { Trouble } from "./trouble.js";

export const VERSION = 1;
const MOST_SEED = Number.MAX_SAFE_INTEGER;
const MOST_STEPS = 200;
const LONGEST = 60000; // letters of an address

export function newFace(generator, seed = 3) {
  return {
    generator,
    seed,
    psi: 0.7,
    steps: [],
    base: null,
    labels: {},
    named: {},
    changes: {},
    hold: true,
    mix: null,
  };
}

export function copied(face) {
  return structuredClone(face);
}

// The names of a generator's sliders, in the order that addresses number them.
export function slidersOf({ about }) {
  return [...(about.directions?.names ?? []), ...Object.keys(about.colours?.sliders ?? {})];
}

// -- a face as text

function short(number) {
  return String(Math.round(number * 1000) / 1000);
}

// v=1&g=stylegan-labels&m=6f3a12&s=3&p=0.7&l.hair=pink:0.7,blue:0.3... entry: of the face's generator.
export function toAddress(face, entry) {
  const words = new URLSearchParams();
  words.set("v", VERSION);
  words.set("g", face.generator);
  words.set("m", entry.mark);
  words.set("s", face.seed);
  words.set("p", short(face.psi));
  if (face.base) {
    words.set("b", face.base);
  }
  for (const [seed, number, amount] of face.steps) {
    words.append("n", `${seed}.${number}.${Math.round(1000 * amount)}`);
  }
  for (const [attribute, shares] of Object.entries(face.labels)) {
    words.set(`l.${attribute}`, shares.map(partOf).join(","));
  }
  for (const [part, { name, amount }] of Object.entries(face.named)) {
    words.set(`c.${part}`, partOf([name, amount]));
  }
  const sliders = slidersOf(entry);
  for (const [slider, strength] of Object.entries(face.changes)) {
    words.set(`d.${sliders.indexOf(slider)}`, short(strength));
  }
  if (!face.hold) {
    words.set("h", 0);
  }
  if (face.mix) {
    words.set("x", face.mix.layers.map(([first, end]) => `${first}-${end}`).join("_"));
    words.set("f", toAddress(face.mix.face, entry));
  }
  return words.toString();
}

function partOf([name, share]) {
  return `${encodeURIComponent(name)}:${short(share)}`;
}

// -- and back

// {face, sameWeights}: the face of an address, and whether it was made with these weights. entries: of all
// generators here. Throws Trouble.
export function fromAddress(text, entries) {
  if (text.length > LONGEST) {
    throw new Trouble("addressTooLong");
  }
  const words = new URLSearchParams(text);
  if (words.get("v") !== String(VERSION)) {
    throw new Trouble("addressOtherVersion");
  }
  const entry = entries.find(({ name }) => name === words.get("g"));
  if (!entry) {
    throw new Trouble("addressOtherGenerator");
  }
  const face = faceOf(words, entry);
  if (words.has("x")) {
    const inner = new URLSearchParams(words.get("f") ?? "");
    need(inner.get("g") === entry.name && inner.get("v") === String(VERSION));
    face.mix = { layers: layersOf(words.get("x"), entry), face: faceOf(inner, entry) };
  }
  return { face, sameWeights: words.get("m") === entry.mark };
}

// All of a face but what it is mixed with.
function faceOf(words, entry) {
  const face = newFace(entry.name, wholeNumber(words.get("s"), MOST_SEED, true));
  face.psi = between(words.get("p"), -1, 2);
  face.steps = words.getAll("n").map(stepOf);
  need(face.steps.length <= MOST_STEPS);
  face.base = words.has("b") ? baseOf(words.get("b"), entry) : null;
  face.hold = words.get("h") !== "0";
  const sliders = slidersOf(entry);
  for (const [key, value] of words) {
    const [kind, name] = [key.slice(0, 2), key.slice(2)];
    if (kind === "l.") {
      need(Object.hasOwn(entry.about.labels ?? {}, name));
      face.labels[name] = sharesOf(value, entry.about.labels[name].classes);
    } else if (kind === "c.") {
      const colours = entry.about.colours?.named ?? {};
      need(Object.hasOwn(colours, name));
      face.named[name] = colourOf(value, colours[name]);
    } else if (kind === "d.") {
      face.changes[sliders[wholeNumber(name, sliders.length - 1)]] = between(value, -100, 100);
    }
  }
  return face;
}

function need(isRight) {
  if (!isRight) {
    throw new Trouble("addressCut");
  }
}

function wholeNumber(text, most, mayBeNegative = false) {
  need((mayBeNegative ? /^-?\d{1,16}$/ : /^\d{1,16}$/).test(text ?? "") && Math.abs(Number(text)) <= most);
  return Number(text);
}

function between(text, least, most) {
  const number = Number(text);
  need(text && number >= least && number <= most);
  return number;
}

function stepOf(text) {
  const [seed, number, amount] = text.split(".");
  return [wholeNumber(seed, MOST_SEED), wholeNumber(number, 5), wholeNumber(amount, 1000) / 1000];
}

// [name, number] of name:number.
function namedNumber(text, least, most) {
  const [name, number] = text.split(":");
  try {
    return [decodeURIComponent(name), between(number, least, most)];
  } catch {
    throw new Trouble("addressCut");
  }
}

function sharesOf(text, classes) {
  const shares = text.split(",").map((part) => namedNumber(part, 0, 1));
  need(shares.every(([name]) => name === STAY || name === "unknown" || classes.includes(name)));
  need(shares.reduce((sum, [, share]) => sum + share, 0) > 0);
  return shares;
}

function colourOf(text, colours) {
  const [name, amount] = namedNumber(text, -5, 5);
  need(Object.hasOwn(colours, name));
  return { name, amount };
}

function layersOf(text, { about }) {
  return text.split("_").map((pair) => {
    const [first, end] = pair.split("-").map((part) => wholeNumber(part, about.layers ?? 0));
    need(first < end);
    return [first, end];
  });
}

function baseOf(text, { about }) {
  const bytes = Math.floor((text.length * 3) / 4);
  need(about.has_styles && /^[\w-]+$/.test(text));
  need([2 * about.w_dim, 2 * about.w_dim * about.layers].includes(bytes));
  need(unpacked(text, about.layers, about.w_dim).every(Number.isFinite));
  return text;
}

// -- history

// Faces that were shown, with a place in them: undo and redo. A slider that moves on replaces its own last
// entry, so that a drag is undone as one.
export class History {
  constructor(face) {
    this.faces = [copied(face)];
    this.place = 0;
    this.kind = null;
  }

  get now() {
    return copied(this.faces[this.place]);
  }

  add(face, kind = null) {
    if (JSON.stringify(face) === JSON.stringify(this.faces[this.place])) {
      return;
    }
    const goesOn = kind !== null && kind === this.kind;
    this.faces.splice(goesOn ? this.place : this.place + 1);
    this.faces.push(copied(face));
    this.place = this.faces.length - 1;
    this.kind = kind;
  }

  get canUndo() {
    return this.place > 0;
  }

  get canRedo() {
    return this.place < this.faces.length - 1;
  }

  undo() {
    this.place -= this.canUndo ? 1 : 0;
    this.kind = null;
    return this.now;
  }

  redo() {
    this.place += this.canRedo ? 1 : 0;
    this.kind = null;
    return this.now;
  }
}
