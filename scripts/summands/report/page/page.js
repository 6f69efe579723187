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
  let [state, width] = [{}, 0]; // what is chosen, and how wide the page was drawn

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
    const [place, note, code] = [".plot", ".missing", "pre code"].map(find);
    return { ...chart, id, place, note, code };
  });

  // Links: #field=value&sort:table=2-&at=section. What they cannot mean is passed over.
  const known = (key, value) => {
    if (key === "at") return document.getElementById(value) !== null;
    if (key.startsWith("sort:")) return tables.has(key.slice(5)) && /^\d+[+-]$/.test(value);
    return Object.hasOwn(page.options, key) && page.options[key].includes(value);
  };
  const readLink = () => {
    const text = location.hash.slice(1);
    const whole = text.includes("="); // other links lead to a section, and keep all choices
    const told = [...new URLSearchParams(whole ? text : `at=${text}`)].filter((one) => known(...one));
    state = { ...page.defaults, ...(whole ? {} : state), ...Object.fromEntries(told) };
    for (const control of controls) control.value = state[control.dataset.field];
    for (const table of tables.values()) {
      if (state[table.key] && table.details) table.details.open = true;
      refresh(table);
    }
  };
  const writeLink = (how = "pushState") => {
    const kept = Object.entries(state).filter(([key, value]) => value !== page.defaults[key]);
    history[how](null, "", `#${new URLSearchParams(kept)}`);
  };
  const goTo = () => {
    const place = document.getElementById(state.at);
    place?.scrollIntoView();
    place?.querySelector("h2")?.focus({ preventScroll: true });
  };

  // Charts. Their colours are variables of the page, which dark mode and print set.
  const chosenRows = (chart) =>
    (chart.rows ??= decoded(chart.columns)).filter((row) => chart.filters.every((field) =>
      !state[field] || row[field] == null || String(row[field]) === state[field]));
  // Marks of an axis that is not even: powers of ten, thrice these where there is room,
  // and three in even steps where the ends are so near that few of them lie between.
  const ticks = ({ constant, domain }, numbers) => {
    const known = domain ?? numbers.filter((n) => n > 0 || (constant && n !== null));
    const [least, ...others] = [...known].sort((a, b) => a - b);
    const most = others.at(-1) ?? least;
    const [from, to] = [constant ?? least, Math.max(-least, most)].map((n) => Math.floor(Math.log10(n)));
    const found = [0];
    for (let at = from; at <= to + 1; at += Math.max(1, Math.floor((to - from) / 5))) {
      for (const times of to - from < 4 ? "13" : "1") found.push(+`${times}e${at}`, -`${times}e${at}`);
    }
    const inside = found.filter((tick) => tick >= least && tick <= most);
    const unit = 10 ** Math.floor(Math.log10((most - least) / 2 || most));
    return inside.length > 1 ? inside
      : [least, (least + most) / 2, most].map((n) => Math.round(n / unit) * unit);
  };
  const specification = (chart, rows) => {
    const text = JSON.stringify(chart.specs[state[chart.varies]] ?? chart.spec);
    const values = (field) => rows.map((row) => row[field]);
    const spec = JSON.parse(text, (key, value) => {
      const { field, type, scale, legend, axis } = value ?? {};
      if (chart.along[key] && /log$/.test(scale?.type)) {
        const marks = ticks(scale, chart.along[key].flatMap(values));
        return { ...value, axis: { ...axis, values: marks } };
      }
      if (type !== "nominal" || !scale?.domain || !legend) return value;
      const there = new Set(values(field)); // others have no place in a legend
      const some = scale.domain.filter((one) => there.has(one));
      return { ...value, legend: { ...legend, values: some } };
    });
    chart.look = chart.looks[chart.place.clientWidth < page.narrow ? 1 : 0];
    const { edge, margin, config } = chart.look;
    const room = chart.place.clientWidth - edge;
    const most = Math.max(1, Math.floor(room / chart.facet_width));
    const facets = new Set(values(spec.facet?.field)).size;
    chart.across = Math.ceil(facets / Math.ceil(facets / most)); // lines alike
    if (spec.facet) spec.columns = chart.across;
    const wide = Math.max(120, Math.floor(room / chart.across) - margin);
    chart.wide = (spec.spec ?? spec).width = Math.min(chart.most, wide);
    // Vega writes into its rows.
    return { ...spec, config, datasets: { rows: structuredClone(rows) } };
  };
  // With `ast` no text becomes code. Of what Vega says errors (1) alone concern readers.
  const embed = (chart, rows, place, colour) =>
    vegaEmbed(place, specification(chart, rows), {
      ast: true, actions: false, renderer: "svg", logLevel: 1,
      config: JSON.parse(page.theme, (_, value) => /^--/.test(value) ? colour(value) : value),
    });
  const reason = ({ rows, filters }) => {
    if (!rows.length) return "Nothing to show: no estimator of this study gives it.";
    const told = filters.filter((field) => state[field])
      .map((field) => `${page.labels[field].toLowerCase()} “${state[field]}”`).join(" and ");
    return `Nothing to show: no value here is of ${told}.`;
  };
  const draw = async (chart) => {
    const [rows, drawing] = [chosenRows(chart), chart.place.firstElementChild];
    chart.drawn = chart.drawn?.finalize();
    drawing.replaceChildren();
    chart.place.hidden = false;
    const room = chart.place.clientWidth;
    let missing = rows.length ? "" : reason(chart);
    try {
      if (rows.length) {
        chart.drawn = await embed(chart, rows, drawing, (name) => `var(${name})`);
        // What labels and legends take of the width is known when they are drawn.
        const excess = drawing.querySelector("svg").clientWidth - room;
        const more = Math.ceil(excess / chart.across);
        const wide = Math.min(chart.most, Math.max(120, chart.wide - more));
        const unfit = excess > 2 || (excess < -12 && !chart.look.edge);
        chart.look.margin += unfit ? more : 0;
        if (unfit) await chart.drawn.view.signal(chart.signal, wide).resize().runAsync();
      }
    } catch (error) {
      missing = `This chart cannot be drawn (${error.message}). Its values are below.`;
    }
    chart.note.textContent = missing;
    chart.place.hidden = Boolean(missing);
    // What scrolls has to be reached by keyboard.
    chart.place.tabIndex = chart.place.scrollWidth > room ? 0 : -1;
    chart.code.textContent = python(chart);
    refresh(tables.get(chart.id));
  };
  // One after the other: first those in sight or near it, then, as time allows, the others.
  const due = new Set();
  let working = null;
  const near = ({ place: { offsetTop: top, offsetHeight: height } }) =>
    top + height > scrollY - innerHeight / 2 && top < scrollY + 1.5 * innerHeight;
  const ready = () => {
    if (!root.dataset.seen && !navigator.userActivation.hasBeenActive) goTo(); // charts moved it
    root.dataset.ready = root.dataset.seen = "near";
  };
  const work = async () => {
    for (await null; due.size;) { // with nothing due, too, not before it is said to work
      const idle = [...due].some(near) ? null : window.requestIdleCallback;
      if (idle !== null) ready();
      await new Promise((then) => (idle ?? setTimeout)(then));
      const chart = [...due].find(near) ?? [...due][0];
      if (due.delete(chart)) await draw(chart);
    }
    ready();
    working = null;
    root.dataset.ready = "all";
  };
  const redraw = (some) => {
    for (const chart of charts) if (some(chart)) due.add(chart);
    delete root.dataset.ready;
    working ??= work();
  };

  // The line of Python that reads what a chart shows.
  const python = ({ source: { path, filters, columns, words }, filters: fields }) => {
    const chosen = fields.filter((field) => state[field] && columns[field]).map((field) => {
      const value = words[field]?.[state[field]] ?? state[field];
      return `("${columns[field]}", "==", ${page.spelled[value] ?? JSON.stringify(value)})`;
    });
    const told = [...filters, ...chosen].join(", ");
    return `pandas.read_parquet(${path}${told && `, filters=[${told}]`})`;
  };

  // Tables: rows of cells, each with a text, what it sorts by, and what a file has of it.
  const number = (value) => {
    if (typeof value !== "number") return String(value ?? "");
    if (Number.isInteger(value)) return value.toLocaleString("en");
    const power = 3 * Math.floor(Math.log10(Math.abs(value)) / 3);
    const [unit, end] = Math.abs(value) < 1e-3 ? [10 ** power, `e${power}`] : [1, ""];
    return `${Number((value / unit).toPrecision(4))}${end}`;
  };
  const written = (cell) => {
    const { textContent: text, dataset: { value } } = cell;
    return { text, value: value === undefined ? text : Number(value), cell };
  };
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
      line.append(...row.map(({ cell, text: textContent }, at) => cell ?? Object.assign(
        document.createElement("td"), { textContent, className: table.heads[at].className })));
    }
    const none = rows.length || !table.search.value ? "" : ": none has all these words";
    table.count.textContent = `${number(shown.length)} of ${number(table.rows().length)} rows${none}`;
    table.more.hidden = shown.length === rows.length;
    const [by, sign] = sorting(table);
    const order = sign < 0 ? "descending" : "ascending";
    table.heads.forEach((head, at) => { head.ariaSort = at === by ? order : null; });
  };
  const prepareTable = (box) => {
    const find = (selector) => box.querySelector(selector);
    const chart = charts.find(({ id }) => id === box.dataset.table);
    const rows = [...find("tbody").rows].map((row) => [...row.cells].map(written));
    const cells = (row) => Object.keys(chart.titles).map((name) =>
      ({ text: number(row[name]), value: row[name] }));
    const table = {
      chart, id: box.dataset.table, key: `sort:${box.dataset.table}`, whole: false,
      details: box.closest("details"), body: find("tbody"), heads: [...box.querySelectorAll("th")],
      search: find("input"), count: find(".count"), more: find(".whole"),
      rows: chart ? () => chosenRows(chart).map(cells) : () => rows,
    };
    table.heads.forEach((head, place) => {
      head.firstElementChild.addEventListener("click", () => {
        state[table.key] = `${place}${head.ariaSort === "ascending" ? "-" : "+"}`;
        writeLink();
        refresh(table);
      });
    });
    table.search.oninput = () => refresh(table);
    table.more.onclick = () => refresh(Object.assign(table, { whole: true }));
    table.details?.addEventListener("toggle", () => refresh(table));
    box.addEventListener("click", ({ target: { dataset } }) =>
      dataset.download && download(table, dataset.download));
    tables.set(table.id, table);
  };

  // Downloads: what is shown, in the colours of print.
  const csv = (table) => {
    const field = (value) => {
      // Spreadsheets take text that begins so for a formula, and an apostrophe for text.
      const text = typeof value === "number" ? `${value}` : (value ?? "").replace(/^(?=[=+\-@\t\r].)/s, "'");
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = listed(table).map((row) => row.map(({ value }) => value));
    lines.unshift(table.heads.map((head) => head.textContent));
    return lines.map((line) => `${line.map(field).join(",")}\r\n`).join("");
  };
  const image = async (chart, kind) => {
    const colour = (name) => getComputedStyle(paper).getPropertyValue(name).trim();
    const { view } = await embed(chart, chosenRows(chart), paper, colour);
    return view.toImageURL(kind, kind === "png" ? 2 : 1).finally(() => view.finalize());
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
    control.setCustomValidity(there || type === "input" ? "" : "Choose from the list; nothing means all.");
    control.reportValidity();
    if (!there || state[field] === value) return;
    state[field] = value;
    for (const other of controls) if (other.dataset.field === field) other.value = value;
    writeLink();
    redraw((chart) => chart.filters.includes(field));
  };
  for (const control of controls) control.oninput = control.onchange = choose;

  // Start, and what changes later.
  const fit = () => width === (width = root.clientWidth) || redraw(() => true);
  addEventListener("resize", fit);
  addEventListener("hashchange", () => {
    const before = state;
    readLink();
    writeLink("replaceState");
    redraw((chart) => chart.filters.some((field) => before[field] !== state[field]));
    goTo();
  });
  document.querySelectorAll("[data-table]").forEach(prepareTable);
  for (const start of [readLink, goTo, fit]) start();
})();
