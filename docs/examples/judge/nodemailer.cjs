const [host, port, user, pass] = process.argv.slice(2);
const patience = {connectionTimeout: 2000, greetingTimeout: 2000, socketTimeout: 2000};
require("nodemailer")
  .createTransport({host, port, requireTLS: true, auth: {user, pass}, name: "client.example.com", ...patience})
  .sendMail({from: "ada@example.com", to: "bob@example.org", subject: "Hello", text: "Hello Bob."})
  .catch(error => {
    console.error(error.message);
    process.exitCode = 1;
  });
