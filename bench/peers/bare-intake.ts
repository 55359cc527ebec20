import { createHmac, timingSafeEqual } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { AddressInfo } from "node:net";
import express from "express";

/** The least that could be called durable intake: verify the signature, one SQLite commit, answer. */
const [path = "", secret = ""] = process.argv.slice(2);
const db = new DatabaseSync(path);
db.exec(
  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE pushes (delivery TEXT PRIMARY KEY, body TEXT)",
);
const insert = db.prepare("INSERT OR IGNORE INTO pushes VALUES (?, ?)");
const app = express();
app.post("/webhooks/github", express.raw({ type: "*/*", limit: "25mb" }), (request, response) => {
  const body = request.body as Buffer;
  const expected = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const given = request.get("x-hub-signature-256") ?? "";
  const isSame =
    given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
  if (!isSame) return void response.status(401).end();
  const payload = JSON.parse(body.toString()) as { after: string };
  insert.run(request.get("x-github-delivery") ?? "", payload.after);
  response.status(202).json({ kind: "accepted" });
});
const server = app.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
});
