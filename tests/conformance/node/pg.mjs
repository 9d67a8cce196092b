// node-postgres: the unnamed statement for parameters, named ones on request.

import { pipeline as flow } from "node:stream/promises";
import { Readable } from "node:stream";
import pg from "pg";
import Cursor from "pg-cursor";
import copyStreams from "pg-copy-streams";
import { CLIENTS, DIFFERENT, ROUNDS, ROWS, all, big, hold, main, raises, same, soon, token, versionOf } from "./checks.mjs";

async function client(options = {}) {
  const made = new pg.Client(options);
  await made.connect();
  return made;
}

async function value(conn, text, ...values) {
  const result = await conn.query({ text, values, rowMode: "array" });
  return result.rows[0][0];
}

async function works(conn) {
  same(await value(conn, "SELECT $1::text", token("works")), token("works"));
}

async function connect() {
  const options = "-c search_path=elsewhere -c work_mem=5MB";
  const conn = await client({ application_name: "conformance", options, statement_timeout: 12345,
    idle_in_transaction_session_timeout: 60000, lock_timeout: 5000 });
  same(await value(conn, "SHOW application_name"), "conformance");
  same(await value(conn, "SHOW statement_timeout"), "12345ms");
  same(await value(conn, "SHOW work_mem"), "5MB");
  same(await value(conn, "SELECT name FROM place"), "elsewhere");
  const other = await client();
  same(await value(other, "SELECT name FROM place"), "public");
  await hold("end");
}

async function prepared() {
  const [one, other] = [await client(), await client()];
  const named = (name, text, ...values) => ({ name, text, values, rowMode: "array" });
  for (let n = 0; n < 10; n++) {
    for (const [who, conn] of [["one", one], ["other", other]]) {
      await conn.query("BEGIN");
      const result = await conn.query(named("mine", `SELECT '${who} ' || $1::text`, token(who, n)));
      same(result.rows[0][0], `${who} ${token(who, n)}`);
      await conn.query("COMMIT");
    }
  }
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < DIFFERENT; n++) {
      const result = await one.query(named(`p${n}`, `SELECT $1::int + ${n}`, 1));
      same(result.rows[0][0], n + 1);
    }
  }
  const again = await one.query(named("mine", "SELECT 'one ' || $1::text", "again"));
  same(again.rows[0][0], "one again");
  await raises("42P01", one.query(named("fails", "SELECT * FROM nowhere")));
  await raises("42P01", one.query(named("fails", "SELECT * FROM nowhere")));
  await hold("end");
}

async function transactions() {
  const [one, other] = [await client(), await client()];
  const count = "SELECT count(*)::int FROM item WHERE owner = $1";
  const add = "INSERT INTO item (owner, note) VALUES ($1, $2)";
  await one.query("BEGIN");
  await one.query(add, [-1, "kept"]);
  same(await value(other, count, -1), 0);
  await one.query("SAVEPOINT a");
  await raises("22012", one.query("SELECT 1 / $1::int", [0]));
  await raises("25P02", one.query("SELECT 1"));
  await one.query("ROLLBACK TO SAVEPOINT a");
  await one.query("COMMIT");
  same(await value(other, count, -1), 1);
  await one.query("BEGIN ISOLATION LEVEL SERIALIZABLE");
  await one.query("DELETE FROM item WHERE owner = $1", [-1]);
  await one.query("ROLLBACK");
  same(await value(other, count, -1), 1);
  await one.query("BEGIN");
  const cursor = one.query(new Cursor("SELECT generate_series(1, $1::int) AS n", [100]));
  let sum = 0;
  for (let rows = await cursor.read(7); rows.length > 0; rows = await cursor.read(7)) {
    sum += rows.reduce((total, row) => total + row.n, 0);
  }
  same(sum, 5050);
  await cursor.close();
  await one.query("COMMIT");
  await one.query("DELETE FROM item WHERE owner < 0");
  await works(one);
  await hold("end");
}

async function pipeline() {
  const conn = await client();
  // Queued without waiting: the client sends each as soon as the one before is answered.
  const sent = [
    conn.query("INSERT INTO item (owner, note) VALUES (-3, 'a')"),
    conn.query("SELECT 1 / $1::int", [0]),
    value(conn, "SELECT $1::text", token("p")),
  ];
  await sent[0];
  await raises("22012", sent[1]);
  same(await sent[2], token("p"));
  await raises("22012", conn.query("DELETE FROM item WHERE owner = -3; SELECT 1 / 0; SELECT 2"));
  same(await value(conn, "SELECT count(*)::int FROM item WHERE owner = -3"), 1);
  await conn.query("DELETE FROM item WHERE owner = -3");
  await works(conn);
  await hold("end");
}

