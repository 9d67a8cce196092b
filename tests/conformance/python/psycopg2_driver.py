"""psycopg 2: the simple protocol only, values written into the text."""

import io
import select
import threading

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from checks import DIFFERENT, ROUNDS, ROWS, big, hold, in_threads, main, raises, same, token


def connection(autocommit=True, **options):
    conn = psycopg2.connect("", **options)
    conn.autocommit = autocommit
    return conn


def run(conn, sql, *parameters):
    with conn.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else None


def value(conn, sql, *parameters):
    return run(conn, sql, *parameters)[0][0]


def works(conn):
    same(value(conn, "SELECT %s", token("works")), token("works"))


def connect():
    options = "-c statement_timeout=12345 -c search_path=elsewhere"
    conn = connection(application_name="conformance", options=options)
    conn.set_client_encoding("LATIN1")
    same(value(conn, "SELECT %s", "é"), "é")
    conn.set_client_encoding("UTF8")
    same(value(conn, "SHOW application_name"), "conformance")
    same(value(conn, "SHOW statement_timeout"), "12345ms")
    same(value(conn, "SELECT name FROM place"), "elsewhere")
    other = connection()
    same(value(other, "SELECT name FROM place"), "public")
    psycopg2.extras.register_uuid(conn_or_curs=conn)
    hold("end")


def prepared():
    one, other = connection(), connection()
    for name, conn in (("one", one), ("other", other)):
        run(conn, f"PREPARE mine (text) AS SELECT '{name} ' || $1")
    for number in range(10):
        same(value(one, "EXECUTE mine (%s)", token(1, number)), f"one {token(1, number)}")
        same(value(other, "EXECUTE mine (%s)", token(2, number)), f"other {token(2, number)}")
    for number in range(DIFFERENT):
        run(one, f"PREPARE p{number} (int) AS SELECT $1 + {number}")
    for number in range(DIFFERENT):
        same(value(one, f"EXECUTE p{number} (1)"), number + 1)
    same(value(one, "EXECUTE mine ('again')"), "one again")
    run(one, "DEALLOCATE ALL")
    raises(psycopg2.errors.InvalidSqlStatementName, lambda: run(one, "EXECUTE mine ('x')"))
    same(value(other, "EXECUTE mine ('still')"), "other still")
    run(other, "DEALLOCATE mine")
    hold("end")


def transactions():
    one, other = connection(autocommit=False), connection()
    count = "SELECT count(*) FROM item WHERE owner = %s"
    run(one, "INSERT INTO item (owner, note) VALUES (%s, %s)", -1, token("t"))
    same(value(other, count, -1), 0)
    one.commit()
    same(value(other, count, -1), 1)
    run(one, "DELETE FROM item WHERE owner = -1")
    one.rollback()
    same(value(other, count, -1), 1)
    run(one, "INSERT INTO item (owner, note) VALUES (-2, 'kept')")
    run(one, "SAVEPOINT a")
    run(one, "INSERT INTO item (owner, note) VALUES (-2, 'lost')")
    raises(psycopg2.errors.DivisionByZero, lambda: run(one, "SELECT 1 / 0"))
    run(one, "ROLLBACK TO SAVEPOINT a")
    one.commit()
    same(value(other, "SELECT string_agg(note, '') FROM item WHERE owner = -2"), "kept")
    raises(psycopg2.errors.UndefinedTable, lambda: run(one, "SELECT FROM nowhere"))
    raises(psycopg2.errors.InFailedSqlTransaction, lambda: run(one, "SELECT 1"))
    one.rollback()
    one.set_session(isolation_level="SERIALIZABLE", readonly=True)
    raises(psycopg2.errors.ReadOnlySqlTransaction, lambda: run(one, "DELETE FROM item"))
    one.rollback()
    one.set_session(isolation_level="DEFAULT", readonly=False)
    # A cursor of the server, within its transaction.
    with one.cursor(name="rows") as cursor:
        cursor.itersize = 10
        cursor.execute("SELECT generate_series(1, 100)")
        same(sum(row[0] for row in cursor), 5050)
    run(one, "DELETE FROM item WHERE owner < 0")
    one.commit()
    hold("end")


def pipeline():
    conn = connection()
    # Several statements in one message are a transaction of their own.
    texts = "INSERT INTO item (owner, note) VALUES (-3, 'a'); SELECT 1 / 0; SELECT 2"
    raises(psycopg2.errors.DivisionByZero, lambda: run(conn, texts))
    same(value(conn, "SELECT count(*) FROM item WHERE owner = -3"), 0)
    with conn.cursor() as cursor:
        rows = [(-3, token("m", number)) for number in range(100)]
        insert = "INSERT INTO item (owner, note) VALUES %s"
        psycopg2.extras.execute_values(cursor, insert, rows)
        psycopg2.extras.execute_batch(
            cursor, "UPDATE item SET note = note || 'x' WHERE owner = %s AND note = %s", rows)
    same(value(conn, "SELECT count(*) FROM item WHERE owner = -3 AND note LIKE '%x'"), 100)
    run(conn, "DELETE FROM item WHERE owner = -3")
    works(conn)
    hold("end")


