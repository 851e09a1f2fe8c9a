// Elements and texts. Whatever a mail holds becomes text nodes or attributes here, never markup.

// Make an element: properties that start with "on" are listeners, "class", "text" and "style" what they say,
// others attributes; children are elements, texts or null.
function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key === "text") made.textContent = value;
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) made.append(child);
  }
  return made;
}

// Controls, and what formats or turns the text around it unseen (Unicode Cc, Cf, Zl, Zp), but for the joiners
// that emoji and Persian words are written with: the same as in plain.py.
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

// Return a text of one line in which nothing is unseen: such characters stand as \u202e.
function shown(text) {
  return String(text).replace(UNSEEN, (character) => {
    const code = character.codePointAt(0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

function octets(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(count < 1e4 ? 1 : 0)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

function plural(count, word, words) {
  return `${count.toLocaleString("en")} ${count === 1 ? word : words || word + "s"}`;
}

function chip(kind, text, title) {
  return element("span", { class: `chip ${kind}`, title: title || null }, shown(text));
}

function button(text, onclick, properties) {
  return element("button", { type: "button", onclick, ...properties }, text);
}

function byId(id) {
  return document.getElementById(id);
}
