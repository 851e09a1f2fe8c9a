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
  const stream = new Blob([octetsOfBase64(data.deflate)]).stream();
  const inflated = stream.pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(inflated).json();
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

// The chips of a row: kind, text, what it means.
function chipsOf({ entry, mail, session, refused, faults }) {
  const chips = [];
  if (refused) chips.push(["bad", "refused", "the server refused a recipient or the mail"]);
  if (session && session.violations.length) {
    chips.push(["bad", plural(session.violations.length, "violation"), "the client broke a rule of SMTP"]);
  }
  if (faults) chips.push(["warn", "fault", "a fault of the test acted in this session"]);
  if (mail && mail.unreadable) chips.push(["bad", "unreadable", mail.unreadable]);
  if (mail && mail.problems.length) chips.push(["warn", plural(mail.problems.length, "problem"), "of the mail itself"]);
  if (entry.blind.length) chips.push(["info", "BCC", "recipients that no header names"]);
  if (mail && mail.attachments.length) chips.push(["plain", `📎 ${mail.attachments.length}`, "attachments"]);
  if (session && session.tls) chips.push(["good", session.tls.version.replace("TLSv", "TLS "), session.tls.cipher]);
  if (session && session.user !== null) chips.push(["good", "login", `${session.user} by ${session.mechanism}`]);
  return chips;
}
