// main.mjs reads a job as JSON from its input and writes what it has seen as JSON to its output; see judge_test.go.
import { readFileSync } from 'node:fs';
import { load } from './library.mjs';
import { Viewer } from './viewer.mjs';
import { InfluxQL } from './influxql.mjs';
import { Flux } from './flux.mjs';
import { show } from './panels.mjs';
import { names, rules } from './rules.mjs';

const job = JSON.parse(readFileSync(0, 'utf8'));
const lib = load(job.folder);
const clock = Date.now;

const panelsOf = (dashboard) => (dashboard.panels ?? []).flatMap((p) => (p.type === 'row' ? [p, ...(p.panels ?? [])] : [p]));

const out = { version: lib.version, rules: names, dashboards: [] };
const sources = new Map();
const sourceOf = (server) => {
  const key = JSON.stringify(server);
  if (!sources.has(key)) sources.set(key, job.dialect === 'flux' ? new Flux(lib, server) : new InfluxQL(lib, server));
  return sources.get(key);
};
for (const file of job.dashboards) {
  const dashboard = JSON.parse(readFileSync(file.path, 'utf8'));
  const result = { name: file.name, views: [], findings: [] };
  const all = [];
  for (const who of job.viewers) {
    if (who.choose) for (const name of Object.keys(who.choose)) if (!dashboard.templating?.list?.some((v) => v.name === name)) delete who.choose[name];
    const now = Date.parse(who.now ?? job.now);
    Date.now = () => now;
    const viewer = await new Viewer(lib, sourceOf({ ...job.server, ...(who.world ? { database: who.world } : {}) }), dashboard, { ...who, now }).open();
    const view = { viewer: who.name, sections: [] };
    const seen = [];
    let section = '';
    for (const panel of panelsOf(dashboard)) {
      if (panel.type === 'row') { section = viewer.interpolate(panel.title); continue; }
      const s = await show(viewer, panel);
      Object.assign(s, { section, who });
      seen.push(s);
      if (view.sections.at(-1)?.title !== section) view.sections.push({ title: section, panels: [] });
      view.sections.at(-1).panels.push({ id: panel.id, type: panel.type, title: s.title, lines: s.lines });
    }
    if (!who.unwritten) result.views.push(view);
    all.push({ who, viewer, seen });
    Date.now = clock;
  }
  result.findings = await rules(lib, { dashboard, views: all });
  out.dashboards.push(result);
}
process.stdout.write(JSON.stringify(out));
