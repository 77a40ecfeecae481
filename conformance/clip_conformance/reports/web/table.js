// The table of cases: sorted by any column, filtered, rows made once.
const COLLATE = new Intl.Collator("en", { numeric: true }).compare;
const worstFigure = (name) => (found) => (found.worst ? found.worst[name] : null);
const levelName = (found) => DATA.levels[found.level];
// name, what it sorts by, how it is shown, whether it starts with the largest, what narrow screens leave out
const COLUMNS = [
  { name: "case", key: (c) => c.id },
  { name: "scope", key: (c) => c.scope, wide: true },
  { name: "mode", key: (c) => c.mode, wide: true },
  { name: "status", key: (c) => DATA.statuses.indexOf(c.status), down: true, wide: true },
  { name: "level", key: (c) => c.level, down: true },
  { name: "stage", key: (c) => DATA.stages.indexOf(c.stage) + (c.stage === "no output" ? 99 : 0), down: true },
  ...["peak", "mean", "bias"].map((name) => ({
    name,
    key: (c) => {
      const value = worstFigure(name)(c);
      return value === null ? null : Math.abs(value);
    },
    down: true,
    figure: true,
    wide: name !== "mean",
  })),
];
// Of one level those with pictures come first, then the larger errors.
const tie = (a, b) =>
  view.sort === "level"
    ? pictureIds.has(b.id) - pictureIds.has(a.id) || worstFigure("mean")(b) - worstFigure("mean")(a) || a.place - b.place
    : a.place - b.place;
const view = { sort: "level", down: true, shown: [] };

function cell(column, found) {
  if (column.name === "level") return el("td", {}, chip(levelName(found)));
  if (column.name === "status")
    return el("td", { class: "wide" }, found.status === "ok" ? el("span", { class: "soft", text: "ok" }) : chip(found.status, "none"));
  const shown = column.figure ? figure(worstFigure(column.name)(found)) : found[column.name] || "–";
  const kind = [column.figure && "number", column.wide && "wide", shown === "–" && "soft"].filter(Boolean).join(" ");
  return el("td", { class: kind || undefined, text: shown });
}

function row(found) {
  const open = el("button", { type: "button", class: "open", "aria-haspopup": "dialog", text: found.id });
  const head = el("th", { scope: "row" }, open);
  if (pictureIds.has(found.id)) head.append(el("span", { class: "pictured", role: "img", "aria-label": "has pictures", title: "has pictures" }));
  const made = el("tr", { class: found.fails ? "fails" : undefined }, head, ...COLUMNS.slice(1).map((column) => cell(column, found)));
  made.addEventListener("click", () => openCase(found));
  found.row = made;
  found.open = open;
  return made;
}

// The ids alone are read at the start: the pictures themselves are large.
const pictureIds = new Set([...byId("pictures").textContent.matchAll(/\{"case":("(?:[^"\\]|\\.)*")/g)].map((hit) => JSON.parse(hit[1])));

function sorted(cases) {
  const column = COLUMNS.find(({ name }) => name === view.sort);
  const sign = view.down ? -1 : 1;
  const keys = new Map(cases.map((found) => [found, column.key(found)]));
  return [...cases].sort((a, b) => {
    const [x, y] = [keys.get(a), keys.get(b)];
    if (x === null || y === null) return (x === null) - (y === null) || tie(a, b);
    const order = typeof x === "string" ? COLLATE(x, y) : x - y;
    return sign * order || tie(a, b);
  });
}

function wanted(found) {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const level = byId("by-level").value;
  return (
    (!byId("failing").checked || found.fails) &&
    (!level || level === (found.status === "ok" ? levelName(found) : found.status)) &&
    (!byId("by-scope").value || byId("by-scope").value === found.scope) &&
    (!byId("by-stage").value || byId("by-stage").value === found.stage) &&
    (!byId("by-size").value || byId("by-size").value === String(found.n_px)) &&
    words.every((word) => found.words.includes(word))
  );
}

function showRows() {
  view.shown = sorted(CASES.filter(wanted));
  byId("table").tBodies[0].replaceChildren(...view.shown.map((found) => found.row));
  const failing = view.shown.filter((found) => found.fails).length;
  byId("shown").textContent = `${view.shown.length} of ${CASES.length} cases shown, ${failing} failing`;
  byId("none").hidden = view.shown.length > 0;
  for (const head of byId("table").tHead.rows[0].cells) {
    const own = head.dataset.column === view.sort;
    head.setAttribute("aria-sort", own ? (view.down ? "descending" : "ascending") : "none");
  }
  byId("sort").value = view.sort;
}

function sortBy(name, turn = true) {
  const column = COLUMNS.find((known) => known.name === name);
  view.down = turn && view.sort === name ? !view.down : Boolean(column.down);
  view.sort = name;
  showRows();
}

function fill(select, all, values, say = (value) => value) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const order = [...DATA.levels, ...DATA.stages, ...DATA.statuses, "end to end"];
  const names = [...counts.keys()].filter((name) => name !== "").sort((a, b) => order.indexOf(a) - order.indexOf(b) || COLLATE(a, b));
  select.replaceChildren(
    el("option", { value: "", text: all }),
    ...names.map((name) => el("option", { value: name, text: `${say(name)} (${counts.get(name)})` })),
  );
}

function startTable() {
  byId("table").tHead.rows[0].replaceChildren(
    ...COLUMNS.map((column) =>
      el(
        "th",
        {
          scope: "col",
          "data-column": column.name,
          class: [column.figure && "number", column.wide && "wide"].filter(Boolean).join(" ") || undefined,
        },
        el("button", { type: "button", text: column.name, on: { click: () => sortBy(column.name) } }),
      ),
    ),
  );
  for (const found of CASES) row(found);
  fill(byId("by-level"), "any", CASES.map((c) => (c.status === "ok" ? levelName(c) : c.status)));
  fill(byId("by-scope"), "any", CASES.map((c) => c.scope));
  fill(byId("by-stage"), "any", CASES.map((c) => c.stage));
  fill(byId("by-size"), "any", CASES.map((c) => String(c.n_px)), (value) => `${value} px`);
  byId("by-size-label").hidden = new Set(CASES.map((c) => c.n_px)).size < 2;
  byId("sort").replaceChildren(...COLUMNS.map(({ name }) => el("option", { value: name, text: name })));
  byId("sort").addEventListener("change", (event) => {
    event.stopPropagation();
    sortBy(byId("sort").value, false);
  });
  const form = byId("filters");
  form.addEventListener("input", (event) => event.target !== byId("sort") && showRows());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => sortBy("level", false)));
  byId("clear").addEventListener("click", () => form.reset());
  for (const button of document.querySelectorAll("[data-stage]"))
    button.addEventListener("click", () => {
      form.reset();
      setTimeout(() => showStage(button.dataset.stage));
    });
  showRows();
}

/** Show the failing cases of a stage; end to end where none is listed under it. */
function showStage(stage) {
  const select = byId("by-stage");
  select.value = stage;
  if (select.value !== stage) select.value = "end to end";
  if (select.selectedIndex < 0) select.value = "";
  byId("failing").checked = true;
  showRows();
  byId("cases").scrollIntoView();
  byId("cases").focus({ preventScroll: true });
}
