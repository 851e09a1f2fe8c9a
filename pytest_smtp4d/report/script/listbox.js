// The list: groups (an attempt of a test) of options (its rows). Only what can be seen is in the document.

const HEIGHTS = { group: 36, row: 52, chips: 24 };
const SPARE = 1500; // pixels above and below what is visible

class Listbox {
  // box: the element with role listbox; choose: called with the row that the user chose.
  constructor(box, choose) {
    this.box = box;
    this.choose = choose;
    this.spacer = element("div", { role: "presentation", class: "spacer" });
    box.append(this.spacer);
    this.items = [];
    this.rows = [];
    this.selected = null;
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose(this.rows[Number(option.dataset.index)]);
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // Show these groups, each with the rows that stand in `rowsOf`.
  fill(groups) {
    this.items = [];
    this.rows = [];
    let top = 0;
    for (const { group, rows } of groups) {
      this.items.push({ group, top, height: HEIGHTS.group });
      top += HEIGHTS.group;
      for (const row of rows) {
        const height = HEIGHTS.row + (row.chips.length ? HEIGHTS.chips : 0);
        this.items.push({ row, index: this.rows.length, top, height });
        this.rows.push(row);
        top += height;
      }
    }
    this.spacer.style.height = `${top}px`;
    this.drawn = null;
    this.draw();
  }

  select(row) {
    this.selected = row;
    const item = this.items.find((one) => one.row === row);
    if (item) {
      const { scrollTop, clientHeight } = this.box;
      const room = HEIGHTS.group;
      const away = Math.max(scrollTop - item.top, item.top + item.height - scrollTop - clientHeight);
      if (away > clientHeight / 2) this.box.scrollTop = item.top - (clientHeight - item.height) / 2;
      else if (item.top - room < scrollTop) this.box.scrollTop = item.top - room;
      else if (item.top + item.height > scrollTop + clientHeight) this.box.scrollTop = item.top + item.height - clientHeight;
    }
    this.drawn = null;
    this.draw();
  }

  // Return the row so many rows after the selected one; the first where none is selected.
  neighbour(step) {
    const at = this.rows.indexOf(this.selected);
    if (at < 0) return this.rows[0];
    return this.rows[Math.max(0, Math.min(this.rows.length - 1, at + step))];
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / (HEIGHTS.row + HEIGHTS.chips)));
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const row = this.neighbour(step);
    if (row) this.choose(row);
  }

  draw() {
    const from = this.box.scrollTop;
    const to = from + Math.max(this.box.clientHeight, 400);
    if (this.drawn && this.drawn.from <= Math.max(0, from - SPARE / 3) && this.drawn.to >= to + SPARE / 3) return;
    this.drawn = { from: Math.max(0, from - SPARE), to: to + SPARE };
    const boxes = [];
    let current = null;
    for (const item of this.items.slice(this.firstBelow(this.drawn.from))) {
      if (item.top > this.drawn.to) break;
      const group = item.group || item.row.group;
      if (current === null || current.group !== group) {
        current = { group, box: groupBox(group, item) };
        boxes.push(current.box);
      }
      if (item.row) current.box.append(optionOf(item, this.rows.length, item.row === this.selected));
    }
    this.spacer.replaceChildren(...boxes);
    const active = this.spacer.querySelector("[aria-selected=true]");
    if (active) this.box.setAttribute("aria-activedescendant", active.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  // Return the index of the first item that ends below a height.
  firstBelow(height) {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle].top + this.items[middle].height < height) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function groupBox(group, item) {
  const name = groupName(group);
  const box = element("div", { role: "group", "aria-label": `${group.attempt.outcome}: ${name}`, class: "group" });
  box.style.top = `${item.top}px`;
  if (item.group) {
    box.append(element("div", { role: "presentation", class: "test", title: name },
      element("span", { class: `outcome ${outcomeClass(group)}` }, group.attempt.outcome),
      element("span", { class: "id" }, element("bdi", {}, name))));
  }
  return box;
}

function groupName({ test, attempts, attemptNumber }) {
  return shown(test.id) + (attempts > 1 ? ` (attempt ${attemptNumber} of ${attempts})` : "");
}

function outcomeClass({ failed, attempt }) {
  return failed ? "bad" : attempt.outcome === "passed" ? "good" : "plain";
}

function optionOf({ row, index }, count, selected) {
  const { entry, mail } = row;
  const from = mail && mail.addresses.From ? mail.addresses.From.join(", ") : entry.mailFrom || "<>";
  const route = entry.kind === "mail" || entry.kind === "transaction" ? `${from} → ${entry.rcptTo.join(", ") || "nobody"}` : peerOf(row);
  return element("div", {
    role: "option", id: `option-${index}`, class: `row kind-${entry.kind}${row.group.failed ? " failed" : ""}`,
    "aria-selected": String(selected), "aria-posinset": index + 1, "aria-setsize": count, "data-index": index,
  },
  element("span", { class: "number" }, String(row.number)),
  element("span", { class: "subject" }, element("bdi", {}, shown(entry.title || "(no subject)"))),
  element("span", { class: "size" }, entry.octets ? octets(entry.octets) : ""),
  element("span", { class: "route" }, element("bdi", {}, shown(route))),
  row.chips.length ? element("span", { class: "chips" }, row.chips.map(([kind, text, title]) => chip(kind, text, title))) : null);
}

function peerOf({ session }) {
  return session ? `${session.clientName || "client"} at ${session.peer}` : "";
}
