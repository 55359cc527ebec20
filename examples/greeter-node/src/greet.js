"use strict";

const WORDS = { en: "Hello", de: "Guten Tag" };

/** A greeting in a language that we know; throws for others. */
function greet(name, language = "en") {
  const word = Object.hasOwn(WORDS, language) ? WORDS[language] : undefined;
  if (word === undefined) throw new RangeError(`no greeting in "${language}"`);
  return `${word}, ${name.trim() || "stranger"}`;
}

module.exports = { greet };
