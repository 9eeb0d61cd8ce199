// What stands in a panel for a person to read. The data library does the transformations, the overrides, the names and the texts; what
// each type of panel picks of them is said here, by Grafana's documents of the panel types, and the axes by its (Apache-licensed) chart
// library's rules.
import { fieldOptions } from './library.mjs';

const noData = 'No data';

// show returns { panel, error, frames, fields, lines, … } of one panel: what was read, for the rules, and its lines of text.
export async function show(viewer, panel) {
  const { lib } = viewer, { g } = lib;
  const seen = { panel, viewer, range: viewer.rangeFor(panel), interval: viewer.intervalOf(panel), queries: [], frames: [], lines: [], fields: [], axes: [], names: [], texts: [] };
  seen.title = viewer.interpolate(panel.title ?? '');
  try {
    const raw = [];
    for (const t of panel.targets ?? []) {
      if (t.hide) continue;
      const query = viewer.query(panel, t);
      seen.queries.push({ refId: t.refId, query, text: t.query });
      raw.push(...(await viewer.source.frames(query, t, viewer.alias(t), viewer)));
    }
    seen.raw = raw;
    seen.frames = await frames(viewer, panel, raw);
    for (const frame of seen.frames) for (const field of frame.fields) seen.fields.push({ field, frame, name: g.getFieldDisplayName(field, frame, seen.frames) });
    const read = readers[panel.type];
    if (!read) throw new Error(`a panel of the type ${panel.type} is not known to this test`);
    read(seen, lib);
  } catch (e) {
    seen.error = e.message.split('\n')[0];
    seen.lines = ['error: ' + seen.error];
  }
  return seen;
}

// frames transforms and configures the frames of an answer.
async function frames(viewer, panel, raw) {
  const { g } = viewer.lib;
  for (const t of panel.transformations ?? []) {
    if (!g.standardTransformersRegistry.getIfExists(t.id)) throw new Error(`the transformation ${t.id} is not in the data library: only a whole Grafana has it`);
  }
  const replace = (s, scoped) => viewer.interpolate(s, viewer.rangeFor(panel), Object.fromEntries(Object.entries(scoped ?? {}).map(([k, v]) => [k, v?.text ?? v?.value ?? ''])));
  // Grafana puts the variables into the whole configuration of the transformations before it runs them.
  const transformations = JSON.parse(viewer.interpolate(JSON.stringify(panel.transformations ?? []), viewer.rangeFor(panel)));
  const moved = await new Promise((resolve, reject) => {
    let last;
    g.transformDataFrame(transformations, raw, { interpolate: (s) => viewer.interpolate(s, viewer.rangeFor(panel)) }).subscribe({ next: (x) => { last = x; }, error: reject, complete: () => resolve(last) });
  });
  return g.applyFieldOverrides({ data: moved, fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] }, fieldConfigRegistry: fieldOptions(g, panel.fieldConfig),
    replaceVariables: replace, theme: theme(g), timeZone: viewer.timezone });
}

let dark;
const theme = (g) => (dark ??= g.createTheme({ colors: { mode: 'dark' } }));

// text is a value as it stands there, with its unit.
const text = (g, display) => g.formattedValueToString(display).replaceAll('\u00a0', ' ');
// at is an instant as a tooltip writes it.
const at = (seen, ms) => seen.viewer.lib.g.dateTimeFormat(ms, { timeZone: seen.viewer.timezone });
const some = (list, n = 12) => (list.length <= n ? list.join(' | ') : [...list.slice(0, n - 3), '…', ...list.slice(-2)].join(' | ') + ` (${list.length})`);
// colour counts where it says something: chosen by a threshold or by a word.
const colour = (config, d) => ((config.color?.mode === 'thresholds' && (config.thresholds?.steps?.length ?? 0) > 1) || config.mappings?.length ? ` ${d.color}` : '');

function nothing(seen) {
  if (seen.frames.some((f) => f.length > 0)) return false;
  seen.empty = true;
  seen.lines.push(seen.panel.fieldConfig?.defaults?.noValue || noData);
  return true;
}

const readers = {
  stat: figures, gauge: figures, bargauge: figures, piechart: shares, timeseries: curves, trend, 'state-timeline': states, 'status-history': states,
  heatmap, table, geomap, histogram, barchart: table, text(seen) { seen.lines.push(seen.panel.options?.content ?? ''); },
};

