// Replaces the parts of a page that have changed by those of a newer copy of the page.

const policy = globalThis.trustedTypes?.createPolicy("fragments", { createHTML: (text) => text });
const CHANGED_MS = 1500;

/** The document that our own server has sent as `text`. */
export function parsed(text) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
}

/** Replace each element with `data-fresh` that differs from the one of the same id in `page`. */
export function patch(page) {
  for (const fresh of page.querySelectorAll("[data-fresh]")) {
    const old = document.getElementById(fresh.id);
    if (!old || text(old) === text(fresh) || isInUse(old)) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const ticked = [...old.querySelectorAll("input[type=checkbox]:checked")];
    const scroll = old.querySelector(".scroll")?.scrollLeft ?? 0;
    mark(old, fresh);
    old.replaceWith(fresh);
    if (scroll) fresh.querySelector(".scroll").scrollLeft = scroll;
    for (const { id, value } of ticked) {
      const box = document.getElementById(id);
      if (box?.value === value) box.checked = true; // else the case has changed since it was chosen
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  countChosen();
  const state = page.querySelector("#state");
  if (state) Object.assign(document.querySelector("#state").dataset, { sequence: state.dataset.sequence, instance: state.dataset.instance });
}

/** Show how many rows are chosen. */
export function countChosen() {
  const count = document.querySelector("#chosen-count");
  if (count) count.textContent = document.querySelectorAll("#rows input:checked").length || "";
}

/** The element's text without what the server does not know: marks, what is unfolded, and the tokens of forms. */
function text(element) {
  return element.outerHTML.replace(/name="csrf" value="[^"]*"/g, "").replace(/ class="changed"| open=""/g, "");
}

/** Whether somebody is choosing in the element. */
function isInUse(element) {
  return element.matches("select") && element === document.activeElement;
}

/** Mark the rows of `fresh` that `old` had in an older version, or not at all. */
function mark(old, fresh) {
  for (const row of fresh.querySelectorAll("tr[data-version]")) {
    const before = old.querySelector(`#${CSS.escape(row.id)}`);
    if (before?.dataset.version === row.dataset.version) continue;
    row.classList.add("changed");
    setTimeout(() => row.classList.remove("changed"), CHANGED_MS);
  }
}
