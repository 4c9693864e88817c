// A generator: from the settings of a face to its picture. The same steps as ganlib's in Python:
// ganlib.play.characters, ganlib.models.sampling and ganlib.play.styles.
//
// `run(inputs, rows)` computes with the ONNX file. All else is arithmetic on Float32Arrays.

import { unpacked } from "./half.js";
import { latents, whole } from "./random.js";

const KEPT = 500; // of what was computed lately

export const STAY = "as it is";
const OFFERED = 6; // faces that are offered around one

// Where the colours are in what faceColours gives.
const PLACES = { hair: [0, 1, 2], eyes: [3, 4, 5] };

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

function rowsOf(array, width) {
  const rows = [];
  for (let start = 0; start < array.length; start += width) {
    rows.push(array.subarray(start, start + width));
  }
  return rows;
}

// a + amount * b
function plus(a, b, amount = 1) {
  return a.map((value, i) => value + amount * b[i]);
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

// a (angle) to b at a constant angular speed (Shoemake 1985); the length goes along evenly.
function slerp(a, b, t) {
  const [lengthA, lengthB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / (lengthA * lengthB))));
  const safe = Math.min(Math.PI - 1e-6, Math.max(1e-6, angle));
  const length = (1 - t) * lengthA + t * lengthB;
  const [partA, partB] = [Math.sin((1 - t) * safe) / lengthA, Math.sin(t * safe) / lengthB];
  return a.map((value, i) => ((partA * value + partB * b[i]) / Math.sin(safe)) * length);
}

export class Generator {
  constructor(about, run) {
    this.about = about;
    this.run = run;
    this.side = about.resolution;
    this.hasStyles = about.has_styles;
    this.kept = new Map();
    if (this.hasStyles) {
      this.mean = floats(about.w_avg);
      this.named = new Map();
      const steps = rowsOf(floats(about.directions.steps), about.w_dim);
      about.directions.names.forEach((name, i) => this.named.set(name, steps[i]));
      this.colours = rowsOf(floats(about.directions.colours), about.w_dim);
      this.looks = about.colours.sliders;
    }
    this.labels = new Map(); // in the order of the columns of label_rows
    for (const name of about.attributes ?? []) {
      const label = about.labels[name];
      const vectors = floats(label.vectors);
      const width = vectors.length / label.classes.length;
      this.labels.set(name, { classes: label.classes, vectors: rowsOf(vectors, width) });
    }
    if (this.labels.size) {
      const bytes = Uint8Array.from(atob(about.label_rows), (letter) => letter.charCodeAt(0));
      this.labelRows = rowsOf(new Int16Array(bytes.buffer), this.labels.size);
      this.unknown = floats(about.unknown);
    }
  }

  // What make() promises, computed once for a key. What failed is tried again the next time.
  remembered(kind, key, make) {
    const name = `${kind} ${JSON.stringify(key)}`;
    if (!this.kept.has(name)) {
      const promised = make();
      promised.catch(() => this.kept.delete(name));
      this.kept.set(name, promised);
      if (this.kept.size > KEPT) {
        this.kept.delete(this.kept.keys().next().value);
      }
    }
    return this.kept.get(name);
  }

  // -- labels

  // The numbers of the classes that a seed has, -1 where unknown, as drawn for it in Python.
  labelsOf(seed) {
    return this.labels.size ? [...this.labelRows[whole(seed, 0, "labels", this.labelRows.length)]] : [];
  }

  // What labels add to w, or to the numbers beside z.
  vectorOf(numbers) {
    let sum = new Float32Array(this.unknown?.length ?? 0);
    [...this.labels.values()].forEach(({ vectors }, column) => {
      if (numbers[column] >= 0) {
        sum = plus(sum, vectors[numbers[column]]);
      }
    });
    return sum;
  }

