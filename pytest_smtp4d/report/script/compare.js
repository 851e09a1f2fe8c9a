// Two mails side by side: header, text and normalised HTML. What differs from run to run is left out at first.

const VARYING = /^(date|message-id|received|dkim-signature|arc-.*)$/i;
const comparison = { row: null, all: false };

function headerOf({ mail }) {
  const kept = mail.headers.filter(([name]) => comparison.all || !VARYING.test(name));
  return kept.map(([name, value]) => `${name}: ${steady(value)}`).join("\n");
}

// Return a header's value without its boundary, unless all is compared.
function steady(value) {
  return comparison.all ? value : value.replace(/\b(boundary\*?)=("[^"]*"|[^;\s]+)/gi, "$1=…");
}

// Return the elements that compare two rows.
function compared(left, right, redraw) {
  const titles = [titleOf(left), titleOf(right)];
  const all = element("input", { type: "checkbox", id: "compare-all", onchange: (event) => { comparison.all = event.target.checked; redraw(); } });
  all.checked = comparison.all;
  const parts = [
    ["Header", headerOf(left), headerOf(right)],
    ["Text", textOf(left.mail), textOf(right.mail)],
    ["HTML, normalised", normalised(left.mail.html), normalised(right.mail.html)],
  ];
  return [
    element("div", { class: "bar" }, all, element("label", { for: "compare-all" }, "also Date, Message-ID, Received, signatures and boundaries")),
    ...parts.flatMap(([name, one, other]) => {
      if (!one && !other) return [];
      const { words, same, table } = sideBySide(one, other, ...titles);
      return [element("h3", {}, name, " ", element("small", {}, words)), same ? null : table];
    }),
  ];
}

function textOf(mail) {
  return mail.text ?? mail.visible ?? "";
}

function titleOf(row) {
  return `${row.number}. ${shown(row.entry.title || "(no subject)")}`;
}
