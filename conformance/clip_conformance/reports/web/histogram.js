// The errors of a picture as a histogram: zero has a bar of its own, heights are logarithmic.
const BARS = 25;

/** A round step of at least `least`. */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((step) => step >= least * 0.999);
}

function errorsOf(shown, channel) {
  if (!channel) return shown.error;
  const found = new Float32Array(shown.width * shown.height);
  for (let pixel = 0; pixel < found.length; pixel += 1) found[pixel] = shown.error[pixel * 3 + channel - 1];
  return found;
}

function histogram(shown, channel) {
  const errors = errorsOf(shown, channel);
  const sizes = Float32Array.from(errors, Math.abs).sort();
  const most = sizes[sizes.length - 1];
  const step = niceStep(Math.max(most / BARS, shown.zero * 2));
  const bins = new Array(2 * BARS + 1).fill(0);
  for (const error of errors) bins[Math.round(error / step) + BARS] += 1;
  const tallest = Math.log1p(Math.max(...bins));
  const [width, height] = [bins.length * 8, 120];
  const bars = bins.map((count, index) => {
    const tall = count ? Math.max(2, (Math.log1p(count) / tallest) * height) : 0;
    const kind = index === BARS ? "zero" : index < BARS ? "below" : "above";
    const at = (index - BARS) * step;
    return svg(
      "rect",
      { class: kind, x: index * 8 + 0.5, y: height - tall, width: 7, height: tall },
      svg("title", { text: `${short(at)} LSB: ${count} samples` }),
    );
  });
  const share = (holds) => `${((100 * sizes.filter(holds).length) / sizes.length).toFixed(1)} %`;
  const quantile = (part) => figure(sizes[Math.floor(part * (sizes.length - 1))]);
  const said = [
    ["no error", share((size) => size < shown.zero)],
    ["within 1 LSB", share((size) => size <= 1)],
    ["median", quantile(0.5)],
    ["99 %", quantile(0.99)],
    ["largest", figure(most)],
  ];
  if (!channel && shown.psnr !== null) said.push(["PSNR", `${shown.psnr} dB`]);
  if (!channel && shown.ssim !== null) said.push(["SSIM", String(shown.ssim)]);
  const alt = `Histogram of the errors: ${said.map(([name, value]) => `${name} ${value}`).join(", ")}`;
  return el(
    "figure",
    { class: "histogram" },
    el("figcaption", { text: "Errors in LSB, logarithmic heights" }),
    svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": alt }, ...bars),
    el("div", { class: "axis", "aria-hidden": "true" }, ...[-BARS * step, 0, BARS * step].map((at) => el("span", { text: short(at) }))),
    el("dl", { class: "figures" }, ...said.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })))),
  );
}

const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");
