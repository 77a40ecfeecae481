// A case's pictures: given, expected, got, error, with the loupe and the histogram; or what there is in their place.

const framed = (picture) => el("div", { class: "frame" }, picture);

function figureOf(title, said, content) {
  return el("figure", {}, el("figcaption", {}, el("strong", { text: title }), el("span", { text: said })), content);
}

const pngOf = (base64, alt) => el("img", { src: pngUrl(base64), alt, draggable: "false" });

function canvasOf(shown, label) {
  return el("canvas", { width: shown.width, height: shown.height, role: "img", "aria-label": label });
}

/** A frame that the loupe follows, by pointer and by keys. */
function watched(canvas, name) {
  const frame = framed(canvas);
  frame.classList.add("watched");
  for (const [key, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": `${name}: arrow keys move the loupe` }))
    frame.setAttribute(key, value);
  return frame;
}

function noPicture(found) {
  if (!found.fails) return found.level === 0 ? "Bit for bit the canon: there is no difference to show." : "The case passes: pictures are kept of failing cases alone.";
  if (found.status !== "ok") return "There is no output to show.";
  return "This failing case has no picture: a report keeps a bounded number, the worst of each kind first. Its figures are below.";
}

function picturesOf(found) {
  const picture = pictureOf(found);
  if (!picture) return el("p", { class: "note", text: noPicture(found) });
  const box = el("div", { class: "pictures" }, el("p", { class: "remark", role: "status", text: "Decoding" }));
  const show = picture.error ? compared(found, picture) : other(picture);
  show.then(
    (nodes) => box.replaceChildren(...nodes),
    (error) => box.replaceChildren(el("p", { class: "note", text: `The error cannot be shown: ${error.message}.` }), ...plainPair(picture)),
  );
  return box;
}

function given(picture) {
  const [width, height] = picture.size;
  return figureOf("Given", `${width} × ${height}`, framed(pngOf(picture.given, "the image that the candidate was given")));
}

function expectedOf(picture) {
  const [left, top, right, bottom] = picture.window;
  return figureOf("Expected", `${right - left} × ${bottom - top}`, framed(pngOf(picture.expected, "the canon's image")));
}

const plainPair = (picture) => [el("div", { class: "four" }, given(picture), expectedOf(picture))];

/** What is shown of an output of another shape, or of one that holds no numbers. */
async function other(picture) {
  const shape = `[${picture.shape.join(", ")}]`;
  const seen = picture.got
    ? figureOf("Got", shape, framed(pngOf(picture.got, "the candidate's output as an image")))
    : figureOf("Got", shape, framed(el("p", { class: "soft", text: "no image" })));
  const [left, top, right, bottom] = picture.window;
  const why = `The output cannot be compared pixel by pixel: its shape is ${shape}, or it holds values that are no numbers. The part of the canon shown is ${right - left} × ${bottom - top} pixels.`;
  return [el("div", { class: "four" }, given(picture), expectedOf(picture), seen), el("p", { class: "note", text: why })];
}

async function compared(found, picture) {
  const shown = await decoded(picture);
  const [left, top, right, bottom] = picture.window;
  const part = left || top || right < found.n_px || bottom < found.n_px ? `x ${left}–${right}, y ${top}–${bottom}` : `${shown.width} × ${shown.height}`;
  const expected = canvasOf(shown, "the canon's image");
  const got = canvasOf(shown, "the candidate's image");
  const heat = canvasOf(shown, "the signed error of every pixel");
  heat.id = "heat";
  got.id = "got";
  expected.getContext("2d").putImageData(shown.expected, 0, 0);
  got.getContext("2d").putImageData(shown.got, 0, 0);
  const gain = gains(shown);
  const look = { shown, channel: 0, range: rangeOf(gain.usual), offset: [left, top] };
  const frames = [watched(expected, "Expected"), watched(got, "Got"), watched(heat, "Error")];
  const zoom = loupe(frames, look);
  const bars = el("div", { class: "bars" }, histogram(shown, 0));
  const scale = scaleOf(gain, look, redraw);

  function redraw() {
    paintHeat(heat, shown, look.channel, look.range);
    scale.draw();
    zoom.draw();
  }

  themed.clear();
  themed.add(redraw);
  redraw();
  const channels = channelsOf((channel) => {
    look.channel = channel;
    bars.replaceChildren(histogram(shown, channel));
    redraw();
  });
  return [
    el(
      "div",
      { class: "four" },
      given(picture),
      figureOf("Expected", part, frames[0]),
      figureOf("Got", part, frames[1]),
      figureOf("Error", "got − expected", frames[2]),
    ),
    el("div", { class: "controls" }, channels, scale.node),
    el("div", { class: "nearer" }, zoom.node, bars),
  ];
}

/** Which channel the map and the histogram show. */
function channelsOf(choose) {
  const buttons = CHANNELS.map((name, channel) =>
    el("button", {
      type: "button",
      "aria-pressed": String(!channel),
      text: channel ? name : "all",
      "aria-label": channel ? `Channel ${name}` : "All channels, the largest error of each pixel",
      on: {
        click: () => {
          buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === channel)));
          choose(channel);
        },
      },
    }),
  );
  return el("div", { class: "segments", role: "group", "aria-label": "Channel" }, ...buttons);
}

/** The scale of the map, with its gain. */
function scaleOf(gain, look, redraw) {
  const bar = el("canvas", { width: 257, height: 1, class: "scale", role: "img", "aria-label": "colours of the scale" });
  const ends = ["", "0", ""].map((text) => el("span", { text }));
  const slider = el("input", { type: "range", id: "gain", min: gain.least, max: gain.most, step: 1, value: gain.usual });
  const said = el("output", { for: "gain" });
  const draw = () => {
    paintScale(bar);
    ends[0].textContent = `−${lsb(look.range)}`;
    ends[2].textContent = `+${lsb(look.range)} LSB`;
    const factor = 256 / look.range;
    said.textContent = `× ${lsb(factor)}`;
    slider.setAttribute("aria-valuetext", `gain ${lsb(factor)}, ${lsb(look.range)} LSB either way`);
  };
  const set = (exponent) => {
    slider.value = exponent;
    look.range = rangeOf(Number(slider.value));
    redraw();
  };
  slider.addEventListener("input", () => set(slider.value));
  const node = el(
    "div",
    { class: "gain" },
    el("div", { class: "bar-of" }, bar, el("div", { class: "axis" }, ...ends)),
    el("label", {}, el("span", { text: "Gain" }), slider),
    said,
    el("button", { type: "button", class: "quiet", text: "Auto", on: { click: () => set(gain.usual) } }),
  );
  return { node, draw };
}
