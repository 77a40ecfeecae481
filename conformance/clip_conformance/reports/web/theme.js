// Light or dark: the system's choice until the button is pressed, then the reader's.
const SYSTEM = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : SYSTEM.matches);
const themed = new Set();

function remember(theme) {
  try {
    if (theme) localStorage.setItem("clip-conformance-theme", theme);
    return localStorage.getItem("clip-conformance-theme");
  } catch {
    return null; // A browser may keep nothing for a file.
  }
}

function showTheme() {
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  for (const redraw of themed) redraw();
}

function startTheme() {
  const kept = remember();
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    showTheme();
  });
  SYSTEM.addEventListener("change", showTheme);
  showTheme();
}

function startCopying() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    const code = button.closest("figure").querySelector("pre");
    button.setAttribute("aria-label", `Copy ${code.getAttribute("aria-label")}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }
}

startTheme();
startCopying();
