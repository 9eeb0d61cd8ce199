// The InfluxDB data source in InfluxQL: what it asks, and the frames that it makes of the answer, by its documents
// (https://grafana.com/docs/grafana/latest/datasources/influxdb/) and what is seen of it.

export class InfluxQL {
  constructor(lib, { url, database, token }) { Object.assign(this, { lib, url, database, token, kept: new Map() }); }

  // ask returns the answer's series; what was asked before is not asked again.
  ask(query) {
    if (!this.kept.has(query)) this.kept.set(query, this.fetch(query));
    return this.kept.get(query);
  }

  async fetch(query) {
    const at = new URL(this.url + '/query');
    at.search = new URLSearchParams({ db: this.database, epoch: 'ms', q: query });
    const response = await fetch(at, { headers: this.token ? { Authorization: 'Token ' + this.token } : {} });
    const text = await response.text();
    let answer;
    try { answer = JSON.parse(text); } catch { throw new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`); }
    const error = answer.error ?? answer.results?.find((r) => r.error)?.error;
    if (error) throw new Error(error);
    return (answer.results ?? []).flatMap((r) => r.series ?? []);
  }

  macros(s, { interval, intervalMs }, { from, to }) {
    return s.replaceAll('$timeFilter', `time >= ${from.valueOf()}ms and time <= ${to.valueOf()}ms`).replaceAll('$__interval_ms', String(intervalMs))
      .replaceAll('$__interval', interval).replaceAll('$interval', interval);
  }

  // words are what a variable's query answers: of tags and keys the last column, else the first that is no time.
  async words(query) {
    const out = [];
    for (const s of await this.ask(query)) {
      const keys = /^\s*SHOW\s+(TAG|FIELD)\s+VALUES/i.test(query) ? s.columns.indexOf('value') : s.columns[0] === 'time' ? 1 : 0;
      for (const row of s.values) {
        const word = row[keys];
        if (word !== null && word !== undefined && !out.includes(String(word))) out.push(String(word));
      }
    }
    return out;
  }

  async frames(query, target, alias) {
    const series = await this.ask(query);
    return target.resultFormat === 'table' ? this.table(series, target) : series.flatMap((s) => this.timeSeries(s, target, alias));
  }

  // timeSeries is a frame for each column of a series: the fields Time and Value, whose name is the alias.
  timeSeries(s, target, alias) {
    const { FieldType, toDataFrame } = this.lib.g;
    const time = s.columns.indexOf('time');
    return s.columns.flatMap((column, i) => {
      if (i === time) return [];
      const values = s.values.map((r) => r[i]);
      const name = this.name(s, column, alias);
      const fields = [{ name: 'Value', type: kind(FieldType, values), labels: s.tags ?? {}, values, config: { displayNameFromDS: name } }];
      if (time >= 0) fields.unshift({ name: 'Time', type: FieldType.time, values: s.values.map((r) => r[time]), config: {} });
      return [toDataFrame({ name, refId: target.refId, meta: { preferredVisualisationType: 'graph' }, fields })];
    });
  }

  // table is one frame with the columns of all series below each other, and their tags as columns.
  table(series, target) {
    const { FieldType, toDataFrame } = this.lib.g;
    if (series.length === 0) return [];
    const { columns, name, tags = {} } = series[0];
    const column = (i) => series.flatMap((s) => s.values.map((r) => r[i]));
    const fields = [];
    columns.forEach((c, i) => {
      fields.push(c === 'time' ? { name: 'Time', type: FieldType.time, values: column(i), config: {} } : { name: c, type: kind(FieldType, column(i)), values: column(i), config: {} });
      if (i === 0) for (const tag of Object.keys(tags)) fields.push({ name: tag, type: FieldType.string, values: series.flatMap((s) => s.values.map(() => s.tags?.[tag] ?? '')), config: {} });
    });
    return [toDataFrame({ name, refId: target.refId, meta: { preferredVisualisationType: 'table' }, fields })];
  }

  // name follows the alias, in which $m is the measurement, $col the column, $tag_x the tag x, and $1 the measurement's first word.
  name(s, column, alias) {
    if (alias) {
      return alias.replace(/\$(\w+)|\[\[(.+?)\]\]/g, (whole, a, b) => {
        const word = a ?? b;
        if (word === 'm' || word === 'measurement') return s.name;
        if (word === 'col') return column;
        if (word.startsWith('tag_')) return s.tags?.[word.slice(4)] ?? whole;
        if (/^\d+$/.test(word)) return s.name.split('.')[Number(word)] ?? whole;
        return whole;
      });
    }
    const tags = Object.entries(s.tags ?? {}).map(([k, v]) => `${k}: ${v}`);
    return tags.length > 0 ? `${s.name}.${column} { ${tags.join(', ')} }` : `${s.name}.${column}`;
  }
}

// kind is the type of a column: that of its first value that is there.
function kind(FieldType, values) {
  const first = values.find((v) => v !== null && v !== undefined);
  switch (typeof first) {
    case 'string': return FieldType.string;
    case 'boolean': return FieldType.boolean;
    default: return FieldType.number;
  }
}
