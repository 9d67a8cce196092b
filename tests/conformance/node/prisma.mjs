// Prisma by its adapter for node-postgres; its schema is schema.prisma.

import { PrismaPg } from "@prisma/adapter-pg";
import generated from "./generated/index.js";
import { CLIENTS, DIFFERENT, ROUNDS, all, big, hold, main, same, token, versionOf } from "./checks.mjs";

const { PrismaClient } = generated;

const client = (options = {}) => new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 1, ...options }),
  transactionOptions: { maxWait: 30_000, timeout: 30_000 },
});

/** The error with this code of Prisma's, or the message with this SQLSTATE of a raw query. */
async function raises(what, promise) {
  const error = await promise.then(() => null, (error) => error);
  if (!`${error?.code} ${error?.message}`.includes(what)) throw new Error(`no ${what}: ${error?.message}`);
}

/** As a migration does. */
async function migrate(db) {
  await db.$executeRawUnsafe(`CREATE TABLE IF NOT EXISTS prisma_author (
    id serial PRIMARY KEY, name text NOT NULL)`);
  await db.$executeRawUnsafe(`CREATE TABLE IF NOT EXISTS prisma_book (
    id serial PRIMARY KEY, title text NOT NULL,
    "authorId" int NOT NULL REFERENCES prisma_author ON DELETE CASCADE)`);
}

const value = async (db, sql, ...values) => Object.values((await db.$queryRawUnsafe(sql, ...values))[0])[0];

async function connect() {
  const db = client({ application_name: "conformance", options: "-c search_path=elsewhere" });
  await db.$connect();
  same(await value(db, "SELECT current_setting('application_name')"), "conformance");
  same(await value(db, "SELECT name FROM place"), "elsewhere");
  await hold("end");
}

async function prepared() {
  const db = client();
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < DIFFERENT; n++) {
      same(await value(db, `SELECT $1::int + ${n}`, 1), n + 1);
    }
  }
  same(await value(db, "SELECT $1::text", token(0)), token(0));
  await hold("end");
}

async function transactions() {
  const db = client();
  await migrate(db);
  await db.$transaction(async (tx) => {
    await tx.author.create({ data: { name: "kept" } });
  });
  await raises("lost", db.$transaction(async (tx) => {
    await tx.author.create({ data: { name: "lost" } });
    throw new Error("lost");
  }));
  await raises("P2003", db.$transaction([
    db.author.create({ data: { name: "lost too" } }),
    db.book.create({ data: { title: "of nobody", authorId: -1 } }),
  ], { isolationLevel: "Serializable" }));
  same((await db.author.findMany()).map((author) => author.name), ["kept"]);
  await db.author.deleteMany();
  await hold("end");
}

async function pipeline() {
  const db = client();
  await migrate(db);
  const author = await db.author.create({ data: { name: "bulk" } });
  const rows = Array.from({ length: 1000 }, (_, n) => ({ title: token("m", n), authorId: author.id }));
  await raises("P2003", db.book.createMany({ data: [...rows, { title: "of nobody", authorId: -1 }] }));
  same(await db.book.count(), 0);
  await db.book.createMany({ data: rows });
  same(await db.book.count(), 1000);
  await db.author.delete({ where: { id: author.id } });
  await hold("end");
}

async function large() {
  const db = client();
  same(await value(db, "SELECT $1::text", big(1)), big(1));
  await hold("end");
}

async function set() {
  const [one, other] = [client(), client()];
  await one.$executeRawUnsafe("SET search_path TO elsewhere");
  await one.$executeRawUnsafe("SET statement_timeout = '54321ms'");
  for (let n = 0; n < 5; n++) {
    same(await value(one, "SELECT name FROM place"), "elsewhere");
    same(await value(other, "SELECT name FROM place"), "public");
    same(await value(one, "SELECT current_setting('statement_timeout')"), "54321ms");
    same(await value(other, "SELECT current_setting('statement_timeout')"), "0");
  }
  await one.$transaction(async (tx) => {
    await tx.$executeRawUnsafe("SET LOCAL search_path TO public");
    same(await value(tx, "SELECT name FROM place"), "public");
  });
  same(await value(one, "SELECT name FROM place"), "elsewhere");
  await hold("end");
}

async function request(db, me, n) {
  const made = await db.author.create({
    data: { name: token(me, n), books: { create: [0, 1, 2].map((b) => ({ title: token(me, b) })) } },
  });
  const found = await db.author.findFirst({ where: { name: token(me, n) }, include: { books: true } });
  same(found.books.map((book) => book.title).sort(), [0, 1, 2].map((b) => token(me, b)));
  await db.$transaction(async (tx) => {
    await tx.book.updateMany({ where: { authorId: made.id, title: token(me, 0) }, data: { title: "changed" } });
    same(await tx.book.count({ where: { author: { name: token(me, n) }, title: "changed" } }), 1);
  });
  await db.author.upsert({ where: { id: made.id }, update: { name: token(me, n) }, create: { name: "no" } });
  await db.author.delete({ where: { id: made.id } });
  same(await db.book.count({ where: { authorId: made.id } }), 0);
}

async function orm() {
  const db = client();
  await migrate(db);
  for (let n = 0; n < 3; n++) await request(db, 0, n);
  await hold("end");
}

async function share() {
  const db = client({ max: CLIENTS });
  await migrate(db);
  await all(async (me) => {
    for (let n = 0; n < ROUNDS; n++) await request(db, me, n);
  });
}

await main({ connect, prepared, transactions, pipeline, large, set, orm, share,
  copy: "it has no COPY", cancel: "it has no way to cancel", notify: "it has no LISTEN",
  temp: "its pool gives no connection to keep" }, versionOf("@prisma/client"));
