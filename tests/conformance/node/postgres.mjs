// postgres.js: prepares everything, pipelines what it can, a pool of its own.

import { pipeline as flow } from "node:stream/promises";
import { Readable } from "node:stream";
import postgres from "postgres";
import { CLIENTS, DIFFERENT, ROUNDS, ROWS, all, big, hold, main, raises, same, soon, token, versionOf } from "./checks.mjs";

/** One connection. */
const client = (options = {}) => postgres({ max: 1, onnotice: () => {}, ...options });

async function value(sql, text, ...values) {
  const rows = await sql.unsafe(text, values, { prepare: true }).values();
  return rows[0][0];
}

async function works(sql) {
  same(await value(sql, "SELECT $1::text", token("works")), token("works"));
}

async function connect() {
  const sql = client({ connection: { application_name: "conformance", search_path: "elsewhere",
    statement_timeout: 12345 }, connect_timeout: 5 });
  same(await value(sql, "SHOW application_name"), "conformance");
  same(await value(sql, "SHOW statement_timeout"), "12345ms");
  same(await value(sql, "SELECT name FROM place"), "elsewhere");
  // It asks for the types of arrays on each new connection.
  same((await sql`SELECT ${["calm", "tired"]}::public.mood[] AS kinds`)[0].kinds, ["calm", "tired"]);
  same(await value(client(), "SELECT name FROM place"), "public");
  await hold("end");
}

async function prepared() {
  const [one, other] = [client({ max_lifetime: null }), client({ max_lifetime: null })];
  for (let n = 0; n < 10; n++) {
    for (const [who, sql] of [["one", one], ["other", other]]) {
      await sql.begin(async (sql) => {
        same((await sql`SELECT ${token(who, n)}::text AS t`)[0].t, token(who, n));
      });
    }
  }
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < DIFFERENT; n++) {
      same(await value(one, `SELECT $1::int + ${n}`, 1), n + 1);
    }
  }
  same((await one`SELECT ${"again"}::text AS t`)[0].t, "again");
  await hold("end");
}

async function transactions() {
  const [one, other] = [client(), client()];
  const count = async (sql) => (await sql`SELECT count(*)::int AS n FROM item WHERE owner = -1`)[0].n;
  await one.begin(async (sql) => {
    await sql`INSERT INTO item (owner, note) VALUES (-1, 'kept')`;
    same(await count(other), 0);
    await raises("22012", sql.savepoint(async (sql) => {
      await sql`INSERT INTO item (owner, note) VALUES (-1, 'lost')`;
      await sql`SELECT 1 / ${0}::int`;
    }));
    same(await count(sql), 1);
  });
  same(await count(other), 1);
  await raises("22012", one.begin("isolation level serializable", async (sql) => {
    await sql`DELETE FROM item WHERE owner = -1`;
    await sql`SELECT 1 / ${0}::int`;
  }));
  same(await count(other), 1);
  let sum = 0;
  for await (const rows of one`SELECT generate_series(1, 100) AS n`.cursor(7)) {
    sum += rows.reduce((total, row) => total + row.n, 0);
  }
  same(sum, 5050);
  await one`DELETE FROM item WHERE owner < 0`;
  await works(one);
  await hold("end");
}

async function pipeline() {
  const sql = client();
  const sent = Array.from({ length: 50 }, (_, n) =>
    n % 10 === 5 ? raises("22012", sql`SELECT 1 / ${0}::int`) : value(sql, "SELECT $1::text", token("p", n)));
  const got = await Promise.all(sent);
  got.forEach((one, n) => n % 10 === 5 || same(one, token("p", n)));
  await raises("22012", sql.begin((sql) => [
    sql`INSERT INTO item (owner, note) VALUES (-3, 'a')`,
    sql`SELECT 1 / ${0}::int`,
    sql`INSERT INTO item (owner, note) VALUES (-3, 'b')`,
  ]));
  same(await value(sql, "SELECT count(*)::int FROM item WHERE owner = -3"), 0);
  await works(sql);
  await hold("end");
}

