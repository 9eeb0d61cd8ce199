// The rules: each looks at all panels of a dashboard as they were read, in the eyes of all viewers, and says what is wrong. What each
// is there for stands in judge_test.go, together with a dashboard in faults.json that it has to find fault with.
import { pieces } from './panels.mjs';

const hour = 3600e3, day = 24 * hour;

// rules returns [{rule, section, panel, text}].
export async function rules(lib, { dashboard, views }) {
  const found = [];
  const add = (rule, s, text) => {
    const f = { rule, section: s.section ?? '', panel: s.title ?? '', text };
    if (!found.some((o) => o.rule === rule && o.section === f.section && o.panel === f.panel)) found.push(f);
  };
  const first = views[0];
  const context = { lib, dashboard, views, first };
  for (const [name, rule] of Object.entries(perPanel)) for (const v of views) for (const s of v.seen) if (!s.error) rule(s, (text) => add(name, s, text), context);
  for (const [name, rule] of Object.entries(perDashboard)) await rule((s, text) => add(name, s, text), context);
  return found;
}

const own = (s) => s.field.config.custom ?? {};
const drawn = (s) => own(s).drawStyle ?? 'line';
const format = (lib, field, v, decimals) => lib.g.formattedValueToString(field.display(v, decimals)).replaceAll('\u00a0', ' ');
const numeric = (s, lib) => s.fields.filter(({ field }) => field.type === lib.g.FieldType.number);
const values = (field) => [...field.values].filter((v) => typeof v === 'number');
const differs = (viewer) => viewer.who.name ? ` (seen from ${viewer.who.name})` : '';

// durations are the units of lengths of time.
const durations = ['clocks', 'clockms', 'ns', 'µs', 'ms', 's', 'm', 'h', 'd', 'dtdurationms', 'dtdurations', 'dthms', 'dtdhms', 'timeticks', 'suffix:h', 'suffix:min'];
// scaling units go over to another prefix where a value is large or small.
const scaling = ['masskg', 'massg', 'masslb', 'lengthkm', 'lengthm', 'lengthmm', 'lengthmi', 'lengthft', 'velocitykmh', 'velocitymph', 'velocityms'];
// enumerations are options with a fixed list of words, none of which is empty.
const enumerations = ['mode', 'orientation', 'graphMode', 'colorMode', 'textMode', 'justifyMode', 'displayMode', 'placement', 'sort', 'pieType', 'showValue', 'layout', 'drawStyle',
  'lineInterpolation', 'showPoints', 'gradientMode', 'axisPlacement', 'selectionMode', 'cellHeight', 'align', 'sizing', 'alignValue', 'type'];

