// A picture's samples: PNG to RGB, the deflated error to LSB.

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}

const pngUrl = (base64) => `data:image/png;base64,${base64}`;

/** RGB samples of a PNG. */
async function samplesOf(base64) {
  const image = new Image();
  image.src = pngUrl(base64);
  await image.decode();
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Inflate to exactly `length` bytes; a stream that holds more is not read to its end. */
async function inflated(bytes, length) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const whole = new Uint8Array(length);
  let filled = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (filled + value.length > length) {
      await reader.cancel();
      throw new Error("the error is larger than the picture");
    }
    whole.set(value, filled);
    filled += value.length;
  }
  if (filled !== length) throw new Error("the error is smaller than the picture");
  return whole;
}

/** {width, height, expected, got, error, zero, psnr, ssim}: RGBA bytes, RGB errors in LSB, half a step, dB. */
async function decoded(picture) {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser has no DecompressionStream");
  const expected = await samplesOf(picture.expected);
  const { width, height, data } = expected;
  const raw = await inflated(bytesOf(picture.error), width * height * 6);
  const steps = new DataView(raw.buffer);
  const error = new Float32Array(width * height * 3);
  const got = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const index = pixel * 3 + channel;
      error[index] = steps.getInt16(index * 2, true) * picture.unit;
      got.data[pixel * 4 + channel] = Math.min(255, Math.max(0, Math.round(data[pixel * 4 + channel] + error[index])));
    }
    got.data[pixel * 4 + 3] = 255;
  }
  return { width, height, expected, got, error, zero: picture.unit / 2, psnr: picture.psnr, ssim: picture.ssim };
}

const CHANNELS = ["largest", "R", "G", "B"];

/** The error of a pixel in one channel; of all three the one of the largest magnitude. */
function errorAt(shown, pixel, channel) {
  const { error } = shown;
  if (channel) return error[pixel * 3 + channel - 1];
  let largest = error[pixel * 3];
  for (let index = pixel * 3 + 1; index < pixel * 3 + 3; index += 1)
    if (Math.abs(error[index]) > Math.abs(largest)) largest = error[index];
  return largest;
}
