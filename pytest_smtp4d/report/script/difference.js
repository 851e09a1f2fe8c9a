// Differences of two texts: which lines are the same, and where within a line the first difference is.

const MOST_EDITS = 800; // beyond that, what lies between the same beginning and the same end is all different

// Return the pairs [left line or null, right line or null, same] of two lists of lines (Myers' greedy algorithm).
function alignLines(left, right) {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  let end = 0;
  const most = Math.min(left.length, right.length) - start;
  while (end < most && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  const pairs = left.slice(0, start).map((line) => [line, line, true]);
  pairs.push(...pairedUp(editsOf(left.slice(start, left.length - end), right.slice(start, right.length - end))));
  for (let i = end; i > 0; i -= 1) pairs.push([left[left.length - i], left[left.length - i], true]);
  return pairs;
}

// Return the edits from one list to another as [left or null, right or null, same].
function editsOf(left, right) {
  const trace = traceOf(left, right);
  if (trace === null) return [...left.map((line) => [line, null, false]), ...right.map((line) => [null, line, false])];
  const edits = [];
  let x = left.length;
  let y = right.length;
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const reach = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const before = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : reach.get(before);
    const fromY = d === 0 ? 0 : fromX - before;
    while (x > fromX && y > fromY && left[x - 1] === right[y - 1]) {
      x -= 1;
      y -= 1;
      edits.push([left[x], right[y], true]);
    }
    if (d > 0) {
      if (down) edits.push([null, right[fromY], false]);
      else edits.push([left[fromX], null, false]);
    }
    x = fromX;
    y = fromY;
  }
  return edits.reverse();
}

// Return how far each diagonal was reached before each step, or null where there are too many edits.
function traceOf(left, right) {
  const trace = [];
  let reach = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(left.length + right.length, MOST_EDITS); d += 1) {
    trace.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = down ? reach.get(k + 1) : reach.get(k - 1) + 1;
      while (x < left.length && x - k < right.length && left[x] === right[x - k]) x += 1;
      reach.set(k, x);
      if (x >= left.length && x - k >= right.length) return trace;
    }
  }
  return null;
}

// Put what was removed beside what was added in its place.
function pairedUp(edits) {
  const pairs = [];
  let removed = [];
  let added = [];
  const flush = () => {
    for (let i = 0; i < Math.max(removed.length, added.length); i += 1) {
      pairs.push([removed[i] ?? null, added[i] ?? null, false]);
    }
    removed = [];
    added = [];
  };
  for (const [left, right, same] of edits) {
    if (same) {
      flush();
      pairs.push([left, right, true]);
    } else if (left !== null) removed.push(left);
    else added.push(right);
  }
  flush();
  return pairs;
}

// Return how many characters two texts share at their beginning and at their end; pairs of surrogates stay whole.
function sharedEnds(left, right) {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  if (start && /[\ud800-\udbff]/.test(left[start - 1])) start -= 1;
  let end = 0;
  const most = Math.min(left.length, right.length) - start;
  while (end < most && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  return [start, end];
}

function markedLine(line, other, kind) {
  if (line === null) return element("td", { class: "absent" });
  if (other === null) return element("td", { class: kind }, element("mark", {}, shown(line) || "⏎"));
  const [start, end] = sharedEnds(line, other);
  const middle = line.slice(start, line.length - end);
  const before = start > LONG ? [folded(start - NEAR), shown(line.slice(start - NEAR, start))] : [shown(line.slice(0, start))];
  const rest = line.slice(line.length - end);
  const after = end > LONG ? [shown(rest.slice(0, NEAR)), folded(end - NEAR)] : [shown(rest)];
  return element("td", { class: kind }, ...before, element("mark", { class: middle ? null : "gap" }, shown(middle)), ...after);
}

const LONG = 300; // characters alike in a line, beyond which all but the nearest are folded
const NEAR = 80;

function folded(count) {
  return element("span", { class: "folded" }, `… ${plural(count, "character")} alike …`);
}

const CONTEXT = 3; // lines around a difference

// Return a table of two texts side by side, and words on where they first differ.
function sideBySide(left, right, leftTitle, rightTitle) {
  const pairs = alignLines(left.split("\n"), right.split("\n"));
  const body = element("tbody");
  const near = pairs.map(() => false);
  pairs.forEach(([, , same], i) => {
    if (same) return;
    for (let j = Math.max(0, i - CONTEXT); j <= Math.min(pairs.length - 1, i + CONTEXT); j += 1) near[j] = true;
  });
  let number = 0;
  let first = null;
  let alike = 0;
  const fold = () => {
    if (alike) body.append(element("tr", {}, element("td", { colspan: 3, class: "folded" }, `${plural(alike, "line")} alike`)));
    alike = 0;
  };
  pairs.forEach(([before, after, same], i) => {
    if (before !== null) number += 1;
    if (!near[i]) {
      alike += 1;
      return;
    }
    fold();
    const row = element("tr", { class: same ? "same" : "different" }, element("th", { scope: "row" }, before === null ? "" : String(number)));
    if (same) row.append(element("td", {}, shown(before)), element("td", {}, shown(after)));
    else row.append(markedLine(before, after, "removed"), markedLine(after, before, "added"));
    if (!same && first === null) {
      row.id = "first-difference";
      const at = before !== null && after !== null ? sharedEnds(before, after)[0] + 1 : 1;
      first = `first difference: line ${before === null ? number + 1 : number}, character ${at}`;
    }
    body.append(row);
  });
  fold();
  const head = element("thead", {}, element("tr", {}, element("td"), element("th", { scope: "col" }, leftTitle), element("th", { scope: "col" }, rightTitle)));
  return { words: first || "no difference", same: first === null, table: element("table", { class: "difference" }, head, body) };
}
