// The live page: it asks for what there is now whenever the server says that something happened.

const API = "/api/v1";

async function refresh() {
  refresh.again = refresh.running;
  if (refresh.running) return;
  refresh.running = true;
  try {
    do {
      refresh.again = false;
      const response = await fetch("/data");
      if (response.ok) show(await unpacked(await response.json()));
    } while (refresh.again);
  } finally {
    refresh.running = false;
  }
}

async function ask(method, path, body) {
  const options = { method, headers: body ? { "Content-Type": "application/json" } : {} };
  if (body) options.body = JSON.stringify(body);
  const response = await fetch(API + path, options);
  const words = response.ok ? "" : (await response.json()).error;
  byId("live-words").textContent = words;
  if (!words) refresh();
}

function bar() {
  const stage = element("select", { "aria-label": "Stage of the fault" },
    ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "CONTENT"].map((name) => element("option", {}, name)));
  stage.value = "RCPT";
  const match = element("input", { "aria-label": "Whom it meets, as a pattern", placeholder: "everybody" });
  const reply = element("input", { "aria-label": "Reply of the fault", value: "451 4.3.0 Try later" });
  const add = button("Add fault", () => {
    const [, code, text] = /^\s*(\d*)\s*(.*)$/.exec(reply.value);
    ask("POST", "/faults", { stage: stage.value, match: match.value || null, reply: [Number(code), text] });
  });
  const words = element("span", { id: "live-words", role: "status" });
  const remove = button("Remove faults", () => ask("DELETE", "/faults"));
  const reset = button("Reset", () => ask("POST", "/reset"));
  byId("head").append(element("p", { id: "live" }, [stage, match, reply, add, remove, reset, words]));
}

function live() {
  bar();
  const events = new EventSource(`${API}/events`);
  for (const kind of ["message", "session", "deleted", "reset", "faults", "lost"]) events.addEventListener(kind, refresh);
  events.addEventListener("open", refresh);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", live);
else live();
