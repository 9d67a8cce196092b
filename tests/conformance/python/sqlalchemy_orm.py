"""SQLAlchemy with its pool, by psycopg or by asyncpg (the first argument)."""

import asyncio
import os
import sys

import sqlalchemy
from checks import (CLIENTS, DIFFERENT, ROUNDS, big, hold, in_tasks, in_threads, main, raises,
                    same, token)
from sqlalchemy import ForeignKey, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (DeclarativeBase, Mapped, Session, mapped_column, relationship,
                            selectinload)

DRIVER = sys.argv[1]


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "sa_author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship(back_populates="author",
                                               cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "sa_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("sa_author.id"))
    title: Mapped[str]
    author: Mapped[Author] = relationship(back_populates="books")


def url():
    return sqlalchemy.URL.create(
        f"postgresql+{DRIVER}", os.environ["PGUSER"], os.environ["PGPASSWORD"],
        os.environ["PGHOST"], int(os.environ["PGPORT"]), os.environ["PGDATABASE"])


def engine(**options):
    return sqlalchemy.create_engine(url(), **options)


def run(work, **options):
    """Runs `work(connection)` on a connection of either kind, by SQLAlchemy's own bridge."""
    if DRIVER == "psycopg":
        with engine(**options).connect() as connection:
            return work(connection)

    async def bridged():
        async with create_async_engine(url(), **options).connect() as connection:
            return await connection.run_sync(work)

    return asyncio.run(bridged())


def value(connection, sql, **parameters):
    return connection.execute(text(sql), parameters).scalar()


def connect():
    settings = {"server_settings": {"application_name": "conformance", "search_path": "elsewhere"}}
    options = {"application_name": "conformance", "options": "-c search_path=elsewhere"}

    def work(connection):
        same(value(connection, "SHOW application_name"), "conformance")
        same(value(connection, "SELECT name FROM place"), "elsewhere")
        hold("end")

    run(work, connect_args=options if DRIVER == "psycopg" else settings, pool_pre_ping=True,
        isolation_level="REPEATABLE READ")


def prepared():
    def work(connection):
        for _ in range(2):
            for number in range(DIFFERENT):
                same(value(connection, f"SELECT CAST(:a AS int) + {number}", a=1), number + 1)
                connection.commit()
        for number in range(20):
            same(value(connection, "SELECT CAST(:a AS text)", a=token(0, number)), token(0, number))
            connection.commit()
        hold("end")

    run(work)


def transactions():
    def work(connection):
        count = "SELECT count(*) FROM item WHERE owner = -1"
        add = text("INSERT INTO item (owner, note) VALUES (-1, :note)")
        connection.execute(add, {"note": "lost"})
        connection.rollback()
        same(value(connection, count), 0)
        connection.execute(add, {"note": "kept"})
        nested = connection.begin_nested()
        connection.execute(add, {"note": "lost"})
        nested.rollback()
        nested = connection.begin_nested()
        raises(DBAPIError, lambda: value(connection, "SELECT 1 / 0"))
        nested.rollback()
        connection.commit()
        same(value(connection, count), 1)
        value(connection, "SELECT 1")
        raises(DBAPIError, lambda: value(connection, "SELECT nothing"))
        connection.rollback()
        connection.execute(text("DELETE FROM item WHERE owner = -1"))
        connection.commit()
        hold("end")

    run(work)


def pipeline():
    def work(connection):
        bulk = sqlalchemy.table("bulk", sqlalchemy.column("id", sqlalchemy.Integer),
                                sqlalchemy.column("note", sqlalchemy.String))
        rows = [{"id": number % 7, "note": "x"} for number in range(20)]
        raises(IntegrityError, lambda: connection.execute(insert(bulk), rows))
        connection.rollback()
        rows = [{"id": number, "note": token("m", number)} for number in range(3000)]
        connection.execute(insert(bulk), rows)
        got = connection.execute(select(bulk).order_by(bulk.c.id)).all()
        same([tuple(row) for row in got], [(row["id"], row["note"]) for row in rows])
        connection.execute(text("DELETE FROM bulk"))
        connection.commit()
        hold("end")

    run(work)


