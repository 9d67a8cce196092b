"""psycopg 3."""

import threading
from contextlib import contextmanager

import psycopg
from checks import (DIFFERENT, ROUNDS, ROWS, big, hold, in_threads, main, raises,
                    same, token)


@contextmanager
def connection(**options):
    """An autocommitting connection, held open for a look at its end."""
    with psycopg.connect(autocommit=True, **options) as conn:
        yield conn


def value(conn, sql, *parameters, **how):
    return conn.execute(sql, parameters or None, **how).fetchone()[0]


def works(conn, number=0):
    same(value(conn, "SELECT %s::text", token("works", number)), token("works", number))


def connect():
    options = "-c statement_timeout=12345 -c search_path=elsewhere -c work_mem=5MB"
    with connection(application_name="conformance", options=options, connect_timeout=5) as conn:
        same(value(conn, "SHOW application_name"), "conformance")
        same(value(conn, "SHOW statement_timeout"), "12345ms")
        same(value(conn, "SHOW work_mem"), "5MB")
        same(value(conn, "SELECT name FROM place"), "elsewhere")
        with connection() as other:
            same(value(other, "SELECT name FROM place"), "public")
            same(value(conn, "SELECT name FROM place"), "elsewhere")
            hold("end")


def prepared():
    with connection() as one, connection() as other:
        one.prepared_max = other.prepared_max = 1000
        for number in range(10):
            for name, conn in (("one", one), ("other", other)):
                with conn.transaction():
                    got = value(conn, "SELECT %s::text AS t", token(name, number), prepare=True)
                    same(got, token(name, number))
        for _ in range(2):
            for number in range(DIFFERENT):
                got = value(one, f"SELECT %s::int + {number}", 1, prepare=True)
                same(got, number + 1)
        same(value(one, "SELECT %s::text AS t", "again", prepare=True), "again")
        # What psycopg does when it has too many: it deallocates the oldest.
        other.prepared_max = 10
        for number in range(30):
            same(value(other, f"SELECT %s::int * {number}", 2, prepare=True), 2 * number)
        hold("end")


def transactions():
    with psycopg.connect() as one, connection() as other:
        count = "SELECT count(*) FROM item WHERE owner = %s"
        one.execute("INSERT INTO item (owner, note) VALUES (%s, %s)", (-1, token("t")))
        same(value(other, count, -1), 0)
        one.commit()
        same(value(other, count, -1), 1)
        one.execute("DELETE FROM item WHERE owner = %s", (-1,))
        one.rollback()
        same(value(other, count, -1), 1)
        with one.transaction():
            one.execute("INSERT INTO item (owner, note) VALUES (-2, 'kept')")

            def fails():
                with one.transaction():
                    one.execute("INSERT INTO item (owner, note) VALUES (-2, 'lost')")
                    one.execute("SELECT 1 / 0")

            raises(psycopg.errors.DivisionByZero, fails)
        one.commit()
        same(value(other, "SELECT string_agg(note, '') FROM item WHERE owner = -2"), "kept")
        raises(psycopg.errors.UndefinedTable, lambda: one.execute("SELECT FROM nowhere"))
        raises(psycopg.errors.InFailedSqlTransaction, lambda: one.execute("SELECT 1"))
        one.rollback()
        one.execute("DELETE FROM item WHERE owner < 0")
        one.commit()
        hold("end")


def pipeline():
    with connection() as conn:

        def fails():
            with conn.pipeline():
                conn.execute("INSERT INTO item (owner, note) VALUES (-3, 'first')")
                conn.execute("SELECT 1 / %s", (0,))
                conn.execute("INSERT INTO item (owner, note) VALUES (-3, 'last')")

        raises(psycopg.errors.DivisionByZero, fails)
        same(value(conn, "SELECT count(*) FROM item WHERE owner = -3 AND note = 'last'"), 0)
        with conn.pipeline():
            cursors = [conn.execute("SELECT %s::text", (token("p", n),)) for n in range(100)]
        for number, cursor in enumerate(cursors):
            same(cursor.fetchone()[0], token("p", number))
        with conn.cursor() as cursor:
            rows = [(-3, token("m", n)) for n in range(100)]
            cursor.executemany("INSERT INTO item (owner, note) VALUES (%s, %s)", rows)
        conn.execute("DELETE FROM item WHERE owner = -3")
        works(conn)
        hold("end")


def copy():
    rows = [(number, token("copy", number)) for number in range(ROWS)]
    with connection() as conn:
        with conn.cursor() as cursor:
            with cursor.copy("COPY bulk (id, note) FROM STDIN") as writer:
                for row in rows:
                    writer.write_row(row)
            with cursor.copy("COPY (SELECT id, note FROM bulk ORDER BY id) TO STDOUT") as reader:
                reader.set_types(["int4", "text"])
                same(list(reader.rows()), rows)

            def fails():
                with cursor.copy("COPY bulk (id, note) FROM STDIN") as writer:
                    writer.write("not a number\tx\n")

            raises(psycopg.errors.InvalidTextRepresentation, fails)

            def given_up():
                with cursor.copy("COPY bulk (id, note) FROM STDIN") as writer:
                    writer.write_row((ROWS, "x"))
                    raise KeyError("given up")

            raises(KeyError, given_up)
        conn.execute("TRUNCATE bulk")
        works(conn)
        hold("end")


