// The nine views of a row, each a function from the row to elements.

const VIEWS = [
  ["html", "HTML", viewHtml],
  ["text", "Text", viewText],
  ["source", "Source", viewSource],
  ["headers", "Headers", viewHeaders],
  ["envelope", "Envelope", viewEnvelope],
  ["attachments", "Attachments", viewAttachments],
  ["links", "Links", viewLinks],
  ["transcript", "Transcript", viewTranscript],
  ["failure", "Failure", viewFailure],
];

// Whether a view has something to show of a row.
const HOLDS = {
  html: ({ mail }) => mail !== null && hasBody(mail, "html"),
  text: ({ mail }) => mail !== null && (hasBody(mail, "text") || mail.visible !== null),
  source: ({ mail }) => mail !== null && mail.source !== null,
  headers: ({ mail }) => mail !== null && mail.headers.length > 0,
  envelope: ({ entry }) => entry.kind === "mail" || entry.kind === "transaction",
  attachments: ({ mail }) => mail !== null && mail.attachments.length > 0,
  links: ({ mail }) => mail !== null && mail.links.length + mail.codes.length > 0,
  transcript: ({ session }) => session !== null,
  failure: ({ group }) => group.attempt.failures.length + group.attempt.faults.length > 0,
};

function nothing(words) {
  return element("p", { class: "nothing" }, words);
}

// Why a view of a mail is empty: it was dropped, or there is none.
function missing(row, what, dropped) {
  const { mail, entry } = row;
  if (mail === null) return nothing(entry.kind === "transaction" ? "This transaction brought no mail." : "This session brought no mail.");
  if (mail.unreadable) return nothing(`This mail cannot be read (${shown(mail.unreadable)}). Its source is in the view Source.`);
  if (mail.dropped.includes(dropped)) return nothing(`The ${dropped} of this mail were dropped to keep the page small (smtp4d_report_limit).`);
  return nothing(`This mail has no ${what}.`);
}

// -- HTML ----------------------------------------------------------------------------------------------------

const canvas = { width: "full", dark: false, images: true, beside: false };
const WIDTHS = ["320", "375", "600", "768", "full"];

function viewHtml(row) {
  if (!HOLDS.html(row)) return [missing(row, "HTML", "bodies")];
  const holder = element("div", { class: "canvas" });
  const note = element("p", { class: "note", role: "status" });
  const draw = () => {
    const { html, remote, refused } = harmless(row.mail, canvas);
    const frame = element("iframe", {
      sandbox: "",
      referrerpolicy: "no-referrer",
      title: `Rendered HTML: ${shown(row.entry.title)}`,
      class: canvas.dark ? "dark" : "light",
    });
    frame.srcdoc = html;
    // Keys go to the mail while it has the focus; when the pointer leaves it, they are the page's again.
    frame.addEventListener("mouseleave", () => { if (document.activeElement === frame) frame.blur(); });
    const stage = element("div", { class: "stage" }, frame);
    stage.style.width = canvas.width === "full" ? "100%" : `${canvas.width}px`;
    const beside = canvas.beside ? element("pre", { class: "beside" }, row.mail.text ?? row.mail.visible ?? "") : null;
    holder.replaceChildren(stage, ...(beside ? [beside] : []));
    holder.classList.toggle("two", canvas.beside);
    const blocked = remote ? `${plural(remote, "picture")} not loaded: this page loads nothing.` : "";
    note.textContent = refused ? "This HTML holds frames that could not be taken out; see the view Source." : blocked;
  };
  draw();
  return [canvasBar(draw), note, holder];
}

function canvasBar(draw) {
  const bar = element("div", { class: "bar", role: "toolbar", "aria-label": "How the HTML is shown" });
  const fill = () => {
    const toggle = (text, pressed, change, title) =>
      button(text, () => { change(); fill(); draw(); }, { "aria-pressed": String(pressed), title });
    const widths = WIDTHS.map((width) =>
      toggle(width, canvas.width === width, () => { canvas.width = width; }, width === "full" ? "as wide as there is room" : `${width} pixels wide`));
    const focused = [...bar.querySelectorAll("button")].indexOf(document.activeElement);
    bar.replaceChildren(
      element("span", { class: "set", role: "group", "aria-label": "Width in pixels" }, widths),
      element("span", { class: "set", role: "group", "aria-label": "Canvas" },
        toggle("light", !canvas.dark, () => { canvas.dark = false; }),
        toggle("dark", canvas.dark, () => { canvas.dark = true; })),
      toggle("images", canvas.images, () => { canvas.images = !canvas.images; }, "show the pictures that the mail holds"),
      toggle("text beside", canvas.beside, () => { canvas.beside = !canvas.beside; }, "show the plain text beside the HTML"),
    );
    if (focused >= 0) bar.querySelectorAll("button")[focused].focus();
  };
  fill();
  return bar;
}

