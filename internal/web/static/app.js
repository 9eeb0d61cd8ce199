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

  // News comes as events. The server sends the first at once: where none arrives, something in between gathers them, and the page asks
  // for its pieces instead, says so, and tries events again from time to time.
  const asking = document.getElementById("asking");
  const proof = 5000; // ms from connecting to the first event
  const silence = 45000; // ms without one: the server sends more often
  const every = 5000; // ms between two questions
  const firstRetry = 60000, lastRetry = 600000; // ms until events are tried again

  function listen() {
    const about = new URLSearchParams({ page: live.dataset.live, person: live.dataset.person });
    for (const k of ["day", "range", "group"]) if (live.dataset[k]) about.set(k, live.dataset[k]);
    let source = null; // of events
    let watch = null; // the timer of its next sign of life
    let poll = null; // the timer of the next question
    let again = null; // the timer of the next try with events
    let retry = firstRetry;
    let had = ""; // the sum of the pieces that are shown
    let failed = 0; // questions in a row
    let gone = false;

    function take(pieces) {
      for (const id of Object.keys(pieces)) put(id, pieces[id]);
    }

    function connect() {
      clearTimeout(again);
      if (source) source.close();
      source = new EventSource("events?" + about);
      clearTimeout(watch);
      watch = setTimeout(fallBack, proof);
      source.onmessage = function (e) {
        clearTimeout(watch);
        watch = setTimeout(fallBack, silence);
        clearTimeout(poll);
        poll = null;
        retry = firstRetry;
        failed = 0;
        offline.hidden = asking.hidden = true;
        take(JSON.parse(e.data));
      };
      source.onerror = function () {
        clearTimeout(watch); // the browser connects again by itself, or has given up
        watch = setTimeout(fallBack, source.readyState === EventSource.CLOSED ? 0 : proof);
      };
    }

    function fallBack() {
      source.close();
      if (gone) return;
      again = setTimeout(connect, retry);
      retry = Math.min(2 * retry, lastRetry);
      if (poll === null) ask();
    }

    async function ask() {
      poll = setTimeout(ask, every);
      if (document.hidden) return;
      const mine = poll;
      try {
        const answer = await fetch("pieces?" + about + "&had=" + had, { cache: "no-store", redirect: "error" });
        if (!answer.ok) throw new Error(answer.status);
        const news = answer.status === 204 ? null : await answer.json();
        if (poll !== mine) return; // events came meanwhile, or a later question
        offline.hidden = true;
        if (failed > 0) connect(); // it was away, and events may come again
        else asking.hidden = false;
        failed = 0;
        if (news) {
          had = news.sum;
          take(news.pieces);
        }
      } catch {
        if (poll !== mine) return;
        failed++;
        if (failed < 2) return;
        asking.hidden = true;
        offline.hidden = false;
      }
    }

    // Another network may let events through.
    window.addEventListener("online", function () { if (poll !== null) connect(); });
    document.addEventListener("visibilitychange", function () {
      if (document.hidden || poll === null) return;
      clearTimeout(poll);
      ask();
    });
    window.addEventListener("pagehide", function () {
      gone = true;
      for (const t of [watch, poll, again]) clearTimeout(t);
      source.close();
    }, { once: true });
    connect();
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
