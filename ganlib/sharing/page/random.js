// The random numbers of ganlib, number for number: a seed gives the same face here and in Python.
//
// A seed is mixed with BLAKE2b (RFC 7693) into 63 bits, the lower 32 of which begin a Mersenne Twister
// (Matsumoto & Nishimura 1998), as in PyTorch. Normal numbers come from uniform ones by Box & Muller 1958.

import { Trouble } from "./trouble.js";

// -- BLAKE2b, without a key

const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const COLUMNS_AND_DIAGONALS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];
const MASK = (1n << 64n) - 1n;

function turnRight(x, by) {
  return ((x >> by) | (x << (64n - by))) & MASK;
}

function mixInto(v, [a, b, c, d], x, y) {
  v[a] = (v[a] + v[b] + x) & MASK;
  v[d] = turnRight(v[d] ^ v[a], 32n);
  v[c] = (v[c] + v[d]) & MASK;
  v[b] = turnRight(v[b] ^ v[c], 24n);
  v[a] = (v[a] + v[b] + y) & MASK;
  v[d] = turnRight(v[d] ^ v[a], 16n);
  v[c] = (v[c] + v[d]) & MASK;
  v[b] = turnRight(v[b] ^ v[c], 63n);
}

// The digest of at most 8 bytes of a text of at most 128 bytes, as a BigInt, the first byte highest.
export function digest(text, size = 8) {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > 128) {
    throw new Error("digest: more than one block");
  }
  const block = new Uint8Array(128);
  block.set(bytes);
  const words = new BigUint64Array(16);
  const view = new DataView(block.buffer);
  for (let i = 0; i < 16; i++) {
    words[i] = view.getBigUint64(8 * i, true);
  }
  const h = [...IV];
  h[0] ^= 0x01010000n ^ BigInt(size); // no key
  const v = [...h, ...IV];
  v[12] ^= BigInt(bytes.length);
  v[14] ^= MASK; // the last block
  for (let round = 0; round < 12; round++) {
    const order = SIGMA[round % 10];
    COLUMNS_AND_DIAGONALS.forEach((places, i) => {
      mixInto(v, places, words[order[2 * i]], words[order[2 * i + 1]]);
    });
  }
  const first = h[0] ^ v[0] ^ v[8];
  const out = new DataView(new ArrayBuffer(8));
  out.setBigUint64(0, first, true);
  return out.getBigUint64(0, false) >> BigInt(64 - 8 * size);
}

// The seed that a text stands for, as in Python: a whole number is itself, and what begins with a letter is a
// number below 2^32. Throws Trouble for anything else.
export function seedOf(text) {
  const words = text.trim();
  if (/^-?\d{1,15}$/.test(words)) {
    return Number(words);
  }
  if (!/^\p{L}/u.test(words)) {
    throw new Trouble("noSeed");
  }
  return Number(digest(words, 4));
}

// -- Mersenne Twister MT19937

export class Twister {
  constructor(seed) {
    this.state = new Uint32Array(624);
    this.state[0] = seed >>> 0;
    for (let i = 1; i < 624; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, before) + i;
    }
    this.next = 624;
  }

  // A whole number below 2^32.
  draw() {
    if (this.next === 624) {
      this.twist();
    }
    let y = this.state[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  twist() {
    const s = this.state;
    for (let i = 0; i < 624; i++) {
      const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff);
      s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }
}

// A Twister for (seed, position, stream), as ganlib.seeding.seeded.
export function seeded(seed, position, stream) {
  const mixed = digest(`${stream}/${seed}/${position}`) >> 1n;
  return new Twister(Number(mixed & 0xffffffffn));
}

// -- normal numbers

// Float32Array of `count` numbers ~ N(0, 1), a multiple of 16, as torch.randn draws them.
export function normal(twister, count) {
  const x = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    x[i] = (twister.draw() & 0xffffff) / 0x1000000;
  }
  for (let start = 0; start < count; start += 16) {
    for (let j = start; j < start + 8; j++) {
      const radius = Math.sqrt(-2 * Math.log(1 - x[j]));
      const angle = 2 * Math.PI * x[j + 8];
      x[j] = radius * Math.cos(angle);
      x[j + 8] = radius * Math.sin(angle);
    }
  }
  return x;
}

// [z, ...]: numbers first to end of a seed, below 64; Float32Array(size) each, as of
// ganlib.models.sampling.latents.
export function latents(seed, size, first, end) {
  const count = Math.ceil((end * size) / 16) * 16; // whole groups; those after change nothing
  const drawn = normal(seeded(seed, 0, "latents"), count);
  const found = [];
  for (let number = first; number < end; number++) {
    found.push(drawn.slice(number * size, (number + 1) * size));
  }
  return found;
}

// A whole number below `range` of the first draw of a stream, as torch.randint gives it.
export function whole(seed, position, stream, range) {
  return seeded(seed, position, stream).draw() % range;
}
