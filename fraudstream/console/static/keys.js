// Keys: `data-key` on the element that a key presses or focuses; j and k move along rows, x chooses one.
//
// While another page is loading, keys wait for it: what they would act on here is about to be replaced.

const HELD_MS = 5000; // at most; it may be a file that is loading, and this page stays
const KEPT = "keys"; // in the session storage: the keys that the next page is to begin with

let held = null; // keys that wait; null: none has to

function rows() {
  return [...document.querySelectorAll("a[data-row]")];
}

function move(by) {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
}

/** Do what a key stands for. Returns whether an element has it. */
function press(key) {
  const box = key === "x" && document.activeElement.closest("tr")?.querySelector("input[type=checkbox]");
  const element = box || document.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`);
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  else if (key === "?") document.querySelector("#keys")?.showModal();
  else if (element?.matches("input:not([type=checkbox])")) element.select();
  else element?.click();
  return Boolean(element);
}

function onKey(event) {
  const field = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (field) {
    if (event.key === "Escape" && !field.closest("dialog")) field.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.matches("textarea")) field.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("dialog[open]")) return;
  if (held && (event.key.length === 1 || event.key === "Enter")) {
    held.push(event.key);
    event.preventDefault();
  } else if (press(event.key)) event.preventDefault();
}

/** Press keys that have waited, the browser's own Enter among them. */
function release(keys) {
  held = null;
  for (const key of keys) {
    if (key === "Enter") document.activeElement.click();
    else press(key);
  }
}

/** Listen to keys. */
export function startKeys() {
  document.addEventListener("keydown", onKey);
  addEventListener("beforeunload", () => {
    held ??= [];
    setTimeout(() => held && release(held), HELD_MS);
  });
  addEventListener("pagehide", () => {
    if (held?.length) sessionStorage.setItem(KEPT, JSON.stringify(held));
    held = null;
  });
  const waited = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  sessionStorage.removeItem(KEPT);
  release(waited);
}