// -- Text, source, headers -----------------------------------------------------------------------------------

function viewText(row) {
  if (!HOLDS.text(row)) return [missing(row, "text", "bodies")];
  const { text, visible } = row.mail;
  if (text !== null) return [element("pre", { class: "text", tabindex: 0 }, text)];
  return [element("p", { class: "note" }, "No plain text part; this is what a reader sees of the HTML."), element("pre", { class: "text", tabindex: 0 }, visible)];
}

const LONGEST_SOURCE = 200000;

function viewSource(row) {
  const { mail } = row;
  if (!HOLDS.source(row)) return [missing(row, "source", "source")];
  const reason = mail.unreadable ? element("p", { class: "note bad" }, `This mail cannot be read: ${shown(mail.unreadable)}`) : null;
  const whole = new TextDecoder("utf-8").decode(bytesOf(mail.source));
  const pre = element("pre", { class: "source", tabindex: 0 }, whole.slice(0, LONGEST_SOURCE));
  const more = whole.length > LONGEST_SOURCE ? button(`Show all ${plural(whole.length, "character")}`, () => { pre.textContent = whole; more.remove(); }) : null;
  return [element("div", { class: "bar" }, emlButton(row)), reason, pre, more];
}

function emlButton(row) {
  const { mail, entry } = row;
  const incomplete = mail.attachments.some((attachment) => attachment.omitted);
  const name = `${plainName(entry.title.slice(0, 60), "mail")}.eml`;
  return button(`Download .eml (${octets(entry.octets)})`, () => download(mail.source, name), { title: incomplete ? "without the attachments that the page does not hold" : null });
}

function viewHeaders(row) {
  if (!HOLDS.headers(row)) return [missing(row, "header", "headers")];
  const rows = row.mail.headers.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, shown(name)), element("td", {}, shown(value))));
  return [element("table", { class: "fields" }, element("tbody", {}, rows))];
}

// -- Envelope ------------------------------------------------------------------------------------------------

function field(name, ...value) {
  return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, ...value));
}

function fields(caption, rows) {
  const shownRows = rows.filter(Boolean);
  return shownRows.length ? element("table", { class: "fields" }, element("caption", {}, caption), element("tbody", {}, shownRows)) : null;
}

function viewEnvelope(row) {
  const { entry, mail, session } = row;
  const blind = new Set(entry.blind);
  const envelope = fields("Envelope", [
    field("MAIL FROM", shown(entry.mailFrom || "<>"), parameters(entry.mailOptions)),
    ...entry.rcptTo.map((to) => field("RCPT TO", shown(to), ...blindMark(blind.has(to)), parameters(entry.rcptOptions[to]))),
    ...entry.refused.map(([to, reply]) => field("RCPT TO", shown(to), " ", chip("bad", "refused"), element("code", {}, shown(reply)))),
    entry.reply ? field("reply", shown(entry.reply)) : null,
    entry.receivedAt ? field("received", entry.receivedAt) : null,
  ]);
  const header = mail && fields("Header", Object.entries(mail.addresses).flatMap(([name, list]) => list.map((address) => field(name, shown(address)))));
  return [element("div", { class: "pair" }, HOLDS.envelope(row) ? envelope : null, header), connection(session)];
}

function blindMark(isBlind) {
  return isBlind ? [" ", chip("info", "blind", "no header names this recipient")] : [];
}

function parameters(options) {
  return (options || []).flatMap((option) => [" ", element("code", { class: "parameter" }, shown(option))]);
}

