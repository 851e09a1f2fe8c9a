// The page: what is selected, searched and compared; its state in the address, its keys.

const state = { groups: [], row: null, view: null, query: "" };
let list = null;

function start() {
  byId("plain").remove();
  byId("app").hidden = false;
  list = new Listbox(byId("list"), (row) => choose(row, true));
  byId("search").addEventListener("input", () => search(byId("search").value));
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault();
    byId("list").focus();
    if (list.rows.length && !list.rows.includes(state.row)) choose(list.rows[0], false);
  });
  byId("help-button").addEventListener("click", help);
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", restore);
  readReport().then(show, (error) => {
    byId("detail").replaceChildren(nothing(`This page cannot show its mails: ${error.message}. A current browser can.`));
  });
}

// Show a report; called again (by the live page) with another one, it keeps what is selected.
function show(report) {
  const before = state.row;
  state.groups = groupsOf(report);
  head(report);
  restore();
  if (before) {
    const again = rowsOf(state.groups).find((row) => row.group.test.id === before.group.test.id && row.number === before.number);
    if (again) choose(again, false);
  }
  document.documentElement.dataset.ready = "true";
  warm(rowsOf(state.groups));
}

function rowsOf(groups) {
  return groups.flatMap((group) => group.rows);
}

// -- The head ------------------------------------------------------------------------------------------------

function head({ run, tests }) {
  const rows = rowsOf(state.groups);
  const sessions = tests.flatMap((test) => test.attempts.flatMap((attempt) => attempt.sessions));
  const violations = sessions.flatMap((session) => session.violations);
  const faults = tests.flatMap((test) => test.attempts.flatMap((attempt) => attempt.faults));
  const failed = Object.entries(run.outcomes).filter(([name]) => FAILED.has(name)).reduce((sum, [, count]) => sum + count, 0);
  const all = Object.values(run.outcomes).reduce((sum, count) => sum + count, 0);
  const counts = [
    ["plain", all, "test", "tests"],
    ["bad", failed, "failed", "failed", "is:failed"],
    ["plain", rows.filter((row) => row.entry.kind === "mail").length, "mail", "mails", "is:mail"],
    ["bad", rows.filter((row) => row.refused).length, "refused", "refused", "is:refused"],
    [violations.some((violation) => violation.fatal) ? "bad" : "warn", violations.length, "violation", "violations", "is:violation"],
    ["warn", faults.filter((fault) => fault.unhit).length, "unhit fault", "unhit faults"],
  ];
  byId("counts").replaceChildren(...counts.map(([kind, count, one, many, query]) => {
    const text = plural(count, one, many);
    const chosen = query && count ? button(text, () => setQuery(query), { title: `Search ${query}` }) : element("span", {}, text);
    return element("li", { class: count ? kind : "zero" }, chosen);
  }));
  byId("run").textContent = [
    run.name, run.startedAt.replace("T", " ").slice(0, 19), `${run.seconds.toFixed(1)} s`, run.python, run.platform,
    run.seed === null ? null : `random seed ${run.seed}`,
  ].filter(Boolean).map(shown).join(" · ");
  const words = [...run.notes, ...run.shards.flatMap((shard) => shard.notes.map((note) => `${shard.name}: ${note}`))];
  const secret = "This page holds mail: treat it as confidential as the mail is.";
  byId("notes").replaceChildren(...words.map((note) => element("p", { class: "warn" }, shown(note))), element("p", {}, secret));
}

// -- Choosing and searching ----------------------------------------------------------------------------------

function setQuery(query) {
  byId("search").value = query;
  search(query);
}

let searching = 0;

function search(query) {
  clearTimeout(searching);
  searching = setTimeout(() => {
    filter(query);
    remember();
  }, 60);
}

function filter(query) {
  state.query = query;
  const matches = matcherOf(query);
  const groups = state.groups.map((group) => ({ group, rows: group.rows.filter(matches) })).filter(({ rows }) => rows.length);
  list.fill(groups);
  list.select(state.row);
  const count = list.rows.length;
  byId("found").textContent = query.trim() ? `${count} of ${rowsOf(state.groups).length}` : "";
  byId("list").classList.toggle("empty", count === 0);
  byId("list").dataset.empty = rowsOf(state.groups).length ? "Nothing matches." : "No mail was sent in this run.";
}

// Show a row; `open`: the user asked for it, so a narrow page leaves the list.
function choose(row, open) {
  state.row = row;
  list.select(row);
  document.body.classList.toggle("reading", open && row !== null);
  detail();
  remember();
}

