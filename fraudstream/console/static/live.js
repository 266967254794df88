// Keeps the page up to date. The server tells which cases have changed; the page then asks for a newer copy of itself.
//
// A browser opens six connections to a server at most, and an event stream holds one. So one tab holds the stream (a
// lock decides which) and tells the others.

import { knownRows, parsed, patch } from "./fragments.js";

const PAUSE_MS = 250; // between two copies, so that many changes cost few requests
const PAUSE_RATIO = 1; // at least so many times what the last copy took: a busy server is asked less often
const RETRY_MS = 2000;

let asked = false; // a newer copy is wanted
let asking = false;

function state() {
  return document.querySelector("#state");
}

function show(name) {
  const shown = state();
  if (shown.classList.contains(name)) return;
  shown.className = `state ${name}`;
  shown.textContent = shown.dataset[name];
}

/** Whether the changes concern this page: a queue always, a case or another page if it is among them. */
function concerns(change) {
  const page = document.querySelector("[data-page]")?.dataset.page;
  if (page !== undefined) return change.pages === null || change.pages.includes(page);
  const { sequence, instance } = state().dataset;
  if (change.instance !== instance) return true;
  const isNewer = change.sequence > Number(sequence);
  const shown = document.querySelector("#case")?.dataset.case;
  if (!shown || change.cases === null) return isNewer || change.cases === null;
  return change.cases.includes(shown) || (isNewer && change.cases.length === 0);
}

function onChange(change) {
  show(change.state);
  if (concerns(change)) refresh();
}

/** Ask for a newer copy of this page, soon. */
async function refresh() {
  asked = true;
  if (asking || document.hidden) return;
  asking = true;
  while (asked && !document.hidden) {
    asked = false;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Refresh": "1", "X-Known-Rows": knownRows() } });
      if (answer.redirected && new URL(answer.url).pathname === "/login") location.reload();
      if (answer.ok) patch(parsed(await answer.text()));
    } catch {
      show("disconnected");
    }
    await new Promise((go) => setTimeout(go, Math.max(PAUSE_MS, PAUSE_RATIO * (performance.now() - began))));
  }
  asking = false;
}

/** Hold the stream until the page is left. */
function hold(others) {
  return new Promise(() => {
    let last = null;
    const open = () => {
      const source = new EventSource("/live");
      source.addEventListener("changes", (event) => {
        last = JSON.parse(event.data);
        onChange(last);
        others.postMessage(last);
      });
      source.onerror = () => {
        show("disconnected");
        others.postMessage({ disconnected: true });
        if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS); // it was refused
      };
    };
    others.addEventListener("message", (event) => {
      if (event.data.hello && last) others.postMessage({ ...last, cases: [], pages: null });
    });
    open();
  });
}

/** Begin to keep the page up to date. */
export function startLive() {
  const others = new BroadcastChannel("changes");
  others.addEventListener("message", ({ data }) => {
    if (data.disconnected) show("disconnected");
    else if (!data.hello) onChange(data);
  });
  navigator.locks.request("live", () => hold(others));
  others.postMessage({ hello: true });
  document.addEventListener("visibilitychange", () => {
    if (asked) refresh();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // a kept page of the back button is out of date
  });
}
