// What the Node programs share: how they talk to the matrix, and the shape of ordinary work.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export const CLIENTS = Number(process.env.CLIENTS);
export const ROUNDS = Number(process.env.ROUNDS);
export const ROWS = 10_000;
export const DIFFERENT = 250;

export class Absent extends Error {}

/** Fails unless they are equal; long values are shown short. */
export function same(got, expected) {
  const [a, b] = [JSON.stringify(got) ?? "undefined", JSON.stringify(expected)];
  if (a !== b) throw new Error(`expected ${b.slice(0, 80)}, got ${a.slice(0, 80)}`);
}

/** The error with this SQLSTATE that the work must raise. */
export async function raises(code, promise) {
  try {
    await promise;
  } catch (error) {
    same(error.code, code);
    return error;
  }
  throw new Error(`no error ${code}`);
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Lets the matrix look at the console while our connections are open. */
export async function hold(label) {
  console.log(`hold ${label}`);
  await answers.next();
}

/** A package's version; not every package lets itself be asked by `require`. */
export function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
}

/** A value that no other client sends. */
export function token(client, number = 0) {
  return `client ${client} value ${number}`;
}

export function big(client) {
  const unit = String(client).padStart(8, "0");
  return unit.repeat((10 * 1024 * 1024) / unit.length);
}

export const soon = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Work of all clients at once. */
export function all(work) {
  return Promise.all(Array.from({ length: CLIENTS }, (_, client) => work(client)));
}

/** Runs the feature that the last argument names. */
export async function main(features, version) {
  console.log(`version ${version}`);
  const work = features[process.argv.at(-1)] ?? "it has no such thing";
  try {
    if (typeof work === "string") throw new Absent(work);
    await work();
    console.log("pass");
  } catch (error) {
    if (error instanceof Absent) {
      console.log(`n/a ${error.message}`);
    } else {
      console.error(error.stack);
      console.log(`fail ${error.code ?? ""} ${String(error.message).replace(/\s+/g, " ")}`);
    }
  }
  process.exit(0);
}
