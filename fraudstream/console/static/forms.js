// Forms of a case: sent without leaving the page, whose parts are then replaced; dialogues for notes and closing.

import { countChosen, parsed, patch } from "./fragments.js";

function say(text, isRefused) {
  const message = document.querySelector("#message");
  message.textContent = text;
  message.classList.toggle("refused", isRefused);
}

/** Send a request and show the page that is the answer. */
async function send(address, options) {
  const message = document.querySelector("#message");
  say(message.dataset.waiting, false);
  const buttons = document.querySelectorAll("#actions button");
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(address, { method: "POST", ...options });
    const page = parsed(await answer.text());
    const said = page.querySelector("#message");
    say(said ? said.textContent.trim() : message.dataset.failed, !answer.ok);
    if (said && page.querySelector("#case")) patch(page);
  } catch {
    say(message.dataset.failed, true);
  }
  for (const button of buttons) button.disabled = false;
}

function act(form) {
  form.closest("dialog")?.close();
  const sent = send(form.action, { body: new URLSearchParams(new FormData(form)) });
  sent.then(() => form.matches("dialog form") && form.reset());
}

/** Send the chosen file as a body of its own, with its name in the address and the token in a header. */
function upload(form) {
  const file = form.elements.file.files[0];
  if (file.size > Number(form.dataset.bytesMax)) return say(form.dataset.tooLarge, true);
  const headers = { "x-csrf-token": form.elements.csrf.value, "content-type": file.type || "application/octet-stream" };
  const address = new URL(form.action);
  address.searchParams.set("name", file.name);
  send(address, { headers, body: file }).then(() => form.reset());
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
    const submit = form.matches("[data-act]") ? act : form.matches("[data-upload]") ? upload : null;
    if (!submit) return;
    event.preventDefault();
    submit(form);
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
