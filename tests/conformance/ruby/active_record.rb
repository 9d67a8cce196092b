# ActiveRecord, as Rails configures it: SETs on each new connection, prepared statements.

require "active_record"
require_relative "checks"

def settings(**more)
  { adapter: "postgresql", url: ENV.fetch("DATABASE_URL"), pool: CLIENTS, checkout_timeout: 60 }.merge(more)
end

class Author < ActiveRecord::Base
  self.table_name = "ar_authors"
  has_many :books, dependent: :destroy
end

class Book < ActiveRecord::Base
  self.table_name = "ar_books"
  belongs_to :author
end

def connection
  ActiveRecord::Base.connection
end

# As a migration does.
def migrate
  ActiveRecord::Schema.verbose = false
  return if connection.table_exists?("ar_books")

  ActiveRecord::Schema.define do
    create_table(:ar_authors) { |t| t.text :name; t.timestamps }
    create_table(:ar_books) do |t|
      t.references :author, null: false, foreign_key: { to_table: :ar_authors }
      t.text :title
    end
  end
end

def value(sql)
  connection.select_value(sql)
end

def request(me, number)
  author = Author.transaction do
    made = Author.create!(name: token(me, number))
    3.times { |book| made.books.create!(title: token(me, book)) }
    raises(ActiveRecord::NotNullViolation) do
      Author.transaction(requires_new: true) { Book.insert_all!([{ author_id: nil, title: "of nobody" }]) }
    end
    made
  end
  found = Author.includes(:books).find_by!(name: token(me, number))
  same(found.books.map(&:title).sort, Array.new(3) { |book| token(me, book) })
  found.books.where(title: token(me, 0)).update_all(title: "changed")
  same(Book.joins(:author).where(ar_authors: { name: token(me, number) }, title: "changed").count, 1)
  author.with_lock { author.update!(name: token(me, number)) }
  author.reload.destroy!
  same(Book.where(author_id: author.id).exists?, false)
end

FEATURES = {
  connect: lambda {
    ActiveRecord::Base.establish_connection(settings(schema_search_path: "elsewhere,public", min_messages: "notice",
                                                     variables: { statement_timeout: 12_345 }))
    same(value("SELECT name FROM place"), "elsewhere")
    same(value("SHOW statement_timeout"), "12345ms")
    same(value("SHOW TimeZone"), "UTC")
    same(connection.active?, true)
    connection.reconnect!
    same(value("SELECT name FROM place"), "elsewhere")
    hold "end"
  },
  prepared: lambda {
    migrate
    bind = ->(n) { ActiveRecord::Relation::QueryAttribute.new("a", n, ActiveRecord::Type::Integer.new) }
    2.times { 250.times { |n| same(connection.exec_query("SELECT $1::int + #{n}", "x", [bind[1]], prepare: true).rows, [[n + 1]]) } }
    20.times { |n| same(Author.find_by(id: -n), nil) }
    connection.clear_cache!
    same(Author.find_by(id: -1), nil)
    hold "end"
  },
  transactions: lambda {
    migrate
    Author.transaction do
      Author.create!(name: "kept")
      Author.transaction(requires_new: true) { Author.create!(name: "lost"); raise ActiveRecord::Rollback }
    end
    Author.transaction(isolation: :serializable) { Author.create!(name: "lost"); raise ActiveRecord::Rollback }
    raises(ActiveRecord::StatementInvalid) { value("SELECT 1 / 0") }
    same(Author.pluck(:name), ["kept"])
    Author.delete_all
    hold "end"
  },
  large: lambda {
    migrate
    big = "12345678" * (10 * 1024 * 128)
    author = Author.create!(name: big)
    same(Author.find(author.id).name, big)
    author.destroy!
    hold "end"
  },
  set: lambda {
    connection.execute("SET statement_timeout = '54321ms'")
    connection.schema_search_path = "elsewhere"
    5.times do
      Author.transaction do
        connection.execute("SET LOCAL work_mem = '9MB'")
        same(value("SELECT name FROM place"), "elsewhere")
      end
      same(value("SHOW statement_timeout"), "54321ms")
      same(value("SHOW work_mem"), "4MB")
    end
    hold "end"
  },
  temp: lambda {
    connection.create_table(:cart, temporary: true) { |t| t.text :note }
    5.times { |n| connection.execute("INSERT INTO cart (note) VALUES ('#{n}')") }
    same(value("SELECT count(*) FROM cart"), 5)
    hold "temp"
    connection.drop_table(:cart)
    connection.execute("DISCARD TEMP")
  },
  orm: lambda {
    migrate
    3.times { |n| request(0, n) }
    # The lock that Rails holds while it migrates.
    same(connection.get_advisory_lock(42), true)
    same(connection.release_advisory_lock(42), true)
    hold "end"
  },
  share: lambda {
    migrate
    in_threads do |me|
      ActiveRecord::Base.connection_pool.with_connection { ROUNDS.times { |n| request(me, n) } }
    end
  }
}.freeze

ActiveRecord::Base.establish_connection(settings)
main(FEATURES, ActiveRecord::VERSION::STRING)