  // The change of w from the labels of a face to what is asked: {attribute: [[class, share], ...]}. The class
  // "unknown" takes the face's own label away.
  toLabels(numbers, asked) {
    let change = new Float32Array(this.unknown?.length ?? 0);
    [...this.labels.entries()].forEach(([name, { classes, vectors }], column) => {
      const shares = asked?.[name] ?? [];
      const all = shares.reduce((sum, [, share]) => sum + share, 0);
      for (const [wanted, share] of shares) {
        if (wanted === STAY) {
          continue;
        }
        const part = share / all;
        if (classes.includes(wanted)) {
          change = plus(change, vectors[classes.indexOf(wanted)], part);
        }
        if (numbers[column] >= 0) {
          change = plus(change, vectors[numbers[column]], -part);
        }
      }
    });
    return change;
  }

  // -- from latents to w

  // [w, ...] of [z, ...], truncated by psi; with labels `numbers`, or unknown ones.
  async styles(zs, psi, numbers = []) {
    const ws = await this.mapping(zs);
    const labels = this.vectorOf(numbers);
    return ws.map((w) => {
      const truncated = this.mean.map((mean, i) => mean + psi * (w[i] - mean));
      return labels.length ? plus(truncated, labels) : truncated;
    });
  }

  async mapping(zs) {
    const flat = new Float32Array(zs.length * this.about.z_dim);
    zs.forEach((z, i) => flat.set(z, i * this.about.z_dim));
    const { w } = await this.run({ z: flat }, zs.length);
    return rowsOf(w, this.about.w_dim);
  }

  // w of latents number 0 to count of a seed.
  async seedStyles(seed, count, psi, numbers) {
    return this.styles(latents(seed, this.about.z_dim, 0, count), psi, numbers);
  }

  async neighbours(w, seed, amount, psi, numbers) {
    const labels = this.vectorOf(numbers);
    const mean = labels.length ? plus(this.mean, labels) : this.mean;
    const fresh = await this.seedStyles(seed, OFFERED, psi, numbers);
    const held = Math.sqrt(1 - amount ** 2);
    return fresh.map((other) =>
      mean.map((m, i) => m + held * (w[i] - m) + amount * (other[i] - m)));
  }

  // w of a seed after steps from neighbour to neighbour: [[seed, number, amount], ...].
  async origin({ seed, psi, steps }) {
    const numbers = this.labelsOf(seed);
    if (!steps.length) {
      return (await this.seedStyles(seed, 1, psi, numbers))[0];
    }
    const before = steps.slice(0, -1);
    const [stepSeed, number, amount] = steps.at(-1);
    const around = await this.remembered("around", [seed, psi, before, stepSeed, amount], async () =>
      this.neighbours(await this.origin({ seed, psi, steps: before }), stepSeed, amount, psi, numbers));
    return around[number];
  }

  // -- a face

  // ws, Float32Array(layers * w_dim), of the settings of a face.
  async ws(state) {
    const { base } = state;
    const numbers = base ? [...this.labels.keys()].map(() => -1) : this.labelsOf(state.seed);
    let layers = base
      ? unpacked(base, this.about.layers, this.about.w_dim)
      : this.everywhere(await this.origin(state));
    const held = state.hold ? this.about.layer_groups.middle[0] : 0;
    if (this.labels.size) {
      layers = this.moved(layers, this.toLabels(numbers, state.labels), held);
    }
    let colour = await this.toNamedColours(layers, held, state);
    let shape = new Float32Array(this.about.w_dim);
    for (const [name, strength] of Object.entries(state.changes)) {
      if (Object.hasOwn(this.looks, name)) {
        colour = plus(colour, this.looks[name], strength);
      } else if (this.named.has(name)) {
        const direction = this.named.get(name);
        shape = plus(shape, state.hold ? this.without(direction) : direction, strength);
      }
    }
    layers = this.moved(layers, shape, 0);
    layers = this.moved(layers, this.alongColours(colour), held);
    return state.mix ? this.mixed(layers, await this.ws(state.mix.face), state.mix.layers) : layers;
  }