async function copy() {
  const conn = await client();
  const text = Array.from({ length: ROWS }, (_, n) => `${n}\t${token("copy", n)}\n`).join("");
  await flow(Readable.from([text]), conn.query(copyStreams.from("COPY bulk (id, note) FROM STDIN")));
  let out = "";
  for await (const chunk of conn.query(copyStreams.to("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT"))) {
    out += chunk;
  }
  same(out, text);
  await raises("22P02", flow(Readable.from(["not a number\tx\n"]),
    conn.query(copyStreams.from("COPY bulk (id, note) FROM STDIN"))));
  await conn.query("TRUNCATE bulk");
  await works(conn);
  await hold("end");
}

async function cancel() {
  const conn = await client();
  const asleep = raises("57014", conn.query("SELECT pg_sleep(30)"));
  await soon(300);
  // A client that cancels another's query: what it has for this, by the other's key.
  new pg.Client().cancel(conn, conn._getActiveQuery?.() ?? conn.activeQuery);
  await asleep;
  await works(conn);
  await hold("end");
}

async function large() {
  const [one, other] = [await client(), await client()];
  for (const [n, conn] of [[1, one], [2, other]]) {
    same(await value(conn, "SELECT $1::text", big(n)), big(n));
  }
  await hold("end");
}

async function set() {
  const [one, other] = [await client(), await client()];
  const plain = await value(other, "SHOW TimeZone");
  await one.query("SET search_path TO elsewhere, public; SET TIME ZONE 'Asia/Tokyo'");
  await one.query("SET statement_timeout = '54321ms'");
  await one.query("SELECT set_config($1, $2, false)", ["work_mem", "7MB"]);
  await other.query("BEGIN");
  await other.query("SET LOCAL search_path = elsewhere");
  same(await value(other, "SELECT name FROM place"), "elsewhere");
  await other.query("COMMIT");
  for (let n = 0; n < 5; n++) {
    await other.query("BEGIN");
    same(await value(one, "SELECT name FROM place"), "elsewhere");
    same(await value(other, "SELECT name FROM place"), "public");
    same(await value(one, "SHOW TimeZone"), "Asia/Tokyo");
    same(await value(other, "SHOW TimeZone"), plain);
    await other.query("COMMIT");
    same(await value(one, "SHOW statement_timeout"), "54321ms");
    same(await value(one, "SHOW work_mem"), "7MB");
    same(await value(other, "SHOW statement_timeout"), "0");
    same(await value(other, "SHOW work_mem"), "4MB");
  }
  await one.query("BEGIN; SET search_path TO public; ROLLBACK");
  same(await value(one, "SELECT name FROM place"), "elsewhere");
  await one.query("RESET ALL");
  same(await value(one, "SELECT name FROM place"), "public");
  await hold("end");
}

async function notify() {
  const [one, other] = [await client(), await client()];
  const heard = new Promise((done) => one.once("notification", done));
  await one.query("LISTEN news");
  await hold("listening");
  await other.query("SELECT pg_notify('news', $1)", [token("n")]);
  same((await heard).payload, token("n"));
  await one.query("UNLISTEN news");
  await works(one);
  await hold("end");
}

async function temp() {
  const [one, other] = [await client(), await client()];
  await one.query("CREATE TEMP TABLE cart (note text)");
  for (let n = 0; n < 5; n++) {
    await one.query("INSERT INTO cart VALUES ($1)", [token("temp", n)]);
    same(await value(other, "SELECT to_regclass('cart')"), null);
  }
  same(await value(one, "SELECT count(*)::int FROM cart"), 5);
  await hold("temp");
  await one.query("DROP TABLE cart");
  await one.query("DISCARD ALL");
  await works(one);
  await hold("end");
}

async function share() {
  const pool = new pg.Pool({ max: CLIENTS, application_name: "conformance" });
  // As many applications do on every new connection.
  pool.on("connect", (conn) => conn.query("SET statement_timeout TO 30000; SET TIME ZONE 'UTC'"));
  await all(async (me) => {
    for (let n = 0; n < ROUNDS; n++) {
      same(await value(pool, "SELECT $1::text", token(me, n)), token(me, n));
      const conn = await pool.connect();
      await conn.query("BEGIN");
      const insert = { name: "add item", text: "INSERT INTO item (owner, note) VALUES ($1, $2) RETURNING id" };
      const { rows } = await conn.query({ ...insert, values: [me, token(me, n)] });
      await conn.query("INSERT INTO line (item_id, quantity) VALUES ($1, 3)", [rows[0].id]);
      await conn.query("SAVEPOINT a");
      await raises("22012", conn.query("SELECT 1 / $1::int", [0]));
      await conn.query("ROLLBACK TO SAVEPOINT a");
      await conn.query("COMMIT");
      const join = "SELECT note, quantity FROM item JOIN line ON item_id = item.id WHERE owner = $1";
      const joined = await conn.query({ name: "join", text: join, values: [me] });
      same(joined.rows, [{ note: token(me, n), quantity: 3 }]);
      await conn.query("DELETE FROM item WHERE owner = $1", [me]);
      conn.release();
    }
  });
}

await main({ connect, prepared, transactions, pipeline, copy, cancel, large, set, notify, temp,
  orm: "a driver, not an ORM", share }, versionOf("pg"));
