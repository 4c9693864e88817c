// Latents as text: 16 bits a number, in the letters that an address takes.

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
  const half = (i) => fromHalf(view.getUint16(2 * (i % count), true));
  return Float32Array.from({ length: layers * size }, (_, i) => half(i));
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
  if (exponent === 31) {
    return NaN;
  }
  return exponent ? sign * (1 + rest / 1024) * 2 ** (exponent - 15) : sign * rest * 2 ** -24;
}