function viewOf(row) {
  if (state.view) return state.view;
  if (row.group.failed && HOLDS.failure(row)) return "failure";
  return ["html", "text", "source", "transcript"].find((view) => HOLDS[view](row)) || "failure";
}

function setView(view) {
  state.view = view;
  detail();
  remember();
}

// -- The detail ----------------------------------------------------------------------------------------------

function detail() {
  const place = byId("detail");
  const { row } = state;
  if (row === null) {
    place.replaceChildren(nothing(rowsOf(state.groups).length ? "Choose a mail from the list." : "No mail was sent in this run."));
    return;
  }
  const focused = document.activeElement && document.activeElement.getAttribute("role") === "tab";
  const comparing = comparison.row !== null && comparison.row !== row && row.mail !== null;
  place.replaceChildren(titleBar(row), ...(comparing ? [comparisonPanel(row)] : [summaryOf(row), tabs(row), panel(row)]));
  if (focused && !comparing) place.querySelector("[role=tab][aria-selected=true]").focus();
  const tab = place.querySelector("[role=tab][aria-selected=true]");
  if (tab) tab.parentNode.scrollLeft = tab.offsetLeft - (tab.parentNode.clientWidth - tab.offsetWidth) / 2;
  const first = byId("first-difference");
  if (first) first.scrollIntoView({ block: "nearest" });
}

function titleBar(row) {
  const back = button("← List", () => { document.body.classList.remove("reading"); byId("list").focus(); }, { id: "back" });
  const waiting = comparison.row !== null;
  const compare = row.mail && button(waiting ? "End comparison" : "Compare with…", toggleComparison, { "aria-pressed": String(waiting), title: "c" });
  const words = waiting && comparison.row === row ? element("p", { class: "note", role: "status" }, "Now choose the mail to compare with.") : null;
  return element("header", { class: "title" },
    element("div", { class: "bar" }, back,
      element("span", { class: `outcome ${outcomeClass(row.group)}` }, row.group.attempt.outcome),
      element("span", { class: "id" }, `${groupName(row.group)} · ${row.number}`), compare),
    element("h2", {}, element("bdi", {}, shown(row.entry.title || "(no subject)"))), words);
}

function comparisonPanel(row) {
  return element("section", { class: "panel", id: "comparison", "aria-label": "Comparison" }, compared(comparison.row, row, detail));
}

function toggleComparison() {
  comparison.row = comparison.row === null && state.row && state.row.mail ? state.row : null;
  detail();
}

// What stands above every view: envelope beside header, TLS, login, problems.
function summaryOf(row) {
  const { entry, mail, session } = row;
  const blind = new Set(entry.blind);
  const recipients = entry.rcptTo.flatMap((to, i) => [i ? ", " : "", shown(to), ...blindMark(blind.has(to))]);
  const refusals = entry.refused.flatMap(([to, reply]) => [" ", shown(to), " ", chip("bad", "refused", reply)]);
  const options = [...parameters(entry.mailOptions), ...Object.entries(entry.rcptOptions).flatMap(([, list]) => parameters(list))];
  const header = mail ? mail.addresses : {};
  const items = [
    HOLDS.envelope(row) ? ["Envelope", [shown(entry.mailFrom || "<>"), " → ", ...recipients, ...refusals, ...options]] : null,
    header.From ? ["Header", [shown(header.From.join(", ")), " → ", shown([...(header.To || []), ...(header.Cc || [])].join(", ") || "nobody")]] : null,
    session ? ["Session", [
      session.tls ? `${session.tls.version}${session.tls.serverName ? ` for ${shown(session.tls.serverName)}` : ""}` : "no TLS",
      session.user === null ? ", no login" : `, ${shown(session.user)} by ${shown(session.mechanism || "")}`]] : null,
    entry.reply ? ["Reply", [shown(entry.reply)]] : null,
  ].filter(Boolean);
  const found = problemsIn(row);
  return element("div", { class: "summary" },
    element("dl", {}, items.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    found.length ? element("ul", { class: "problems", "aria-label": "Problems" }, found.map(problem)) : null);
}

function tabs(row) {
  const current = viewOf(row);
  const counts = { attachments: row.mail ? row.mail.attachments.length : 0, links: row.mail ? row.mail.links.length : 0 };
  return element("div", { role: "tablist", "aria-label": "Views", class: "tabs", onkeydown: tabKey },
    VIEWS.map(([view, name], i) => element("button", {
      type: "button", role: "tab", id: `tab-${view}`, "aria-selected": String(view === current), "aria-controls": "panel",
      tabindex: view === current ? 0 : -1, class: HOLDS[view](row) ? null : "empty", title: `${name} (${i + 1})`, onclick: () => setView(view),
    }, name, counts[view] ? element("span", { class: "count", "aria-hidden": "true" }, String(counts[view])) : null)));
}

function tabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  const at = VIEWS.findIndex(([view]) => view === viewOf(state.row));
  event.preventDefault();
  setView(VIEWS[(at + step + VIEWS.length) % VIEWS.length][0]);
}

