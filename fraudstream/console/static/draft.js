// The draft of a rule: what is wrong is listed while it is typed. The server checks, and nothing is saved.

import { parsed, patch } from "./fragments.js";

const PAUSE_MS = 400; // after the last key

let timer;
let request;

async function check(form) {
  request?.abort();
  request = new AbortController();
  const body = new URLSearchParams(new FormData(form));
  try {
    const answer = await fetch(form.dataset.check, { method: "POST", body, signal: request.signal });
    if (answer.ok) patch(parsed(await answer.text()));
  } catch (error) {
    if (error.name !== "AbortError") document.querySelector("#faults").replaceChildren();
  }
}

/** Put the cursor where a fault is. */
function goTo(field, line) {
  const before = field.value.split("\n").slice(0, line - 1);
  const at = before.reduce((sum, text) => sum + text.length + 1, 0);
  field.focus();
  field.setSelectionRange(at, at + (field.value.slice(at).split("\n")[0]?.length ?? 0));
}

/** Listen to the form of a draft, if the page has one. */
export function startDraft() {
  const form = document.querySelector("#draft");
  if (!form) return;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => check(form), PAUSE_MS);
  });
  form.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (place) goTo(form.elements[place.dataset.field], Number(place.dataset.line));
  });
}
