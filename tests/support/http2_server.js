// Answers every request of HTTP/2 with 200 and its own body, a moment later, and counts.
// Arguments: certificate, key. Prints its port; at the end of its input, connections and requests.
const http2 = require("http2");
const fs = require("fs");
let sessions = 0, requests = 0;
const server = http2.createSecureServer({
  cert: fs.readFileSync(process.argv[2]), key: fs.readFileSync(process.argv[3]),
});
server.on("session", () => sessions++);
server.on("stream", (stream) => {
  const parts = [];
  requests++;
  stream.on("data", (part) => parts.push(part));
  stream.on("error", () => {});
  stream.on("end", () => setTimeout(() => {
    stream.respond({ ":status": 200 });
    stream.end(Buffer.concat(parts));
  }, 20));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => { console.log(sessions, requests); process.exit(0); });
process.stdin.resume();