const perPanel = {
  // Rows of a heat map have names of their own, those that the transformation made, in order and with none left out.
  rows(s, add) {
    if (!s.rows) return;
    const { rows } = s;
    if (new Set(rows).size < rows.length) return add(`${rows.length} rows have ${new Set(rows).size} names: ${rows.slice(0, 3).join(', ')}`);
    s.fieldsOfRows.forEach((name, i) => { if (name !== rows[i]) add(`the row of ${name} is called ${rows[i]}`); });
    const sorted = [...rows].sort((a, b) => (Number.isNaN(+a) || Number.isNaN(+b) ? a.localeCompare(b) : a - b));
    if (sorted.join() !== rows.join() && sorted.reverse().join() !== rows.join()) add(`the rows are not in order: ${rows.slice(0, 5).join(', ')}`);
    for (const [pattern, all, what] of [[/^\d\d?(:00|\.00| h)?$/, 24, 'hours'], [/^\d\d?[.:](00|30)$/, 48, 'half hours']]) {
      if (/hour/i.test(`${s.title} ${s.panel.description}`) && rows.every((r) => pattern.test(r)) && rows.length < all) return add(`${rows.length} of ${all} ${what} have a row`);
    }
  },

  // What stands where there is nothing is no figure.
  noValue(s, add) {
    const all = [s.panel.fieldConfig?.defaults?.noValue, ...(s.panel.fieldConfig?.overrides ?? []).flatMap((o) => o.properties.filter((p) => p.id === 'noValue').map((p) => p.value))];
    for (const word of all) if (/\d/.test(word ?? '')) add(`where nothing is known, ${word} is shown`);
  },

  // Of two overrides of one option that both match a field, only the second counts.
  twice(s, add, { lib }) {
    for (const { field, frame, name } of s.fields) {
      const before = new Map();
      for (const o of s.panel.fieldConfig?.overrides ?? []) {
        const matcher = lib.g.getFieldMatcher({ ...o.matcher });
        // Matchers look at the name that the data source gave: the overridden one is left out.
        const plain = { ...field, config: { ...field.config, displayName: undefined }, state: undefined };
        if (!matcher(plain, { ...frame, fields: frame.fields.map((f) => (f === field ? plain : f)) }, s.frames)) continue;
        for (const p of o.properties) {
          const is = JSON.stringify(p.value);
          if (before.has(p.id) && before.get(p.id) !== is) add(`${name} has two ${p.id}: ${before.get(p.id)}, then ${is}, which counts`);
          before.set(p.id, is);
        }
      }
    }
  },

  // A quantity keeps the unit that it has, however large or small it is.
  scaled(s, add, { lib }) {
    const unit = (d) => (d.suffix ?? '').trim();
    for (const { field, name } of numeric(s, lib)) {
      if (!scaling.includes(field.config.unit)) continue;
      const is = unit(lib.g.getValueFormat(field.config.unit)(1));
      const shown = s.displays ? s.displays.filter((d) => d.config.unit === field.config.unit).map((d) => d.numeric) : values(field);
      for (const v of [...shown, ...s.axes.flatMap((a) => (a.series.some((x) => x.field === field) ? a.places : []))]) {
        if (v !== 0 && Number.isFinite(v) && unit(field.display(v)) !== is) return add(`${name}: ${v} ${is} is shown as ${format(lib, field, v)}`);
      }
    }
  },

  // The length of a bar is its value.
  zero(s, add, { lib }) {
    for (const axis of s.axes) {
      if (axis.series.some((x) => drawn(x) === 'bars') && axis.min > 0) add(`the bars begin at ${format(lib, axis.series[0].field, axis.min)}`);
    }
  },

  // Two lengths of time of which one is a tenth longer are not written alike.
  duration(s, add, { lib }) {
    for (const { field, name } of numeric(s, lib)) {
      if (!durations.includes(field.config.unit) || field.config.mappings?.length) continue;
      const shown = s.displays ? s.displays.filter((d) => d.config.unit === field.config.unit && d.real).map((d) => d.numeric) : values(field);
      const size = { 'suffix:min': 1 / 60, m: 1 / 60, 'suffix:h': 1, h: 1, ms: 1 / hour, dtdurationms: 1 / hour, clockms: 1 / hour, s: 1 / 3600, dtdurations: 1 / 3600, clocks: 1 / 3600 }[field.config.unit];
      for (const v of shown) {
        if (Math.abs(v * (size ?? 0)) < 1) continue; // below an hour whole minutes or tenths of it do
        const a = format(lib, field, v), b = format(lib, field, v * 1.111);
        if (a === b) return add(`${name}: ${v} and ${Math.round(v * 111.1) / 100} are both ${a}`);
      }
    }
  },

  // Values that differ are not all written alike.
  same(s, add, { lib }) {
    if (s.panel.type === 'heatmap' || s.panel.type === 'histogram') return;
    for (const { field, name } of numeric(s, lib)) {
      const all = values(field).filter((v) => !Number.isInteger(v));
      const words = new Set(all.map((v) => format(lib, field, v)));
      if (all.length >= 7 && new Set(all).size >= 3 && words.size === 1) add(`${name}: ${all.length} values from ${Math.min(...all)} to ${Math.max(...all)} are all written as ${[...words][0]}`);
    }
  },

  // Ticks of an axis have different words, in steps as even as they stand.
  ticks(s, add) {
    for (const a of s.axes) {
      if (new Set(a.ticks).size < a.ticks.length) { add(`the axis says ${a.ticks.join(' | ')}`); continue; }
      const n = a.ticks.map((x) => parseFloat(x.replace(/[^\d.+−-]/g, '').replace('−', '-')));
      const units = new Set(a.ticks.map((x) => x.replace(/[\d.,+−-]/g, '').trim().replace(/s$/, '')));
      if (n.length < 3 || n.some(Number.isNaN) || units.size > 1) continue;
      if (a.ticks.some((x) => /\d\D+\d/.test(x.replace(/[.,]/g, '')))) continue; // hours and minutes
      const steps = n.slice(1).map((v, i) => v - n[i]);
      if (Math.max(...steps) - Math.min(...steps) > 0.1 * Math.abs(steps[0]) + 1e-9) add(`the axis has uneven words for even steps: ${a.ticks.join(' | ')}`);
    }
  },

  // A line ends where there is nothing: it is not drawn through a gap of more than three times the usual distance of its points.
  gaps(s, add, { lib }) {
    for (const x of s.series ?? []) {
      if (s.panel.type !== 'timeseries' || drawn(x) !== 'line' || x.there.length < 2) continue;
      const steps = x.there.slice(1).map((i, k) => x.times[i] - x.times[x.there[k]]).sort((a, b) => a - b);
      // A quarter of the points are at most so far apart: where somebody is ill, they measure often, and then not for days.
      const usual = Math.max(steps[Math.floor(steps.length / 4)], 60e3);
      let longest = 0;
      for (const [from, to] of pieces(x)) {
        let last = from;
        for (let i = from + 1; i <= to; i++) {
          if (typeof x.values[i] !== 'number') continue;
          if (x.times[i] - x.times[last] > longest) longest = x.times[i] - x.times[last];
          last = i;
        }
      }
      if (longest > 3 * usual && longest > hour) add(`${x.name}: a line is drawn through ${length(longest)} without a value; the points are ${length(usual)} apart`);
    }
  },

  // One value alone is seen.
  single(s, add) {
    for (const x of s.series ?? []) {
      if (drawn(x) !== 'line' || own(x).showPoints !== 'never' || (own(x).lineWidth === 0 && !own(x).fillOpacity)) continue;
      add(`${x.name}: a value without a neighbour draws nothing (showPoints is never)`);
    }
  },

  // What calls itself means of so many minutes is asked so.
  means(s, add) {
    const m = /\b(?:means|medians|sums|steps) of (\d+) (minute|hour)s?\b/i.exec(`${s.panel.title} ${s.panel.description}`);
    if (!m) return;
    const ms = m[1] * (m[2] === 'hour' ? hour : 60e3);
    const wanted = [m[1] + m[2][0], ms / 60e3 + 'm'];
    for (const { text, query } of s.queries) {
      const group = /GROUP BY\s+time\(\s*(\w+)/i.exec(query);
      if (group && !wanted.includes(group[1])) return add(`${m[0]}, and the query asks for ${group[1]}`);
      const flux = /every:\s*(\w+)/.exec(query);
      if (flux && !wanted.includes(flux[1])) return add(`${m[0]}, and the query asks for ${flux[1]}`);
      if (/\$__interval|windowPeriod/.test(text)) return add(`${m[0]}, and the query leaves the interval to the width of the panel`);
    }
  },

  // Options that are words out of a list are none that is empty.
  words(s, add) {
    const look = (x, path) => {
      for (const [k, v] of Object.entries(x ?? {})) {
        if (v && typeof v === 'object') look(v, [...path, k]);
        else if (v === '' && enumerations.includes(k)) add(`${[...path, k].join('.')} is empty`);
      }
    };
    look(s.panel.options, ['options']);
    look(s.panel.fieldConfig?.defaults?.custom, ['fieldConfig', 'defaults', 'custom']);
  },

  // A column is as wide as its words.
  clipped(s, add, { lib }) {
    if (s.panel.type !== 'table' || !s.columnsShown) return;
    const { width } = s.viewer.size(s.panel);
    const fixed = s.columnsShown.map((c) => own(c).width ?? 0);
    const free = (width - fixed.reduce((a, b) => a + b, 0)) / Math.max(fixed.filter((w) => !w).length, 1);
    s.columnsShown.forEach((c, i) => {
      const has = fixed[i] || Math.max(free, own(c).minWidth ?? 150);
      const longest = [...c.field.values].map((v) => format(lib, c.field, v)).reduce((a, b) => (b.length > a.length ? b : a), '');
      if (longest.length * 7.2 + 24 > has) add(`the column ${c.name} is ${Math.round(has)} pixels wide, and holds ${longest}`);
    });
  },

  // A sparkline has a place of its own. Grafana leaves it out below 100 pixels of height, and draws it at the bottom: through a figure
  // that is in the middle, as one without a name always is.
  sparkline(s, add) {
    if (s.panel.type !== 'stat' || (s.panel.options.graphMode ?? 'area') !== 'area' || !s.displays?.some((d) => d.sparkline?.y?.values?.length > 1)) return;
    const { orientation, justifyMode = 'auto', wideLayout = true } = s.panel.options;
    let { height, width } = s.viewer.size(s.panel);
    if (orientation === 'vertical') width /= s.displays.length;
    else height /= s.displays.length;
    const size = `${Math.round(width)} × ${Math.round(height)} pixels`;
    const wide = wideLayout && width / height > 2.5;
    if (height <= (wide ? 50 : 100)) add(`there is no room for its sparkline in ${size}`);
    else if (!wide && (justifyMode === 'center' || s.names.length === 0)) add(`the sparkline runs through the figure, which is in the middle of ${size}`);
  },

  // The name of a figure is not the panel's title once more.
  title(s, add) {
    if (s.panel.type === 'stat' && s.names.some((n) => n === s.title)) add('the title is there twice');
  },

  // A change has a sign.
  plus(s, add, { lib }) {
    const changes = (d) => /against|change|difference|compared/i.test(`${d.name}`) || (s.panel.options?.reduceOptions?.calcs ?? []).includes('diff') || (/against|change/i.test(s.title) && s.displays.length === 1);
    if (s.panel.type !== 'stat') return;
    for (const d of (s.displays ?? []).filter((x) => x.real && changes(x))) {
      const f = s.fields.find((x) => x.name === d.name || s.displays.length === 1)?.field;
      const words = f && f.type === lib.g.FieldType.number ? [format(lib, f, 5)] : d.numeric > 0 ? [d.text] : [];
      for (const w of words) if (!/^[+↑▲]/.test(w.trim())) add(`${d.name || s.title}: an increase of 5 is shown as ${w}`);
    }
  },

  // The usual is what was before, without what is compared with it.
  usual(s, add) {
    if (!/before|usual/i.test(`${s.panel.description}`)) return;
    for (const { text } of s.queries) {
      const m = /last\(("[^"]+")\)\s*-\s*(?:mean|median)\(\1\)/.exec(text);
      if (m) add(`the mean of what was before holds the last value of ${m[1]} itself`);
      if (/accumulator\.sum \+ float\(v: r\._value\)/.test(text) && /r\.last - r\.sum \/ r\.n/.test(text)) add('the mean of what was before holds the last value itself');
    }
  },

  // What is said to reach back for ever has no limit.
  ever(s, add) {
    if (/whenever|ever since|however long|of all time/i.test(`${s.panel.title} ${s.panel.description}`) && (s.panel.timeFrom || s.queries.some((q) => /\$timeFilter|__to/.test(q.text)))) {
      add(`it says ${/whenever[^.,]*|ever since|however long|of all time/i.exec(`${s.panel.title} ${s.panel.description}`)[0]}, and asks for ${s.panel.timeFrom || 'the range'}`);
    }
  },

  // A part is not more than the whole.
  share(s, add, { lib }) {
    for (const { field, name } of numeric(s, lib)) {
      if (field.config.unit !== 'percent' || /goal/i.test(`${s.title} ${s.panel.description} ${name}`)) continue;
      const most = Math.max(...values(field));
      if (most > 100.05) add(`${name}: ${format(lib, field, most)}`);
    }
  },

  // Figures of five digits and more are grouped.
  thousands(s, add) {
    for (const w of [...s.texts, ...s.axes.flatMap((a) => a.ticks)]) if (/(^|[^\d.:/-])\d{5,}(?![\d:/-])/.test(w)) return add(`${w} is hard to read`);
  },

  // A value has no more digits than somebody reads.
  digits(s, add) {
    for (const w of [...s.texts, ...s.axes.flatMap((a) => a.ticks)]) {
      const m = /^-?([\d,]+)\.(\d+)/.exec(w);
      if (!m || /°$/.test(w)) continue; // of a place
      if (m[2].length > 2 || (m[1] + m[2]).replace(/\D/g, '').replace(/^0+/, '').length > 4) return add(`${w} has too many digits`);
    }
  },

  // Five minutes are not written with seconds, hours not in three decimals.
  clock(s, add) {
    for (const w of [...s.texts, ...s.axes.flatMap((a) => a.ticks)]) if (/\d+m:\d+s$/.test(w) || /^-?\d+\.\d{2,} (h|hours)$/.test(w)) return add(`a length of time is written as ${w}`);
  },

  // A panel that has a range of its own keeps to a range that somebody chose.
  timeFrom(s, add) {
    if (s.panel.timeFrom && !/\bnow\b|today|so far/i.test(`${s.panel.title} ${s.panel.description} ${s.section}`)) add(`with a range in the past it still ends now, or is no longer ${s.panel.timeFrom} (timeFrom)`);
  },
};

const length = (ms) => (ms >= 2 * day ? `${Math.round(ms / day)} days` : ms >= 2 * hour ? `${Math.round(ms / hour)} hours` : `${Math.round(ms / 60e3)} minutes`);

// step is the usual distance of a series' points.
function step(x) {
  const times = x.there.map((i) => x.times[i]);
  const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

const perDashboard = {
  // No viewer sees an error.
  errors(add, { views }) {
    for (const v of views) for (const s of v.seen) if (s.error) add(s, s.error + differs(v));
  },

  // What one viewer sees another one does, at whatever hour.
  empty(add, { views, first }) {
    for (const v of views.slice(1)) {
      if (v.who.world) continue;
      for (const s of v.seen) {
        const same = first.seen.find((o) => o.panel === s.panel || o.panel.id === s.panel.id);
        if (s.empty && !same.empty && !s.error && !/last 24 hours|last night/i.test(s.title)) add(s, `nothing is there${differs(v)}`);
      }
    }
  },

  // A day's value stands at that day, a night's at the day of waking, a week's at its Monday, for every viewer. Where the viewer's own
  // days are counted, the values are others; but the same ones must not stand a day off.
  dates(add, { lib, views, first }) {
    const date = (t, timeZone, back = 0) => lib.g.dateTimeFormat(t + back * day, { format: 'YYYY-MM-DD', timeZone });
    const zoneOf = (v) => (v.viewer.timezone === 'browser' ? v.who.zone : v.viewer.timezone);
    const dailies = (s) => (s.panel.type === 'timeseries' ? s.series ?? [] : []).filter((x) => x.there.length >= 4 && step(x) > 20 * hour && step(x) < 30 * hour);
    for (const v of views) {
      if (v.who.world || v.who.now || v.who.choose?.units) continue;
      const zone = zoneOf(v);
      for (const s of v.seen) {
        for (const x of s.panel.type === 'timeseries' ? s.series ?? [] : []) {
          if (x.there.length < 4 || step(x) < 6.5 * day || step(x) > 7.5 * day || !s.queries.some(({ text }) => /time\(7d|every: (7d|1w)/.test(text))) continue;
          const shown = date(x.times[x.there.at(-1)], zone);
          if (new Date(shown + 'T00:00:00Z').getUTCDay() !== 1) add(s, `a week stands at ${shown}, which is no Monday${differs(v)}`);
        }
        const mine = first.seen.find((o) => o.panel.id === s.panel.id);
        for (const x of dailies(s)) {
          if (v === first) {
            const last = x.times[x.there.at(-1)];
            const windows = s.queries.some(({ text }) => /time\(1d|every: 1d/.test(text));
            if (windows && Number(lib.g.dateTimeFormat(last, { format: 'H', timeZone: zone })) >= 14) add(s, `${x.name}: what is of ${date(last, zone, 0.5)} stands at ${date(last, zone)}`);
            continue;
          }
          const y = dailies(mine).find((o) => o.name === x.name);
          if (!y) continue;
          const at = new Map(y.there.map((i) => [date(y.times[i], zoneOf(first)), y.values[i]]));
          const equal = (back) => x.there.filter((i) => at.get(date(x.times[i], zone, back)) === x.values[i]).length;
          const [same, before, after] = [equal(0), equal(1), equal(-1)];
          if (Math.max(before, after) > same && Math.max(before, after) > x.there.length / 3) {
            const i = x.there.at(-1), back = before > after ? 1 : -1;
            add(s, `${x.name}: what is of ${date(x.times[i], zone, back)} stands at ${date(x.times[i], zone)}${differs(v)}`);
          }
        }
      }
    }
  },

  // A heat map counts days and hours in the chosen zone, wherever the viewer is.
  zone(add, { lib, views, first }) {
    const other = views.find((v) => v.who.choose?.tz);
    if (!other) return;
    for (const s of other.seen) {
      const mine = first.seen.find((o) => o.panel.id === s.panel.id);
      if (!s.rows || !mine.rows) continue;
      // The ranges of the two begin and end at other instants, so their outer columns may differ.
      const cells = (x) => {
        const out = new Map();
        x.columns.slice(1, -1).forEach((t, i) => {
          const column = lib.g.dateTimeFormat(t + 12 * hour, { format: 'YYYY-MM-DD', timeZone: x.who.zone });
          for (const { field } of x.fields) if (field.type === lib.g.FieldType.number && field.values[i + 1] != null) out.set(`${column} ${field.name}`, field.values[i + 1]);
        });
        return out;
      };
      const a = cells(mine), b = cells(s);
      const days = new Set([...a.keys()].map((k) => k.slice(0, 10)));
      const differing = [...b].find(([k, v]) => days.has(k.slice(0, 10)) && a.get(k) !== v);
      if (differing || a.size === 0 || b.size === 0) add(s, `with ${other.who.choose.tz} chosen in another zone ${differing?.[0]} is ${differing?.[1]}, not ${a.get(differing?.[0])}`);
    }
  },

  // A range of days begins with a whole one.
  ranges(add, { lib, dashboard, first }) {
    const whole = (t) => lib.g.dateTimeFormat(t, { format: 'HH:mm:ss', timeZone: first.who.zone }) === '00:00:00';
    const { from, to } = first.viewer.range;
    if (to - from > 2 * day && !whole(from)) add({ section: '', title: '' }, `the dashboard's range (${dashboard.time.from}) begins at ${lib.g.dateTimeFormat(from, { format: 'HH:mm', timeZone: first.who.zone })}`);
    for (const s of first.seen) {
      if (!s.panel.timeFrom || s.error || s.range.to - s.range.from <= 2 * day || whole(s.range.from)) continue;
      if (s.queries.some(({ text }) => /\b(count|sum|mean)\(/.test(text))) add(s, `its range (${s.panel.timeFrom}) begins within a day`);
    }
  },

  // What a variable offers is there: chosen, it fills the panels that ask for it.
  async offered(add, { dashboard, first, lib }) {
    const { Viewer } = await import('./viewer.mjs');
    const { show } = await import('./panels.mjs');
    for (const v of dashboard.templating?.list ?? []) {
      if (v.type !== 'query' || v.hide || Number(v.refresh) !== 2) continue;
      const using = first.seen.filter((s) => s.queries.some(({ text }) => text.includes('${' + v.name)));
      const clock = Date.now;
      try {
        Date.now = () => first.viewer.now;
        for (let week = 1; week <= 26; week++) {
          const to = first.viewer.now - week * 7 * day, from = to - 7 * day;
          const who = { ...first.who, now: first.viewer.now, range: { from, to } };
          const viewer = await new Viewer(lib, first.viewer.source, dashboard, who).open();
          const { options } = viewer.values.get(v.name);
          for (const o of options.slice(0, 1)) {
            for (const s of using) {
              const seen = await show(viewer, s.panel);
              if (seen.error || seen.empty) add(s, `${v.name} offers ${o.text} in the week to ${new Date(to).toISOString().slice(0, 10)}, and chosen it shows nothing`);
            }
          }
        }
      } finally {
        Date.now = clock;
      }
    }
  },

  // One dashboard writes lengths of time in one way.
  style(add, { first }) {
    const styles = [['7h:12m', /\dh:\d+m/], ['7 h 12 min', /\d h \d+ min/], ['7.2 h', /^-?\d+\.\d+ h$/], ['7 hours', /^-?\d+(\.\d+)? hours?$/]];
    const by = new Map();
    for (const s of first.seen) {
      for (const [name, pattern] of styles) {
        const word = [...s.texts].find((w) => pattern.test(w));
        if (word) by.set(name, [...(by.get(name) ?? []), { s, word }]);
      }
    }
    if (by.size < 2) return;
    const [most] = [...by].sort((a, b) => b[1].length - a[1].length)[0];
    for (const [name, all] of by) if (name !== most) for (const { s, word } of all) add(s, `${word} here, ${by.get(most)[0].word} elsewhere (${by.get(most)[0].s.title})`);
  },
};

// names are those of all rules.
export const names = [...Object.keys(perPanel), ...Object.keys(perDashboard)];
