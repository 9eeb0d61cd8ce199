// Grafana's own libraries, loaded from the folder that scripts/grafana has filled, in a page that is not drawn: they expect a browser.
import { createRequire } from 'node:module';
import path from 'node:path';

// load returns { g, version, major, uPlot, csv }: @grafana/data of one version, ready to be asked.
export function load(folder) {
  console.log = console.info = () => {}; // the output is the answer alone
  // What the library does not know it leaves out with a warning; here that is an error of the panel.
  console.warn = (...words) => {
    if (/unknown/i.test(String(words[0]))) throw new Error(words.join(' '));
    console.error(...words);
  };
  const require = createRequire(path.join(folder, 'judge.cjs'));
  const { JSDOM } = require('jsdom');
  const { window } = new JSDOM('<!doctype html><html><body></body></html>', { url: 'http://localhost/' });
  window.matchMedia = () => ({ matches: false, addListener() {}, removeListener() {}, addEventListener() {}, removeEventListener() {} });
  window.ResizeObserver = class { observe() {} unobserve() {} disconnect() {} };
  window.devicePixelRatio = 1;
  for (const name of ['window', 'document', 'navigator', 'HTMLElement', 'Element', 'Node', 'DOMParser', 'MutationObserver', 'getComputedStyle', 'localStorage', 'sessionStorage',
    'location', 'history', 'SVGElement', 'Event', 'CustomEvent', 'DocumentFragment', 'NodeFilter', 'ResizeObserver', 'matchMedia', 'devicePixelRatio']) {
    Object.defineProperty(globalThis, name, { value: name === 'window' ? window : window[name], configurable: true, writable: true });
  }
  const g = require('@grafana/data');
  const version = require('@grafana/data/package.json').version;
  const major = Number(version.split('.')[0]);
  const inside = createRequire(require.resolve('@grafana/data'));
  const { ReducerID, standardTransformers, standardTransformersRegistry, standardEditorsRegistry, standardFieldConfigEditorRegistry } = g;
  if (!ReducerID) throw new Error('this is no @grafana/data');
  // From 13 on a transformation is fetched when it is first used.
  const transformers = new Map(Object.values(standardTransformers).map((t) => [t.id, t])); // one has two names
  standardTransformersRegistry.setInit(() => [...transformers.values()].map((t) => ({ id: t.id, name: t.name, transformation: major >= 13 ? () => t : t })));
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() => standardOptions(g));
  g.setWeekStart?.('monday');
  const uPlot = inside('uplot');
  return { g, version, major, uPlot: uPlot.default ?? uPlot, csv: inside('papaparse') };
}

// standardOptions are the options that every field has, with what the library does to their values. (Their editors are in another one.)
function standardOptions(g) {
  const option = (id, process, settings = {}) => ({ id, path: id, name: id, process, settings, shouldApply: () => true, getItemsCount: () => 0 });
  return [
    option('displayName', g.displayNameOverrideProcessor), option('unit', g.unitOverrideProcessor), option('min', g.numberOverrideProcessor), option('max', g.numberOverrideProcessor),
    option('fieldMinMax', g.booleanOverrideProcessor), option('decimals', g.numberOverrideProcessor, { min: 0, max: 15, integer: true }), option('noValue', g.stringOverrideProcessor),
    option('color', g.identityOverrideProcessor), option('thresholds', g.thresholdsOverrideProcessor), option('mappings', g.valueMappingsOverrideProcessor),
    option('filterable', g.booleanOverrideProcessor), option('links', g.dataLinksOverrideProcessor),
  ];
}

// fieldOptions is the registry of a panel: the standard options, and the panel type's own as the panel names them.
export function fieldOptions(g, fieldConfig) {
  const own = new Set(Object.keys(fieldConfig?.defaults?.custom ?? {}));
  for (const o of fieldConfig?.overrides ?? []) for (const p of o.properties) if (p.id.startsWith('custom.')) own.add(p.id.slice('custom.'.length));
  const standard = g.standardFieldConfigEditorRegistry.list();
  for (const o of fieldConfig?.overrides ?? []) {
    for (const p of o.properties) if (!p.id.startsWith('custom.') && !standard.some((s) => s.id === p.id)) throw new Error(`the override ${p.id} is none that Grafana knows`);
  }
  return new g.Registry(() => [...standard,
    ...[...own].map((name) => ({ id: 'custom.' + name, path: name, name, isCustom: true, process: g.identityOverrideProcessor, settings: {}, shouldApply: () => true, getItemsCount: () => 0 }))]);
}
