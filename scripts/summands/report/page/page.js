"use strict";
// What the page does beyond its text: charts, selections that they share, tables that
// sort and search, downloads, and a link that keeps all of it.
(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const charts = new Map(Object.entries(page.charts));
  const state = { ...page.defaults };
  const SHOWN = 200; // rows of a table before "show all"

  const decoded = (columns) => {
    const names = Object.keys(columns);
    const of = names.map((name) => {
      const column = columns[name];
      return Array.isArray(column)
        ? column
        : column.at.map((place) => (place === null ? null : column.of[place]));
    });
    const count = of.length ? of[0].length : 0;
    return Array.from({ length: count }, (_, row) =>
      Object.fromEntries(names.map((name, place) => [name, of[place][row]])));
  };

  const chosen = (chart) =>
    chart.rows.filter((row) =>
      chart.filters.every((field) =>
        !state[field] || row[field] === null || String(row[field]) === state[field]));

  // Links: #field=value&at=section.
  const written = () => {
    const kept = new URLSearchParams();
    for (const [field, value] of Object.entries(state)) {
      if (value !== (page.defaults[field] ?? "")) kept.set(field, value);
    }
    const text = kept.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };
  const readLink = () => {
    const told = new URLSearchParams(location.hash.slice(1));
    for (const field of Object.keys(state)) {
      if (!field.startsWith("sort:")) state[field] = page.defaults[field] ?? "";
    }
    for (const [field, value] of told) {
      const options = page.options[field];
      if (field === "at" || field.includes(":") || (options && options.includes(value))) {
        state[field] = value;
      }
    }
    for (const select of document.querySelectorAll("select[data-field]")) {
      select.value = state[select.dataset.field] ?? "";
    }
  };

  // Charts.
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const theme = () => ({
    background: "transparent",
    aria: false,
    font: "system-ui, sans-serif",
    view: { stroke: colour("--line") },
    axis: {
      labelColor: colour("--text"), titleColor: colour("--text"),
      gridColor: colour("--line"), domainColor: colour("--soft"),
      tickColor: colour("--soft"), titleFontWeight: "normal", labelLimit: 150,
    },
    header: { labelColor: colour("--text"), titleColor: colour("--text") },
    legend: {
      labelColor: colour("--text"), titleColor: colour("--text"), labelLimit: 220,
      orient: "top", columns: document.documentElement.clientWidth < 600 ? 2 : 5,
    },
    title: { color: colour("--text") },
    rule: { color: colour("--text") },
    text: { color: colour("--text") },
  });
  const sized = (chart, width) => {
    const spec = structuredClone(chart.specs[state[chart.varies]] ?? chart.spec);
    const room = width - chart.edge;
    const wide = (columns) =>
      Math.min(chart.facet_most, Math.max(120, Math.floor(room / columns) - chart.margin));
    if (spec.facet) {
      const most = Math.max(1, Math.floor(room / chart.facet_width));
      spec.columns = Math.min(most, chart.facets);
      spec.spec.width = wide(spec.columns);
    } else {
      spec.width = wide(1);
    }
    return spec;
  };
  const draw = async (chart) => {
    const place = document.querySelector(`#${chart.id} .plot`);
    const rows = chosen(chart);
    chart.view?.finalize();
    place.replaceChildren();
    place.classList.toggle("empty", !rows.length);
    if (!rows.length) {
      place.textContent = "Nothing to show for this choice.";
      chart.view = null;
      return;
    }
    chart.facets = chart.spec.facet
      ? new Set(rows.map((row) => row[chart.spec.facet.field])).size : 1;
    const spec = sized(chart, place.clientWidth);
    spec.datasets = { rows: structuredClone(rows) };
    const drawn = await vegaEmbed(place, spec,
      { ast: true, actions: false, renderer: "svg", config: theme() });
    chart.view = drawn.view;
    place.dataset.drawn = rows.length;
  };
  const show = async (chart) => {
    await draw(chart);
    const details = document.querySelector(`#${chart.id} details.data`);
    if (details.open) fillTable(chart);
    const python = document.querySelector(`#${chart.id} code.python`);
    python.textContent = pythonLine(chart);
  };
  const all = async (some) => {
    for (const chart of charts.values()) {
      if (some(chart)) {
        await show(chart);
        await new Promise((then) => setTimeout(then));
      }
    }
    document.documentElement.dataset.ready = "yes";
  };
  const pythonLine = (chart) => {
    const filters = chart.source.filters.map(([a, b, c]) => [a, b, c]);
    for (const field of chart.filters) {
      if (state[field] && chart.source.columns.includes(field)) {
        filters.push([field, "==", state[field]]);
      }
    }
    const told = filters.map(([a, b, c]) =>
      `(${JSON.stringify(a)}, ${JSON.stringify(b)}, ${JSON.stringify(c)})`);
    const given = told.length ? `, filters=[${told.join(", ")}]` : "";
    return `pandas.read_parquet(${JSON.stringify(chart.source.path)}${given})`;
  };

  // Tables.
  const number = (value) =>
    typeof value !== "number" ? String(value ?? "")
      : Number.isInteger(value) ? value.toLocaleString("en")
        : Number(value.toPrecision(4)).toString();
  const compare = (a, b) => {
    const [x, y] = [a, b].map((value) => (value === "" || value === null ? NaN : Number(value)));
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
  };
  const sortable = (table, id) => {
    table.querySelectorAll("thead th").forEach((cell, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        state[`sort:${id}`] = `${place}${down ? "-" : "+"}`;
        sort(table, id);
        written();
      });
    });
    sort(table, id);
  };
  const sort = (table, id) => {
    const told = state[`sort:${id}`] ?? "";
    const place = parseInt(told, 10);
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((cell) => cell.removeAttribute("aria-sort"));
    if (!heads[place]) return;
    const sign = told.endsWith("-") ? -1 : 1;
    heads[place].setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const body = table.tBodies[0];
    const value = (row) => {
      const cell = row.cells[place];
      return cell.dataset.value ?? cell.textContent.trim();
    };
    body.append(...[...body.rows].sort((a, b) => sign * compare(value(a), value(b))));
  };
  const fillTable = (chart, whole = false) => {
    const details = document.querySelector(`#${chart.id} details.data`);
    const sought = details.querySelector("input").value.trim().toLowerCase();
    const names = Object.keys(chart.titles);
    const sortedBy = (state[`sort:${chart.id}`] ?? "").match(/^(\d+)([+-])$/);
    let rows = chosen(chart).filter((row) => !sought
      || names.some((name) => String(row[name] ?? "").toLowerCase().includes(sought)));
    if (sortedBy && names[sortedBy[1]]) {
      const sign = sortedBy[2] === "-" ? -1 : 1;
      const by = names[sortedBy[1]];
      rows = rows.toSorted((a, b) => sign * compare(a[by], b[by]));
    }
    const shown = whole ? rows : rows.slice(0, SHOWN);
    const table = document.createElement("table");
    table.createCaption().textContent =
      `${chart.label}: ${shown.length} of ${rows.length.toLocaleString("en")} rows`;
    const head = table.createTHead().insertRow();
    for (const name of names) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = chart.titles[name];
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of shown) {
      const line = body.insertRow();
      for (const name of names) {
        const cell = line.insertCell();
        cell.textContent = number(row[name]);
        if (typeof row[name] === "number") {
          cell.dataset.value = row[name];
          cell.className = "number";
        }
      }
    }
    head.querySelectorAll("th").forEach((cell, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...cell.childNodes);
      cell.append(button);
      if (sortedBy && Number(sortedBy[1]) === place) {
        cell.setAttribute("aria-sort", sortedBy[2] === "-" ? "descending" : "ascending");
      }
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        state[`sort:${chart.id}`] = `${place}${down ? "-" : "+"}`;
        written();
        fillTable(chart, whole);
        details.querySelectorAll("th button")[place].focus();
      });
    });
    details.querySelector(".rows").replaceChildren(table);
    const more = details.querySelector("button.whole");
    more.hidden = shown.length === rows.length;
    more.onclick = () => fillTable(chart, true);
  };

  // Downloads.
  const save = (name, url) => {
    const link = document.createElement("a");
    link.href = url;
    link.download = `${page.study}-${name}`;
    link.click();
  };
  const csv = (chart) => {
    const names = Object.keys(chart.titles);
    const quoted = (value) => {
      const text = String(value ?? "");
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = [names, ...chosen(chart).map((row) => names.map((name) => row[name]))];
    return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  };
  const download = async (chart, kind) => {
    if (kind === "csv") {
      const blob = new Blob(["\ufeff", csv(chart)], { type: "text/csv" });
      const url = URL.createObjectURL(blob);
      save(`${chart.id}.csv`, url);
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    } else if (chart.view) {
      save(`${chart.id}.${kind}`, await chart.view.toImageURL(kind, kind === "png" ? 2 : 1));
    }
  };

  // Start.
  for (const [id, chart] of charts) {
    chart.id = id;
    chart.rows = decoded(chart.columns);
    const section = document.getElementById(id);
    const details = section.querySelector("details.data");
    details.addEventListener("toggle", () => details.open && fillTable(chart));
    details.querySelector("input").addEventListener("input", () => fillTable(chart));
    for (const button of section.querySelectorAll("button[data-download]")) {
      button.addEventListener("click", () => download(chart, button.dataset.download));
    }
  }
  readLink();
  document.querySelectorAll("table.sortable").forEach((table) => sortable(table, table.id));
  for (const select of document.querySelectorAll("select[data-field]")) {
    select.addEventListener("change", () => {
      const field = select.dataset.field;
      state[field] = select.value;
      for (const other of document.querySelectorAll("select[data-field]")) {
        if (other.dataset.field === field) other.value = select.value;
      }
      written();
      all((chart) => chart.filters.includes(field));
    });
  }
  for (const link of document.querySelectorAll("a[data-at]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      state.at = link.dataset.at;
      written();
      goTo();
    });
  }
  const goTo = () => {
    const place = state.at && document.getElementById(state.at);
    if (place) {
      place.scrollIntoView();
      place.querySelector("h2")?.focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", () => { readLink(); all(() => true).then(goTo); });
  let width = document.documentElement.clientWidth;
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (document.documentElement.clientWidth === width) return;
      width = document.documentElement.clientWidth;
      all(() => true);
    }, 200);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all(() => true));
  all(() => true).then(goTo);
})();
