// The loupe: a neighbourhood of one pixel in three enlarged pictures, and its values as numbers.
const SPAN = 15; // pixels a side, odd
const CELL = 16;

/** Paint the neighbourhood of a pixel; `colour` gives the colour of a pixel by its number. */
function paintZoom(canvas, shown, x, y, colour) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(root);
  context.fillStyle = style.getPropertyValue("--sunken");
  context.fillRect(0, 0, canvas.width, canvas.height);
  const half = (SPAN - 1) / 2;
  for (let down = 0; down < SPAN; down += 1) {
    for (let right = 0; right < SPAN; right += 1) {
      const [column, line] = [x + right - half, y + down - half];
      if (column < 0 || line < 0 || column >= shown.width || line >= shown.height) continue;
      context.fillStyle = `rgb(${colour(line * shown.width + column).join(" ")})`;
      context.fillRect(right * CELL, down * CELL, CELL, CELL);
    }
  }
  context.lineWidth = 3;
  context.strokeStyle = "#000";
  context.strokeRect(half * CELL, half * CELL, CELL, CELL);
  context.lineWidth = 1.5;
  context.strokeStyle = "#fff";
  context.strokeRect(half * CELL, half * CELL, CELL, CELL);
}

/** The number of the pixel with the largest error in a channel. */
function worstPixel(shown, channel) {
  let [worst, most] = [0, -1];
  for (let pixel = 0; pixel < shown.width * shown.height; pixel += 1) {
    const size = Math.abs(errorAt(shown, pixel, channel));
    if (size > most) [worst, most] = [pixel, size];
  }
  return worst;
}

function signed(value, zero) {
  if (Math.abs(value) < zero) return "0";
  return `${value < 0 ? "−" : "+"}${figure(Math.abs(value))}`;
}

/**
 * A loupe over pictures that lie in `frames` (an element each, with one picture of the same size).
 * `look` is {shown, channel, range, offset}: what is shown now.
 */
function loupe(frames, look) {
  const { shown } = look;
  const names = ["expected", "got", "error"];
  const zooms = names.map((name) =>
    el("canvas", { width: SPAN * CELL, height: SPAN * CELL, role: "img", "aria-label": `${name}, enlarged` }),
  );
  const values = el("tbody");
  const place = el("caption", { role: "status", "aria-live": "polite" });
  const marks = frames.map((frame) => {
    const mark = el("span", { class: "spot", "aria-hidden": "true" });
    frame.append(mark);
    return mark;
  });
  const state = { x: 0, y: 0, pinned: false };

  function draw() {
    const pixel = state.y * shown.width + state.x;
    const rgb = (samples) => (at) => [...samples.data.subarray(at * 4, at * 4 + 3)];
    paintZoom(zooms[0], shown, state.x, state.y, rgb(shown.expected));
    paintZoom(zooms[1], shown, state.x, state.y, rgb(shown.got));
    paintZoom(zooms[2], shown, state.x, state.y, (at) => heatColour(errorAt(shown, at, look.channel) / look.range));
    place.textContent = `pixel ${state.x + look.offset[0]}, ${state.y + look.offset[1]}${state.pinned ? ", held" : ""}`;
    values.replaceChildren(
      ...["R", "G", "B"].map((name, channel) => {
        const expected = shown.expected.data[pixel * 4 + channel];
        const error = shown.error[pixel * 3 + channel];
        const clipped = Math.round(expected + error) !== shown.got.data[pixel * 4 + channel];
        return el(
          "tr",
          {},
          el("th", { scope: "row", text: name }),
          el("td", { class: "number", text: expected }),
          el("td", { class: "number", text: shown.got.data[pixel * 4 + channel] + (clipped ? " clipped" : "") }),
          el("td", { class: "number", text: signed(error, shown.zero) }),
        );
      }),
    );
    for (const mark of marks) {
      mark.style.left = `${(100 * (state.x + 0.5)) / shown.width}%`;
      mark.style.top = `${(100 * (state.y + 0.5)) / shown.height}%`;
      mark.classList.toggle("held", state.pinned);
    }
  }

  function move(x, y) {
    state.x = Math.min(shown.width - 1, Math.max(0, x));
    state.y = Math.min(shown.height - 1, Math.max(0, y));
    draw();
  }

  function toWorst() {
    const pixel = worstPixel(shown, look.channel);
    move(pixel % shown.width, Math.floor(pixel / shown.width));
  }

  function follow(event, frame) {
    const box = frame.getBoundingClientRect();
    const at = (place, start, size, count) => Math.floor(((place - start) / size) * count);
    move(at(event.clientX, box.left, box.width, shown.width), at(event.clientY, box.top, box.height, shown.height));
  }

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  for (const frame of frames) {
    frame.addEventListener("pointermove", (event) => state.pinned || follow(event, frame));
    frame.addEventListener("click", (event) => {
      const touched = event.pointerType === "touch";
      // The pixel under the mouse is known, and more exactly: a click may come in whole pixels.
      if (state.pinned || touched) follow(event, frame);
      state.pinned = !state.pinned || touched;
    });
    frame.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step && event.key !== "Home") return;
      event.preventDefault();
      event.stopPropagation();
      state.pinned = true;
      if (!step) toWorst();
      else move(...[state.x, state.y].map((from, axis) => from + step[axis] * (event.shiftKey ? 8 : 1)));
    });
  }

  toWorst();
  const node = el(
    "div",
    { class: "loupe" },
    el(
      "div",
      { class: "zooms" },
      ...zooms.map((zoom, index) => el("figure", {}, zoom, el("figcaption", { text: names[index] }))),
    ),
    el(
      "table",
      { class: "plain values" },
      place,
      el("thead", {}, el("tr", {}, ...["channel", ...names].map((name) => el("th", { scope: "col", class: name === "channel" ? undefined : "number", text: name === "error" ? "error, LSB" : name })))),
      values,
    ),
    el("p", { class: "remark", text: "Point at a picture, or focus one and use the arrow keys. A click or tap holds the pixel." }),
    el("button", { type: "button", class: "quiet", text: "Worst pixel", on: { click: toWorst } }),
  );
  return { node, draw };
}
