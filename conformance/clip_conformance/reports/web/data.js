// The report's data, and small helpers. Text reaches the page through textContent and attributes alone.
const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

/** Make an element: `properties` are attributes, but `text` and `on`; `children` are nodes. */
function el(tag, properties = {}, ...children) {
  return furnish(document.createElement(tag), properties, children);
}

function svg(tag, properties = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), properties, children);
}

function furnish(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") made.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child));
  return made;
}

const chip = (name, kind = name) => el("span", { class: `chip ${kind}`, text: name });

/** A figure in LSB as the terminal prints it. */
function figure(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 0.01) return value.toExponential(0).replace(/e([+-])(\d)$/, "e$10$2");
  if (size >= 100 || (size >= 1 && Math.abs(value - Math.round(value)) < 0.005)) return value.toFixed(0);
  return value.toFixed(2);
}

function readCheck([stage, view, level, peak = 0, mean = 0, bias = 0, share = 0, absolute = 0, ulp = 0, note = 0]) {
  return {
    stage: DATA.stages[stage],
    view: DATA.views[view],
    level,
    ...{ peak, mean, bias, share, absolute, ulp },
    note: DATA.texts[note],
  };
}

const CASES = DATA.cases.map((row, place) => {
  const [id, fixture, scope, mode, n_px, status, level, seconds, message, worst, checks] = [
    ...row.slice(0, 5),
    ...row.slice(6),
  ];
  const read = checks.map(readCheck);
  const told = Object.hasOwn(DATA.fixtures, DATA.texts[fixture]) ? DATA.fixtures[DATA.texts[fixture]] : ["", [], [], false];
  const found = {
    place,
    id: DATA.texts[id],
    fixture: DATA.texts[fixture],
    scope,
    mode: DATA.texts[mode],
    n_px,
    size: row[5],
    status: DATA.statuses[status],
    level,
    seconds,
    message: DATA.texts[message],
    checks: read,
    worst: worst < 0 ? null : read[worst],
    why: told[0],
    clauses: told[1],
    catches: told[2],
    reject: told[3],
  };
  found.fails = found.status !== "ok" || level > DATA.required;
  found.stage = stageOf(found);
  found.words = [found.id, found.mode, found.stage, found.message, found.why, ...found.clauses, ...found.catches]
    .join("\n")
    .toLowerCase();
  return found;
});

/** The stage that a case is listed under. */
function stageOf(found) {
  if (found.status !== "ok" && !found.checks.length) return "no output";
  if (!found.worst || found.worst.level === 0) return "";
  return found.worst.view === "cumulative" ? "end to end" : found.worst.stage;
}

const CASE = new Map(CASES.map((found) => [found.id, found]));
let pictures;

/** The picture of a case, if the report has one; all are parsed when the first is wanted. */
function pictureOf(found) {
  pictures ??= new Map(JSON.parse(byId("pictures").textContent).map((picture) => [picture.case, picture]));
  return pictures.get(found.id);
}
