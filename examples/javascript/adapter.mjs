// CLIP preprocessing with sharp, as an adapter for clip-conformance (spec/PROTOCOL.md, section 2).
//
//     clip-conformance check 'cmd:node examples/javascript/adapter.mjs' --scope arrays
//
// The first half is the preprocessor, written as a Node service would write it. The second half is the protocol.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

// ---------------------------------------------------------------- the preprocessor

const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];

// Every operation in float32, as NRM-1 has it. There are only 3 x 256 results.
const f = Math.fround;
const TABLE = MEAN.map((mean, c) =>
  Float32Array.from({ length: 256 }, (_, u) => f(f(u / 255) - f(mean)) / f(STD[c])));

function resizedSize(width, height, nPx) {
  const long = Math.floor((nPx * Math.max(width, height)) / Math.min(width, height)); // exact: below 2^53
  return width <= height ? [nPx, long] : [long, nPx];
}

function cropOffset(margin) {
  const half = Math.floor(margin / 2); // of an odd margin, half is rounded to the even neighbour
  return margin % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}

/** `source` is an encoded file, or samples that `options.raw` describes: { width, height, channels }. */
async function preprocess(source, options, nPx) {
  const image = sharp(source, options);
  const { width, height } = options.raw ?? (await image.metadata());
  const [w, h] = resizedSize(width, height, nPx);
  const rgb = await image
    .resize(w, h, { fit: 'fill', kernel: 'cubic' })
    .extract({ left: cropOffset(w - nPx), top: cropOffset(h - nPx), width: nPx, height: nPx })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer();
  const plane = nPx * nPx;
  if (rgb.length !== 3 * plane) throw new Error(`sharp gave ${rgb.length} bytes for ${plane} pixels`);
  const tensor = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) tensor[c * plane + i] = TABLE[c][rgb[3 * i + c]];
  }
  return tensor;
}

// ---------------------------------------------------------------- the protocol

class Rejected extends Error {}

const CHANNELS = { L: 1, LA: 2, RGB: 3, RGBA: 4 };
sharp.concurrency(1); // the suite starts one adapter a core
let nPx = 224;

function describe(input) {
  if (input.kind === 'file') return {};
  const channels = CHANNELS[input.mode];
  if (channels === undefined) throw new Rejected(`mode ${input.mode} is not supported`);
  const [height, width] = input.shape;
  if (width === 0 || height === 0) throw new Rejected(`an image of ${width} x ${height}`);
  return { raw: { width, height, channels } };
}

async function run({ input, out }) {
  const options = describe(input);
  const source = (await readFile(input.path)).subarray(input.offset ?? 0);
  await writeFile(join(out, 'normalize.raw'), await preprocess(source, options, nPx));
  return { status: 'ok', outputs: { normalize: 'normalize.raw' } };
}

function answer(message) {
  switch (message.cmd) {
    case 'start': {
      const implementation = { name: 'sharp', version: sharp.versions.sharp, language: 'javascript' };
      const environment = { node: process.versions.node, libvips: sharp.versions.vips };
      return { status: 'ok', protocol: 1, implementation, environment };
    }
    case 'profile':
      nPx = message.n_px;
      return { status: 'ok', stages: ['normalize'] };
    case 'run':
      return run(message);
    case 'stop':
      return { status: 'ok' };
    default:
      throw new Error(`no message ${message.cmd}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let message = {};
  let reply;
  try {
    message = JSON.parse(line);
    reply = await answer(message);
  } catch (error) {
    const status = error instanceof Rejected ? 'rejected' : 'error';
    reply = { status, message: String(error.message).split('\n')[0] };
  }
  process.stdout.write(`${JSON.stringify({ seq: message.seq, ...reply })}\n`); // no seq where there is none
  if (message.cmd === 'stop') break;
}
process.stdin.destroy(); // else an open stdin keeps the process alive
