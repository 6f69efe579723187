"use strict";
// What the page does beyond its text: charts, choices that they share, tables that search
// and sort, downloads, and a link that keeps all of it.
(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const root = document.documentElement;
  const paper = document.querySelector(".paper"); // has the colours of print
  const controls = [...document.querySelectorAll("[data-field]")];
  const tables = new Map();
  const SHOWN = 200; // rows of a table before "show all"
  let state = {};
  let width = 0; // of the page when charts were drawn

  // Columns are lists; those of texts are places in a list of what they are.
  const decoded = (columns) => {
    const names = Object.keys(columns);
    const lists = Object.values(columns).map((column) =>
      column.of ? column.at.map((place) => column.of[place] ?? null) : column);
    return (lists[0] ?? []).map((_, row) =>
      Object.fromEntries(names.map((name, at) => [name, lists[at][row]])));
  };
  const charts = Object.entries(page.charts).map(([id, chart]) => {
    const find = (selector) => document.querySelector(`[id="${id}-chart"] ${selector}`);
    const [place, note, line] = [".plot", ".missing", "pre code"].map(find);
    return { ...chart, id, place, note, line, rows: decoded(chart.columns) };
  });

  // Links: #field=value&sort:table=2-&at=section. What they cannot mean is passed over.
  const known = (key, value) => {
    if (key === "at") return document.getElementById(value) !== null;
    if (key.startsWith("sort:")) return tables.has(key.slice(5)) && /^\d+[+-]$/.test(value);
    return Object.hasOwn(page.options, key) && page.options[key].includes(value);
  };
  const readLink = () => {
    const text = location.hash.slice(1);
    const told = new URLSearchParams(text.includes("=") ? text : `at=${text}`);
    state = { ...page.defaults, ...Object.fromEntries([...told].filter((one) => known(...one))) };
    for (const control of controls) control.value = state[control.dataset.field];
    for (const table of tables.values()) {
      if (state[table.key] && table.details) table.details.open = true;
      refresh(table);
    }
  };
  const writeLink = () => {
    const kept = Object.entries(state).filter(([key, value]) => value !== page.defaults[key]);
    history.pushState(null, "", `#${new URLSearchParams(kept)}`);
  };
  const goTo = () => {
    const place = document.getElementById(state.at);
    place?.scrollIntoView();
    place?.querySelector("h2")?.focus({ preventScroll: true });
  };

  // Charts. Their colours are variables of the page, which dark mode and print set.
  const theme = (colour) => {
    const ink = { color: colour("--text") };
    const titles = { labelColor: ink.color, titleColor: ink.color, labelFontSize: 11 };
    return {
      background: colour("--plot"),
      aria: false,
      font: "system-ui, sans-serif",
      view: { stroke: colour("--line") },
      axis: {
        ...titles, gridColor: colour("--line"), domainColor: colour("--soft"),
        tickColor: colour("--soft"), titleFontWeight: "normal", labelLimit: 150,
      },
      legend: {
        ...titles, labelLimit: 220, orient: "top", columns: width < 600 ? 2 : 5,
        symbolBaseFillColor: ink.color, symbolBaseStrokeColor: ink.color,
      },
      header: titles, title: ink, rule: ink, text: ink,
    };
  };
  const chosenRows = (chart) =>
    chart.rows.filter((row) => chart.filters.every((field) =>
      !state[field] || row[field] == null || String(row[field]) === state[field]));
  const specification = (chart, rows) => {
    const spec = structuredClone(chart.specs[state[chart.varies]] ?? chart.spec);
    const room = chart.place.clientWidth - chart.edge;
    const wide = (n) => Math.min(chart.most, Math.max(120, Math.floor(room / n) - chart.margin));
    if (spec.facet) {
      const facets = new Set(rows.map((row) => row[spec.facet.field])).size;
      const most = Math.max(1, Math.floor(room / chart.facet_width));
      chart.across = Math.ceil(facets / Math.ceil(facets / most)); // lines alike
      [spec.columns, spec.spec.width] = [chart.across, wide(chart.across)];
    } else if (spec.mark || spec.layer) spec.width = wide(1);
    // Vega writes into its rows.
    return { ...spec, datasets: { rows: rows.map((row) => ({ ...row })) } };
  };
  // With `ast` no text becomes code. Of what Vega says errors (1) alone concern readers.
  const embed = (chart, rows, place, colour) =>
    vegaEmbed(place, specification(chart, rows), {
      ast: true, actions: false, renderer: "svg", logLevel: 1, config: theme(colour),
    });
  const variable = (name) => `var(${name})`;
  const draw = async (chart, fitted = false) => {
    const [rows, drawing] = [chosenRows(chart), chart.place.firstElementChild];
    chart.drawn = chart.drawn?.finalize();
    drawing.replaceChildren();
    chart.place.hidden = false;
    const room = chart.place.clientWidth;
    let missing = rows.length ? "" : "Nothing to show for this choice.";
    try {
      chart.drawn = rows.length ? await embed(chart, rows, drawing, variable) : null;
      // What labels and legends take of the width is known when they are drawn.
      const excess = (drawing.querySelector("svg")?.clientWidth ?? room) - room;
      const unfit = excess > 12 || (excess < -12 && !chart.edge);
      if (unfit) chart.margin += Math.ceil(excess / (chart.across ?? 1));
      if (unfit && !fitted) return draw(chart, true);
    } catch (error) {
      missing = `This chart cannot be drawn (${error.message}). Its values are below.`;
    }
    chart.note.textContent = missing;
    chart.place.hidden = Boolean(missing);
    // What scrolls has to be reached by keyboard.
    chart.place.tabIndex = chart.place.scrollWidth > room ? 0 : -1;
    chart.line.textContent = python(chart);
    refresh(tables.get(chart.id));
  };
  // One after the other, those in sight first; the page answers in between.
  const due = new Set();
  let working = null;
  const inSight = ({ place: { offsetTop: top, offsetHeight: height } }) =>
    top + height > scrollY && top < scrollY + innerHeight;
  const work = async () => {
    do {
      await new Promise((then) => setTimeout(then));
      const chart = [...due].find(inSight) ?? [...due][0];
      if (chart && due.delete(chart)) await draw(chart);
    } while (due.size);
    working = null;
    root.dataset.ready = "yes";
  };
  const redraw = (some) => {
    for (const chart of charts) if (some(chart)) due.add(chart);
    delete root.dataset.ready;
    return (working ??= work());
  };

  // The line of Python that reads what a chart shows.
  const literal = (value) => {
    if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
    if (typeof value === "boolean") return value ? "True" : "False";
    // What is not seen, or turns what is seen around, is spelled.
    const unseen = /[\x7f-\xa0\xad\u061c\u2000-\u200f\u2028-\u202f\u205f-\u206f\ufeff]/g;
    return JSON.stringify(value).replace(unseen, (letter) =>
      `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  };
  const python = (chart) => {
    const filters = [...chart.source.filters];
    for (const field of chart.filters) {
      const column = chart.source.columns[field];
      const value = chart.source.words[field]?.[state[field]] ?? state[field];
      if (value && column) filters.push([column, "==", value]);
    }
    const told = filters.map((one) => `(${one.map(literal).join(", ")})`);
    const given = told.length ? `, filters=[${told.join(", ")}]` : "";
    return `pandas.read_parquet(${literal(chart.source.path)}${given})`;
  };

  // Tables: rows of cells, each with a text, what it sorts by, and what a file has of it.
  const number = (value) => {
    if (typeof value !== "number") return String(value ?? "");
    return Number.isInteger(value) ? value.toLocaleString("en") : `${Number(value.toPrecision(4))}`;
  };
  const written = ({ textContent: text, dataset: { value } }) =>
    ({ text, value: value === undefined ? text : Number(value), kept: text });
  const compare = (a, b, sign) => {
    const kind = (value) => (typeof value === "number" ? 0 : /^-?$/.test(value ?? "") ? 2 : 1);
    if (kind(a) !== kind(b)) return kind(a) - kind(b); // what is missing comes last
    return sign * (kind(a) ? String(a).localeCompare(String(b), "en", { numeric: true }) : a - b);
  };
  const sorting = ({ key }) => [parseInt(state[key], 10), state[key]?.endsWith("-") ? -1 : 1];
  const listed = (table) => {
    const sought = table.search.value.toLowerCase().split(/\s+/);
    const rows = table.rows().filter((row) => sought.every((word) =>
      row.some((cell) => cell.text.toLowerCase().includes(word))));
    const [by, sign] = sorting(table);
    return by < table.heads.length
      ? rows.toSorted((a, b) => compare(a[by].value, b[by].value, sign)) : rows;
  };
  const refresh = (table) => {
    if (table.details && !table.details.open) return;
    const rows = listed(table);
    const shown = table.whole ? rows : rows.slice(0, SHOWN);
    table.body.replaceChildren();
    for (const row of shown) {
      const line = table.body.insertRow();
      row.forEach(({ text: textContent }, at) =>
        Object.assign(line.insertCell(), { textContent, className: table.heads[at].className }));
    }
    table.count.textContent = `${number(shown.length)} of ${number(table.rows().length)} rows`;
    table.more.hidden = shown.length === rows.length;
    const [by, sign] = sorting(table);
    table.heads.forEach((head) => head.removeAttribute("aria-sort"));
    table.heads[by]?.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
  };
  const prepareTable = (box) => {
    const find = (selector) => box.querySelector(selector);
    const chart = charts.find(({ id }) => id === box.dataset.table);
    const rows = [...find("tbody").rows].map((row) => [...row.cells].map(written));
    const cells = (row) => Object.keys(chart.titles).map((name) =>
      ({ text: number(row[name]), value: row[name], kept: row[name] }));
    const table = {
      chart, id: box.dataset.table, key: `sort:${box.dataset.table}`, whole: false,
      details: box.closest("details"), body: find("tbody"), heads: [...box.querySelectorAll("th")],
      search: find("input"), count: find(".count"), more: find(".whole"),
      rows: chart ? () => chosenRows(chart).map(cells) : () => rows,
    };
    table.heads.forEach((head, place) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        state[table.key] = `${place}${head.ariaSort === "ascending" ? "-" : "+"}`;
        writeLink();
        refresh(table);
      });
    });
    table.search.addEventListener("input", () => refresh(table));
    table.more.addEventListener("click", () => { table.whole = true; refresh(table); });
    table.details?.addEventListener("toggle", () => refresh(table));
    box.addEventListener("click", ({ target: { dataset } }) =>
      dataset.download && download(table, dataset.download));
    tables.set(table.id, table);
  };

  // Downloads: what is shown, in the colours of print.
  const csv = (table) => {
    const field = (text, value) => {
      // Spreadsheets take text that begins so for a formula, and an apostrophe for text.
      const safe = typeof value !== "number" && /^[=+\-@\t\r]./s.test(text) ? `'${text}` : text;
      return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const lines = listed(table).map((row) =>
      row.map(({ kept, value }) => field(String(kept ?? ""), value)));
    lines.unshift(table.heads.map((head) => field(head.textContent)));
    return lines.map((line) => `${line.join(",")}\r\n`).join("");
  };
  const image = async (chart, kind) => {
    const colour = (name) => getComputedStyle(paper).getPropertyValue(name).trim();
    const drawn = await embed(chart, chosenRows(chart), paper, colour);
    const url = await drawn.view.toImageURL(kind, kind === "png" ? 2 : 1);
    drawn.finalize();
    return url;
  };
  const download = async (table, kind) => {
    if (kind !== "csv" && !table.chart.drawn) return;
    const link = document.createElement("a");
    link.href = kind === "csv"
      ? URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }))
      : await image(table.chart, kind);
    link.download = `${page.study}-${table.id}.${kind}`;
    link.click();
  };

  // Choices: those of one field are one choice.
  const choose = ({ type, target: control }) => {
    const [field, value] = [control.dataset.field, control.value];
    const there = page.options[field].includes(value);
    const typing = there || type === "input";
    control.setCustomValidity(typing ? "" : "Choose from the list; nothing means all.");
    control.reportValidity();
    if (!there || state[field] === value) return;
    state[field] = value;
    for (const other of controls) if (other.dataset.field === field) other.value = value;
    writeLink();
    redraw((chart) => chart.filters.includes(field));
  };
  for (const control of controls) {
    for (const type of ["input", "change"]) control.addEventListener(type, choose);
  }
  for (const link of document.querySelectorAll("a[data-at]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      state.at = link.dataset.at;
      writeLink();
      goTo();
    });
  }

  // Start, and what changes later.
  const fit = () => {
    if (width === (width = root.clientWidth)) return working;
    return redraw(() => true);
  };
  addEventListener("resize", fit);
  addEventListener("hashchange", () => {
    const before = state;
    readLink();
    redraw((chart) => chart.filters.some((field) => before[field] !== state[field]));
    goTo();
  });
  document.querySelectorAll("[data-table]").forEach(prepareTable);
  readLink();
  goTo();
  fit().then(() => navigator.userActivation.hasBeenActive || goTo()); // charts above moved it
})();
