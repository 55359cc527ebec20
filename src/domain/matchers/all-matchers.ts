import { apt } from "./apt.ts";
import { cmake } from "./cmake.ts";
import { compiler } from "./compiler.ts";
import { ctest } from "./ctest.ts";
import { dnf } from "./dnf.ts";
import { dockerBuild } from "./docker-build.ts";
import { eslint } from "./eslint.ts";
import { formatters } from "./formatters.ts";
import { goBuild, goTest } from "./go.ts";
import { gtest } from "./gtest.ts";
import { java, maven } from "./java.ts";
import { jest } from "./jest.ts";
import { linker } from "./linker.ts";
import { makeEnded, makefile } from "./make.ts";
import type { Matcher } from "./matcher.ts";
import { mocha } from "./mocha.ts";
import { node } from "./node.ts";
import { nodeTest } from "./node-test.ts";
import { npm } from "./npm.ts";
import { patch } from "./patch.ts";
import { perl, prove } from "./perl.ts";
import { pip } from "./pip.ts";
import { pytest } from "./pytest.ts";
import { python } from "./python.ts";
import { rpmSection, rpmbuild } from "./rpmbuild.ts";
import { rpmlint } from "./rpmlint.ts";
import { cargoTest, rustPanic, rustc } from "./rust.ts";
import { sanitizers, valgrind } from "./sanitizers.ts";
import { shell } from "./shell.ts";
import { shellcheck } from "./shellcheck.ts";
import { signals } from "./signals.ts";
import { tap } from "./tap.ts";
import { tsc } from "./tsc.ts";
import { unittest } from "./unittest.ts";
import { vitest } from "./vitest.ts";

/** Every tool whose words we know. Where two are equally good, the one that stands first is taken. */
export const MATCHERS: readonly Matcher[] = [
  sanitizers,
  valgrind,
  gtest,
  tsc,
  eslint,
  formatters,
  shellcheck,
  vitest,
  jest,
  mocha,
  nodeTest,
  tap,
  prove,
  pytest,
  unittest,
  goTest,
  goBuild,
  cargoTest,
  rustc,
  maven,
  linker,
  compiler,
  cmake,
  makefile,
  rpmbuild,
  rpmlint,
  patch,
  dnf,
  apt,
  npm,
  pip,
  signals,
  python,
  node,
  java,
  rustPanic,
  perl,
  shell,
  ctest,
  dockerBuild,
  rpmSection,
  makeEnded,
];
