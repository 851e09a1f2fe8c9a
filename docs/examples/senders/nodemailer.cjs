// Send by nodemailer: node nodemailer.cjs careful_starttls HOST PORT [CA_FILE [SECONDS]].
// Without CA_FILE, what Node trusts, and what NODE_EXTRA_CA_CERTS names.
const fs = require("node:fs");
const nodemailer = require("nodemailer");

const [how, host, port, caFile, seconds = 10] = process.argv.slice(2);
const mail = { from: "a@example.com", to: "b@example.org", subject: "Hello", text: "Hi." };
const auth = { user: "me", pass: "secret" };
const ca = caFile ? fs.readFileSync(caFile) : undefined;
const wait = 1000 * seconds;
const timeouts = { connectionTimeout: wait, greetingTimeout: wait, socketTimeout: wait };

const transports = {
  // requireTLS demands STARTTLS.
  careful_starttls: () => ({ host, port, auth, requireTLS: true, tls: { ca }, ...timeouts }),

  // secure is TLS from the first octet.
  careful_implicit: () => ({ host, port, auth, secure: true, tls: { ca }, ...timeouts }),

  // TLS is verified where it is on offer, and left out where it is not.
  plain_starttls: () => ({ host, port, auth }),

  plain_implicit: () => ({ host, port, auth, secure: true }),

  // A pool that loses a connection sends again what was on it, whether the server had it or not: maxRequeues says how often.
  careful_pool: () => ({ host, port, auth, requireTLS: true, tls: { ca }, pool: true, maxRequeues: 0, ...timeouts }),

  plain_pool: () => ({ host, port, auth, pool: true }),
};

const transport = nodemailer.createTransport(transports[how]());
transport.sendMail(mail).catch((error) => {
  console.log([error.code ?? error.name, error.responseCode].filter(Boolean).join(" "));
  process.exitCode = 1;
}).finally(() => transport.close());
