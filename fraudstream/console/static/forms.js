// Forms of a case: sent without leaving the page, whose parts are then replaced; dialogues for notes and closing.

import { countChosen, parsed, patch } from "./fragments.js";

function say(text, isRefused) {
  const message = document.querySelector("#message");
  message.textContent = text;
  message.classList.toggle("refused", isRefused);
}

/** Send the form and show the page that is the answer. */
async function send(form) {
  const message = document.querySelector("#message");
  say(message.dataset.waiting, false);
  const buttons = document.querySelectorAll("#actions button");
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = parsed(await answer.text());
    const said = page.querySelector("#message");
    say(said ? said.textContent.trim() : message.dataset.failed, !answer.ok);
    if (said && page.querySelector("#case")) patch(page);
  } catch {
    say(message.dataset.failed, true);
  }
  for (const button of buttons) button.disabled = false;
}

function openDialog(button) {
  const dialog = document.getElementById(button.dataset.dialog);
  for (const radio of dialog.querySelectorAll("[name=disposition]")) radio.checked = radio.value === button.dataset.choose;
  const version = dialog.querySelector("[name=expected_version]");
  if (version) version.value = document.querySelector("#head").dataset.version;
  dialog.showModal();
  (dialog.querySelector("[data-first]") ?? dialog.querySelector("textarea")).focus();
}

/** Listen to clicks and forms. */
export function startForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-act]")) return;
    event.preventDefault();
    form.closest("dialog")?.close();
    send(form).then(() => form.matches("dialog form") && form.reset());
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) openDialog(opener);
    if (event.target.closest("[data-cancel]")) event.target.closest("dialog").close();
    if (event.target.closest("#show-keys")) document.querySelector("#keys").showModal();
  });
  document.addEventListener("change", (event) => {
    countChosen();
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
}