function panel(row) {
  const view = viewOf(row);
  const [, , content] = VIEWS.find(([name]) => name === view);
  return element("section", { role: "tabpanel", id: "panel", class: `panel view-${view}`, "aria-labelledby": `tab-${view}` }, content(row));
}

// -- The address ---------------------------------------------------------------------------------------------

function remember() {
  const parts = new URLSearchParams();
  if (state.row) {
    parts.set("test", state.row.group.test.id);
    parts.set("n", state.row.number);
  }
  if (state.view) parts.set("view", state.view);
  if (state.query.trim()) parts.set("q", state.query);
  const hash = `#${parts}`;
  if (hash === location.hash || (hash === "#" && !location.hash)) return;
  try {
    history.replaceState(null, "", hash);
  } catch {
    location.hash = hash; // where the page's origin may not rewrite its address
  }
}

function restore() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const view = parts.get("view");
  state.view = VIEWS.some(([name]) => name === view) ? view : null;
  const query = parts.get("q") || "";
  if (byId("search").value !== query) byId("search").value = query;
  const rows = rowsOf(state.groups);
  const test = parts.get("test");
  const number = Number(parts.get("n") || 0);
  const ofTest = test === null ? [] : rows.filter((row) => row.group.test.id === test);
  const wanted = ofTest.find((row) => row.number === number) || ofTest[0];
  state.row = wanted || null;
  filter(query);
  if (wanted) choose(wanted, true);
  else if (list.rows.length) choose(list.rows[0], false);
  else detail();
}

// -- Keys ----------------------------------------------------------------------------------------------------

const KEYS = [
  ["j, k", "next and previous mail"],
  ["n, p", "first mail of the next and previous failed test"],
  ["1–9", VIEWS.map(([, name]) => name).join(", ")],
  ["/", "search"],
  ["c", "compare this mail with another one"],
  ["Esc", "leave the search, end the comparison"],
  ["?", "this help"],
];
const SEARCHES = [
  ["word \"two words\"", "all must be there: subject, addresses, headers, bodies, attachment names, test id"],
  ["-term", "must not be there"],
  [Object.keys(IS).map((name) => `is:${name}`).join(" "), "what became of it"],
  [Object.keys(HAS).map((name) => `has:${name}`).join(" "), "what it holds"],
  [Object.keys(IN).map((name) => `${name}:…`).join(" "), "where to look"],
];

function help() {
  const dialog = byId("help");
  const table = (title, rows) => [element("h2", {}, title), element("table", {}, element("tbody", {}, rows.map(([key, words]) =>
    element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, key)), element("td", {}, words)))))];
  dialog.replaceChildren(...table("Keys", KEYS), ...table("Search", SEARCHES), button("Close", () => dialog.close()));
  dialog.showModal();
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const field = byId("search");
  if (event.key === "Escape") {
    if (document.activeElement === field) byId("list").focus();
    else if (comparison.row) toggleComparison();
    return;
  }
  if (event.target instanceof HTMLInputElement && event.target.type !== "checkbox") return;
  const act = keyAction(event.key);
  if (!act) return;
  event.preventDefault();
  act();
}

function keyAction(key) {
  if (/^[1-9]$/.test(key)) return state.row ? () => setView(VIEWS[Number(key) - 1][0]) : null;
  const actions = {
    j: () => step(list.neighbour(1)),
    k: () => step(list.neighbour(-1)),
    n: () => step(nextFailed(1)),
    p: () => step(nextFailed(-1)),
    "/": () => { document.body.classList.remove("reading"); byId("search").focus(); byId("search").select(); },
    c: toggleComparison,
    "?": help,
  };
  return actions[key] || null;
}

function step(row) {
  if (row) choose(row, true);
}

// Return the first row of the next or previous failed test in the list; the last one has none after it.
function nextFailed(direction) {
  const firsts = list.rows.filter((row, i) => row.group.failed && (i === 0 || list.rows[i - 1].group !== row.group));
  const current = state.row ? list.rows.findIndex((row) => row.group === state.row.group) : -1;
  const positions = firsts.map((row) => list.rows.indexOf(row));
  const at = direction > 0 ? positions.find((position) => position > current) : positions.filter((position) => position < current).pop();
  return at === undefined ? null : list.rows[at];
}

document.documentElement.classList.add("scripted");
window.smtp4dReport = { show };
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
