// One mail: its parts decoded, its HTML made harmless, its downloads.

const PICTURES = /^image\/(png|jpe?g|gif|webp|avif|bmp|svg\+xml|x-icon)$/i;

// Return the transfer-encoded characters of an attachment, or null where the page does not hold them.
function encodedOf(mail, attachment) {
  if (attachment.omitted) return null;
  if (attachment.encoded !== null) return attachment.encoded;
  return mail.source === null ? null : mail.source.slice(attachment.start, attachment.end);
}

// Return the octets of an attachment as characters, or null.
function binaryOf(mail, attachment) {
  const encoded = encodedOf(mail, attachment);
  return encoded === null ? null : decodedTransfer(encoded, attachment.encoding);
}

// Return a picture as a data: URL, or null where it is none or not held.
function pictureOf(mail, attachment) {
  if (!PICTURES.test(attachment.type)) return null;
  const binary = binaryOf(mail, attachment);
  return binary ? `data:${attachment.type.toLowerCase()};base64,${btoa(binary)}` : null;
}

// Return a file name that is nothing but a name: no path, nothing unseen, nothing that a system reads otherwise.
function plainName(name, fallback) {
  const last = String(name).split(/[\\/]/).pop();
  const plain = last.replace(UNSEEN, "").replace(/[<>:"|?*%~$&;'`]/g, "_").replace(/^[.\s]+|[.\s]+$/g, "");
  return plain.slice(-100) || fallback;
}

// Save octets as a file. The type is never the mail's: a browser would show HTML in the page's name.
function download(binary, name) {
  const url = URL.createObjectURL(new Blob([bytesOf(binary)], { type: "application/octet-stream" }));
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// What is taken out of a mail before it is shown. The policy and the sandbox forbid all of it to act, but for
// frames, for which Chromium opens a connection in spite of any policy.
const TAKEN_OUT =
  "iframe, frame, portal, fencedframe, object, embed, applet, script, template, base, link, meta, audio, video, animate, set";
const ADDRESSES = ["href", "xlink:href", "action", "formaction", "ping", "target", "srcset", "imagesrcset", "manifest", "longdesc", "cite", "autofocus", "accesskey"];

// Return the HTML of a mail so that it can be shown: no frames, links that lead nowhere, cid: pictures inside.
function harmless(mail, { images, dark }) {
  let html = mail.html || "";
  const counts = { remote: 0 };
  // What a parser writes, the next one may read otherwise: until nothing changes.
  for (let round = 0; round < 5; round += 1) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    tame(parsed, mail, images, round === 0 ? counts : { remote: 0 });
    const written = parsed.documentElement.outerHTML;
    if (written === html) break;
    html = written;
  }
  const parsed = new DOMParser().parseFromString(html, "text/html");
  if (parsed.querySelector(TAKEN_OUT)) return { html: "", remote: 0, refused: true };
  const scheme = dark ? ":root{color-scheme:dark}" : ":root{color-scheme:light}";
  const links = ":where([data-href]){color:LinkText;text-decoration:underline;cursor:not-allowed}";
  const noImages = images ? "" : "*{background-image:none!important}";
  parsed.head.prepend(element("style", {}, `${scheme}${links}${noImages}`));
  return { html: `<!doctype html>${parsed.documentElement.outerHTML}`, remote: counts.remote, refused: false };
}

function tame(parsed, mail, images, counts) {
  for (const found of parsed.querySelectorAll(TAKEN_OUT)) found.remove();
  for (const found of parsed.querySelectorAll("*")) {
    for (const { name, value } of [...found.attributes]) {
      const lower = name.toLowerCase();
      if (lower.startsWith("on")) found.removeAttribute(name);
      else if (ADDRESSES.includes(lower)) {
        found.removeAttribute(name);
        if (lower.endsWith("href") && /^(a|area)$/i.test(found.localName)) {
          found.setAttribute("data-href", "");
          if (!found.hasAttribute("title")) found.setAttribute("title", shown(value));
        }
      } else if (lower === "src" || lower === "background" || lower === "poster") {
        tameSource(found, name, value, mail, images, counts);
      } else if (/cid:/i.test(value)) found.setAttribute(name, withPictures(value, mail, images));
    }
  }
  for (const style of parsed.querySelectorAll("style")) {
    style.textContent = withPictures(style.textContent, mail, images).replace(/:(any-)?link\b/gi, "[data-href]");
  }
}

function tameSource(found, name, value, mail, images, counts) {
  const source = withPictures(value.trim(), mail, images);
  if (!/^data:/i.test(source)) {
    if (source && images) counts.remote += 1;
    found.removeAttribute(name);
  } else if (images) found.setAttribute(name, source);
  else found.removeAttribute(name);
}

// Return a text in which cid: addresses are data: URLs (RFC 2392).
function withPictures(text, mail, images) {
  return text.replace(/cid:([^\s"'()<>]+)/gi, (address, cid) => {
    if (!images) return "about:blank";
    const wanted = decoded(cid).toLowerCase();
    const attachment = mail.attachments.find((one) => (one.cid || "").toLowerCase() === wanted);
    return (attachment && pictureOf(mail, attachment)) || address;
  });
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Return the HTML of a mail one tag or text a line, attributes sorted, blanks collapsed: for comparing.
function normalised(html) {
  const lines = [];
  const walk = (node, depth) => {
    for (const child of node.childNodes) {
      const indent = "  ".repeat(Math.min(depth, 40));
      if (child.nodeType === Node.TEXT_NODE) {
        const text = child.data.replace(/\s+/g, " ").trim();
        if (text) lines.push(indent + text);
      } else if (child.nodeType === Node.ELEMENT_NODE) {
        const attributes = [...child.attributes].map(({ name, value }) => ` ${name}="${value.replace(/\s+/g, " ").trim()}"`);
        lines.push(`${indent}<${child.localName}${attributes.sort().join("")}>`);
        walk(child, depth + 1);
      }
    }
  };
  if (html !== null) walk(new DOMParser().parseFromString(html, "text/html"), 0);
  return lines.join("\n");
}
