// Keys: `data-key` on the element that a key presses or focuses; j and k move along rows, x chooses one.

function rows() {
  return [...document.querySelectorAll("a[data-row]")];
}

function move(by) {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
}

function onKey(event) {
  const field = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (field) {
    if (event.key === "Escape" && !field.closest("dialog")) field.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.matches("textarea")) field.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("dialog[open]")) return;
  if (event.key === "j" || event.key === "k") return move(event.key === "j" ? 1 : -1);
  const box = event.key === "x" && event.target.closest("tr")?.querySelector("input[type=checkbox]");
  if (box) return box.click();
  if (event.key === "?") return document.querySelector("#keys")?.showModal();
  const element = document.querySelector(`[data-key="${CSS.escape(event.key)}"]:not(:disabled)`);
  if (!element) return;
  event.preventDefault();
  if (element.matches("input")) element.select();
  else element.click();
}

/** Listen to keys. */
export function startKeys() {
  document.addEventListener("keydown", onKey);
}
