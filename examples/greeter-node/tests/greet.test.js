"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { greet } = require("../src/greet.js");

const WORD = { en: "Hello", de: "Guten Tag" }[process.env.LANGUAGE ?? "en"];
const language = process.env.LANGUAGE ?? "en";

test("greets by name", () => {
  assert.equal(greet("Ann", language), `${WORD}, Ann`);
});

test("greets an empty name", () => {
  assert.equal(greet(" ", language), `${WORD}, stranger`);
});

test("knows no other language", () => {
  assert.throws(() => greet("Ann", "constructor"), RangeError);
});
