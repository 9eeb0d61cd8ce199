// main.mjs reads a job as JSON from its input and writes what it has seen as JSON to its output; see judge_test.go.
import { readFileSync } from 'node:fs';
import { load } from './library.mjs';
import { Viewer } from './viewer.mjs';
import { InfluxQL } from './influxql.mjs';
import { show } from './panels.mjs';
import { rules } from './rules.mjs';

const job = JSON.parse(readFileSync(0, 'utf8'));
const lib = load(job.folder);
const clock = Date.now;

const panelsOf = (dashboard) => (dashboard.panels ?? []).flatMap((p) => (p.type === 'row' ? [p, ...(p.panels ?? [])] : [p]));

const out = { version: lib.version, dashboards: [] };
const source = new InfluxQL(lib, job.server);
for (const file of job.dashboards) {
  const dashboard = JSON.parse(readFileSync(file.path, 'utf8'));
  const result = { name: file.name, views: [], findings: [] };
  const all = [];
  for (const who of job.viewers) {
    const now = Date.parse(who.now ?? job.now);
    Date.now = () => now;
    const viewer = await new Viewer(lib, source, dashboard, { ...who, now }).open();
    const view = { viewer: who.name, sections: [] };
    const seen = [];
    for (const panel of panelsOf(dashboard)) {
      if (panel.type === 'row') { view.sections.push({ title: viewer.interpolate(panel.title), panels: [] }); continue; }
      const s = await show(viewer, panel);
      s.section = view.sections.at(-1)?.title ?? '';
      s.who = who;
      seen.push(s);
      if (view.sections.length === 0) view.sections.push({ title: '', panels: [] });
      view.sections.at(-1).panels.push({ id: panel.id, type: panel.type, title: s.title, lines: s.lines });
    }
    result.views.push(view);
    all.push({ who, viewer, seen });
    Date.now = clock;
  }
  result.findings = await rules(lib, { dashboard, views: all, source, job, clock });
  out.dashboards.push(result);
}
process.stdout.write(JSON.stringify(out));
