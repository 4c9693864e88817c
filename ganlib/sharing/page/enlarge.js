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
function placesOf(side, size) {
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

// RGBA of size * size pixels, of RGBA of side * side. Between the two passes it is rounded, as Pillow does.
export function enlarged(rgba, side, size) {
  if (side === size) {
    return rgba;
  }
  const places = placesOf(side, size);
  const wide = new Uint8ClampedArray(4 * size * side); // `side` lines of `size` pixels
  for (let x = 0; x < size; x++) {
    const [first, weights] = places[x];
    for (let y = 0; y < side; y++) {
      for (let channel = 0; channel < 4; channel++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) {
          sum += weights[i] * rgba[4 * (y * side + first + i) + channel];
        }
        wide[4 * (y * size + x) + channel] = sum;
      }
    }
  }
  const out = new Uint8ClampedArray(4 * size * size);
  for (let y = 0; y < size; y++) {
    const [first, weights] = places[y];
    for (let p = 0; p < 4 * size; p++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) {
        sum += weights[i] * wide[4 * size * (first + i) + p];
      }
      out[4 * size * y + p] = sum;
    }
  }
  return out;
}
