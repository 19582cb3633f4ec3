// Light or dark: as the system says until somebody says otherwise, then as said.
// Colours are in the style sheet.

import { attribute, byId, text } from "./dom.js";

const KEY = "tillstream-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

export function startTheme() {
  byId("theme").addEventListener("click", () => {
    remember(isDark() ? "light" : "dark");
    show();
  });
  dark.addEventListener("change", show);
  show();
}

function isDark() {
  const said = remembered();
  return said === null ? dark.matches : said === "dark";
}

function show() {
  attribute(document.documentElement, "data-theme", remembered());
  text(byId("theme"), isDark() ? "Light" : "Dark");
  attribute(byId("theme"), "aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
}

/** A browser may keep storage from pages; then the choice lasts as long as the page. */
let unstored = null;

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return unstored;
  }
}

function remember(value) {
  unstored = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Said above.
  }
}