  everywhere(w) {
    const layers = new Float32Array(this.about.layers * w.length);
    for (let i = 0; i < this.about.layers; i++) {
      layers.set(w, i * w.length);
    }
    return layers;
  }

  // ws with a change (w_dim) in all layers from `first` on.
  moved(ws, change, first) {
    const size = this.about.w_dim;
    return ws.map((value, i) => (i >= first * size ? value + change[i % size] : value));
  }

  mixed(ws, other, layers) {
    const size = this.about.w_dim;
    const isOther = (layer) => layers.some(([first, end]) => first <= layer && layer < end);
    return ws.map((value, i) => (isOther(Math.floor(i / size)) ? other[i] : value));
  }

  // The change of w when one goes so many levels along the directions of the six colours.
  alongColours(levels) {
    let change = new Float32Array(this.about.w_dim);
    levels.forEach((level, i) => {
      change = plus(change, this.colours[i], level);
    });
    return change;
  }

  // How many levels to go along them for the colours that are named: {hair: {name, amount}}.
  async toNamedColours(ws, held, { seed, psi, steps, base, labels, hold, named }) {
    const asked = this.measured(named);
    if (!asked.length) {
      return [0, 0, 0, 0, 0, 0];
    }
    const names = asked.map(([part, { name }]) => [part, name]);
    const way = await this.remembered("colours", [seed, psi, steps, base, labels, hold, names], () =>
      this.stepsToNamed(ws, held, names));
    const amounts = new Array(6).fill(asked[0][1].amount);
    for (const [part, { amount }] of asked) {
      PLACES[part].forEach((place) => { amounts[place] = amount; });
    }
    return way.map((levels, i) => levels * amounts[i]);
  }

  // [[part, {name, amount}], ...] of the named colours that are no labels.
  measured(named) {
    return Object.entries(named).filter(([part, { name }]) => !this.labels.has(part) && name !== STAY);
  }

  // names: [[part, name], ...]. Each step looks at the picture, and goes as far as the colours still are from
  // the aim. What is not named stays.
  async stepsToNamed(ws, held, names) {
    const { steps, farthest } = this.about.colours;
    let way = [0, 0, 0, 0, 0, 0];
    let aim = null;
    for (let step = 0; step < steps; step++) {
      const there = this.moved(ws, this.alongColours(way), held);
      const now = faceColours((await this.draw([there]))[0], this.side);
      aim = aim ?? this.aim(now, names);
      way = way.map((levels, i) => Math.min(farthest, Math.max(-farthest, levels + aim[i] - now[i])));
    }
    return way;
  }

  // The colours to arrive at: those of now, with the named ones in their places.
  aim(now, names) {
    const aim = [...now];
    for (const [part, name] of names) {
      PLACES[part].forEach((place, i) => { aim[place] = this.about.colours.named[part][name][i]; });
    }
    return aim;
  }

  // Of the colours that a face should have, those that its picture did not reach: [[part, name], ...]. Where
  // something else was changed on purpose, none.
  missed({ named, changes, mix }, picture) {
    const wanted = this.hasStyles ? this.measured(named).filter(([, { amount }]) => amount === 1) : [];
    if (!wanted.length || mix || Object.keys(changes).length) {
      return [];
    }
    const names = wanted.map(([part, { name }]) => [part, name]);
    const now = faceColours(picture, this.side);
    const aim = this.aim(now, names);
    return names.filter(([part]) => {
      const away = PLACES[part].map((place) => aim[place] - now[place]);
      return Math.sqrt(dot(away, away)) > this.about.colours.close;
    });
  }

  // The part of a direction that is orthogonal to those of the colours.
  without(direction) {
    let rest = direction;
    for (const axis of this.colourAxes()) {
      rest = plus(rest, axis, -dot(rest, axis));
    }
    return rest;
  }

