// A viewer opens a dashboard: its range, its variables, and what stands in a query when it leaves the browser, by the documents on
// variables (https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/) and time ranges.

const width = 1800; // of a window's 24 columns, in pixels
const rowHeight = 30, rowGap = 8;

export class Viewer {
  // who: { zone: the browser's, timezone: what the dashboard is set to, else its own }; range: {from, to} of the time picker, else the dashboard's.
  constructor(lib, source, dashboard, { now, zone, timezone, range, choose = {} }) {
    Object.assign(this, { lib, source, dashboard, now, zone, choose });
    this.timezone = timezone ?? (dashboard.timezone || 'browser');
    process.env.TZ = zone;
    lib.g.setTimeZoneResolver?.(() => this.timezone);
    this.raw = range ?? dashboard.time;
    this.range = this.rangeOf(this.raw, this.timezone);
    this.values = new Map();
  }

  // at runs f at the viewer's time.
  rangeOf(raw, timezone) {
    const { g } = this.lib;
    const at = (x, up) => (typeof x === 'number' ? g.dateTime(x) : g.dateMath.parse(x, up, timezone, this.dashboard.fiscalYearStartMonth));
    const from = at(raw.from, false), to = at(raw.to, true);
    if (!from || !to) throw new Error(`the range ${raw.from} to ${raw.to} is none`);
    return { from, to, raw };
  }

  // relative: is the range of the time picker one that moves with the clock?
  relative() { return String(this.raw.from).includes('now') || String(this.raw.to).includes('now'); }

  // rangeFor is a panel's range: an own timeFrom counts where the dashboard's range is a relative one, and is not moved by its zone.
  rangeFor(panel) {
    if (!panel.timeFrom && !panel.timeShift) return this.range;
    let range = this.range;
    if (panel.timeFrom && this.relative()) {
      const own = this.lib.g.rangeUtil.describeTextRange(panel.timeFrom);
      if (!own.invalid) range = this.rangeOf({ from: own.from, to: own.to }, undefined);
    }
    if (panel.timeShift) {
      const back = '-' + panel.timeShift;
      const move = (t, up) => this.lib.g.dateMath.parseDateMath(back, t, up);
      range = { from: move(range.from, false), to: move(range.to, true), raw: range.raw };
    }
    return range;
  }

  // size of a panel's inside, in pixels.
  size(panel) {
    const { w, h } = panel.gridPos;
    return { width: Math.floor((w * width) / 24) - 16, height: h * (rowHeight + rowGap) - rowGap - (panel.title ? 32 : 0) - 8 };
  }

  // intervalOf is what $__interval becomes.
  intervalOf(panel) {
    const points = panel.maxDataPoints ?? Math.floor((panel.gridPos.w * width) / 24);
    return this.lib.g.rangeUtil.calculateInterval(this.rangeFor(panel), points, this.interpolate(panel.interval ?? '') || undefined);
  }

  // open fills the variables, in their order.
  async open() {
    for (const v of this.dashboard.templating?.list ?? []) this.values.set(v.name, await this.fill(v));
    return this;
  }

  async fill(v) {
    let options = [];
    const text = typeof v.query === 'string' ? v.query : v.query?.query ?? '';
    switch (v.type) {
      case 'datasource':
        return { values: [v.current?.value ?? 'default'], texts: [v.current?.text ?? 'default'], options };
      case 'constant': case 'textbox':
        return { values: [text], texts: [text], options };
      case 'custom':
        options = (this.interpolate(text).match(/(?:\\,|[^,])+/g) ?? []).map((o) => {
          o = o.replace(/\\,/g, ',');
          const m = /^\s*(.+)\s:\s(.+)$/.exec(o);
          return m ? { text: m[1].trim(), value: m[2].trim() } : { text: o.trim(), value: o.trim() };
        });
        break;
      case 'query':
        options = this.sorted(v, this.matching(v, await this.source.words(this.macros(this.interpolate(text), { interval: '1m', intervalMs: 60000 }, this.range))));
        break;
      default:
        throw new Error(`variable ${v.name} is of the type ${v.type}, which this test does not know`);
    }
    const chosen = options.find((o) => o.text === this.choose[v.name] || o.value === this.choose[v.name]);
    if (this.choose[v.name] !== undefined) {
      if (!chosen && !v.allowCustomValue) throw new Error(`variable ${v.name} does not offer ${this.choose[v.name]}`);
      return { values: [chosen?.value ?? this.choose[v.name]], texts: [chosen?.text ?? this.choose[v.name]], options };
    }
    if (v.includeAll && String([v.current?.value].flat()[0]) === '$__all') {
      return { values: v.allValue ? [v.allValue] : options.map((o) => o.value), texts: ['All'], options, multi: true };
    }
    const current = options.find((o) => v.current?.value !== undefined && o.value === [v.current.value].flat()[0]) ?? options[0];
    return current ? { values: [current.value], texts: [current.text], options } : { values: [''], texts: [''], options };
  }

