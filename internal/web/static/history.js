// History: draws the charts where they come into view, tells what is under the pointer, and makes the days of the calendar reachable.
"use strict";

(function () {
  const live = document.querySelector("[data-live=history]");
  const lang = document.documentElement.lang || "en";
  const day = 86400;
  const date = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeZone: "UTC" });
  const month = new Intl.DateTimeFormat(lang, { month: "short", timeZone: "UTC" });
  const dayMonth = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", timeZone: "UTC" });
  const monthYear = new Intl.DateTimeFormat(lang, { month: "short", year: "numeric", timeZone: "UTC" });
  const narrow = "\u202f";
  const drawn = new Map(); // charts by their place
  let answers = {}; // by group

  function number(v, digits) {
    const parts = Math.abs(v).toFixed(digits).split(".");
    const rest = (parts[1] || "").replace(/0+$/, "");
    const whole = parts[0].replace(/\B(?=(\d{3})+$)/g, narrow);
    const text = whole + (rest ? "." + rest : "");
    return (v < 0 && text !== "0" ? "−" : "") + text;
  }

  function amount(v, s) {
    if (s.minutes && v >= 60) {
      const m = Math.round(v);
      return live.dataset.hoursMinutes.replace("{h}", Math.floor(m / 60)).replace("{m}", m % 60);
    }
    const text = (s.signed && v > 0 ? "+" : "") + number(v, s.digits);
    return s.unit ? text + "\u00a0" + s.unit : text;
  }

  function axisDate(u, splits, axis, space, step) {
    return splits.map(function (t) {
      const d = new Date(t * 1000);
      if (step < 27 * day) return dayMonth.format(d);
      if (step > 300 * day || step < 100 * day && d.getUTCMonth() === 0) return String(d.getUTCFullYear());
      if (step > 100 * day) return monthYear.format(d);
      return month.format(d);
    });
  }

  function bounds(s) {
    return function (u, low, high) {
      if (low === null) return [0, 1];
      if (s.bars) return [0, high > 0 ? high * 1.06 : 1];
      const room = Math.max((high - low) * .12, Math.abs(high) * .01, .2);
      return [low - room, high + room];
    };
  }

  // Hours are counted in quarters and sixties, all else in tens.
  const minuteSteps = [5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440];

  function options(s, plot, color, tell) {
    const font = "11.5px system-ui, sans-serif";
    const many = s.values.length > 120;
    const marks = s.bars
      ? { paths: uPlot.paths.bars({ size: [.75, 14], align: 0 }), points: { show: false }, fill: color("--mark"), width: 0 }
      : { paths: () => null, points: { show: true, size: many ? 3.5 : 5, width: 0, fill: color("--mark"), stroke: color("--mark") } };
    const y = {
      stroke: color("--soft"), font: font, size: 46, gap: 4, ticks: { show: false }, grid: { stroke: color("--grid"), width: 1 }, space: 24,
      values: (u, splits) => splits.map((v) => s.minutes && splits[splits.length - 1] >= 120 ? number(v / 60, 1) + narrow + "h" : number(v, s.digits + 1)),
    };
    if (s.minutes) y.incrs = minuteSteps;
    return {
      width: plot.clientWidth, height: plot.clientHeight, padding: [8, 26, 0, 0], tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "days", setSeries: false }, points: { size: 8, width: 2, stroke: color("--card"), fill: color("--line") } },
      scales: { x: { time: true, range: (u, low, high) => [low - day / 2, high + day / 2] }, y: { range: bounds(s) } },
      axes: [
        { stroke: color("--soft"), font: font, size: 26, gap: 4, grid: { show: false }, ticks: { show: false }, space: 64, values: axisDate },
        y,
      ],
      series: [{}, marks, { stroke: color("--line"), width: 2, points: { show: false }, spanGaps: false }],
      hooks: { setCursor: [tell] },
    };
  }

  function draw(figure, s, first) {
    const plot = figure.querySelector(".plot"), readout = figure.querySelector(".readout");
    if (!plot.clientWidth || drawn.has(plot)) return;
    const style = getComputedStyle(figure), before = readout.textContent;
    const from = Date.parse(first + "T00:00:00Z") / 1000;
    const xs = s.values.map((v, i) => from + i * day);
    const tell = function (u) {
      const i = u.cursor.idx;
      if (i === null || i === undefined || u.cursor.left < 0) {
        readout.textContent = before;
        return;
      }
      const parts = [date.format(new Date(xs[i] * 1000))];
      if (s.values[i] !== null) parts[0] += ": " + amount(s.values[i], s);
      if (s.means[i] !== null) parts.push(live.dataset.mean.replace("{value}", amount(s.means[i], s)));
      readout.textContent = parts.join(" · ");
    };
    plot.replaceChildren();
    const u = new uPlot(options(s, plot, (name) => style.getPropertyValue(name).trim(), tell), [xs, s.values, s.means], plot);
    drawn.set(plot, u);
    sizes.observe(plot);
    const follow = function (e) {
      if (e.pointerType !== "mouse") u.setCursor({ left: e.clientX - u.over.getBoundingClientRect().left, top: 10 }, true, true);
    };
    u.over.addEventListener("pointerdown", follow);
    u.over.addEventListener("pointermove", follow);
    plot.onkeydown = function (e) {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      if (!way) return;
      e.preventDefault();
      let i = u.cursor.idx;
      if (i === null || i === undefined) i = way > 0 ? -1 : xs.length;
      do i += way; while (i >= 0 && i < xs.length && s.values[i] === null && s.means[i] === null);
      if (i >= 0 && i < xs.length) u.setCursor({ left: u.valToPos(xs[i], "x"), top: 10 }, true, true);
    };
    plot.onfocus = () => readout.setAttribute("aria-live", "polite"); // the others tell of the same day, silently
    plot.onblur = function () {
      readout.removeAttribute("aria-live");
      u.setCursor({ left: -10, top: -10 }, true, true);
    };
  }

  const sizes = new ResizeObserver(function (all) {
    for (const e of all) {
      const u = drawn.get(e.target), wide = Math.round(e.contentRect.width);
      if (u && wide && wide !== u.width) u.setSize({ width: wide, height: Math.round(e.contentRect.height) });
    }
  });

  function drawAll(section) {
    const answer = answers[section.dataset.group];
    if (!answer) return;
    answer.then(function (a) {
      for (const f of section.querySelectorAll(".trend")) if (a.series[f.dataset.sensor]) draw(f, a.series[f.dataset.sensor], a.first);
    }, function () { delete answers[section.dataset.group]; }); // the drawing of the page stays
  }

  const seen = new IntersectionObserver(function (all) {
    for (const e of all) {
      if (!e.isIntersecting) continue;
      const group = e.target.dataset.group;
      const about = new URLSearchParams({ person: live.dataset.person, range: live.dataset.range, group: group });
      answers[group] = answers[group] || fetch("series?" + about).then(function (r) {
        if (!r.ok) throw new Error(r.status);
        return r.json();
      });
      drawAll(e.target);
    }
  }, { rootMargin: "300px" });

  function forget() {
    for (const u of drawn.values()) u.destroy();
    drawn.clear();
    sizes.disconnect();
  }

  function watch() {
    forget();
    seen.disconnect();
    for (const s of document.querySelectorAll("section.trends")) seen.observe(s);
  }

  document.addEventListener("toggle", function (e) {
    const section = e.target.closest("section.trends");
    if (section && e.target.open) drawAll(section);
  }, true);
  document.addEventListener("renewed", function (e) {
    if (e.target.id === "live-coverage") nameMonths();
    if (e.target.id !== "live-trends") return;
    answers = {};
    watch();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { // the colours are in the drawings
    forget();
    for (const s of document.querySelectorAll("section.trends")) drawAll(s);
  });

  // The calendar
  const states = { u: "unwanted", n: "none", h: "have", e: "early", m: "missing", f: "flying" };

  function daysOf(svg) {
    const out = [];
    for (const [, s, n] of svg.dataset.runs.matchAll(/([a-z])(\d+)/g)) for (let i = 0; i < Number(n); i++) out.push(states[s]);
    return out;
  }

  const dayAt = (svg, i) => new Date(Date.parse(svg.dataset.first + "T00:00:00Z") + i * day * 1000);

  function address(svg, i) {
    const about = new URLSearchParams({ day: dayAt(svg, i).toISOString().slice(0, 10) });
    if (live.dataset.person) about.set("person", live.dataset.person);
    return "./?" + about;
  }

  function under(svg, e) {
    const box = svg.getBoundingClientRect();
    const column = Math.floor((e.clientX - box.left) / box.width * 54), row = Math.floor((e.clientY - box.top) / box.height * 7);
    return column * 7 + Math.min(6, Math.max(0, row)) - Number(svg.dataset.offset);
  }

  function choose(svg, i) {
    const days = daysOf(svg), coverage = svg.closest(".coverage"), line = coverage.querySelector(".chosen");
    for (const old of coverage.querySelectorAll("rect.at")) old.remove();
    if (i < 0 || i >= days.length) {
      line.hidden = true;
      return false;
    }
    const at = document.createElementNS("http://www.w3.org/2000/svg", "rect"), place = i + Number(svg.dataset.offset);
    for (const [k, v] of Object.entries({ class: "at", x: Math.floor(place / 7) * 10, y: place % 7 * 10, width: 10, height: 10 })) at.setAttribute(k, v);
    svg.append(at);
    svg.dataset.chosen = i;
    const name = coverage.querySelector(".legend [data-state=" + days[i] + "] .name");
    const link = document.createElement("a");
    link.href = address(svg, i);
    link.textContent = line.dataset.open;
    line.replaceChildren(date.format(dayAt(svg, i)) + (name ? " · " + name.textContent : "") + " ", link);
    line.hidden = false;
    return true;
  }

  const letter = new Intl.DateTimeFormat(lang, { month: "narrow", timeZone: "UTC" });

  function nameMonths() {
    for (const svg of document.querySelectorAll(".year svg")) {
      const names = svg.parentElement.querySelector(".months");
      names.replaceChildren();
      daysOf(svg).forEach(function (_, i) {
        const d = dayAt(svg, i);
        if (d.getUTCDate() !== 1) return;
        const at = document.createElement("span");
        at.textContent = letter.format(d);
        at.style.left = Math.ceil((i + Number(svg.dataset.offset)) / 7) / 54 * 100 + "%";
        names.append(at);
      });
    }
  }

  function year(e) { return e.target.closest && e.target.closest(".year svg"); }

  document.addEventListener("pointermove", function (e) {
    const svg = year(e);
    if (svg) choose(svg, under(svg, e));
  });
  document.addEventListener("click", function (e) {
    const svg = year(e);
    if (!svg) return;
    const i = under(svg, e);
    const again = svg.dataset.tapped === String(i);
    if (!choose(svg, i)) return;
    svg.dataset.tapped = i;
    if (e.pointerType === "mouse" || again) location.href = address(svg, i); // a finger chooses first: the days are small
  });
  document.addEventListener("keydown", function (e) {
    const svg = year(e);
    if (!svg) return;
    const last = daysOf(svg).length - 1, i = "chosen" in svg.dataset ? Number(svg.dataset.chosen) : last;
    if (e.key === "Enter") {
      location.href = address(svg, i);
      return;
    }
    const begun = "chosen" in svg.dataset, way = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7 }[e.key];
    const to = { Home: 0, End: last }[e.key] ?? (way && (begun ? i + way : i));
    if (to === undefined) return;
    e.preventDefault();
    choose(svg, Math.min(last, Math.max(0, to)));
  });

  nameMonths();
  watch();
})();
