// Tests a program that sends mail, here nodemailer, by node:test: start, wait, send, ask, break, reset, stop.
// Needs Python with `pytest-smtp4d[serve]` (as $PYTHON, else python3), Node 20 and nodemailer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

const nodemailer = createRequire(process.env.NODE_HOME ?? import.meta.url)("nodemailer");
let folder, server, ready, ca;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mail-"));
  const file = join(folder, "ready");
  const options = ["--port", "0", "--http", "0", "--ready-file", file, "--ca-dir", join(folder, "ca"), "--until-stdin-closes"];
  server = spawn(process.env.PYTHON ?? "python3", ["-m", "pytest_smtp4d", "serve", "--print", "nothing", ...options],
    { stdio: ["pipe", "ignore", "inherit"] });
  while (!ready) {
    assert.equal(server.exitCode, null, "the server ended");
    ready = await readFile(file, "utf8").then(JSON.parse).catch(() => pause(50));
  }
  ca = await readFile(ready.caFile);
});

after(async () => {
  server.kill();
  await new Promise((done) => server.once("exit", done));
  await rm(folder, { recursive: true });
});

beforeEach(() => api("POST", "/reset"));

async function api(method, path, body) {
  const answer = await fetch(`${ready.http}/api/v1${path}`, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, text);
  return text && JSON.parse(text);
}

function send(subject) {
  const transport = nodemailer.createTransport({ host: "localhost", port: ready.port, requireTLS: true, tls: { ca } });
  return transport.sendMail({ from: "shop@example.com", to: "bob@example.org", subject, text: "42" });
}

test("a mail arrives, over TLS that was verified", async () => {
  await send("Invoice");
  const [message] = await api("GET", "/messages?subject=invoice&wait=5");
  assert.deepEqual(message.rcptTo, ["bob@example.org"]);
  assert.match(message.tls, /TLS/);
  await api("POST", "/check");
});

test("a refusal reaches the caller", async () => {
  await api("POST", "/faults", { stage: "RCPT", reply: [550, "5.1.1 No such user"] });
  await assert.rejects(send("Refused"), /5\.1\.1/);
  assert.deepEqual(await api("GET", "/messages"), []);
});
