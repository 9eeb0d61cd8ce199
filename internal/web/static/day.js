// Today: tells the time and the rate under the pointer.
"use strict";

(function () {
  function hide(at) {
    const tip = at.querySelector(".tip");
    if (tip) tip.hidden = true;
  }

  // The nearest point that has a reading, within a quarter of an hour.
  function near(points, i) {
    for (const d of [0, 1, -1, 2, -2, 3, -3]) if (points[i + d]) return i + d;
    return -1;
  }

  function show(at, x) {
    const tip = at.querySelector(".tip"), box = at.getBoundingClientRect();
    const points = at.dataset.points.split(","), step = Number(at.dataset.step);
    const i = near(points, Math.floor((x - box.left) / box.width * points.length));
    if (i < 0) return hide(at);
    const minute = i * step, clock = at.dataset.clocks.split(",")[Math.floor(minute / 60)];
    tip.textContent = clock + ":" + String(minute % 60).padStart(2, "0") + " · " + points[i] + " bpm";
    tip.hidden = false;
    const left = (i + .5) / points.length * box.width;
    tip.style.left = Math.max(0, Math.min(box.width - tip.offsetWidth, left - tip.offsetWidth / 2)) + "px";
    tip.style.setProperty("--stem", left - parseFloat(tip.style.left) + "px");
  }

  document.addEventListener("pointermove", function (e) {
    const at = e.target.closest && e.target.closest(".drawn");
    for (const other of document.querySelectorAll(".drawn")) if (other !== at) hide(other);
    if (at) show(at, e.clientX);
  });
  document.addEventListener("pointerdown", function (e) {
    const at = e.target.closest && e.target.closest(".drawn");
    if (at) show(at, e.clientX);
  });
})();
