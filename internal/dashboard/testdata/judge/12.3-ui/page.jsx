// The page that look.mjs opens: panels as Grafana's own components draw them, those of the types that its component library has.
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { applyFieldOverrides, applyNullInsertThreshold, createTheme, dateTime, FieldConfigOptionsRegistry, getFieldDisplayValues, ThemeContext, toDataFrame, VizOrientation } from '@grafana/data';
import { BigValue, GlobalStyles, Table, TimeSeries, VizRepeater } from '@grafana/ui';

const theme = createTheme({ colors: { mode: 'dark' } });

function Stat({ data, panel, width, height }) {
  const o = panel.options;
  const all = () => getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: o.reduceOptions, replaceVariables: (s) => s, theme, data, sparkline: o.graphMode !== 'none', timeZone: 'browser' });
  return <VizRepeater getValues={all} getAlignmentFactors={() => undefined} width={width} height={height} source={data} renderCounter={0} itemSpacing={3} orientation={o.orientation ?? VizOrientation.Auto}
    renderValue={({ value, width, height, count }) => <BigValue value={value.display} count={count} sparkline={value.sparkline} colorMode={o.colorMode} graphMode={o.graphMode}
      justifyMode={o.justifyMode} textMode={o.textMode} disableWideLayout={!o.wideLayout} theme={theme} width={width} height={height} />} />;
}

function Panel({ title, panel, frames, range, width, height, outer }) {
  const empty = new FieldConfigOptionsRegistry();
  const data = applyFieldOverrides({ data: frames.map((f) => toDataFrame(f)), fieldConfig: { defaults: {}, overrides: [] }, fieldConfigRegistry: empty, replaceVariables: (s) => s, theme, timeZone: 'browser' });
  const timeRange = { from: dateTime(range.from), to: dateTime(range.to), raw: range };
  let inside;
  switch (panel.type) {
    case 'stat': inside = <Stat {...{ data, panel, width, height }} />; break;
    case 'timeseries': {
      // The panel does this with each frame; the component by itself with the first alone.
      const nulled = data.map((frame) => applyNullInsertThreshold({ frame, refFieldPseudoMin: range.from, refFieldPseudoMax: range.to }));
      inside = <TimeSeries frames={nulled} structureRev={1} timeRange={timeRange} timeZone="browser" width={width} height={height} legend={panel.options.legend} options={panel.options} />;
      break;
    }
    case 'table': inside = <Table data={data[0]} width={width} height={height} initialSortBy={panel.options.sortBy} />; break;
  }
  return <div style={{ ...outer, background: theme.colors.background.primary, border: `1px solid ${theme.colors.border.weak}`, position: 'absolute' }}>
    <div style={{ font: `500 14px ${theme.typography.fontFamily}`, padding: 8, height: 32, boxSizing: 'border-box' }}>{title}</div>
    <div style={{ padding: '0 8px' }}>{inside}</div>
  </div>;
}

class Fence extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <pre style={{ ...this.props.outer, position: 'absolute', color: 'red' }}>{this.props.title + ': ' + this.state.error.message}</pre> : this.props.children; }
}

function Page({ panels }) {
  return <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {panels.map((p, i) => <Fence key={i} outer={p.outer} title={p.title}><Panel {...p} /></Fence>)}
  </ThemeContext.Provider>;
}

document.body.style.cssText = `margin:0;background:${theme.colors.background.canvas};color:${theme.colors.text.primary};font-family:${theme.typography.fontFamily}`;
createRoot(document.getElementById('page')).render(<Page panels={window.panels} />);
