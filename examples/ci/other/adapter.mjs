// Answers clip-conformance for preprocess.mjs: one JSON object a line on stdin, one on stdout (spec/PROTOCOL.md).

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { preprocess } from './preprocess.mjs';

let nPx = 224;

function run({ input, out }) {
  if (input.mode !== 'RGB') return { status: 'rejected', message: `mode ${input.mode ?? 'of a file'}` };
  const [height, width] = input.shape;
  const rgb = readFileSync(input.path).subarray(input.offset ?? 0);
  writeFileSync(join(out, 'normalize.raw'), preprocess(rgb, width, height, nPx));
  return { status: 'ok', outputs: { normalize: 'normalize.raw' } };
}

function answer(message) {
  switch (message.cmd) {
    case 'start':
      return {
        status: 'ok',
        protocol: 1,
        implementation: { name: 'port', language: 'javascript' },
        environment: { node: process.versions.node },
      };
    case 'profile':
      nPx = message.n_px;
      return { status: 'ok', stages: ['normalize'] };
    case 'run':
      return run(message);
    case 'stop':
      return { status: 'ok' };
    default:
      return { status: 'error', message: `no message ${message.cmd}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let message = {};
  let reply;
  try {
    message = JSON.parse(line);
    reply = answer(message);
  } catch (error) {
    reply = { status: 'error', message: String(error.message).split('\n')[0] };
  }
  process.stdout.write(`${JSON.stringify({ seq: message.seq, ...reply })}\n`); // no seq where there is none
  if (message.cmd === 'stop') break;
}
process.stdin.destroy(); // else an open stdin keeps the process alive
