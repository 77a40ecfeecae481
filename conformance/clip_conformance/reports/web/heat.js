// The map of signed errors: blue below, the neutral colour at zero, orange above; as far either way.
const MAPS = {
  light: [[8, 48, 107], [33, 113, 181], [150, 196, 228], [247, 247, 245], [253, 190, 133], [217, 95, 14], [127, 39, 4]],
  dark: [[186, 224, 255], [84, 160, 235], [30, 74, 128], [24, 26, 30], [128, 62, 18], [240, 130, 45], [255, 220, 180]],
};

/** The colour of a value between -1 and 1. */
function heatColour(value, theme = isDark() ? "dark" : "light") {
  const stops = MAPS[theme];
  const place = ((Math.min(1, Math.max(-1, value)) + 1) / 2) * (stops.length - 1);
  const lower = Math.min(Math.floor(place), stops.length - 2);
  return stops[lower].map((from, channel) => Math.round(from + (stops[lower + 1][channel] - from) * (place - lower)));
}

// Gain 2 ** exponent shows 256 / gain LSB either way.
const rangeOf = (exponent) => 256 / 2 ** exponent;

/** The exponents that make sense for a picture, and the one to begin with: 99 % of the errors within its range. */
function gains(shown) {
  const sizes = Float32Array.from(shown.error, Math.abs).sort();
  const most = sizes[sizes.length - 1];
  const usual = sizes[Math.floor(0.99 * (sizes.length - 1))] || most || 1;
  const fitting = (size) => Math.floor(Math.log2(256 / size));
  return { least: Math.min(0, fitting(most || 1)), most: 14, usual: Math.min(14, fitting(usual)) };
}

/** Paint the errors of one channel (0: the largest). */
function paintHeat(canvas, shown, channel, range) {
  const theme = isDark() ? "dark" : "light";
  const colours = Array.from({ length: 513 }, (_, index) => heatColour(index / 256 - 1, theme));
  const image = new ImageData(shown.width, shown.height);
  for (let pixel = 0; pixel < shown.width * shown.height; pixel += 1) {
    const value = Math.min(1, Math.max(-1, errorAt(shown, pixel, channel) / range));
    // Zero alone is neutral: the smallest error that is one takes the first step away from it.
    const place = 256 + Math.sign(value) * Math.ceil(Math.abs(value) * 256);
    image.data.set([...colours[place], 255], pixel * 4);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Paint the scale, from -1 to 1. */
function paintScale(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x += 1) {
    context.fillStyle = `rgb(${heatColour((2 * x) / (canvas.width - 1) - 1).join(" ")})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}

const lsb = (value) => `${value >= 1 ? value : `1/${1 / value}`}`;