  // Gram & Schmidt: unit vectors that span the directions of the colours.
  colourAxes() {
    if (!this.axes) {
      this.axes = [];
      for (const colour of this.colours) {
        let rest = colour;
        for (const axis of this.axes) {
          rest = plus(rest, axis, -dot(rest, axis));
        }
        const length = Math.sqrt(dot(rest, rest));
        if (length > 1e-9) {
          this.axes.push(rest.map((value) => value / length));
        }
      }
    }
    return this.axes;
  }

  // -- pictures

  // What `draw` takes, on the way from a to b: straight through w, or z turned and labels straight.
  between(a, b, share) {
    if (this.hasStyles) {
      return a.map((value, i) => value + share * (b[i] - value));
    }
    const size = this.about.z_dim;
    const turned = slerp(a.subarray(0, size), b.subarray(0, size), share);
    return a.map((value, i) => (i < size ? turned[i] : value + share * (b[i] - value)));
  }

  // RGBA pixels, Uint8ClampedArray(side * side * 4), of each of [ws, ...]; of [z, ...] without styles.
  async draw(faces) {
    const size = faces[0].length;
    const flat = new Float32Array(faces.length * size);
    faces.forEach((face, i) => flat.set(face, i * size));
    const name = this.hasStyles ? "ws" : "z";
    const { image } = await this.run({ [name]: flat }, faces.length);
    return faces.map((_, i) => pixels(image, i, this.side));
  }

  // What `draw` takes, of the settings of a face.
  async latentsOf(state) {
    if (this.hasStyles) {
      return this.ws(state);
    }
    const z = latents(state.seed, this.about.z_dim, 0, 1)[0];
    if (!this.labels.size) {
      return z;
    }
    const numbers = this.labelsOf(state.seed);
    const beside = plus(plus(this.unknown, this.vectorOf(numbers)), this.toLabels(numbers, state.labels));
    return Float32Array.from([...z, ...beside]);
  }
}

// Picture i of image (n, 3, side, side) in [-1, 1].
function pixels(image, i, side) {
  const area = side * side;
  const out = new Uint8ClampedArray(4 * area);
  for (let channel = 0; channel < 3; channel++) {
    const start = (3 * i + channel) * area;
    for (let p = 0; p < area; p++) {
      out[4 * p + channel] = Math.round((image[start + p] + 1) * 127.5);
    }
  }
  for (let p = 0; p < area; p++) {
    out[4 * p + 3] = 255;
  }
  return out;
}

// Red, green, blue of the hair (median) and of the eyes (mean, where the dark counts more) of a picture.
export function faceColours(rgba, side) {
  const unit = side / 64;
  const hair = cut(rgba, side, unit, 2, 12, 16, 48);
  const eyes = [...cut(rgba, side, unit, 24, 32, 16, 24), ...cut(rgba, side, unit, 24, 32, 40, 48)];
  const found = [];
  for (let channel = 0; channel < 3; channel++) {
    found.push(median(hair.map((pixel) => pixel[channel])));
  }
  const dark = eyes.map(([r, g, b]) => (256 - (r + g + b) / 3) ** 2);
  const all = dark.reduce((sum, weight) => sum + weight, 0);
  for (let channel = 0; channel < 3; channel++) {
    found.push(eyes.reduce((sum, pixel, i) => sum + pixel[channel] * dark[i], 0) / all);
  }
  return found;
}

function cut(rgba, side, unit, top, bottom, left, right) {
  const found = [];
  for (let y = Math.round(top * unit); y < Math.round(bottom * unit); y++) {
    for (let x = Math.round(left * unit); x < Math.round(right * unit); x++) {
      const p = 4 * (y * side + x);
      found.push([rgba[p], rgba[p + 1], rgba[p + 2]]);
    }
  }
  return found;
}

function median(values) {
  const sorted = values.sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
