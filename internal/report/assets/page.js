"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const usd = (x, digits) => (x < 0 ? "−$" : "$") + (Math.abs(x) >= 1e15 ? Math.abs(x).toExponential(2) :
    Math.abs(x).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const whole = (x) => x.toLocaleString("en-US");
  const short = (x) => x.toLocaleString("en-US", { notation: "compact", maximumSignificantDigits: 3 });
  const took = (ms) => ms === 0 ? "0" : ms < 1000 ? ms + " ms" : ms < 120000 ? +(ms / 1000).toPrecision(3) + " s" :
    ms < 3600000 ? +(ms / 60000).toPrecision(3) + " min" : +(ms / 3600000).toPrecision(3) + " h";
  const charts = [];

  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 11;
  Chart.defaults.backgroundColor = (bar) => bar.dataset ? color(bar.dataset.paint) : "transparent";
  Chart.defaults.borderColor = () => color("bg");
  Chart.defaults.plugins.legend.display = false;
  Chart.defaults.plugins.colors.enabled = false;
  Chart.defaults.plugins.tooltip.boxPadding = 4;
  Chart.defaults.plugins.tooltip.padding = 10;
  Chart.defaults.plugins.tooltip.cornerRadius = 6;

  // paint gives a chart the colours of the theme; bars ask for theirs.
  const paint = (chart) => {
    const o = chart.options;
    for (const axis of Object.values(o.scales)) {
      axis.ticks.color = color("muted");
      axis.grid.color = color("line");
      axis.border = { ...axis.border, color: color("line") };
    }
    Object.assign(o.plugins.tooltip, {
      backgroundColor: color("soft"), titleColor: color("text"), bodyColor: color("text"), footerColor: color("text"),
      borderColor: color("line"), borderWidth: 1,
    });
    chart.update("none");
  };

  const draw = (id, config) => {
    const canvas = document.getElementById(id);
    if (!canvas) return null;
    const chart = new Chart(canvas, config);
    charts.push(chart);
    paint(chart);
    return chart;
  };

  // overTime is a chart of stacked bars over the time of the page.
  const overTime = (id, datasets, format, tick) => draw(id, {
    type: "bar",
    data: { labels: data.labels, datasets: datasets.map((d) => ({ maxBarThickness: 44, categoryPercentage: 0.86, barPercentage: 1, borderWidth: { top: 1 }, borderSkipped: false, ...d })) },
    options: {
      interaction: { mode: "index", intersect: false },
      scales: {
        x: {
          stacked: true, grid: { display: false }, ticks: { autoSkip: false, maxRotation: 0 },
          // As many of the ticks as there is room for.
          afterBuildTicks: (axis) => {
            const every = Math.ceil(data.ticks.length / Math.max(1, Math.floor(axis.chart.width / 58)));
            axis.ticks = data.ticks.filter((_, i) => i % every === 0).map((value) => ({ value }));
          },
        },
        y: { stacked: true, beginAtZero: true, border: { display: false }, ticks: { maxTicksLimit: 6, callback: tick } },
      },
      plugins: {
        tooltip: {
          filter: (item) => item.raw !== 0,
          itemSort: (a, b) => b.datasetIndex - a.datasetIndex,
          callbacks: {
            title: (items) => items.length ? data.titles[items[0].dataIndex] : "",
            label: (item) => " " + item.dataset.label + "  " + format(item.raw),
            footer: (items) => items.length > 1 ? "Total  " + format(items.reduce((sum, item) => sum + item.raw, 0)) : "",
          },
        },
      },
    },
  });

  const spend = overTime("spend-chart", data.series.map((s) => ({ label: s.name, data: s.cost, paint: "c" + s.color })),
    (x) => usd(x, data.digits), (x, _, ticks) => usd(x, ticks.every((t) => Number.isInteger(t.value)) ? 0 : data.digits));
  overTime("tokens-chart", [{ label: "Input", data: data.input, paint: "input" }, { label: "Output", data: data.output, paint: "output" }], whole, short);
  overTime("troubles-chart", [{ label: "Failures", data: data.failures, paint: "failed", borderWidth: 0 }, { label: "Budget stops", data: data.stops, paint: "stop", borderWidth: 0 }],
    whole, (x) => Number.isInteger(x) ? whole(x) : "");

  const p = data.durations;
  const box = document.getElementById("durations-box");
  if (box) box.style.height = Math.max(7, 2.5 + 1.9 * p.names.length) + "rem";
  // The step of the axis is one that clocks have.
  const slowest = Math.max(...p.p99, 1);
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 12e5, 18e5, 36e5].find((ms) => slowest / ms <= 6);
  const bars = (label, values, thickness) => ({ label, data: values, paint: label, grouped: false, barPercentage: thickness, categoryPercentage: 0.8, maxBarThickness: 22 * thickness, borderRadius: 2 });
  draw("durations-chart", {
    type: "bar",
    data: { labels: p.names, datasets: [bars("p50", p.p50, 1), bars("p90", p.p90, 0.66), bars("p99", p.p99, 0.33)] },
    options: {
      indexAxis: "y",
      interaction: { mode: "index", axis: "y", intersect: false },
      scales: {
        x: { beginAtZero: true, border: { display: false }, ticks: { stepSize: step, maxTicksLimit: 7, maxRotation: 0, callback: took } },
        y: {
          grid: { display: false },
          ticks: {
            autoSkip: false,
            callback: (value) => {
              const name = p.names[value], most = box.clientWidth < 420 ? 16 : 26;
              return name.length > most ? name.slice(0, most - 1) + "…" : name;
            },
          },
        },
      },
      plugins: { tooltip: { callbacks: { label: (item) => " " + item.dataset.label + "  " + took(item.raw) } } },
    },
  });

  const legend = document.getElementById("legend");
  if (legend && spend) {
    [...legend.querySelectorAll("button")].forEach((button, i) => button.addEventListener("click", () => {
      const show = !spend.isDatasetVisible(i);
      spend.setDatasetVisibility(i, show);
      button.setAttribute("aria-pressed", String(show));
      spend.update("none");
    }));
  }

  const theme = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  const name = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", "Show in " + (isDark() ? "light" : "dark") + " colours");
  };
  const show = () => { name(); charts.forEach(paint); };
  name();
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; show(); });
  dark.addEventListener("change", show);

  // On paper all tables are open.
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const d of document.querySelectorAll("details:not([open])")) { d.open = true; opened.push(d); }
    charts.forEach((chart) => { chart.resize(); paint(chart); });
  });
  addEventListener("afterprint", () => {
    for (const d of opened.splice(0)) d.open = false;
    charts.forEach((chart) => { chart.resize(); paint(chart); });
  });
  paper.addEventListener("change", () => charts.forEach(paint));
  root.dataset.charts = String(charts.length);
})();