def large():
    def work(connection):
        same(value(connection, "SELECT CAST(:a AS text)", a=big(1)), big(1))
        hold("end")

    run(work)


def set_():
    def work(connection):
        connection.execute(text("SET search_path TO elsewhere, public"))
        connection.execute(text("SET TIME ZONE 'Asia/Tokyo'"))
        connection.execute(text("SET statement_timeout = '54321ms'"))
        connection.commit()
        for _ in range(5):
            same(value(connection, "SELECT name FROM place"), "elsewhere")
            same(value(connection, "SHOW TimeZone"), "Asia/Tokyo")
            same(value(connection, "SHOW statement_timeout"), "54321ms")
            connection.commit()
        connection.execute(text("SET search_path TO public"))
        connection.rollback()
        same(value(connection, "SELECT name FROM place"), "elsewhere")
        connection.execute(text("SET LOCAL search_path TO public"))
        connection.commit()
        same(value(connection, "SELECT name FROM place"), "elsewhere")
        hold("end")

    run(work)


def temp():
    def work(connection):
        connection.execute(text("CREATE TEMP TABLE cart (note text)"))
        connection.commit()
        for number in range(5):
            connection.execute(text("INSERT INTO cart VALUES (:note)"), {"note": str(number)})
            connection.commit()
        same(value(connection, "SELECT count(*) FROM cart"), 5)
        hold("temp")
        connection.execute(text("DROP TABLE cart"))
        connection.execute(text("DISCARD TEMP"))
        connection.commit()

    run(work)


def stories(me, number):
    return Author(name=token(me, number),
                  books=[Book(title=token(me, book)) for book in range(3)])


def mine(me, number):
    return select(Author).where(Author.name == token(me, number)).options(selectinload(Author.books))


def check(author, me):
    same(sorted(book.title for book in author.books), [token(me, book) for book in range(3)])


def session_work(session, me, number):
    session.add(stories(me, number))
    session.commit()
    author = session.scalars(mine(me, number)).one()
    check(author, me)
    author.books[0].title = "changed"
    with raises_integrity(session):
        session.add(Book(author_id=-1, title="of nobody"))
        session.flush()
    session.commit()
    joined = select(func.count()).select_from(Book).join(Author).where(
        Author.name == token(me, number), Book.title == "changed")
    same(session.scalar(joined), 1)
    session.delete(author)
    session.commit()


class raises_integrity:
    def __init__(self, session):
        self.session = session

    def __enter__(self):
        self.nested = self.session.begin_nested()

    def __exit__(self, kind, error, trace):
        assert kind is IntegrityError, f"{kind} {error}"
        self.nested.rollback()
        return True


def orm():
    run(lambda connection: (Base.metadata.drop_all(connection),
                            Base.metadata.create_all(connection), connection.commit()))

    def work(connection):
        with Session(connection) as session:
            for number in range(3):
                session_work(session, 0, number)
        names = sqlalchemy.inspect(connection).get_table_names()
        assert "sa_book" in names, names
        hold("end")

    run(work)


def share():
    run(lambda connection: (Base.metadata.create_all(connection), connection.commit()))
    if DRIVER == "psycopg":
        pool = engine(pool_size=CLIENTS)

        def client(me):
            for number in range(ROUNDS):
                with Session(pool) as session:
                    session_work(session, me, number)

        in_threads(client)
        return
    in_async_share()


def in_async_share():
    async def all_clients():
        pool = create_async_engine(url(), pool_size=CLIENTS)

        async def client(me):
            for number in range(ROUNDS):
                async with AsyncSession(pool) as session:
                    await session.run_sync(session_work, me, number)

        await in_tasks(client)

    asyncio.run(all_clients())


main({
    "connect": connect, "prepared": prepared, "transactions": transactions, "pipeline": pipeline,
    "copy": "left to the driver", "cancel": "left to the driver", "large": large, "set": set_,
    "notify": "left to the driver", "temp": temp, "orm": orm, "share": share,
}, sqlalchemy.__version__)
