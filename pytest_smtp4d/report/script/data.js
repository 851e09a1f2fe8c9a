// The report: read out of the page, and laid out as the rows of the list.

const FAILED = new Set(["failed", "error", "crashed"]);

function octetsOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// Return the report that the page's data block holds.
async function readReport() {
  const block = byId("smtp4d-data");
  const data = JSON.parse(block.textContent);
  block.textContent = "";
  return unpacked(data);
}

// Return the report that a data block holds: in the page, or as the live page's server sends it.
async function unpacked(data) {
  const stream = new Blob([octetsOfBase64(data.deflate)]).stream();
  const inflated = stream.pipeThrough(new DecompressionStream("deflate-raw"));
  const { report, sources } = await new Response(inflated).json();
  for (const test of report.tests) {
    for (const attempt of test.attempts) {
      for (const { mail } of attempt.entries) if (mail !== null) unpack(mail, sources);
    }
  }
  return report;
}

// Make a mail whole again: its source from the list, its bodies from its source, when somebody asks for them.
function unpack(mail, sources) {
  if (mail.source !== null) mail.source = sources[mail.source];
  for (const [body, at] of [["text", "textAt"], ["html", "htmlAt"]]) {
    if (mail[at]) later(mail, body, () => bodyOf(mail.source, mail[at]));
  }
  if (mail.links === null) later(mail, "links", () => linksOf(mail));
}

// Give an object a property that is computed when it is first read.
function later(object, name, compute) {
  Object.defineProperty(object, name, {
    configurable: true,
    get() {
      const value = compute();
      Object.defineProperty(object, name, { value });
      return value;
    },
  });
}

// Return the links of a mail's HTML, as links.py does.
function linksOf(mail) {
  const links = new Map();
  for (const link of new DOMParser().parseFromString(mail.html, "text/html").querySelectorAll("a[href], area[href]")) {
    const pictures = [...link.querySelectorAll("img")].map((picture) => picture.alt || "[picture]");
    const words = [link.textContent, ...pictures, link.localName === "area" ? link.alt : ""].join(" ");
    const target = link.getAttribute("href").replace(/[\t\n\r]/g, "").trim();
    const text = words.replace(/\s+/g, " ").trim().slice(0, 200);
    const key = JSON.stringify([text, target]);
    if (!target) continue;
    if (!links.has(key)) links.set(key, { text, target, count: 0 });
    links.get(key).count += 1;
  }
  return [...links.values()];
}

// Return whether a mail has a body, without reading it.
function hasBody(mail, body) {
  return Boolean(mail[`${body}At`]) || mail[body] !== null;
}

// The same rules as in pack.py.
function bodyOf(source, slices) {
  let whole = "";
  for (const { start, end, encoding } of slices) {
    const octets = bytesOf(decodedTransfer(source.slice(start, end), encoding));
    const text = UTF8.decode(octets).replace(/\r\n?/g, "\n");
    whole += (whole && !whole.endsWith("\n") ? "\n" : "") + text;
  }
  return whole;
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

// Return the octets of a part as characters (RFC 2045 6.7, 6.8).
function decodedTransfer(encoded, encoding) {
  if (encoding === "base64") {
    const letters = encoded.replace(/[^A-Za-z0-9+/]/g, "");
    return atob(letters.slice(0, letters.length - (letters.length % 4 === 1 ? 1 : 0)));
  }
  if (encoding === "quoted-printable") {
    return encoded
      .replace(/[ \t]+(?=\r?\n|$)|=[ \t]*\r?\n/g, "")
      .replace(/=([0-9A-Fa-f]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
  }
  return encoded;
}

function bytesOf(binary) {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i) & 255;
  return bytes;
}

// Return the report's groups, one per attempt of a test, failed ones first; each has its rows.
function groupsOf(report) {
  const groups = [];
  report.tests.forEach((test) => {
    const count = test.attempts.length;
    let number = 0;
    test.attempts.forEach((attempt, index) => {
      const group = { test, attempt, attemptNumber: index + 1, attempts: count, rows: [] };
      group.failed = FAILED.has(attempt.outcome);
      for (const entry of attempt.entries) {
        number += 1;
        group.rows.push(rowOf(group, entry, number));
      }
      if (group.rows.length) groups.push(group);
    });
  });
  return [...groups.filter((group) => group.failed), ...groups.filter((group) => !group.failed)];
}

function rowOf(group, entry, number) {
  const session = entry.session === null ? null : group.attempt.sessions[entry.session];
  const row = { group, entry, number, session, mail: entry.mail };
  row.refused = entry.refused.length > 0 || /^[45]/.test(entry.reply || "");
  row.faults = session ? session.lines.filter((line) => line[6]).length : 0;
  row.chips = chipsOf(row);
  return row;
}

// The problems of a row: those of its mail, and of its session those that are no other mail's; each once.
function problemsIn({ group, mail, session }) {
  const key = ({ name, line }) => JSON.stringify([name, line]);
  const own = mail ? mail.problems : [];
  const others = group.rows.filter((row) => row.session === session && row.mail && row.mail !== mail);
  const known = new Set([own, ...others.map((row) => row.mail.problems)].flat().map(key));
  return [...own, ...(session ? session.violations.filter((violation) => !known.has(key(violation))) : [])];
}

// The chips of a row: kind, text, what it means.
function chipsOf({ entry, mail, session, refused, faults }) {
  const chips = [];
  if (refused) chips.push(["bad", "refused", "the server refused the login, a recipient or the mail"]);
  if (session && session.violations.length) {
    const fatal = session.violations.some((violation) => violation.fatal);
    chips.push([fatal ? "bad" : "warn", plural(session.violations.length, "violation"), "the client broke a rule of SMTP"]);
  }
  if (session && /^TLS/.test(session.ended || "")) chips.push(["bad", "TLS failed", session.ended]);
  if (faults) chips.push(["warn", "fault", "a fault of the test acted in this session"]);
  if (mail && mail.unreadable) chips.push(["bad", "unreadable", mail.unreadable]);
  if (mail && mail.problems.length) chips.push(["warn", plural(mail.problems.length, "problem"), "of the mail itself"]);
  if (entry.blind.length) chips.push(["info", "BCC", "recipients that no header names"]);
  if (mail && mail.attachments.length) chips.push(["plain", `📎 ${mail.attachments.length}`, "attachments"]);
  if (session && session.tls) chips.push(["good", session.tls.version.replace("TLSv", "TLS "), session.tls.cipher]);
  if (session && session.user !== null) chips.push(["good", "login", `${session.user} by ${session.mechanism}`]);
  return chips;
}
