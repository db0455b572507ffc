// smtp-server on several ports: what each of them is stands at the end.

const fs = require("fs");
const { SMTPServer } = require("smtp-server");

const [REALM, USER, PASSWORD, MAIL, ...numbers] = process.argv.slice(2);
const [SIZE, LARGE_SIZE, PORT, TLS_PORT, LMTP_PORT, LARGE_PORT] = numbers.map(Number);
// What XOAUTH2 takes.
const TOKEN = `${PASSWORD}-token`;

let count = 0;

function refusal(code, text) {
  return Object.assign(new Error(text), { responseCode: code });
}

function onAuth(auth, session, done) {
  console.log(`auth ${auth.method} ${auth.username}`);
  if (auth.method === "XOAUTH2") {
    if (auth.username === USER && auth.accessToken === TOKEN) return done(null, { user: USER });
    return done(null, { data: { status: "401", schemes: "bearer mac", scope: "mail" } });
  }
  const isRight =
    auth.method === "CRAM-MD5" ? auth.validatePassword(PASSWORD) : auth.password === PASSWORD;
  if (auth.username === USER && isRight) return done(null, { user: USER });
  return done(refusal(535, "Authentication failed"));
}

function onMailFrom(address, session, done) {
  console.log(`mail ${address.address} ${JSON.stringify(address.args)}`);
  done();
}

function onRcptTo(address, session, done) {
  const [local, domain] = address.address.split("@");
  if (domain !== REALM && !session.user) return done(refusal(554, "Relay access denied"));
  if (local.startsWith("nobody-here")) return done(refusal(550, "No such user"));
  if (local === "refused") return done(refusal(550, "Not for you"));
  if (local === "later") return done(refusal(450, "Come back later"));
  done();
}

function onData(stream, session, done) {
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => {
    if (stream.sizeExceeded) return done(refusal(552, "Message exceeds fixed maximum message size"));
    const recipients = session.envelope.rcptTo.map(({ address }) => address);
    const lines = [
      `X-Client: ${session.remoteAddress} ${session.clientHostname}`,
      `X-Sender: ${session.envelope.mailFrom.address}`,
      ...recipients.map((recipient) => `X-Recipient: ${recipient}`),
    ];
    const name = String(count++);
    // The octets as they came, dots taken off; the envelope on top.
    const top = Buffer.from(lines.map((line) => line + "\n").join(""));
    fs.writeFileSync(`${MAIL}/.${name}`, Buffer.concat([top, ...parts]));
    fs.renameSync(`${MAIL}/.${name}`, `${MAIL}/${name}`);
    // LMTP has a reply for each, by the order of the recipients.
    const full = recipients.map((recipient) =>
      recipient.startsWith("full@") ? refusal(552, "Mailbox full") : `kept as ${name}`,
    );
    done(null, session.isLMTP ? full : `kept as ${name}`);
  });
}

const common = {
  name: `mail.${REALM}`,
  key: fs.readFileSync("/interop/tls/key.pem"),
  cert: fs.readFileSync("/interop/tls/cert.pem"),
  authMethods: ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"],
  authOptional: true,
  size: SIZE,
  hideENHANCEDSTATUSCODES: false,
  hideDSN: false,
  hideREQUIRETLS: false,
  useXClient: true,
  useXForward: true,
  disableReverseLookup: true,
  onAuth,
  onMailFrom,
  onRcptTo,
  onData,
};

function listen(port, more) {
  const server = new SMTPServer({ ...common, ...more });
  // A client that leaves in the middle is no news here.
  server.on("error", (error) => console.log(`error ${error.message}`));
  server.listen(port, "127.0.0.1");
}

listen(PORT, {});
listen(TLS_PORT, { secure: true });
listen(LMTP_PORT, {
  lmtp: true,
  onData: (stream, session, done) => onData(stream, { ...session, isLMTP: true }, done),
});
listen(LARGE_PORT, { size: LARGE_SIZE });