def copy():
    conn = connection()
    text = "".join(f"{number}\t{token('copy', number)}\n" for number in range(ROWS))
    with conn.cursor() as cursor:
        cursor.copy_expert("COPY bulk (id, note) FROM STDIN", io.StringIO(text))
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT", out)
        same(out.getvalue(), text)
        bad = io.StringIO("not a number\tx\n")
        raises(psycopg2.errors.InvalidTextRepresentation,
               lambda: cursor.copy_expert("COPY bulk (id, note) FROM STDIN", bad))
    run(conn, "TRUNCATE bulk")
    works(conn)
    hold("end")


def cancel():
    conn = connection()
    timer = threading.Timer(0.3, conn.cancel)
    timer.start()
    raises(psycopg2.errors.QueryCanceled, lambda: run(conn, "SELECT pg_sleep(30)"))
    timer.join()
    works(conn)
    hold("end")


def large():
    one, other = connection(), connection()
    for client, conn in ((1, one), (2, other)):
        same(value(conn, "SELECT %s", big(client)), big(client))
    hold("end")


def set_():
    one, other = connection(), connection()
    plain = value(other, "SHOW TimeZone")
    run(one, "SET search_path TO elsewhere, public; SET TIME ZONE 'Asia/Tokyo'")
    run(one, "SET statement_timeout = '54321ms'")
    run(other, "BEGIN; SET LOCAL search_path = elsewhere")
    same(value(other, "SELECT name FROM place"), "elsewhere")
    run(other, "COMMIT")
    for _ in range(5):
        run(other, "BEGIN")
        same(value(one, "SELECT name FROM place"), "elsewhere")
        same(value(other, "SELECT name FROM place"), "public")
        same(value(one, "SHOW TimeZone"), "Asia/Tokyo")
        same(value(other, "SHOW TimeZone"), plain)
        run(other, "COMMIT")
        same(value(one, "SHOW statement_timeout"), "54321ms")
        same(value(other, "SHOW statement_timeout"), "0")
    run(one, "BEGIN; SET search_path TO public; ROLLBACK")
    same(value(one, "SELECT name FROM place"), "elsewhere")
    one.reset()  # ABORT; RESET ALL; SET SESSION AUTHORIZATION DEFAULT
    same(value(one, "SELECT name FROM place"), "public")
    hold("end")


def notify():
    one, other = connection(), connection()
    run(one, "LISTEN news")
    hold("listening")
    run(other, "NOTIFY news, %s", token("n"))
    same(select.select([one], [], [], 10)[0], [one])
    one.poll()
    same([notice.payload for notice in one.notifies], [token("n")])
    run(one, "UNLISTEN *")
    works(one)
    hold("end")


def temp():
    one, other = connection(), connection()
    run(one, "CREATE TEMP TABLE cart (note text)")
    for number in range(5):
        run(one, "INSERT INTO cart VALUES (%s)", token("temp", number))
        same(value(other, "SELECT to_regclass('cart')"), None)
    same(value(one, "SELECT count(*) FROM cart"), 5)
    hold("temp")
    run(one, "DROP TABLE cart")
    run(one, "DISCARD ALL")
    works(one)
    hold("end")


def share():
    def client(me):
        conn = connection(autocommit=False, application_name="conformance")
        for number in range(ROUNDS):
            same(value(conn, "SELECT %s", token(me, number)), token(me, number))
            conn.commit()
            insert = "INSERT INTO item (owner, note) VALUES (%s, %s) RETURNING id"
            item = value(conn, insert, me, token(me, number))
            run(conn, "SAVEPOINT a")
            raises(psycopg2.errors.DivisionByZero, lambda: run(conn, "SELECT 1 / 0"))
            run(conn, "ROLLBACK TO SAVEPOINT a")
            run(conn, "INSERT INTO line (item_id, quantity) VALUES (%s, 3)", item)
            conn.commit()
            join = "SELECT note, quantity FROM item JOIN line ON item_id = item.id WHERE owner = %s"
            same(run(conn, join, me), [(token(me, number), 3)])
            run(conn, "DELETE FROM item WHERE id = %s", item)
            conn.commit()
        conn.reset()
        conn.close()

    in_threads(client)


main({
    "connect": connect, "prepared": prepared, "transactions": transactions, "pipeline": pipeline,
    "copy": copy, "cancel": cancel, "large": large, "set": set_, "notify": notify, "temp": temp,
    "orm": "a driver, not an ORM", "share": share,
}, f"{psycopg2.__version__.split()[0]} (libpq {psycopg2.extensions.libpq_version()})")
