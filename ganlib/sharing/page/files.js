// Files that a face is kept in: pictures, and latent files, which the notebooks read and write as well.
//
// A latent file is a safetensors file. A picture that the page saves holds one, too, as a text in the PNG.

import { canvasOf } from "./drawing.js";
import { newFace, packed } from "./state.js";

const KIND = "ganlib latents";
const TEXT_KEY = "ganlib face"; // of the text in a PNG
const MOST_BYTES = 8_000_000; // of a file that is opened

export class BadFile extends Error {
  constructor(text, values = {}) {
    super(text);
    this.values = values;
  }
}

// -- safetensors

// Bytes of a file with one tensor, "latents".
export function latentFile(values, shape, about, settings) {
  const header = {
    __metadata__: { format: "1", kind: KIND, model: about.model, settings: JSON.stringify(settings) },
    latents: { dtype: "F32", shape, data_offsets: [0, 4 * values.length] },
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + 4 * values.length).fill(32); // spaces
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setFloat32(8 + padded + 4 * i, value, true));
  return bytes;
}

// {values, shape, model, settings} of such bytes. Throws BadFile.
export function readLatentFile(bytes) {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
    const { kind, format, model, settings } = header.__metadata__;
    const { dtype, shape, data_offsets: [start, end] } = header.latents;
    const count = shape.reduce((product, side) => product * side, 1);
    if (kind !== KIND || format !== "1" || dtype !== "F32" || end - start !== 4 * count || shape[0] !== 1) {
      throw new Error("another kind");
    }
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      values[i] = view.getFloat32(8 + length + start + 4 * i, true);
    }
    if (!values.every(Number.isFinite)) {
      throw new Error("not numbers");
    }
    return { values, shape, model, settings: JSON.parse(settings) };
  } catch {
    throw new BadFile("notALatentFile");
  }
}

// -- what the notebooks call the settings of a face, and what the page does

export function toSettings(face) {
  const settings = { seed: face.seed, psi: face.psi, steps: face.steps, labels: face.labels };
  for (const [part, { name, amount }] of Object.entries(face.named)) {
    settings[part] = name;
    settings[`${part}_amount`] = amount;
  }
  return { ...settings, changes: face.changes, hold: face.hold };
}

// The face of a latent file for a generator: by its settings where the page knows all of them, else by its
// latents.
export function fromLatentFile({ values, shape, model, settings }, entry) {
  const { about } = entry;
  if (model !== about.model) {
    throw new BadFile("otherModel", { model, here: about.model });
  }
  const face = newFace(entry.name, Number.isSafeInteger(settings?.seed) ? settings.seed : 0);
  if (isKnown(settings, about)) {
    face.psi = settings.psi;
    face.steps = settings.steps ?? [];
    face.labels = sharesOf(settings.labels ?? {});
    for (const part of ["hair", "eyes"]) {
      if (settings[part] && settings[part] !== "as it is") {
        face.named[part] = { name: settings[part], amount: settings[`${part}_amount`] ?? 1 };
      }
    }
    face.changes = settings.changes ?? {};
    face.hold = settings.hold ?? false;
    return face;
  }
  if (!about.has_styles || shape.length !== 3 || shape[1] !== about.layers || shape[2] !== about.w_dim) {
    throw new BadFile("notALatentFile");
  }
  face.base = packed(values, about.layers);
  face.hold = false;
  return face;
}

const KNOWN = ["seed", "psi", "steps", "labels", "hair", "hair_amount", "eyes", "eyes_amount", "changes", "hold"];

function isKnown(settings, about) {
  const isFace = Number.isSafeInteger(settings?.seed) && Number.isFinite(settings.psi);
  const labels = Object.keys(settings?.labels ?? {});
  return isFace && Object.keys(settings).every((key) => KNOWN.includes(key))
    && labels.every((name) => about.labels?.[name]);
}

function sharesOf(labels) {
  const shares = {};
  for (const [attribute, asked] of Object.entries(labels)) {
    shares[attribute] = typeof asked === "string" ? { [asked]: 1 } : asked;
  }
  return shares;
}

// -- texts in a PNG

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) {
    c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  }
  return c;
});

function crc(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c = TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  }
  return (c ^ 0xffffffff) >>> 0;
}

// [{type, start, end}] of a PNG's chunks.
function chunksOf(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (png.length < 20 || view.getUint32(0) !== 0x89504e47) {
    throw new BadFile("notAPicture");
  }
  const chunks = [];
  for (let place = 8; place + 12 <= png.length;) {
    const length = view.getUint32(place);
    const type = String.fromCharCode(...png.subarray(place + 4, place + 8));
    chunks.push({ type, start: place + 8, end: place + 8 + length });
    place += 12 + length;
  }
  return chunks;
}

// A PNG with a latent file in it.
export function withLatents(png, latents) {
  let letters = "";
  for (const byte of latents) {
    letters += String.fromCharCode(byte);
  }
  const body = new TextEncoder().encode(`tEXt${TEXT_KEY}\0${btoa(letters)}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(4 + body.length, crc(body));
  const place = chunksOf(png)[0].end + 4; // after the header
  const out = new Uint8Array(png.length + chunk.length);
  out.set(png.subarray(0, place));
  out.set(chunk, place);
  out.set(png.subarray(place), place + chunk.length);
  return out;
}

// The latent file in a PNG. Throws BadFile.
function latentsIn(png) {
  for (const { type, start, end } of chunksOf(png)) {
    if (type === "tEXt" && end <= png.length) {
      const text = new TextDecoder("latin1").decode(png.subarray(start, end));
      const [key, value] = text.split("\0");
      if (key === TEXT_KEY) {
        try {
          return Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
        } catch {
          throw new BadFile("notALatentFile");
        }
      }
    }
  }
  throw new BadFile("pictureWithoutFace");
}

// What a person opened: a latent file, or a picture with one in it. Throws BadFile.
export async function readFace(file, entry) {
  if (file.size > MOST_BYTES) {
    throw new BadFile("fileTooLarge");
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isPicture = bytes[0] === 0x89 && bytes[1] === 0x50;
  return fromLatentFile(readLatentFile(isPicture ? latentsIn(bytes) : bytes), entry);
}

// -- pictures

export async function pngOf(canvas) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
}

// A sheet of a character: the face, others near it, its settings in words.
export function sheetOf(rgba, others, side, lines) {
  const canvas = document.createElement("canvas");
  canvas.width = 760;
  canvas.height = 440 + 20 * lines.length;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(canvasOf(rgba, side, 384), 16, 16);
  others.forEach((other, i) => {
    context.drawImage(canvasOf(other, side, 108), 416 + (i % 3) * 112, 16 + Math.floor(i / 3) * 112);
  });
  context.fillStyle = "#333";
  context.font = "14px sans-serif";
  lines.forEach((line, i) => context.fillText(line, 16, 432 + 20 * i, 728));
  return canvas;
}

export function download(bytes, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