function connection(session) {
  if (!session) return nothing("No client connected.");
  const { tls } = session;
  return fields("Connection", [
    field("client", shown(session.peer), session.clientName ? ` as ${shown(session.clientName)}` : ""),
    field("server", shown(session.server)),
    field("TLS", tls ? `${tls.version}, ${tls.cipher}${tls.serverName ? `, for ${shown(tls.serverName)}` : ", no server name"}` : "none"),
    field("login", session.user === null ? "none" : `${shown(session.user)} by ${shown(session.mechanism || "")}`),
    field("ended", shown(session.ended || "still open")),
    session.advice ? field("advice", shown(session.advice)) : null,
  ]);
}

function problem({ name, line, rfc, fatal }) {
  return element("li", {}, chip(fatal ? "bad" : "warn", name), " ", element("span", { class: "rfc" }, rfc), " ", element("code", {}, shown(line)));
}

// -- Attachments and links -----------------------------------------------------------------------------------

function viewAttachments(row) {
  if (!HOLDS.attachments(row)) return [missing(row, "attachments", "attachments")];
  return [element("ul", { class: "attachments" }, row.mail.attachments.map((attachment, i) => attachmentItem(row.mail, attachment, i)))];
}

function attachmentItem(mail, attachment, index) {
  const held = encodedOf(mail, attachment) !== null;
  const picture = held ? pictureOf(mail, attachment) : null;
  const name = plainName(attachment.name, `attachment-${index + 1}`);
  return element("li", {},
    picture ? element("img", { src: picture, alt: `Preview of ${shown(attachment.name)}` }) : null,
    element("div", {},
      element("strong", {}, shown(attachment.name || "(no name)")),
      element("p", {}, `${shown(attachment.type)}, ${plural(attachment.octets, "octet")}, ${attachment.disposition}`, attachment.cid ? `, cid:${shown(attachment.cid)}` : ""),
      element("p", { class: "hash" }, `SHA-256 ${attachment.sha256}`),
      held ? button(`Download ${name}`, () => download(binaryOf(mail, attachment), name)) : element("p", { class: "note" }, "The page does not hold its octets: it is too large, or was dropped.")));
}

function viewLinks(row) {
  if (!HOLDS.links(row)) return [missing(row, "links", "links")];
  const { links, codes } = row.mail;
  const texts = new Map();
  for (const { target } of links) texts.set(target, (texts.get(target) || 0) + 1);
  const rows = links.map((link) => linkRow(link, texts.get(link.target) > 1 || link.count > 1));
  const head = element("tr", {}, ["Text", "Target", "Count", ""].map((title) => element("th", { scope: "col" }, title)));
  return [
    links.length ? element("table", { class: "links" }, element("thead", {}, head), element("tbody", {}, rows)) : null,
    codes.length ? element("p", { class: "codes" }, "Codes in the visible text: ", codes.map((code) => element("code", {}, shown(code)))) : null,
  ];
}

