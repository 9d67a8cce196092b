"""asyncpg: binary, prepared statements for everything, a pool that resets on release."""

import asyncio

import asyncpg
from checks import (DIFFERENT, ROUNDS, ROWS, big, hold, in_tasks, main, raises_async, same, token)


async def works(conn):
    same(await conn.fetchval("SELECT $1::text", token("works")), token("works"))


async def connect():
    settings = {"application_name": "conformance", "search_path": "elsewhere",
                "statement_timeout": "12345", "jit": "off"}
    conn = await asyncpg.connect(server_settings=settings)
    same(await conn.fetchval("SHOW application_name"), "conformance")
    same(await conn.fetchval("SHOW statement_timeout"), "12345ms")
    same(await conn.fetchval("SHOW jit"), "off")
    same(await conn.fetchval("SELECT name FROM place"), "elsewhere")
    other = await asyncpg.connect()
    same(await other.fetchval("SELECT name FROM place"), "public")
    # Types that it does not know: it asks the catalogue, for which it turns jit off and on again.
    await other.set_type_codec("json", encoder=str, decoder=str, schema="pg_catalog")
    same(await other.fetchval("SELECT ARRAY['tired'::mood]"), ["tired"])
    same(tuple(await other.fetchval("SELECT ROW('elsewhere')::place")), ("elsewhere",))
    hold("end")


async def prepared():
    one, other = await asyncpg.connect(), await asyncpg.connect()
    mine = await one.prepare("SELECT $1::text AS t")
    theirs = await other.prepare("SELECT $1::text AS t")
    for number in range(10):
        async with one.transaction():
            same(await mine.fetchval(token(1, number)), token(1, number))
        async with other.transaction():
            same(await theirs.fetchval(token(2, number)), token(2, number))
    kept = [await one.prepare(f"SELECT $1::int + {n}") for n in range(DIFFERENT)]
    for number, statement in enumerate(kept):
        same(await statement.fetchval(1), number + 1)
    # Its own cache of 100 is full here, and closes the oldest.
    for number in range(DIFFERENT):
        same(await other.fetchval(f"SELECT $1::int * {number}", 2), 2 * number)
    same(await mine.fetchval("again"), "again")
    await one.execute("CREATE TABLE changing (a int)")
    await one.execute("INSERT INTO changing VALUES (1)")
    same(len(await one.fetchrow("SELECT * FROM changing")), 1)
    await other.execute("ALTER TABLE changing ADD b int")
    # asyncpg's own remedy for the changed result: it learns of it and prepares anew.
    same(len(await one.fetchrow("SELECT * FROM changing")), 2)
    await other.execute("DROP TABLE changing")
    hold("end")


async def transactions():
    one, other = await asyncpg.connect(), await asyncpg.connect()
    count = "SELECT count(*) FROM item WHERE owner = $1"
    transaction = one.transaction()
    await transaction.start()
    await one.execute("INSERT INTO item (owner, note) VALUES ($1, $2)", -1, token("t"))
    same(await other.fetchval(count, -1), 0)
    await transaction.commit()
    same(await other.fetchval(count, -1), 1)
    transaction = one.transaction(isolation="serializable")
    await transaction.start()
    await one.execute("DELETE FROM item WHERE owner = -1")
    await transaction.rollback()
    same(await other.fetchval(count, -1), 1)

    async def fails():
        async with one.transaction():
            await one.execute("INSERT INTO item (owner, note) VALUES (-2, 'lost')")
            await one.execute("SELECT 1 / 0")

    async with one.transaction():
        await one.execute("INSERT INTO item (owner, note) VALUES (-2, 'kept')")
        await raises_async(asyncpg.DivisionByZeroError, fails())
    same(await other.fetchval("SELECT string_agg(note, '') FROM item WHERE owner = -2"), "kept")
    async with one.transaction():
        numbers = [row[0] async for row in one.cursor("SELECT generate_series(1, 200)", prefetch=7)]
        same(sum(numbers), 20100)
    await one.execute("DELETE FROM item WHERE owner < 0")
    await works(one)
    hold("end")


async def pipeline():
    conn = await asyncpg.connect()
    # One batch of Binds and Executes; it fails as a whole.
    insert = "INSERT INTO bulk (id, note) VALUES ($1, $2)"
    rows = [(1, "a"), (2, "b"), (1, "again"), (3, "c")]
    await raises_async(asyncpg.UniqueViolationError, conn.executemany(insert, rows))
    same(await conn.fetchval("SELECT count(*) FROM bulk"), 0)
    rows = [(number, token("m", number)) for number in range(1000)]
    await conn.executemany(insert, rows)
    got = [tuple(row) for row in await conn.fetch("SELECT * FROM bulk ORDER BY id")]
    same(got, rows)
    await conn.execute("TRUNCATE bulk")
    await works(conn)
    hold("end")


