// One case in a dialog.
const detail = byId("detail");
// Where steps go on from, and what the dialog shows.
let current = null;
let opened = null;

const VIEW = { isolated: "on the canon's input", cumulative: "end to end", pinned: "end to end, alone here" };

function openCase(found) {
  current = opened = found;
  themed.clear();
  byId("detail-body").replaceChildren(...sections(found));
  const failing = steps();
  const place = failing.indexOf(found);
  byId("place").textContent = place < 0 ? `${found.id} passes` : `failing case ${place + 1} of ${failing.length}`;
  byId("previous").disabled = byId("next").disabled = !failing.length || (failing.length === 1 && place === 0);
  if (!detail.open) detail.showModal();
  detail.scrollTop = 0;
  byId("detail-title").focus({ preventScroll: true });
  setHash(`#case=${encodeURIComponent(found.id)}`);
}

function setHash(hash) {
  try {
    history.replaceState(null, "", hash);
  } catch {
    // A browser may forbid it for a file; the case is open all the same.
  }
}

function closed() {
  themed.clear();
  byId("detail-body").replaceChildren();
  setHash("#cases");
  // The browser has given the focus back to where it was before; steps have moved on since.
  current = opened;
  opened.open.focus();
}

/** The failing cases in the table's order; all of them where the filter leaves none. */
function steps() {
  const failing = view.shown.filter((found) => found.fails);
  return failing.length ? failing : sorted(CASES.filter((found) => found.fails));
}

/** The failing case `step` after another; from one that is not among them, the first or the last. */
function beside(found, step) {
  const failing = steps();
  const place = failing.indexOf(found);
  if (place < 0) return failing.at(step > 0 ? 0 : -1);
  return failing[(place + step + failing.length) % failing.length];
}

function sections(found) {
  const facts = [
    found.scope,
    found.mode && `mode ${found.mode}`,
    found.size && `${found.size[0]} × ${found.size[1]} → ${found.n_px} px`,
    found.status === "ok" && `${Math.round(found.seconds * 1000)} ms`,
  ];
  return [
    el(
      "header",
      {},
      el("h2", { id: "detail-title", tabindex: "-1", text: found.id }),
      el("p", { class: "facts" }, chip(DATA.levels[found.level]), found.status !== "ok" && chip(found.status, "none"), ...facts.filter(Boolean).map((text) => el("span", { text }))),
      found.why && el("p", { class: "why", text: found.why }),
    ),
    found.message && part(found.status === "ok" ? "What was said" : "Without an output", el("pre", { class: "message", tabindex: "0", text: found.message })),
    callout(found),
    found.reject
      ? el("p", { class: "note", text: "A conforming implementation refuses this image." })
      : part("Pictures", picturesOf(found)),
    found.checks.length > 0 && part("Checks", checksOf(found)),
    about(found),
  ].filter(Boolean);
}

const part = (title, ...content) => el("section", {}, el("h3", { text: title }), ...content);

/** The diagnosis of the stages that this case fails at. */
function callout(found) {
  if (!found.fails) return null;
  const stages = new Set(found.checks.filter((check) => check.level > DATA.required && check.view !== "cumulative").map((check) => check.stage));
  // A case that fails end to end alone may do so by any of them: first those that its fixture is there to catch.
  const caught = DATA.findings.filter(([fault]) => found.catches.includes(fault));
  const fitting = stages.size ? DATA.findings.filter(([, stage]) => stages.has(stage)) : caught.length ? caught : DATA.findings;
  if (!fitting.length) return null;
  return el(
    "div",
    { class: "callout" },
    el("h3", { text: stages.size ? "The diagnosis for its stage" : "The diagnosis" }),
    ...fitting.map(([fault, stage, title, fix]) =>
      el("div", {}, el("p", {}, el("span", { class: "where", text: stage }), el("strong", { dir: "auto", text: title }), el("code", { text: fault })), el("p", { dir: "auto", text: fix })),
    ),
  );
}

function checksOf(found) {
  const heads = ["stage", "view", "level", "peak", "mean", "bias", "share", "ULP", "note"];
  const number = new Set(["peak", "mean", "bias", "share", "ULP"]);
  // First what a stage does by itself, then what it inherits.
  const checks = [...found.checks].sort((a, b) => (a.view === "cumulative") - (b.view === "cumulative"));
  const rows = checks.map((check) => {
    const cells = [
      el("td", { text: VIEW[check.view] }),
      el("td", {}, chip(DATA.levels[check.level])),
      ...["peak", "mean", "bias"].map((name) => el("td", { class: "number", text: figure(check[name]) })),
      el("td", { class: "number", text: check.share === null ? "–" : `${figure(100 * check.share)} %` }),
      el("td", { class: "number", text: check.ulp === null ? "–" : check.ulp < 1e6 ? String(check.ulp) : figure(check.ulp) }),
      el("td", { class: "remark", dir: "auto", text: check.note }),
    ];
    const kind = [check.level > DATA.required && "fails", check === found.worst && "worst"].filter(Boolean).join(" ");
    return el("tr", { class: kind || undefined }, el("th", { scope: "row", text: check.stage }), ...cells);
  });
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Checks" },
    el(
      "table",
      { class: "plain" },
      el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col", class: number.has(name) ? "number" : undefined, text: name })))),
      el("tbody", {}, ...rows),
    ),
  );
}

/** What the fixture is for: the clauses that it tests, the mistakes that it catches. */
function about(found) {
  const blamed = new Set(DATA.findings.map(([fault]) => fault));
  const known = (table, id) => (Object.hasOwn(table, id) ? table[id] : "");
  const clauses = found.clauses.map((id) => el("li", {}, el("code", { text: id }), el("span", { text: known(DATA.clauses, id) })));
  const catches = found.catches.map((id) =>
    el("li", { class: blamed.has(id) ? "found" : undefined }, el("code", { text: id }), el("span", { text: (known(DATA.faults, id)[1] ?? "") + (blamed.has(id) ? " (diagnosed)" : "") })),
  );
  if (!clauses.length && !catches.length) return null;
  return el(
    "div",
    { class: "about" },
    clauses.length > 0 && part("Clauses it tests", el("ul", {}, ...clauses)),
    catches.length > 0 && part("Mistakes it catches", el("ul", {}, ...catches)),
  );
}

function fromHash() {
  if (!location.hash.startsWith("#case=")) return;
  let id = "";
  try {
    id = decodeURIComponent(location.hash.slice("#case=".length));
  } catch {
    return;
  }
  if (CASE.has(id) && !(detail.open && current === CASE.get(id))) openCase(CASE.get(id));
}

startTable();