// reduced are the values that the panel makes of each field.
function reduced(seen, lib) {
  const { g } = lib, { panel, viewer } = seen;
  const out = g.getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: { calcs: ['lastNotNull'], fields: '', ...panel.options?.reduceOptions }, data: seen.frames,
    replaceVariables: (s) => viewer.interpolate(s), theme: theme(g), timeZone: viewer.timezone, sparkline: true });
  seen.displays = out.map((x) => ({ name: x.display.title ?? '', text: text(g, x.display), numeric: x.display.numeric, colour: x.display.color, config: x.field, sparkline: x.sparkline, real: x.view !== undefined }));
  return seen.displays;
}

function figures(seen, lib) {
  const mode = seen.panel.options?.textMode ?? 'auto';
  const values = reduced(seen, lib);
  seen.empty = values.every((v) => !v.real);
  for (const v of values) {
    const name = mode === 'value_and_name' || mode === 'name' || (mode === 'auto' && values.length > 1) || seen.panel.type !== 'stat' ? v.name : '';
    if (name) seen.names.push(name);
    seen.texts.push(v.text);
    seen.lines.push([name, mode === 'name' ? '' : v.text].filter(Boolean).join(': ') + colour(v.config, { color: v.colour }));
  }
}

function shares(seen, lib) {
  if (nothing(seen)) return;
  const values = reduced(seen, lib).filter((v) => Number.isFinite(v.numeric));
  const all = values.reduce((sum, v) => sum + v.numeric, 0);
  for (const v of values) {
    seen.names.push(v.name);
    seen.texts.push(v.text);
    seen.lines.push(`${v.name}: ${v.text}, ${((100 * v.numeric) / all).toFixed(seen.panel.fieldConfig?.defaults?.decimals ?? 0)}%`);
  }
}

// plain: fields with their own frame, of the types that a chart draws.
const numbers = (seen, g) => seen.fields.filter(({ field }) => field.type === g.FieldType.number || field.type === g.FieldType.boolean);
const shown = ({ field }) => !(field.config.custom?.hideFrom?.viz);

// axes are the vertical axes of a chart: one for each unit and side, with the ticks that a person reads.
function axes(seen, lib, series) {
  const { g, uPlot } = lib;
  const by = new Map();
  for (const s of series) {
    const c = s.field.config, own = c.custom ?? {};
    if (own.axisPlacement === 'hidden') continue;
    const key = [c.unit ?? '', own.axisPlacement === 'right' ? 'right' : '', own.axisLabel ?? '', c.min, c.max, own.axisSoftMin, own.axisSoftMax, own.scaleDistribution?.type].join('/');
    if (!by.has(key)) by.set(key, []);
    by.get(key).push(s);
  }
  const { height } = seen.viewer.size(seen.panel);
  const legend = seen.panel.options?.legend?.showLegend ? 30 : 0;
  const dim = Math.max(height - legend - 28, 30), space = dim <= 150 ? 15 : 30;
  for (const group of by.values()) {
    const c = group[0].field.config, own = c.custom ?? {};
    let lowest = Infinity, highest = -Infinity;
    for (const [lo, hi] of extents(group, seen.panel.type === 'timeseries' ? seen.range : undefined)) { lowest = Math.min(lowest, lo); highest = Math.max(highest, hi); }
    if (lowest > highest) continue;
    const softMin = own.axisSoftMin, softMax = own.axisSoftMax;
    const limit = (soft, hard, none) => ({ pad: 0.1, hard: hard ?? none, soft: soft || 0, mode: soft == null ? 3 : 1 });
    const minOnly = softMin == null && c.min != null, maxOnly = softMax == null && c.max != null;
    let [min, max] = uPlot.rangeNum(minOnly ? c.min : lowest, maxOnly ? c.max : highest, { min: limit(softMin, c.min, -Infinity), max: limit(softMax, c.max, Infinity) });
    if (c.decimals === 0) [min, max] = [Math.floor(min), Math.ceil(max)];
    if (minOnly) min = c.min;
    if (maxOnly) max = c.max;
    const step = increment(min, max, dim, space);
    const decimals = g.guessDecimals(g.roundDecimals(step, 6));
    const places = [];
    for (let v = Math.ceil(min / step - 1e-9) * step; v <= max + step * 1e-9; v += step) places.push(g.roundDecimals(v, 9) + 0);
    const kept = c.decimals === 0 ? places.filter(Number.isInteger) : places;
    const ticks = kept.map((v) => text(g, group[0].field.display(v, decimals > 0 ? decimals : undefined)));
    const axis = { side: own.axisPlacement === 'right' ? 'right' : 'left', min, max, places: kept, ticks, step, series: group };
    seen.axes.push(axis);
    seen.lines.push(`${axis.side} axis from ${text(g, group[0].field.display(min))}${min === 0 ? ' (zero)' : ''}: ${ticks.join(' | ')}`);
  }
}