function linkRow({ text, target, count }, duplicate) {
  const opens = /^(https?|mailto|tel):/i.test(target);
  const scheme = /^http:/i.test(target) ? chip("warn", "http:", "not encrypted") : opens ? null : chip("bad", "not opened", "its scheme is none that a mail should use");
  return element("tr", {},
    element("td", {}, shown(text)),
    element("td", { class: "target" }, opens ? element("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, shown(target)) : shown(target), scheme, duplicate ? chip("plain", "duplicate", "the target stands more than once") : null),
    element("td", { class: "count" }, String(count)),
    element("td", {}, button("Copy", (event) => copy(target, event.currentTarget), { "aria-label": `Copy ${shown(target)}` })));
}

async function copy(text, at) {
  let words = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element("textarea", { class: "clipboard", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    words = document.execCommand("copy") ? "Copied" : "Cannot copy";
    field.remove();
    at.focus();
  }
  at.textContent = words;
  setTimeout(() => { at.textContent = "Copy"; }, 1500);
}

// -- Transcript ----------------------------------------------------------------------------------------------

function viewTranscript(row) {
  const { session, group } = row;
  if (!session) return [nothing("No client connected, so there is no dialogue.")];
  const lines = element("tbody");
  const violated = new Map(session.violations.map((violation) => [violation.line, violation]));
  let folded = null;
  session.lines.forEach((line, index) => {
    const [direction, text, stage] = line;
    const before = session.lines[index - 1];
    const continues = direction === "S" && stage === "EHLO" && before && before[0] === "S" && before[2] === "EHLO" && !line[6];
    const made = transcriptLine(line, direction === "C" ? violated.get(text) : undefined);
    if (direction === "C") violated.delete(text);
    lines.append(made);
    if (!continues) folded = foldable(session.lines, index, made);
    else if (folded) folded.append(made);
  });
  lines.append(...[...violated.values()].map((violation) => violationLine(violation)));
  return [
    faultsOf(group),
    element("table", { class: "transcript" }, element("caption", { class: "unseen" }, "Transcript"), lines),
    connection(session),
  ];
}

// Return what folds the lines after the first of a reply to EHLO, or null.
function foldable(lines, index, first) {
  const next = lines[index + 1];
  const [direction, , stage] = lines[index];
  if (direction !== "S" || stage !== "EHLO" || !next || next[0] !== "S" || next[2] !== "EHLO") return null;
  const rows = [];
  const keywords = [];
  const toggle = button("", () => { rows.forEach((row) => { row.hidden = !row.hidden; }); label(); }, { class: "fold" });
  const label = () => {
    const open = rows.some((row) => !row.hidden);
    toggle.textContent = open ? "fold" : keywords.join(", ");
    toggle.setAttribute("aria-expanded", String(open));
  };
  first.querySelector(".said").append(" ", toggle);
  return {
    append(row) {
      row.hidden = true;
      rows.push(row);
      keywords.push(row.querySelector(".words").textContent.replace(/^\d{3}[- ]/, ""));
      label();
    },
  };
}

function transcriptLine([direction, text, stage, tls, at, content, fault], violation) {
  const words = content === null ? shown(text) : `(content: ${plural(content, "octet")}, see Source)`;
  return element("tr", { class: `${direction === "C" ? "client" : "server"}${fault ? " faulty" : ""}${violation ? " violating" : ""}` },
    element("td", { class: "at" }, `${at.toFixed(3)} s`),
    element("td", { class: "part" }, stage),
    element("td", { class: "lock", title: tls ? "under TLS" : "in the clear" }, tls ? "🔒" : ""),
    element("td", { class: "said" },
      element("b", {}, `${direction}: `), element("span", { class: "words" }, words),
      fault ? element("span", { class: "why" }, chip("warn", "fault"), shown(fault)) : null,
      violation ? element("span", { class: "why" }, chip("bad", violation.name), violation.rfc) : null));
}

function violationLine(violation) {
  return element("tr", { class: "violating" }, element("td", {}), element("td", {}), element("td", {}),
    element("td", { class: "said" }, chip("bad", violation.name), `${violation.rfc}: ${shown(violation.line)}`));
}

function faultsOf({ attempt }) {
  if (!attempt.faults.length) return null;
  return fields("Faults", attempt.faults.map(({ words, hits, unhit }) =>
    field(unhit ? chip("bad", "never hit") : plural(hits, "hit"), element("code", {}, shown(words)))));
}

// -- Failure -------------------------------------------------------------------------------------------------

function viewFailure(row) {
  const { attempt } = row.group;
  const parts = attempt.failures.flatMap((failure) => [
    element("h3", {}, { call: "The test failed", setup: "Its setup failed", teardown: "Its teardown failed" }[failure.phase] || "It failed"),
    ...nearMiss(failure.differences),
    element("pre", { class: "failure", tabindex: 0 }, failure.words),
  ]);
  if (!parts.length) parts.push(nothing(`This test did not fail: ${attempt.outcome}.`));
  return [...parts, faultsOf(row.group)];
}

function nearMiss(differences) {
  const differing = differences.filter((one) => !one.agrees);
  if (!differing.length) return [];
  const agreeing = differences.filter((one) => one.agrees).map((one) => one.name);
  return [
    element("p", {}, "The message that came nearest", agreeing.length ? ` (as expected: ${agreeing.join(", ")})` : "", ":"),
    ...differing.flatMap((one) => {
      const { words, table } = sideBySide(one.expected, one.received, "expected", "received");
      return [element("h4", {}, shown(one.name), " ", element("small", {}, words)), table];
    }),
  ];
}
