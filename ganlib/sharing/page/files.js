// Files that a face is kept in: pictures, and latent files, which the notebooks read and write as well.
//
// A latent file is a safetensors file. A picture that the page saves holds one, too, as a text in the PNG.

import { canvasOf } from "./drawing.js";
import { STAY } from "./generator.js";
import { packed } from "./half.js";
import { fromAddress, newFace, slidersOf, toAddress } from "./state.js";
import { Trouble } from "./trouble.js";

const KIND = "ganlib latents";
const TEXT_KEY = "ganlib face"; // of the text in a PNG
const MOST_BYTES = 8_000_000; // of a file that is opened
const LONGEST_NAME = 200; // letters of a model's name that are shown

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

// {values, shape, model, settings} of such bytes. Throws Trouble.
export function readLatentFile(bytes) {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
    const { kind, format, model, settings } = header.__metadata__;
    const { dtype, shape, data_offsets: [start, end] } = header.latents;
    const count = shape.reduce((product, side) => product * side, 1);
    const fits = end - start === 4 * count && 8 + length + end <= bytes.length;
    if (kind !== KIND || format !== "1" || dtype !== "F32" || !fits || shape[0] !== 1) {
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
    throw new Trouble("notALatentFile");
  }
}

// -- what the notebooks call the settings of a face, and what the page does

// What goes into a latent file. A face that the notebooks have no words for is kept as its address.
export function toSettings(face, entry) {
  if (face.base || face.mix) {
    return { address: toAddress(face, entry) };
  }
  const settings = { seed: face.seed, psi: face.psi, steps: face.steps };
  const labels = Object.entries(face.labels).map(([name, shares]) => [name, Object.fromEntries(shares)]);
  settings.labels = Object.fromEntries(labels);
  for (const [part, { name, amount }] of Object.entries(face.named)) {
    settings[part] = name;
    settings[`${part}_amount`] = amount;
  }
  return { ...settings, changes: face.changes, hold: face.hold };
}

// The face of settings as the notebooks write them. Throws where there is something that the page has not.
function ofSettings(settings, entry) {
  const { seed, psi = 0.7, steps = [], labels = {}, changes = {}, hold = false, ...colours } = settings;
  if (!Number.isInteger(seed)) {
    throw new Trouble("notALatentFile");
  }
  const face = { ...newFace(entry.name, seed), psi, steps, hold };
  for (const [attribute, asked] of Object.entries(labels)) {
    face.labels[attribute] = typeof asked === "string" ? [[asked, 1]] : Object.entries(asked);
  }
  for (const [slider, strength] of Object.entries(changes)) {
    if (!slidersOf(entry).includes(slider)) {
      throw new Trouble("notALatentFile");
    }
    face.changes[slider] = strength;
  }
  addColours(face, colours, entry);
  return face;
}

// colours: {hair, hair_amount, eyes, eyes_amount}; of a generator that has learned them they are labels.
function addColours(face, colours, entry) {
  for (const [key, name] of Object.entries(colours)) {
    const part = key.replace(/_amount$/, "");
    if (!["hair", "eyes"].includes(part)) {
      throw new Trouble("notALatentFile");
    }
    const amount = colours[`${part}_amount`] ?? 1;
    if (key !== part || name === STAY) {
      continue;
    }
    if (entry.about.labels?.[part]) {
      face.labels[part] = amount < 1 ? [[STAY, 1 - amount], [name, amount]] : [[name, 1]];
    } else {
      face.named[part] = { name, amount };
    }
  }
}

// The face of a latent file: by its settings where the page knows all of them, else by its latents. entries:
// of all generators here.
function fromLatentFile({ values, shape, model, settings }, entries) {
  const entry = entries.find(({ about }) => about.model === model);
  if (!entry) {
    throw new Trouble("otherModel", { model: String(model).slice(0, LONGEST_NAME) });
  }
  try { // through the address, which checks all of it
    const address = settings.address ?? toAddress(ofSettings(settings, entry), entry);
    return fromAddress(address, [entry]).face;
  } catch {
    return byLatents(values, shape, entry);
  }
}

function byLatents(values, shape, entry) {
  const { about } = entry;
  if (!about.has_styles || shape.length !== 3 || shape[1] !== about.layers || shape[2] !== about.w_dim) {
    throw new Trouble("notALatentFile");
  }
  const face = newFace(entry.name, 0);
  face.base = packed(values, about.layers);
  face.hold = false;
  return face;
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
    throw new Trouble("notAPicture");
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

// The latent file in a PNG. Throws Trouble.
function latentsIn(png) {
  for (const { type, start, end } of chunksOf(png)) {
    if (type === "tEXt" && end <= png.length) {
      const text = new TextDecoder("latin1").decode(png.subarray(start, end));
      const [key, value] = text.split("\0");
      if (key === TEXT_KEY) {
        try {
          return Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
        } catch {
          throw new Trouble("notALatentFile");
        }
      }
    }
  }
  throw new Trouble("pictureWithoutFace");
}

// What a person opened: a latent file, or a picture with one in it. Throws Trouble.
export async function readFace(file, entries) {
  if (file.size > MOST_BYTES) {
    throw new Trouble("fileTooLarge");
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isPicture = bytes[0] === 0x89 && bytes[1] === 0x50;
  return fromLatentFile(readLatentFile(isPicture ? latentsIn(bytes) : bytes), entries);
}

// -- pictures

export async function pngOf(canvas) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
}

// A sheet of a character: the face, others near it, its settings in words. RGBA of 384 and of 108 pixels.
export function sheetOf(face, others, lines) {
  const shown = lines.flatMap((line) => line.match(/.{1,95}/gu));
  const canvas = document.createElement("canvas");
  canvas.width = 760;
  canvas.height = 440 + 20 * shown.length;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(canvasOf(face), 16, 16);
  others.forEach((other, i) => {
    context.drawImage(canvasOf(other), 416 + (i % 3) * 112, 16 + Math.floor(i / 3) * 112);
  });
  context.fillStyle = "#333";
  context.font = "14px sans-serif";
  shown.forEach((line, i) => context.fillText(line, 16, 432 + 20 * i, 728));
  return canvas;
}

export function download(bytes, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
