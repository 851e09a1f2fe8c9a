// Search: words and "phrases" must all be there, -term must not; is:, has:, from:, to:, subject:, test: narrow.

const IS = {
  failed: (row) => row.group.failed,
  passed: (row) => row.group.attempt.outcome === "passed",
  refused: (row) => row.refused,
  mail: (row) => row.entry.kind === "mail",
  session: (row) => row.entry.kind !== "mail",
  blind: (row) => row.entry.blind.length > 0,
  fault: (row) => row.faults > 0,
  violation: (row) => row.session !== null && row.session.violations.length > 0,
  tls: (row) => row.session !== null && row.session.tls !== null,
};

const HAS = {
  attachment: (row) => row.mail !== null && row.mail.attachments.length > 0,
  html: (row) => row.mail !== null && hasBody(row.mail, "html"),
  text: (row) => row.mail !== null && hasBody(row.mail, "text"),
  link: (row) => row.mail !== null && (/<a(rea)?\s[^>]*href/i.test(row.mail.html || "") || /https?:/i.test(row.mail.text || "")),
  problem: (row) => row.mail !== null && row.mail.problems.length > 0,
};

function addressesOf(row, names) {
  return row.mail ? names.flatMap((name) => row.mail.addresses[name] || []) : [];
}

const IN = {
  from: (row) => [row.entry.mailFrom, ...addressesOf(row, ["From"])],
  to: (row) => [...row.entry.rcptTo, ...row.entry.refused.map(([to]) => to), ...addressesOf(row, ["To", "Cc"])],
  subject: (row) => [row.entry.title],
  test: (row) => [row.group.test.id],
};

// Return all of a row that words are looked for in, in lower case; made once.
function haystackOf(row) {
  if (row.haystack === undefined) {
    const { entry, mail, session } = row;
    const parts = [entry.title, row.group.test.id, ...IN.from(row), ...IN.to(row)];
    if (mail) {
      for (const [name, value] of mail.headers) parts.push(`${name}: ${value}`);
      for (const attachment of mail.attachments) parts.push(attachment.name);
      parts.push(mail.text || "", mail.visible || "");
      if (mail.html !== null) parts.push(...targetsIn(mail.html));
      if (mail.html !== null && mail.visible === null) parts.push(mail.html.replace(/<[^>]*>/g, " "));
      if (mail.unreadable && mail.source) parts.push(mail.source);
    } else if (session) {
      parts.push(session.user || "", session.ended || "", ...session.lines.map((line) => line[1]));
    }
    row.haystack = parts.join("\n").toLowerCase();
  }
  return row.haystack;
}

// Make the haystacks while nobody needs the time, so that the first search is quick too.
function warm(rows) {
  const idle = window.requestIdleCallback || ((work) => setTimeout(() => work({ timeRemaining: () => 8 }), 50));
  let next = 0;
  const work = (deadline) => {
    while (next < rows.length && deadline.timeRemaining() > 2) haystackOf(rows[next++]);
    if (next < rows.length) idle(work);
  };
  idle(work);
}

function targetsIn(html) {
  return [...html.matchAll(/\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi)].map((match) => (match[1] ?? match[2] ?? match[3]).replace(/&amp;/g, "&"));
}

function predicateOf(name, value) {
  if (name === "is" && IS[value]) return IS[value];
  if (name === "has" && HAS[value.replace(/s$/, "")]) return HAS[value.replace(/s$/, "")];
  if (IN[name]) return (row) => IN[name](row).some((text) => text.toLowerCase().includes(value));
  return null;
}

// Return the predicate of rows that a query describes.
function matcherOf(query) {
  const terms = [];
  for (const [, not, name, phrase, word] of query
    .toLowerCase()
    .matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|([^\s"]+))/g)) {
    const value = phrase === undefined ? word : phrase;
    if (!value) continue;
    const text = name ? `${name}:${value}` : value;
    const matches = (name && predicateOf(name, value)) || ((row) => haystackOf(row).includes(text));
    terms.push(not ? (row) => !matches(row) : matches);
  }
  return (row) => terms.every((term) => term(row));
}
