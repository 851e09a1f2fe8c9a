// Node's smtp-server as a process to be measured; the same words on standard input and output as server.py.
const { SMTPServer } = require("smtp-server");
const readline = require("readline");

const messages = [];
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ["AUTH", "STARTTLS"],
  onData(stream, session, done) {
    const pieces = [];
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("end", () => {
      messages.push({ envelope: session.envelope, content: Buffer.concat(pieces) });
      done();
    });
  },
});
server.listen(0, "127.0.0.1", () => console.log(server.server.address().port));

const input = readline.createInterface({ input: process.stdin });
input.on("line", () => console.log(messages.length));
input.on("close", () => process.exit(0));
