// Keys, and what opens and closes the dialogs.
const help = byId("help");

const typing = (target) => target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");

function stepRows(step) {
  const next = beside(current, step);
  if (!next) return;
  current = next;
  if (!next.row.isConnected) return openCase(next);
  next.open.focus({ preventScroll: true });
  next.row.scrollIntoView({ block: "center" });
}

function step(by) {
  if (!detail.open) return stepRows(by);
  const next = beside(current, by);
  if (next) openCase(next);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const { key, target } = event;
  if (typing(target)) {
    if (key === "Escape" && target.id === "find" && !target.value) target.blur();
    return;
  }
  const inTable = byId("table").contains(target);
  const onSlider = target.matches("input[type=range]");
  const act =
    key === "j" || (key === "ArrowRight" && detail.open && !onSlider) || (key === "ArrowDown" && inTable)
      ? () => step(1)
      : key === "k" || (key === "ArrowLeft" && detail.open && !onSlider) || (key === "ArrowUp" && inTable)
        ? () => step(-1)
        : key === "/" && !detail.open
          ? () => (byId("find").focus(), byId("find").select())
          : key === "?"
            ? () => help.showModal()
            : null;
  if (!act) return;
  event.preventDefault();
  act();
});

// Where a row has the focus, stepping goes on from there.
byId("table").addEventListener("focusin", (event) => {
  const found = CASE.get(event.target.closest("tr")?.querySelector(".open")?.textContent);
  if (found) current = found;
});

byId("help-open").addEventListener("click", () => help.showModal());
byId("help-close").addEventListener("click", () => help.close());
byId("close").addEventListener("click", () => detail.close());
byId("next").addEventListener("click", () => step(1));
byId("previous").addEventListener("click", () => step(-1));
detail.addEventListener("close", closed);
// A click beside a dialog closes it: its own box is filled by its content.
for (const dialog of [detail, help]) dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
for (const button of document.querySelectorAll("[data-case]"))
  button.addEventListener("click", () => CASE.has(button.dataset.case) && openCase(CASE.get(button.dataset.case)));

addEventListener("hashchange", fromHash);
fromHash();
