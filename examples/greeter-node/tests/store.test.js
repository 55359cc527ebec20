"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const { test } = require("node:test");

const skip = process.env.STORE === "db" ? false : "this run has no database";

test("the database answers under the service's name", { skip }, () => {
  const env = { ...process.env, PGPASSWORD: process.env.DB_PASSWORD };
  const args = ["-h", process.env.DB_HOST, "-U", "postgres", "-Atc", "select 6 * 7"];
  assert.equal(execFileSync("psql", args, { env }).toString().trim(), "42");
});
