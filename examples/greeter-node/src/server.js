"use strict";

const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const { greet } = require("./greet.js");

const VERSION = "1";

function main(args) {
  if (args.includes("--version")) {
    console.log(VERSION);
    return;
  }
  const config = JSON.parse(readFileSync(args[args.indexOf("--config") + 1], "utf8"));
  serve(config).listen(config.port);
}

function serve({ language }) {
  return createServer((request, response) => {
    const { searchParams } = new URL(request.url, "http://localhost");
    response.end(`${greet(searchParams.get("name") ?? "", language)}\n`);
  });
}

module.exports = { main, serve };