// extents are the least and the greatest value of each series within the range, stacked ones on top of each other.
function extents(group, range) {
  const sums = new Map();
  return group.map(({ field, frame }) => {
    const own = field.config.custom ?? {};
    const values = [...field.values];
    if (own.stacking?.mode === 'normal') {
      const key = own.stacking.group ?? '';
      const below = sums.get(key) ?? [];
      values.forEach((v, i) => { below[i] = (below[i] ?? 0) + (v ?? 0); values[i] = v == null ? null : below[i]; });
      sums.set(key, below);
    }
    const times = range && frame.fields.find((f) => f.type === 'time')?.values;
    const there = values.filter((v, i) => typeof v === 'number' && (!times || (times[i] >= range.from.valueOf() && times[i] <= range.to.valueOf())));
    return [Math.min(...there), Math.max(...there)];
  });
}

// increment is the least of 1, 2, 2.5, 5 times a power of ten that leaves so many pixels between two ticks.
export function increment(min, max, dim, space) {
  const least = (space / dim) * (max - min);
  let power = 10 ** Math.floor(Math.log10(least) - 1);
  for (;; power *= 10) for (const m of [1, 2, 2.5, 5]) if (g6(m * power) >= g6(least)) return g6(m * power);
}
const g6 = (x) => Number(x.toPrecision(10));

function curves(seen, lib) {
  const { g } = lib;
  if (nothing(seen)) return;
  if (!seen.fields.some(({ field }) => field.type === g.FieldType.time)) throw new Error('Data is missing a time field');
  const series = numbers(seen, g).filter(({ frame }) => frame.fields.some((f) => f.type === g.FieldType.time)).filter(shown);
  if (series.length === 0) throw new Error('Data is missing a number field');
  for (const s of series) {
    // What the panel does with gaps before it draws.
    const filled = g.applyNullInsertThreshold({ frame: { ...s.frame, fields: s.frame.fields.map((f) => ({ ...f, config: { ...f.config } })) }, refFieldPseudoMin: seen.range.from.valueOf(), refFieldPseudoMax: seen.range.to.valueOf() });
    const i = s.frame.fields.indexOf(s.field);
    s.times = filled.fields.find((f) => f.type === g.FieldType.time).values;
    s.values = filled.fields[i].values;
  }
  seen.series = series;
  axes(seen, lib, series);
  for (const s of series) line(seen, s, (x) => at(seen, x));
}

// line says what is drawn of one series.
function line(seen, s, where) {
  const { g } = seen.viewer.lib;
  const own = s.field.config.custom ?? {};
  const there = [];
  for (let i = 0; i < s.values.length; i++) if (typeof s.values[i] === 'number') there.push(i);
  s.there = there;
  seen.names.push(s.name);
  const kind = own.drawStyle ?? 'line';
  const word = (i) => `${text(g, s.field.display(s.values[i]))} at ${where(s.times[i])}`;
  const values = there.map((i) => s.values[i]);
  for (const i of there) seen.texts.push(text(g, s.field.display(s.values[i])));
  const drawn = there.length === 0 ? 'nothing' : there.length === 1 ? word(there[0]) : `${word(there[0])} to ${word(there.at(-1))}, lowest ${text(g, s.field.display(Math.min(...values)))}, highest ${text(g, s.field.display(Math.max(...values)))}`;
  s.pieces = kind === 'line' ? pieces(s) : undefined;
  const what = kind === 'line' ? `line in ${s.pieces.length} piece${s.pieces.length === 1 ? '' : 's'}` : kind;
  seen.lines.push(`${s.name}, ${what} of ${there.length}: ${drawn}`);
}

