"""Django's ORM by psycopg 3, as its settings usually are: each request connects anew or keeps it."""

import os

import django
from checks import (DIFFERENT, ROUNDS, big, hold, in_threads, main, raises, same, token)
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["library"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    TIME_ZONE="Europe/Paris",
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
        "PASSWORD": os.environ["PGPASSWORD"], "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"], "CONN_MAX_AGE": 60,
        "OPTIONS": {"application_name": "conformance"},
    }},
)
django.setup()

from django.db import (DataError, IntegrityError, ProgrammingError, connection,  # noqa: E402
                       transaction)
from library.models import Author, Book  # noqa: E402


def migrate():
    """Makes the tables, as a migration does."""
    if Book._meta.db_table in connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)


def value(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def connect():
    same(value("SHOW application_name"), "conformance")
    # Django sets what its settings say after it has connected.
    same(value("SHOW TimeZone"), "UTC")
    same(connection.pg_version // 10000 >= 13, True)
    connection.close()
    same(value("SELECT %s", token("again")), token("again"))
    hold("end")


def prepared():
    for number in range(DIFFERENT):
        same(value(f"SELECT %s::int + {number}", 1), number + 1)
    for number in range(20):
        same(value("SELECT %s::text", token(0, number)), token(0, number))
    hold("end")


def transactions():
    migrate()
    with transaction.atomic():
        Author.objects.create(name="kept")

        def fails():
            with transaction.atomic():
                Author.objects.create(name="lost")
                Book.objects.create(author_id=1, title=None)

        raises(IntegrityError, fails)

    def lost():
        with transaction.atomic():
            Author.objects.create(name="lost too")
            value("SELECT 1 / 0")

    raises(DataError, lost)
    same(list(Author.objects.values_list("name", flat=True)), ["kept"])
    with transaction.atomic():
        same(Author.objects.select_for_update().get(name="kept").name, "kept")
        # A cursor of the server, within its transaction.
        same(len(list(Author.objects.iterator(chunk_size=2))), 1)
    Author.objects.all().delete()
    raises(ProgrammingError, lambda: value("SELECT nothing"))
    hold("end")


def pipeline():
    migrate()
    author = Author.objects.create(name="bulk")
    rows = [Book(author=author, title=token("m", number)) for number in range(2000)]
    rows.append(Book(author=author, title=None))
    raises(IntegrityError, lambda: Book.objects.bulk_create(rows))
    same(author.books.count(), 0)
    Book.objects.bulk_create(rows[:-1], batch_size=500)
    same(author.books.count(), 2000)
    author.delete()
    hold("end")


def large():
    same(value("SELECT %s::text", big(1)), big(1))
    hold("end")


def set_():
    value("SELECT set_config('search_path', 'elsewhere', false)")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '54321ms'")
    for _ in range(5):
        same(value("SELECT name FROM place"), "elsewhere")
        same(value("SHOW statement_timeout"), "54321ms")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path TO public")
            same(value("SELECT name FROM place"), "public")
    same(value("SELECT name FROM place"), "elsewhere")
    hold("end")


def temp():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE cart (note text)")
        for number in range(5):
            cursor.execute("INSERT INTO cart VALUES (%s)", [token("temp", number)])
    same(value("SELECT count(*) FROM cart"), 5)
    hold("temp")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE cart")
        cursor.execute("DISCARD TEMP")


def request(me, number):
    """What a request does: related rows made, read, changed and deleted."""
    with transaction.atomic():
        author = Author.objects.create(name=token(me, number))
        for book in range(3):
            author.books.create(title=token(me, book), tags=[token(me), book])
    author = Author.objects.prefetch_related("books").get(name=token(me, number))
    same(sorted(book.title for book in author.books.all()), [token(me, n) for n in range(3)])
    same(Book.objects.filter(author__name=token(me, number), tags__contains=[token(me), 1]).count(), 1)
    same(author.books.filter(title=token(me, 0)).update(title="changed"), 1)
    titles = Book.objects.select_related("author").filter(author=author).order_by("id")
    same([(book.title, book.author.name) for book in titles][0], ("changed", token(me, number)))
    same(Author.objects.get_or_create(name=token(me, number))[1], False)
    author.delete()
    same(Book.objects.filter(author_id=author.pk).exists(), False)


def orm():
    migrate()
    for number in range(3):
        request(0, number)
    hold("end")


def share():
    migrate()

    def client(me):
        for number in range(ROUNDS):
            request(me, number)
            if number % 4 == 3:
                connection.close()
        connection.close()

    in_threads(client)


main({
    "connect": connect, "prepared": prepared, "transactions": transactions, "pipeline": pipeline,
    "copy": "left to the driver", "cancel": "left to the driver", "large": large, "set": set_,
    "notify": "left to the driver", "temp": temp, "orm": orm, "share": share,
}, django.__version__)
