// CLIP's image preprocessing on 8-bit RGB samples: bicubic resize as Pillow's, crop, normalise.

const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];
// Every operation in float32. There are only 3 x 256 results.
const f = Math.fround;
const TABLE = MEAN.map((mean, c) =>
  Float32Array.from({ length: 256 }, (_, u) => f(f(u / 255) - f(mean)) / f(STD[c])));
const ONE = 2 ** 22; // of a weight in fixed point

function cubic(x) {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

/** The weights of each output sample, from `first` on: wide where the image shrinks, which is the antialiasing. */
function weightsOf(from, to) {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - 2 * wide + 0.5), 0);
    const last = Math.min(Math.trunc(centre + 2 * wide + 0.5), from);
    const raw = Array.from({ length: last - first }, (_, k) => cubic((first + k - centre + 0.5) * (1 / wide)));
    const sum = raw.reduce((a, b) => a + b, 0);
    const fixed = (w) => Math.trunc((w < 0 ? -0.5 : 0.5) + w * ONE);
    return { first, weights: raw.map((w) => fixed(sum === 0 ? w : w * (1 / sum))) };
  });
}

/** Resize along one axis; samples lie `step` apart along it, and each of the lines begins at one of `starts`. */
function pass(source, target, from, to, step, starts) {
  const taps = weightsOf(from, to);
  for (const [begin, put] of starts) {
    taps.forEach(({ first, weights }, i) => {
      let sum = ONE / 2;
      for (let k = 0; k < weights.length; k++) sum += source[begin + (first + k) * step] * weights[k];
      target[put + i * step] = Math.min(Math.max(Math.floor(sum / ONE), 0), 255);
    });
  }
}

function resize(rgb, width, height, w, h) {
  let image = rgb;
  if (w !== width) {
    const next = new Uint8Array(height * w * 3);
    const starts = Array.from({ length: height * 3 }, (_, n) => {
      const [y, c] = [Math.floor(n / 3), n % 3];
      return [y * width * 3 + c, y * w * 3 + c];
    });
    pass(image, next, width, w, 3, starts);
    image = next;
  }
  if (h !== height) {
    const next = new Uint8Array(h * w * 3);
    pass(image, next, height, h, w * 3, Array.from({ length: w * 3 }, (_, n) => [n, n]));
    image = next;
  }
  return image;
}

function cropOffset(margin) {
  const half = Math.floor(margin / 2); // of an odd margin, half is rounded to the even neighbour
  return margin % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}

/** Samples, row by row, to the model's input: float32, 3 x nPx x nPx. */
export function preprocess(rgb, width, height, nPx) {
  const long = Math.floor((nPx * Math.max(width, height)) / Math.min(width, height));
  const [w, h] = width <= height ? [nPx, long] : [long, nPx];
  const resized = resize(rgb, width, height, w, h);
  const [left, top] = [cropOffset(w - nPx), cropOffset(h - nPx)];
  const tensor = new Float32Array(3 * nPx * nPx);
  for (let y = 0; y < nPx; y++) {
    for (let x = 0; x < nPx; x++) {
      const at = 3 * ((top + y) * w + left + x);
      for (let c = 0; c < 3; c++) tensor[(c * nPx + y) * nPx + x] = TABLE[c][resized[at + c]];
    }
  }
  return tensor;
}