def cancel():
    with connection() as conn:
        timer = threading.Timer(0.3, conn.cancel_safe)
        timer.start()
        raises(psycopg.errors.QueryCanceled, lambda: conn.execute("SELECT pg_sleep(30)"))
        timer.join()
        works(conn)
        hold("end")


def large():
    with connection() as one, connection() as other:
        for client, conn in ((1, one), (2, other)):
            sent = big(client)
            same(value(conn, "SELECT %s::text", sent), sent)
            same(value(conn, "SELECT %b::text", sent), sent)
        hold("end")


def set_():
    with connection() as one, connection() as other:
        plain = value(other, "SHOW TimeZone")
        one.execute("SET search_path TO elsewhere, public")
        one.execute("SET TIME ZONE 'Asia/Tokyo'")
        one.execute("SET statement_timeout = '54321ms'")
        one.execute("SELECT set_config('work_mem', '7MB', false)")
        with other.transaction():
            other.execute("SET LOCAL work_mem = '9MB'")
            other.execute("SET LOCAL search_path = elsewhere")
            same(value(other, "SELECT name FROM place"), "elsewhere")
        for _ in range(5):
            with other.transaction():
                same(value(other, "SELECT name FROM place"), "public")
                with one.transaction():
                    same(value(one, "SELECT name FROM place"), "elsewhere")
                same(value(other, "SHOW TimeZone"), plain)
            same(value(one, "SHOW TimeZone"), "Asia/Tokyo")
            same(value(one, "SHOW statement_timeout"), "54321ms")
            same(value(one, "SHOW work_mem"), "7MB")
            same(value(other, "SHOW statement_timeout"), "0")
            same(value(other, "SHOW work_mem"), "4MB")
        with one.transaction(force_rollback=True):
            one.execute("SET search_path TO public")
            same(value(one, "SELECT name FROM place"), "public")
        same(value(one, "SELECT name FROM place"), "elsewhere")
        one.execute("RESET search_path")
        same(value(one, "SELECT name FROM place"), "public")
        hold("end")


def notify():
    with connection() as one, connection() as other:
        one.execute("LISTEN news")
        hold("listening")
        other.execute("SELECT pg_notify('news', %s)", (token("n"),))
        notice = next(one.notifies(timeout=10, stop_after=1))
        same(notice.payload, token("n"))
        one.execute("UNLISTEN *")
        works(one)
        hold("end")


def temp():
    with connection() as one, connection() as other:
        one.execute("CREATE TEMP TABLE cart (note text)")
        for number in range(5):
            one.execute("INSERT INTO cart VALUES (%s)", (token("temp", number),))
            same(value(other, "SELECT to_regclass('cart')"), None)
        same(value(one, "SELECT count(*) FROM cart"), 5)
        hold("temp")
        one.execute("DROP TABLE cart")
        one.execute("DISCARD ALL")
        works(one)
        hold("end")


def share():
    def client(me):
        with psycopg.connect(application_name="conformance") as conn:
            conn.prepare_threshold = 2
            for number in range(ROUNDS):
                same(value(conn, "SELECT %s::text", token(me, number)), token(me, number))
                conn.commit()
                insert = "INSERT INTO item (owner, note) VALUES (%s, %s) RETURNING id"
                item = value(conn, insert, me, token(me, number))
                with conn.transaction():
                    conn.execute("INSERT INTO line (item_id, quantity) VALUES (%s, 3)", (item,))
                with raises_division(conn):
                    conn.execute("SELECT 1 / (SELECT 0)")
                conn.commit()
                join = "SELECT note, quantity FROM item JOIN line ON item_id = item.id WHERE owner = %s"
                same(conn.execute(join, (me,)).fetchall(), [(token(me, number), 3)])
                conn.execute("DELETE FROM item WHERE id = %s", (item,))
                conn.commit()

    in_threads(client)


@contextmanager
def raises_division(conn):
    try:
        with conn.transaction():
            yield
    except psycopg.errors.DivisionByZero:
        return
    raise AssertionError("no division by zero")


main({
    "connect": connect, "prepared": prepared, "transactions": transactions, "pipeline": pipeline,
    "copy": copy, "cancel": cancel, "large": large, "set": set_, "notify": notify, "temp": temp,
    "orm": "a driver, not an ORM", "share": share,
}, f"{psycopg.__version__} (libpq {psycopg.pq.version()})")