// pieces are the parts in which a line is drawn: [first, last] indices of each.
export function pieces(s) {
  const span = s.field.config.custom?.spanNulls ?? false;
  const out = [];
  let last = -1;
  for (let i = 0; i < s.values.length; i++) {
    if (typeof s.values[i] !== 'number') continue;
    const joined = last >= 0 && (last === i - 1 || span === true || (typeof span === 'number' && s.times[i] - s.times[last] <= span));
    if (joined) out.at(-1)[1] = i;
    else out.push([i, i]);
    last = i;
  }
  return out;
}

function trend(seen, lib) {
  const { g } = lib;
  if (nothing(seen)) return;
  if (seen.frames.length !== 1) throw new Error('Only one frame is allowed');
  const all = numbers(seen, g);
  const named = seen.panel.options?.xField;
  const x = named ? all.find(({ name, field }) => name === named || field.name === named) : all[0];
  if (!x) throw new Error('Unable to find field: ' + named);
  seen.x = x;
  seen.ascending = g.isLikelyAscendingVector(x.field.values, x.field.values.length);
  if (!seen.ascending) throw new Error('Values must be in ascending order');
  const series = all.filter((s) => s !== x).filter(shown);
  for (const s of series) Object.assign(s, { times: x.field.values, values: s.field.values });
  seen.series = series;
  const { width } = seen.viewer.size(seen.panel);
  const min = x.field.values[0], max = x.field.values.at(-1);
  const step = increment(min, max, width - 120, 60);
  const places = [];
  for (let v = Math.ceil(min / step - 1e-9) * step; v <= max + step * 1e-9; v += step) places.push(g.roundDecimals(v, 9) + 0);
  const decimals = g.guessDecimals(g.roundDecimals(step, 6));
  const ticks = places.map((v) => text(g, x.field.display(v, decimals > 0 ? decimals : undefined)));
  seen.axes.push({ side: 'bottom', min, max, places, ticks, step, series: [x] });
  seen.lines.push(`bottom axis, ${x.name}: ${ticks.join(' | ')}`);
  axes(seen, lib, series);
  for (const s of series) line(seen, s, (v) => text(g, x.field.display(v)));
}

function states(seen, lib) {
  const { g } = lib;
  if (nothing(seen)) return;
  for (const { field, frame, name } of seen.fields.filter(({ field }) => field.type !== g.FieldType.time)) {
    const times = frame.fields.find((f) => f.type === g.FieldType.time)?.values;
    if (!times) throw new Error('Data does not have a time field');
    seen.names.push(name);
    const count = new Map();
    for (const v of field.values) {
      if (v == null) continue;
      const d = field.display(v), key = text(g, d) + ' ' + d.color;
      seen.texts.push(text(g, d));
      count.set(key, (count.get(key) ?? 0) + 1);
    }
    seen.lines.push(`${name}: ` + [...count].sort().map(([k, n]) => `${k} ×${n}`).join(', '));
    const word = (i) => `${text(g, field.display(field.values[i]))} at ${at(seen, times[i])}`;
    if (field.values.length > 0) seen.lines.push(`  ${word(0)} to ${word(field.values.length - 1)}`);
  }
}

function heatmap(seen, lib) {
  const { g } = lib;
  const { options } = seen.panel;
  if (nothing(seen)) return;
  const frame = seen.frames[0];
  const x = frame.fields.find((f) => f.type === g.FieldType.time);
  if (!x) throw new Error('no time field: the columns are ' + frame.fields.map((f) => `${f.name} (${f.type})`).slice(0, 3).join(', '));
  const rows = seen.fields.filter(({ field, frame: of }) => field.type === g.FieldType.number && of === frame);
  const first = x.values[0], last = x.values.at(-1);
  if (options.calculate) {
    const bucket = options.calculation ?? {};
    const size = Number(bucket.yBuckets?.value);
    const values = rows.flatMap(({ field }) => [...field.values]).filter((v) => typeof v === 'number');
    const floor = (v) => Math.floor(v / size) * size;
    seen.lines.push(`counted by ${bucket.xBuckets?.value} and ${size}, ${at(seen, first)} to ${at(seen, last)}`);
    const unit = rows[0].field.display;
    const ticks = [floor(Math.min(...values)), floor(Math.max(...values)) + size].map((v) => text(g, unit(v)));
    seen.lines.push('rows: ' + ticks.join(' to '));
    seen.texts.push(...ticks);
    seen.calculated = true;
    return;
  }
  seen.rows = rows.map(({ name }) => name);
  seen.fieldsOfRows = rows.map(({ field }) => field.name);
  seen.columns = x.values;
  seen.names.push(...seen.rows);
  seen.lines.push(`columns: ${x.values.length}, ${at(seen, first)} to ${at(seen, last)}`);
  seen.lines.push(`rows${options.yAxis?.reverse ? ', from the top' : ''}: ${some(seen.rows, 8)}`);
  const values = rows.flatMap(({ field }) => [...field.values]).filter((v) => typeof v === 'number');
  if (values.length > 0) {
    const unit = g.getValueFormat(options.cellValues?.unit ?? 'none');
    const word = (v) => text(g, unit(v, options.cellValues?.decimals ?? seen.panel.fieldConfig?.defaults?.decimals));
    const of = [Math.min(...values), Math.max(...values)].map(word);
    seen.texts.push(...of);
    seen.lines.push(`cells: ${values.length}, ${of.join(' to ')}`);
  }
}

