// The InfluxDB data source in Flux: what it asks, and the frames that it makes of the answer, annotated CSV, by its documents
// (https://grafana.com/docs/grafana/latest/datasources/influxdb/) and by what its authors say of names (grafana/grafana#36534, #36603).

export class Flux {
  constructor(lib, { url, database, token, organization }) { Object.assign(this, { lib, url, database, token, organization, kept: new Map() }); }

  // ask returns the answer's tables; what was asked before is not asked again.
  ask(query) {
    if (!this.kept.has(query)) this.kept.set(query, this.fetch(query));
    return this.kept.get(query);
  }

  async fetch(query) {
    const at = new URL(this.url + '/api/v2/query');
    at.search = new URLSearchParams({ org: this.organization });
    const response = await fetch(at, { method: 'POST', headers: { Authorization: 'Token ' + this.token, 'Content-Type': 'application/json', Accept: 'application/csv' },
      body: JSON.stringify({ query, type: 'flux', dialect: { header: true, delimiter: ',', annotations: ['datatype', 'group', 'default'], dateTimeFormat: 'RFC3339' } }) });
    const text = await response.text();
    if (!response.ok) {
      let message = text;
      try { message = JSON.parse(text).message ?? text; } catch { /* it is text */ }
      throw new Error(message.slice(0, 300));
    }
    return this.tables(text);
  }

  macros(s, { interval }, { from, to }) {
    return s.replaceAll('v.timeRangeStart', from.toISOString()).replaceAll('v.timeRangeStop', to.toISOString()).replaceAll('v.windowPeriod', interval)
      .replaceAll('v.defaultBucket', JSON.stringify(this.database)).replaceAll('v.bucket', JSON.stringify(this.database)).replaceAll('v.organization', JSON.stringify(this.organization));
  }

  // tables reads annotated CSV: [{ columns: [{name, type, group}], rows }], a table for each group.
  tables(text) {
    const out = [];
    let types, groups, defaults, columns, table;
    for (const row of this.lib.csv.parse(text, { skipEmptyLines: false }).data) {
      if (row.length <= 1 && !row[0]) { types = groups = defaults = columns = table = undefined; continue; }
      if (row[0] === '#datatype') { types = row.slice(1); columns = table = undefined; continue; }
      if (row[0] === '#group') { groups = row.slice(1); continue; }
      if (row[0] === '#default') { defaults = row.slice(1); continue; }
      if (!columns) {
        columns = row.slice(1).map((name, i) => ({ name, type: types?.[i] ?? 'string', group: groups?.[i] === 'true', default: defaults?.[i] ?? '' }));
        const error = columns.findIndex((c) => c.name === 'error');
        if (error >= 0 && columns.some((c) => c.name === 'reference')) table = { error };
        continue;
      }
      const cells = row.slice(1).map((cell, i) => (cell === '' ? columns[i].default : cell));
      if (table?.error !== undefined && !table.columns) throw new Error(cells[table.error]);
      const id = cells[columns.findIndex((c) => c.name === 'table')];
      if (!table || table.id !== id) out.push((table = { id, columns, rows: [] }));
      table.rows.push(cells.map((cell, i) => value(columns[i].type, cell)));
    }
    return out;
  }

  // words are what a variable's query answers: the first column of words of each table, else its first that is no time.
  async words(query) {
    const out = [];
    for (const t of await this.ask(query)) {
      const there = t.columns.map((c, i) => ({ ...c, i })).filter((c) => c.name !== 'result' && c.name !== 'table');
      const column = there.find((c) => c.type === 'string') ?? there.find((c) => !c.type.startsWith('dateTime'));
      if (column) for (const row of t.rows) if (row[column.i] !== null && !out.includes(String(row[column.i]))) out.push(String(row[column.i]));
    }
    return out;
  }

  // frames: a table is a frame. What it is grouped by are labels of its values; a column _time and one of values make a time series,
  // whose fields are Time and what _field says.
  async frames(query, target) {
    const { FieldType, toDataFrame } = this.lib.g;
    return (await this.ask(query)).map((t) => {
      const all = t.columns.map((c, i) => ({ ...c, i, values: t.rows.map((r) => r[i]) })).filter((c) => c.name !== 'result' && c.name !== 'table');
      const labels = {};
      const groups = all.filter((c) => c.group && c.type === 'string');
      for (const c of groups) labels[c.name] = c.values[0] ?? '';
      const name = labels._measurement;
      delete labels._measurement;
      const columns = all.filter((c) => !groups.includes(c) && !(c.group && (c.name === '_start' || c.name === '_stop')));
      const times = columns.filter((c) => c.type.startsWith('dateTime'));
      const rest = columns.filter((c) => !times.includes(c));
      const simple = times.length === 1 && times[0].name === '_time' && rest.length === 1 && rest[0].name === '_value';
      let called = '_value';
      if (simple) {
        called = labels._field ?? 'Value';
        delete labels._field;
      }
      const fields = columns.map((c) => {
        if (times.includes(c)) return { name: simple ? 'Time' : c.name, type: FieldType.time, values: c.values, config: {} };
        return { name: simple ? called : c.name, type: kind(FieldType, c.type), values: c.values, labels: Object.keys(labels).length > 0 ? { ...labels } : undefined, config: {} };
      });
      return toDataFrame({ name, refId: target.refId, fields });
    });
  }
}

function kind(FieldType, type) {
  switch (type) {
    case 'double': case 'long': case 'unsignedLong': return FieldType.number;
    case 'boolean': return FieldType.boolean;
    default: return FieldType.string;
  }
}

function value(type, cell) {
  if (type === 'string') return cell;
  if (cell === '') return null;
  if (type.startsWith('dateTime')) return Date.parse(cell);
  if (type === 'boolean') return cell === 'true';
  if (['double', 'long', 'unsignedLong'].includes(type)) return Number(cell);
  return cell;
}