  // matching keeps what the variable's regular expression matches: its first group, or text and value where they are named.
  matching(v, words) {
    const out = [];
    const re = v.regex ? this.lib.g.stringToJsRegex(this.interpolate(v.regex)) : null;
    for (const word of words) {
      let text = word, value = word;
      if (re) {
        re.lastIndex = 0;
        const m = re.exec(word);
        if (!m) continue;
        text = m.groups?.text ?? m.groups?.value ?? m[1] ?? word;
        value = m.groups?.value ?? m.groups?.text ?? m[1] ?? word;
      }
      if (!out.some((o) => o.value === value)) out.push({ text, value });
    }
    return out;
  }

  sorted(v, options) {
    const by = {
      1: (a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0),
      3: (a, b) => (parseInt(a.text.replace(/\D*/, ''), 10) || 0) - (parseInt(b.text.replace(/\D*/, ''), 10) || 0),
      5: (a, b) => (a.text.toLowerCase() < b.text.toLowerCase() ? -1 : 1),
    };
    const sort = Number(v.sort ?? 0);
    if (sort > 6) throw new Error(`variable ${v.name}: the order ${sort} is not known to this test`);
    if (sort === 0) return options;
    const up = sort % 2 === 1 ? sort : sort - 1;
    const out = [...options].sort(by[up]);
    return sort === up ? out : out.reverse();
  }

  // interpolate replaces $name, ${name}, ${name:format} and [[name:format]].
  interpolate(s, range = this.range, scoped = {}) {
    if (!s) return s ?? '';
    return s.replace(/\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.[^:^}]+)?(?::([^}]+))?\}/g, (whole, a, b, bFormat, c, cFormat) => {
      const name = a ?? b ?? c, format = bFormat ?? cFormat;
      if (name in scoped) return scoped[name];
      switch (name) {
        case '__from': return this.instant(range.from, format);
        case '__to': return this.instant(range.to, format);
        case '__timezone': return this.timezone === 'browser' ? Intl.DateTimeFormat().resolvedOptions().timeZone : this.timezone;
      }
      const v = this.values.get(name);
      if (!v) return whole;
      return this.format(v, format, name);
    });
  }

  instant(t, format) {
    if (!format) return String(t.valueOf());
    const [kind, ...rest] = format.split(':');
    if (kind !== 'date') throw new Error(`a time is not written as ${format}`);
    switch (rest.join(':') || 'iso') {
      case 'iso': return t.toISOString();
      case 'seconds': return String(Math.floor(t.valueOf() / 1000));
      default: return this.lib.g.dateTimeFormat(t, { format: rest.join(':'), timeZone: this.timezone });
    }
  }

  format(v, format, name) {
    const one = !v.multi && v.values.length === 1;
    const escape = (x) => x.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');
    switch (format) {
      case 'raw': case 'csv': return v.values.join(',');
      case 'text': return v.texts.join(' + ');
      case 'pipe': return v.values.join('|');
      case 'regex': return one ? escape(v.values[0]) : `(${v.values.map(escape).join('|')})`;
      case 'json': return JSON.stringify(one ? v.values[0] : v.values);
      case 'singlequote': return v.values.map((x) => `'${x.replace(/'/g, "\\'")}'`).join(',');
      case 'doublequote': return v.values.map((x) => `"${x.replace(/"/g, '\\"')}"`).join(',');
      case 'sqlstring': return v.values.map((x) => `'${x.replace(/'/g, "''")}'`).join(',');
      case 'percentencode': return encodeURIComponent(one ? v.values[0] : `{${v.values.join(',')}}`);
      case 'queryparam': return v.values.map((x) => `var-${name}=${encodeURIComponent(x)}`).join('&');
      case undefined: case 'glob': return one ? v.values[0] : `{${v.values.join(',')}}`;
      default: throw new Error(`\${${name}:${format}}: this test does not know how that is written`);
    }
  }

  // macros replaces what Grafana's server replaces.
  macros(s, interval, range) { return this.source.macros(s, interval, range); }

  // query is a panel's query as the database gets it.
  query(panel, target) {
    const range = this.rangeFor(panel), interval = this.intervalOf(panel);
    const scoped = { __interval: interval.interval, __interval_ms: String(interval.intervalMs) };
    return this.macros(this.interpolate(target.query, range, scoped), interval, range);
  }

  alias(target) { return this.interpolate(target.alias ?? '', this.range, Object.fromEntries(['m', 'measurement', 'col'].map((x) => [x, '$' + x]))); }
}
