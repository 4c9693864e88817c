// Pictures in another size, smoothly: the bicubic filter (Keys 1981), with the numbers of Pillow and ganlib.

const REACH = 2; // pixels to each side
const A = -0.5;

function bicubic(x) {
  const far = Math.abs(x);
  if (far < 1) {
    return ((A + 2) * far - (A + 3)) * far * far + 1;
  }
  return far < REACH ? (((far - 5) * far + 8) * far - 4) * A : 0;
}

const kept = new Map();

// For each of `size` places: [first pixel, weights], of `side` pixels.
function weights(side, size) {
  const key = `${side} ${size}`;
  if (!kept.has(key)) {
    kept.set(key, Array.from({ length: size }, (_, place) => weightsAt(place, side, size)));
  }
  return kept.get(key);
}

function weightsAt(place, side, size) {
  const scale = side / size;
  const support = REACH * Math.max(1, scale);
  const centre = (place + 0.5) * scale;
  const first = Math.max(0, Math.floor(centre - support + 0.5));
  const end = Math.min(side, Math.floor(centre + support + 0.5));
  const found = [];
  for (let pixel = first; pixel < end; pixel++) {
    found.push(bicubic((pixel - centre + 0.5) / Math.max(1, scale)));
  }
  const sum = found.reduce((total, weight) => total + weight, 0);
  return [first, found.map((weight) => weight / sum)];
}

// RGBA of size * size pixels, of RGBA of side * side.
export function enlarged(rgba, side, size) {
  if (side === size) {
    return new Uint8ClampedArray(rgba);
  }
  const across = weights(side, size);
  const wide = new Float32Array(4 * size * side); // `side` lines of `size` pixels
  for (let y = 0; y < side; y++) {
    across.forEach(([first, factors], x) => {
      const to = 4 * (y * size + x);
      factors.forEach((factor, i) => {
        const from = 4 * (y * side + first + i);
        for (let channel = 0; channel < 3; channel++) {
          wide[to + channel] += factor * rgba[from + channel];
        }
      });
    });
  }
  const out = new Float32Array(4 * size * size);
  across.forEach(([first, factors], y) => {
    factors.forEach((factor, i) => {
      const from = 4 * (first + i) * size;
      const to = 4 * y * size;
      for (let p = 0; p < 4 * size; p++) {
        out[to + p] += factor * wide[from + p];
      }
    });
  });
  const pixels = new Uint8ClampedArray(out); // rounds, and stays between 0 and 255
  for (let p = 3; p < pixels.length; p += 4) {
    pixels[p] = 255;
  }
  return pixels;
}
