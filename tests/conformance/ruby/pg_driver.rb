# ruby-pg: libpq from Ruby.

require "pg"
require_relative "checks"

def open(**options)
  conn = PG.connect(host: ENV.fetch("PGHOST"), **options)
  conn.type_map_for_results = PG::BasicTypeMapForResults.new(conn)
  conn
end

def value(conn, sql, *parameters)
  conn.exec_params(sql, parameters).getvalue(0, 0)
end

def works(conn)
  same(value(conn, "SELECT $1::text", token("works")), token("works"))
end

FEATURES = {
  connect: lambda {
    one = open(application_name: "conformance", options: "-c search_path=elsewhere -c statement_timeout=12345")
    same(value(one, "SHOW application_name"), "conformance")
    same(value(one, "SHOW statement_timeout"), "12345ms")
    same(value(one, "SELECT name FROM place"), "elsewhere")
    same(value(open, "SELECT name FROM place"), "public")
    one.internal_encoding = "ISO-8859-1"
    works(one)
    hold "end"
  },
  prepared: lambda {
    one, other = open, open
    one.prepare("mine", "SELECT 'one ' || $1::text")
    other.prepare("mine", "SELECT 'other ' || $1::text")
    10.times do |n|
      one.transaction { same(one.exec_prepared("mine", [token(1, n)]).getvalue(0, 0), "one #{token(1, n)}") }
      same(other.exec_prepared("mine", [token(2, n)]).getvalue(0, 0), "other #{token(2, n)}")
    end
    250.times { |n| one.prepare("p#{n}", "SELECT $1::int + #{n}") }
    250.times { |n| same(one.exec_prepared("p#{n}", [1]).getvalue(0, 0), n + 1) }
    one.exec("DEALLOCATE p7")
    raises(PG::InvalidSqlStatementName) { one.exec_prepared("p7", [1]) }
    same(one.describe_prepared("mine").nparams, 1)
    same(one.exec_prepared("mine", ["again"]).getvalue(0, 0), "one again")
    hold "end"
  },
  transactions: lambda {
    one, other = open, open
    count = "SELECT count(*) FROM item WHERE owner = -1"
    one.transaction do
      one.exec("INSERT INTO item (owner, note) VALUES (-1, 'kept')")
      same(value(other, count), 0)
      one.exec("SAVEPOINT a")
      raises(PG::DivisionByZero) { value(one, "SELECT 1 / $1::int", 0) }
      raises(PG::InFailedSqlTransaction) { one.exec("SELECT 1") }
      one.exec("ROLLBACK TO SAVEPOINT a")
    end
    same(value(other, count), 1)
    raises(RuntimeError) { one.transaction { one.exec("DELETE FROM item"); raise "lost" } }
    same(value(other, count), 1)
    one.exec("DELETE FROM item WHERE owner < 0")
    hold "end"
  },
  copy: lambda {
    one = open
    rows = Array.new(10_000) { |n| "#{n}\t#{token('copy', n)}\n" }
    one.copy_data("COPY bulk (id, note) FROM STDIN") { rows.each { |row| one.put_copy_data(row) } }
    out = []
    one.copy_data("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT") { while (row = one.get_copy_data) do out << row end }
    same(out, rows)
    raises(PG::InvalidTextRepresentation) { one.copy_data("COPY bulk (id, note) FROM STDIN") { one.put_copy_data("not a number\tx\n") } }
    one.exec("TRUNCATE bulk")
    works(one)
    hold "end"
  },
  cancel: lambda {
    one = open
    canceller = Thread.new { sleep 0.3; one.cancel }
    raises(PG::QueryCanceled) { one.exec("SELECT pg_sleep(30)") }
    canceller.join
    works(one)
    hold "end"
  },
  large: lambda {
    big = "12345678" * (10 * 1024 * 128)
    same(value(open, "SELECT $1::text", big), big)
    hold "end"
  },
  set: lambda {
    one, other = open, open
    one.exec("SET search_path TO elsewhere; SET TIME ZONE 'Asia/Tokyo'; SET statement_timeout = '54321ms'")
    value(one, "SELECT set_config($1, $2, false)", "work_mem", "7MB")
    5.times do
      other.transaction do
        other.exec("SET LOCAL work_mem = 65536")
        same(value(one, "SELECT name FROM place"), "elsewhere")
        same(value(other, "SELECT name FROM place"), "public")
        same(value(one, "SHOW TimeZone"), "Asia/Tokyo")
      end
      same(value(one, "SHOW statement_timeout"), "54321ms")
      same(value(other, "SHOW statement_timeout"), "0")
      same(value(one, "SHOW work_mem"), "7MB")
      same(value(other, "SHOW work_mem"), "4MB")
    end
    hold "end"
  },
  notify: lambda {
    one, other = open, open
    one.exec("LISTEN news")
    hold "listening"
    value(other, "SELECT pg_notify('news', $1)", token(0))
    same(one.wait_for_notify(10) { |_channel, _pid, payload| same(payload, token(0)) }, "news")
    one.exec("UNLISTEN *")
    works(one)
    hold "end"
  },
  temp: lambda {
    one, other = open, open
    one.exec("CREATE TEMP TABLE cart (note text)")
    5.times do |n|
      one.exec_params("INSERT INTO cart VALUES ($1)", [token(0, n)])
      same(value(other, "SELECT to_regclass('cart')"), nil)
    end
    same(value(one, "SELECT count(*) FROM cart"), 5)
    hold "temp"
    one.exec("DROP TABLE cart")
    one.exec("DISCARD ALL")
    hold "end"
  },
  share: lambda {
    in_threads do |me|
      one = open(application_name: "conformance")
      one.prepare("add", "INSERT INTO item (owner, note) VALUES ($1, $2) RETURNING id")
      ROUNDS.times do |n|
        same(value(one, "SELECT $1::text", token(me, n)), token(me, n))
        item = one.transaction do
          made = one.exec_prepared("add", [me, token(me, n)]).getvalue(0, 0)
          one.exec("SAVEPOINT a")
          raises(PG::DivisionByZero) { value(one, "SELECT 1 / $1::int", 0) }
          one.exec("ROLLBACK TO SAVEPOINT a")
          one.exec_params("INSERT INTO line (item_id, quantity) VALUES ($1, 3)", [made])
          made
        end
        join = "SELECT note FROM item JOIN line ON item_id = item.id WHERE owner = $1"
        same(value(one, join, me), token(me, n))
        one.exec_params("DELETE FROM item WHERE id = $1", [item])
      end
      one.close
    end
  }
}.freeze

main(FEATURES, "#{PG::VERSION} (libpq #{PG.library_version})")
