// Replaces the parts of a page that have changed by those of a newer copy of the page.

const policy = globalThis.trustedTypes?.createPolicy("fragments", { createHTML: (text) => text });
const CHANGED_MS = 1500;

/** The document that our own server has sent as `text`. */
export function parsed(text) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
}

/** Replace each element with `data-fresh` that differs from the one of the same id in `page`, and the rows of the queue. */
export function patch(page) {
  const focused = document.activeElement?.id;
  for (const fresh of page.querySelectorAll("[data-fresh]")) {
    const old = document.getElementById(fresh.id);
    if (old && text(old) !== text(fresh) && !isInUse(old)) replace(old, fresh);
  }
  const rows = page.querySelector("#row-list");
  if (rows) patchRows(document.querySelector("#row-list"), rows);
  if (focused && document.activeElement.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
  countChosen();
  const state = page.querySelector("#state");
  if (state) Object.assign(document.querySelector("#state").dataset, { sequence: state.dataset.sequence, instance: state.dataset.instance });
}

/** The rows of the queue that this page has, for the server to leave out: see `queue_rows.py`. */
export function knownRows() {
  return [...document.querySelectorAll("#row-list > tr")].map((row) => row.dataset.digest).join(" ");
}

/** Show how many rows are chosen. */
export function countChosen() {
  const count = document.querySelector("#chosen-count");
  if (count) count.textContent = document.querySelectorAll("#rows input:checked").length || "";
}

function replace(old, fresh) {
  const scroll = old.querySelector(".scroll")?.scrollLeft ?? 0;
  keepTicked(old, fresh);
  old.replaceWith(fresh);
  if (scroll) fresh.querySelector(".scroll").scrollLeft = scroll;
}

/** Make `list` have the rows of `fresh` in their order. One with `data-kept` stands for the row of its id in `list`. */
function patchRows(list, fresh) {
  const old = new Map([...list.children].map((row) => [row.id, row]));
  const rows = [...fresh.children].map((row) => ("kept" in row.dataset ? old.get(row.id) : marked(row, old.get(row.id))));
  for (const row of old.values()) if (!rows.includes(row)) row.remove();
  let at = list.firstElementChild; // those before it are in order
  for (const row of rows) {
    if (row === at) at = at.nextElementSibling;
    else list.insertBefore(row, at);
  }
}

/** A row that comes in place of `old`, if there is one: marked if the case has changed. */
function marked(row, old) {
  if (old) keepTicked(old, row);
  if (old?.dataset.version !== row.dataset.version) {
    row.classList.add("changed");
    setTimeout(() => row.classList.remove("changed"), CHANGED_MS);
  }
  return row;
}

/** What was ticked in `old` is so in what comes in its place, unless it has changed since it was chosen. */
function keepTicked(old, fresh) {
  for (const { id, value } of old.querySelectorAll("input[type=checkbox]:checked")) {
    const box = fresh.querySelector(`#${CSS.escape(id)}`);
    if (box?.value === value) box.checked = true;
  }
}

/** The element's text without what the server does not know: what is unfolded, and the tokens of forms. */
function text(element) {
  return element.outerHTML.replace(/name="csrf" value="[^"]*"/g, "").replace(/ open=""/g, "");
}

/** Whether somebody is choosing in the element. */
function isInUse(element) {
  return element.matches("select") && element === document.activeElement;
}