async def copy():
    conn = await asyncpg.connect()
    rows = [(number, token("copy", number)) for number in range(ROWS)]
    await conn.copy_records_to_table("bulk", records=rows)
    out = bytearray()

    async def collect(data):
        out.extend(data)

    await conn.copy_from_query("SELECT * FROM bulk ORDER BY id", output=collect)
    same(out.decode(), "".join(f"{number}\t{note}\n" for number, note in rows))
    await raises_async(asyncpg.UniqueViolationError,
                       conn.copy_records_to_table("bulk", records=rows[:1]))
    await conn.execute("TRUNCATE bulk")
    await works(conn)
    hold("end")


async def cancel():
    conn = await asyncpg.connect()
    # It cancels what runs into its own time limit, by a cancel request.
    await raises_async(asyncio.TimeoutError, conn.execute("SELECT pg_sleep(30)", timeout=0.3))
    await works(conn)
    task = asyncio.create_task(conn.fetchval("SELECT pg_sleep($1)", 30))
    await asyncio.sleep(0.3)
    task.cancel()
    await raises_async(asyncio.CancelledError, task)
    await works(conn)
    hold("end")


async def large():
    one, other = await asyncpg.connect(), await asyncpg.connect()
    for client, conn in ((1, one), (2, other)):
        same(await conn.fetchval("SELECT $1::text", big(client)), big(client))
    hold("end")


async def set_():
    one, other = await asyncpg.connect(), await asyncpg.connect()
    plain = await other.fetchval("SHOW TimeZone")
    await one.execute("SET search_path TO elsewhere, public")
    await one.execute("SET TIME ZONE 'Asia/Tokyo'")
    await one.execute("SET statement_timeout = '54321ms'")
    async with other.transaction():
        await other.execute("SET LOCAL search_path = elsewhere")
        same(await other.fetchval("SELECT name FROM place"), "elsewhere")
    for _ in range(5):
        async with other.transaction():
            # The same text on both: what is prepared must not bind to the other's search_path.
            same(await one.fetchval("SELECT name FROM place"), "elsewhere")
            same(await other.fetchval("SELECT name FROM place"), "public")
            same(await other.fetchval("SHOW TimeZone"), plain)
        same(await one.fetchval("SHOW TimeZone"), "Asia/Tokyo")
        same(await one.fetchval("SHOW statement_timeout"), "54321ms")
        same(await other.fetchval("SHOW statement_timeout"), "0")
    transaction = one.transaction()
    await transaction.start()
    await one.execute("SET search_path TO public")
    await transaction.rollback()
    same(await one.fetchval("SELECT name FROM place"), "elsewhere")
    await one.reset()
    same(await one.fetchval("SELECT name FROM place"), "public")
    hold("end")


async def notify():
    one, other = await asyncpg.connect(), await asyncpg.connect()
    heard = asyncio.get_running_loop().create_future()

    def listener(_conn, _pid, _channel, payload):
        heard.set_result(payload)

    await one.add_listener("news", listener)
    hold("listening")
    await other.execute("SELECT pg_notify('news', $1)", token("n"))
    same(await asyncio.wait_for(heard, 10), token("n"))
    await one.remove_listener("news", listener)
    await works(one)
    hold("end")


async def temp():
    one, other = await asyncpg.connect(), await asyncpg.connect()
    await one.execute("CREATE TEMP TABLE cart (note text)")
    for number in range(5):
        await one.execute("INSERT INTO cart VALUES ($1)", token("temp", number))
        same(await other.fetchval("SELECT to_regclass('cart')"), None)
    same(await one.fetchval("SELECT count(*) FROM cart"), 5)
    hold("temp")
    await one.execute("DROP TABLE cart")
    await one.execute("DISCARD ALL")
    hold("end")


async def share():
    # 50 connections in its pool; what it sends at each release is part of the work.
    async with asyncpg.create_pool(min_size=50, max_size=50) as pool:

        async def client(me):
            for number in range(ROUNDS):
                async with pool.acquire() as conn:
                    same(await conn.fetchval("SELECT $1::text", token(me, number)),
                         token(me, number))
                    async with conn.transaction():
                        item = await conn.fetchval(
                            "INSERT INTO item (owner, note) VALUES ($1, $2) RETURNING id",
                            me, token(me, number))
                        await conn.executemany(
                            "INSERT INTO line (item_id, quantity) VALUES ($1, $2)",
                            [(item, 3), (item, 4)])
                        await raises_async(asyncpg.DivisionByZeroError, divides(conn))
                async with pool.acquire() as conn:
                    rows = await conn.fetch(
                        "SELECT note, kind, sum(quantity) FROM item JOIN line ON item_id = item.id"
                        " WHERE owner = $1 GROUP BY note, kind", me)
                    same([tuple(row) for row in rows], [(token(me, number), "calm", 7)])
                    await conn.execute("DELETE FROM item WHERE id = $1", item)

        async def divides(conn):
            async with conn.transaction():
                await conn.execute("SELECT 1 / 0")

        await in_tasks(client)


main({
    "connect": connect, "prepared": prepared, "transactions": transactions, "pipeline": pipeline,
    "copy": copy, "cancel": cancel, "large": large, "set": set_, "notify": notify, "temp": temp,
    "orm": "a driver, not an ORM", "share": share,
}, asyncpg.__version__)