async function copy() {
  const sql = client();
  const text = Array.from({ length: ROWS }, (_, n) => `${n}\t${token("copy", n)}\n`).join("");
  await flow(Readable.from([text]), await sql`COPY bulk (id, note) FROM STDIN`.writable());
  // Read without ever being full: its stream forgets at times to go on after it was.
  const reader = await sql`COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT`.readable();
  let out = "";
  reader.on("data", (chunk) => (out += chunk));
  await new Promise((done, failed) => reader.on("end", done).on("error", failed));
  same(out, text);
  await sql`TRUNCATE bulk`;
  await works(sql);
  await hold("end");
}

async function cancel() {
  const sql = client();
  const query = sql`SELECT pg_sleep(30)`;
  const asleep = raises("57014", query.execute());
  await soon(300);
  query.cancel();
  await asleep;
  await works(sql);
  await hold("end");
}

async function large() {
  const [one, other] = [client(), client()];
  for (const [n, sql] of [[1, one], [2, other]]) {
    same(await value(sql, "SELECT $1::text", big(n)), big(n));
  }
  await hold("end");
}

async function set() {
  const [one, other] = [client(), client()];
  const plain = await value(other, "SHOW TimeZone");
  await one`SET search_path TO elsewhere, public`;
  await one.unsafe("SET TIME ZONE 'Asia/Tokyo'; SET statement_timeout = '54321ms'");
  await one`SELECT set_config(${"work_mem"}, ${"7MB"}, false)`;
  await other.begin(async (sql) => {
    await sql`SET LOCAL search_path = elsewhere`;
    same(await value(sql, "SELECT name FROM place"), "elsewhere");
  });
  for (let n = 0; n < 5; n++) {
    await other.begin(async (sql) => {
      same(await value(one, "SELECT name FROM place"), "elsewhere");
      same(await value(sql, "SELECT name FROM place"), "public");
      same(await value(one, "SHOW TimeZone"), "Asia/Tokyo");
      same(await value(sql, "SHOW TimeZone"), plain);
    });
    same(await value(one, "SHOW statement_timeout"), "54321ms");
    same(await value(one, "SHOW work_mem"), "7MB");
    same(await value(other, "SHOW statement_timeout"), "0");
    same(await value(other, "SHOW work_mem"), "4MB");
  }
  await raises("22012", one.begin(async (sql) => {
    await sql`SET search_path TO public`;
    await sql`SELECT 1 / ${0}::int`;
  }));
  same(await value(one, "SELECT name FROM place"), "elsewhere");
  await one`RESET ALL`;
  same(await value(one, "SELECT name FROM place"), "public");
  await hold("end");
}

async function notify() {
  const [one, other] = [client(), client()];
  let tell;
  const heard = new Promise((done) => (tell = done));
  const listening = await one.listen("news", tell);
  await hold("listening");
  await other.notify("news", token("n"));
  same(await heard, token("n"));
  await listening.unlisten();
  await works(one);
  await hold("end");
}

async function temp() {
  const [one, other] = [client(), client()];
  await one`CREATE TEMP TABLE cart (note text)`;
  for (let n = 0; n < 5; n++) {
    await one`INSERT INTO cart VALUES (${token("temp", n)})`;
    same(await value(other, "SELECT to_regclass('cart')"), null);
  }
  same(await value(one, "SELECT count(*)::int FROM cart"), 5);
  await hold("temp");
  await one`DROP TABLE cart`;
  await one`DISCARD TEMP`;
  await hold("end");
}

async function share() {
  const pool = postgres({ max: CLIENTS, connection: { application_name: "conformance" } });
  await all(async (me) => {
    for (let n = 0; n < ROUNDS; n++) {
      same(await value(pool, "SELECT $1::text", token(me, n)), token(me, n));
      await pool.begin(async (sql) => {
        const [item] = await sql`INSERT INTO item ${sql({ owner: me, note: token(me, n) })} RETURNING id`;
        await sql`INSERT INTO line (item_id, quantity) VALUES (${item.id}, 3)`;
        await raises("22012", sql.savepoint((sql) => sql`SELECT 1 / ${0}::int`));
      });
      const joined = await pool`SELECT note, kind, quantity FROM item JOIN line ON item_id = item.id WHERE owner = ${me}`;
      same([...joined], [{ note: token(me, n), kind: "calm", quantity: 3 }]);
      await pool`DELETE FROM item WHERE owner = ${me}`;
    }
  });
}

await main({ connect, prepared, transactions, pipeline, copy, cancel, large, set, notify, temp,
  orm: "a driver, not an ORM", share }, versionOf("postgres"));
