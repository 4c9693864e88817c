// What a face is: its settings, as text in the page's address, and the history of them.
//
// A face is an object of plain values: {generator, seed, psi, steps, base, labels, named, changes, hold, mix}.
// base: null, or latents from a file in the place of seed, psi and steps (see `packed`).
// labels {attribute: {class: share}}: of a generator that has learned labels. named {part: {name, amount}}:
// colours by name, of one that has not. changes {slider: strength}. mix: null, or {face, first, end}: the
// layers first to end are those of another face.

export const VERSION = 1;
const MOST_SEED = 2 ** 53 - 1;
const LONGEST = 20000; // letters of an address

export class BadAddress extends Error {
  constructor(text) {
    super(text);
    this.values = {};
  }
}

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

// -- as text

function short(number) {
  return String(Math.round(number * 1000) / 1000);
}

// A face as text for an address: v=1&g=stylegan-labels&m=6f3a12&s=3&p=0.7&l.hair=pink:0.7,blue:0.3...
// entry: what is known of the generator.
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
    const parts = Object.entries(shares).map(([name, share]) => `${name}:${short(share)}`);
    words.set(`l.${attribute}`, parts.join(","));
  }
  for (const [part, { name, amount }] of Object.entries(face.named)) {
    words.set(`c.${part}`, `${name}:${short(amount)}`);
  }
  for (const [slider, strength] of Object.entries(face.changes)) {
    words.set(`d.${entry.sliders.indexOf(slider)}`, short(strength));
  }
  if (!face.hold) {
    words.set("h", 0);
  }
  if (face.mix) {
    words.set("x", `${face.mix.first}-${face.mix.end}`);
    words.set("f", toAddress(face.mix.face, entry));
  }
  return words.toString();
}

// The face of an address, and whether it was made with these weights. entries: of all generators here.
// Throws BadAddress with the name of a text.
export function fromAddress(text, entries, inside = false) {
  if (text.length > LONGEST) {
    throw new BadAddress("addressTooLong");
  }
  const words = new URLSearchParams(text);
  if (words.get("v") !== String(VERSION)) {
    throw new BadAddress(inside ? "addressCut" : "addressOtherVersion");
  }
  const entry = entries.find(({ name }) => name === words.get("g"));
  if (!entry) {
    throw new BadAddress(inside ? "addressCut" : "addressOtherGenerator");
  }
  const face = newFace(entry.name, wholeNumber(words.get("s"), MOST_SEED));
  face.psi = between(words.get("p"), 0, 2);
  face.steps = words.getAll("n").map(stepOf);
  if (words.get("b")) {
    face.base = words.get("b");
    checkBase(face.base, entry.about);
  }
  face.hold = words.get("h") !== "0";
  for (const [key, value] of words) {
    const [kind, name] = [key.slice(0, 2), key.slice(2)];
    if (kind === "l.") {
      face.labels[name] = sharesOf(value, entry.about.labels?.[name]?.classes);
    } else if (kind === "c.") {
      const [colour, amount] = value.split(":");
      face.named[name] = { name: colour, amount: between(amount, -5, 5) };
    } else if (kind === "d.") {
      const slider = entry.sliders[wholeNumber(name, entry.sliders.length - 1)];
      face.changes[slider] = between(value, -100, 100);
    }
  }
  if (words.get("x") && !inside) {
    const [first, end] = words.get("x").split("-").map((part) => wholeNumber(part, entry.about.layers));
    face.mix = { first, end, face: fromAddress(words.get("f") ?? "", entries, true).face };
  }
  return { face, sameWeights: words.get("m") === entry.mark };
}

function wholeNumber(text, most) {
  if (!/^\d{1,16}$/.test(text ?? "") || Number(text) > most) {
    throw new BadAddress("addressCut");
  }
  return Number(text);
}

function between(text, least, most) {
  const number = Number(text);
  if (text === null || text === undefined || text === "" || !(number >= least && number <= most)) {
    throw new BadAddress("addressCut");
  }
  return number;
}

function stepOf(text) {
  const [seed, number, amount] = text.split(".");
  return [wholeNumber(seed, MOST_SEED), wholeNumber(number, 5), wholeNumber(amount, 1000) / 1000];
}

function sharesOf(text, classes) {
  const shares = {};
  for (const part of text.split(",")) {
    const [name, share] = part.split(":");
    if (name !== "as it is" && !classes?.includes(name)) {
      throw new BadAddress("addressCut");
    }
    shares[name] = between(share, 0, 1);
  }
  return shares;
}

// -- latents as text

// base64 (of the letters that addresses take) of float16 numbers: w, where all layers have the same, or ws.
export function packed(ws, layers) {
  const size = ws.length / layers;
  const alike = ws.every((value, i) => value === ws[i % size]);
  const view = new DataView(new ArrayBuffer(2 * (alike ? size : ws.length)));
  for (let i = 0; i < view.byteLength / 2; i++) {
    view.setUint16(2 * i, toHalf(ws[i]), true);
  }
  const letters = String.fromCharCode(...new Uint8Array(view.buffer));
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Float32Array(layers * size) of what `packed` gave.
export function unpacked(text, layers, size) {
  const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const count = view.byteLength / 2;
  return Float32Array.from({ length: layers * size }, (_, i) => fromHalf(view.getUint16(2 * (i % count), true)));
}

function checkBase(text, about) {
  const bytes = Math.floor((text.length * 3) / 4);
  const whole = about.has_styles ? [2 * about.w_dim, 2 * about.w_dim * about.layers] : [];
  if (!/^[\w-]+$/.test(text) || !whole.includes(bytes)) {
    throw new BadAddress("addressCut");
  }
}

function toHalf(value) {
  const single = new DataView(new ArrayBuffer(4));
  const size = Math.min(Math.abs(value), 65504);
  const sign = value < 0 ? 0x8000 : 0;
  if (size < 2 ** -14) {
    return sign | Math.round(size * 2 ** 24);
  }
  single.setFloat32(0, size);
  const bits = single.getUint32(0);
  const rounded = bits + 0xfff + ((bits >>> 13) & 1); // to the nearest, ties to even
  return sign | ((rounded >>> 13) - (112 << 10));
}

function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const rest = bits & 0x3ff;
  return exponent ? sign * (1 + rest / 1024) * 2 ** (exponent - 15) : sign * rest * 2 ** -24;
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
