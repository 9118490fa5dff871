/** Units as Grafana names them. */
export type Unit = "s" | "bytes" | "Bps" | "short" | "percentunit" | "dateTimeFromNow" | "none";

export type Panel = {
  readonly title: string;
  readonly type: "timeseries" | "stat" | "heatmap" | "table" | "bargauge";
  readonly unit: Unit;
  /** Columns of 24. */
  readonly width: number;
  /** Rows of 30 pixels. */
  readonly height: number;
  /** Legend, and the PromQL expression. */
  readonly queries: readonly (readonly [legend: string, expr: string])[];
  readonly description: string;
  /** Values from which a single figure is shown in the colour of a warning, and in red. */
  readonly limits?: { readonly warn?: number; readonly bad: number };
};

export type Dashboard = {
  /** Of the file, and Grafana's uid: `switchyard-<name>`. */
  readonly name: string;
  readonly title: string;
  readonly panels: readonly Panel[];
};

const COLUMNS = 24;
const datasource = { type: "prometheus", uid: "$datasource" };

/**
 * A dashboard as Grafana imports it (JSON model, schema 39: Grafana 10.3 and newer). The data source is a
 * variable, so that it is chosen at the import.
 *
 * Source: Grafana's documentation, "JSON model".
 */
export function dashboardJson({ name, title, panels }: Dashboard): string {
  const model = {
    uid: `switchyard-${name}`,
    title: `Switchyard: ${title}`,
    tags: ["switchyard"],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-24h", to: "now" },
    timezone: "browser",
    templating: {
      list: [{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus" }],
    },
    annotations: { list: [] },
    panels: placed(panels).map((one, place) => panelModel(one, place + 1)),
  };
  return `${JSON.stringify(model, null, 2)}\n`;
}

type Placed = Panel & { readonly x: number; readonly y: number };

/** From left to right; a row is as high as its highest panel. */
function placed(panels: readonly Panel[]): Placed[] {
  let x = 0;
  let y = 0;
  let rowHeight = 0;
  return panels.map((panel) => {
    if (x + panel.width > COLUMNS) {
      y += rowHeight;
      x = 0;
      rowHeight = 0;
    }
    const at = { ...panel, x, y };
    x += panel.width;
    rowHeight = Math.max(rowHeight, panel.height);
    return at;
  });
}

function panelModel(panel: Placed, id: number): object {
  const { type, title, description, unit, queries, width: w, height: h, x, y } = panel;
  const isHeatmap = type === "heatmap";
  return {
    id,
    type,
    title,
    description,
    gridPos: { x, y, w, h },
    datasource,
    fieldConfig: { defaults: { unit, min: 0, ...thresholds(panel) }, overrides: [] },
    options: optionsOf(panel),
    targets: queries.map(([legendFormat, expr], place) => ({
      refId: String.fromCharCode(65 + place),
      datasource,
      expr,
      legendFormat,
      format: isHeatmap ? "heatmap" : type === "table" ? "table" : "time_series",
      instant: type === "table" || type === "bargauge",
    })),
  };
}

function thresholds({ limits }: Panel): object {
  if (limits === undefined) return { color: { mode: "palette-classic" } };
  const { warn, bad } = limits;
  const steps = [
    { color: "green", value: null },
    ...(warn === undefined ? [] : [{ color: "orange", value: warn }]),
    { color: "red", value: bad },
  ];
  return { color: { mode: "thresholds" }, thresholds: { mode: "absolute", steps } };
}

function optionsOf({ type, unit }: Panel): object {
  if (type === "heatmap") return { calculate: false, yAxis: { unit }, color: { mode: "scheme" } };
  if (type === "stat") {
    const reduceOptions = { calcs: ["lastNotNull"], values: false };
    return { reduceOptions, colorMode: "value", graphMode: "area" };
  }
  if (type === "timeseries") {
    return { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } };
  }
  return {};
}
