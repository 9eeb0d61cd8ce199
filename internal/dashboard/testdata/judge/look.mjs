// look.mjs draws the panels of dashboards as Grafana's own components do, into a picture for each dashboard: for somebody to look at.
// It reads the same job as main.mjs, with the folder of the components (ui), that of the pictures (out), and the browser (browser).
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { load } from './library.mjs';
import { Viewer } from './viewer.mjs';
import { InfluxQL } from './influxql.mjs';
import { show } from './panels.mjs';

const drawn = ['stat', 'timeseries', 'table'];
const job = JSON.parse(readFileSync(0, 'utf8'));
const lib = load(job.folder);
const work = mkdtempSync(path.join(os.tmpdir(), 'fitbit-fetch-look-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
mkdirSync(job.out, { recursive: true });

const require = createRequire(path.join(job.ui, 'look.cjs'));
const esbuild = require('esbuild');
// Their CommonJS builds find the defaults of what they use; and there is to be one of each.
const alias = Object.fromEntries(['@grafana/data', '@grafana/schema', '@grafana/ui'].map((name) => [name, require.resolve(name)]));
const script = path.join(work, 'page.js');
await esbuild.build({ entryPoints: [fileURLToPath(new URL('12.3-ui/page.jsx', import.meta.url))], bundle: true, outfile: script, nodePaths: [path.join(job.ui, 'node_modules')], alias, format: 'iife', jsx: 'transform',
  define: { 'process.env.NODE_ENV': '"development"', global: 'window' }, loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff2': 'dataurl', '.woff': 'dataurl', '.ttf': 'dataurl' }, logLevel: 'error' });

const source = new InfluxQL(lib, job.server);
const [who] = job.viewers;
for (const file of job.dashboards) {
  const dashboard = JSON.parse(readFileSync(file.path, 'utf8'));
  const now = Date.parse(job.now), clock = Date.now;
  Date.now = () => now;
  const viewer = await new Viewer(lib, source, dashboard, { ...who, now }).open();
  const panels = [];
  let bottom = 0;
  for (const panel of dashboard.panels.flatMap((p) => [p, ...(p.panels ?? [])])) {
    if (!drawn.includes(panel.type)) continue;
    const seen = await show(viewer, panel);
    const { x, y, w, h } = panel.gridPos;
    const outer = { left: x * 75, top: y * 38, width: w * 75 - 8, height: h * 38 - 8, overflow: 'hidden', boxSizing: 'border-box' };
    bottom = Math.max(bottom, outer.top + outer.height);
    panels.push({ title: seen.title, panel, ...viewer.size(panel), outer, range: { from: seen.range.from.valueOf(), to: seen.range.to.valueOf() },
      frames: seen.frames.map((f) => ({ name: f.name, refId: f.refId, fields: f.fields.map(({ name, type, values, config, labels }) => ({ name, type, values: [...values], config, labels })) })) });
  }
  Date.now = clock;
  const page = path.join(work, file.name + '.html');
  const text = JSON.stringify(panels).replaceAll('<', '\\u003c');
  writeFileSync(page, `<!doctype html><meta charset="utf-8"><div id="page"></div><link rel="stylesheet" href="page.css"><script>Date.now=()=>${now};window.panels=${text}</script><script src="page.js"></script>`);
  const picture = path.join(job.out, file.name + '.png');
  const run = spawnSync(job.browser, ['--headless', '--no-sandbox', '--hide-scrollbars', '--allow-file-access-from-files', '--force-device-scale-factor=1', `--window-size=1800,${bottom + 8}`,
    '--virtual-time-budget=20000', `--user-data-dir=${path.join(work, 'browser')}`, `--screenshot=${picture}`, 'file://' + page], { env: { ...process.env, TZ: who.zone }, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${job.browser}: ${run.error ?? run.stderr}`);
  process.stdout.write(picture + '\n');
}
