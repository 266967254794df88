// The console's scripts: what is live, keys and dialogues, language and theme. No inline code, no eval.
import { startDraft } from "./draft.js";
import { startForms } from "./forms.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";

const YEAR_S = 31_536_000;

function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

document.querySelector("#language").addEventListener("change", (event) => {
  remember("language", event.target.value);
  location.reload();
});

document.querySelector("#theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  remember("theme", root.dataset.theme);
});

startDraft();
startForms();
startKeys();
if (document.querySelector("#state")) startLive();