function table(seen, lib) {
  const { g } = lib;
  if (nothing(seen)) return;
  const frame = seen.frames[seen.panel.options?.frameIndex ?? 0];
  const columns = seen.fields.filter((x) => x.frame === frame && !x.field.config.custom?.hidden && !x.field.config.custom?.hideFrom?.viz);
  seen.columnsShown = columns;
  const order = [...Array(frame.length).keys()];
  for (const s of [...(seen.panel.options?.sortBy ?? [])].reverse()) {
    const by = columns.find((c) => c.name === s.displayName)?.field;
    if (by) order.sort((a, b) => { const [p, q] = [by.values[a], by.values[b]]; return (p === q ? a - b : p < q ? -1 : 1) * (s.desc ? -1 : 1); });
  }
  const row = (i) => columns.map(({ field }) => text(g, field.display(field.values[i])));
  seen.names.push(...columns.map((c) => c.name));
  for (const i of order) seen.texts.push(...row(i));
  seen.lines.push(columns.map((c) => c.name).join(' | '));
  for (const i of order.slice(0, 4)) seen.lines.push(row(i).join(' | '));
  if (order.length > 5) seen.lines.push('…');
  if (order.length > 4) seen.lines.push(row(order.at(-1)).join(' | '));
  seen.lines.push(`${order.length} rows`);
}

function geomap(seen, lib) {
  const { g } = lib;
  if (nothing(seen)) return;
  const frame = seen.frames[0];
  for (const layer of seen.panel.options?.layers ?? []) {
    const { mode, latitude, longitude } = layer.location ?? {};
    if (mode === 'coords') for (const name of [latitude, longitude]) if (!seen.fields.some((f) => f.name === name || f.field.name === name)) throw new Error('no field ' + name);
    seen.lines.push(`${layer.name}: ${frame.length} markers`);
  }
  const fields = seen.fields.filter((x) => x.frame === frame && !x.field.config.custom?.hideFrom?.tooltip);
  const tip = (i) => fields.map(({ field, name }) => `${name} ${text(g, field.display(field.values[i]))}`).join(', ');
  seen.names.push(...fields.map((f) => f.name));
  for (let i = 0; i < frame.length; i++) for (const { field } of fields) seen.texts.push(text(g, field.display(field.values[i])));
  seen.lines.push('first: ' + tip(0));
  seen.lines.push('last: ' + tip(frame.length - 1));
}

function histogram(seen, lib) {
  const { g } = lib;
  if (nothing(seen)) return;
  const { bucketSize, bucketOffset, bucketCount, combine } = seen.panel.options ?? {};
  const built = g.buildHistogram(seen.frames, { bucketSize, bucketOffset, bucketCount, combine }, theme(g));
  if (!built) throw new Error('No histogram: there is no number field');
  const counts = built.counts[0].values, { display } = numbers(seen, g)[0].field;
  const edge = (v) => text(g, display(v));
  seen.names.push(...built.counts.map((c) => c.config.displayName ?? c.name));
  const edges = [built.xMin.values[0], built.xMax.values.at(-1)].map(edge);
  seen.texts.push(...edges);
  seen.bars = counts;
  seen.lines.push(`bars: ${counts.length}, ${edges.join(' to ')}, highest ${Math.max(...counts)}, of ${counts.reduce((a, b) => a + b, 0)}`);
}
