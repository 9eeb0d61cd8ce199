// Puts newer pieces of the page in place as they come, copies the link, and keeps a form from being sent twice.
"use strict";

(function () {
  const live = document.querySelector("[data-live]");
  const offline = document.getElementById("offline");
  const waiting = new Map(); // pieces that came while somebody was in them
  const shown = new Map(); // what each piece was put in place with: scripts change it afterwards
  for (const at of document.querySelectorAll("[id^=live-]")) shown.set(at.id, at.innerHTML);

  function put(id, html) {
    const at = document.getElementById(id);
    if (!at) return;
    if (at.contains(document.activeElement) && document.activeElement !== document.body) {
      waiting.set(id, html);
      return;
    }
    waiting.delete(id);
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    if (fresh.innerHTML === shown.get(id)) return; // the first news are what the page came with
    shown.set(id, fresh.innerHTML);
    const open = new Set(Array.from(at.querySelectorAll("details[open][id]"), (d) => d.id));
    at.innerHTML = html;
    for (const d of at.querySelectorAll("details[id]")) if (open.has(d.id)) d.open = true;
    at.dispatchEvent(new CustomEvent("renewed", { bubbles: true }));
  }

  document.addEventListener("focusout", function () {
    setTimeout(function () {
      for (const [id, html] of Array.from(waiting)) put(id, html);
    });
  });

  function listen() {
    const about = new URLSearchParams({ page: live.dataset.live, person: live.dataset.person });
    for (const k of ["day", "range", "group"]) if (live.dataset[k]) about.set(k, live.dataset[k]);
    const source = new EventSource("events?" + about);
    let late = null;
    source.onmessage = function (e) {
      clearTimeout(late);
      late = null;
      offline.hidden = true;
      const pieces = JSON.parse(e.data);
      for (const id of Object.keys(pieces)) put(id, pieces[id]);
    };
    source.onopen = function () {
      clearTimeout(late);
      late = null;
      offline.hidden = true;
    };
    source.onerror = function () {
      if (late === null) late = setTimeout(function () { offline.hidden = false; }, 8000);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 15000);
    };
    window.addEventListener("pagehide", function () { source.close(); }, { once: true });
  }
  if (live && window.EventSource) listen();

  // A page that comes back out of the browser's memory is old.
  window.addEventListener("pageshow", function (e) { if (e.persisted) location.reload(); });

  document.addEventListener("click", function (e) {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    const done = function () {
      const before = button.textContent;
      button.textContent = button.dataset.copied;
      setTimeout(function () { button.textContent = before; }, 2000);
    };
    const byHand = function () { // without https the browser has no clipboard for us
      field.focus();
      field.select();
      let copied = false;
      try { copied = document.execCommand("copy"); } catch { /* then the user copies what is marked */ }
      if (copied) done();
      else button.textContent = button.dataset.byHand;
    };
    if (navigator.clipboard) navigator.clipboard.writeText(field.value).then(done, byHand);
    else byHand();
  });

  document.addEventListener("submit", function (e) {
    if (e.target.dataset.sent) {
      e.preventDefault();
      return;
    }
    e.target.dataset.sent = "1";
    if (!("download" in e.target.dataset)) e.target.classList.add("sending");
    setTimeout(function () {
      delete e.target.dataset.sent;
      e.target.classList.remove("sending");
    }, "download" in e.target.dataset ? 3000 : 60000);
  });
})();
