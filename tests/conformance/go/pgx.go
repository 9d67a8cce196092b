// pgx 4: named statements for everything, cached by text, and batches.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var (
	background = context.Background()
	answers    = bufio.NewReader(os.Stdin)
)

type querier interface {
	QueryRow(context.Context, string, ...interface{}) pgx.Row
	Exec(context.Context, string, ...interface{}) (pgconn.CommandTag, error)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func same(got, expected interface{}) {
	if got != expected {
		panic(fmt.Errorf("expected %.80q, got %.80q", fmt.Sprint(expected), fmt.Sprint(got)))
	}
}

func raises(state string, err error) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != state {
		panic(fmt.Errorf("no error %s but %v", state, err))
	}
}

func hold(label string) {
	fmt.Println("hold", label)
	answers.ReadString('\n')
}

func token(client, number int) string { return fmt.Sprintf("client %d value %d", client, number) }

func open(more string) *pgx.Conn {
	conn, err := pgx.Connect(background, os.Getenv("DATABASE_URL")+more)
	must(err)
	return conn
}

func value(conn querier, sql string, parameters ...interface{}) string {
	var got *string
	must(conn.QueryRow(background, sql, parameters...).Scan(&got))
	if got == nil {
		return "NULL"
	}
	return *got
}

func run(conn querier, sql string, parameters ...interface{}) {
	_, err := conn.Exec(background, sql, parameters...)
	must(err)
}

func connect() {
	one := open("?application_name=conformance&search_path=elsewhere&statement_timeout=12345")
	same(value(one, "SHOW application_name"), "conformance")
	same(value(one, "SHOW statement_timeout"), "12345ms")
	same(value(one, "SELECT name FROM place"), "elsewhere")
	same(value(open(""), "SELECT name FROM place"), "public")
	must(one.Ping(background))
	hold("end")
}

func prepared() {
	one, other := open(""), open("?statement_cache_mode=describe")
	_, err := one.Prepare(background, "mine", "SELECT 'one ' || $1::text")
	must(err)
	for n := 0; n < 10; n++ {
		same(value(one, "mine", token(1, n)), "one "+token(1, n))
		same(value(other, "SELECT $1::text", token(2, n)), token(2, n))
	}
	for round := 0; round < 2; round++ {
		for n := 0; n < 600; n++ {
			same(value(one, "SELECT ($1::int + "+strconv.Itoa(n)+")::text", 1), strconv.Itoa(n+1))
		}
	}
	same(value(one, "mine", "again"), "one again")
	must(one.Deallocate(background, "mine"))
	hold("end")
}

func transactions() {
	one, other := open(""), open("")
	count, add := "SELECT count(*)::text FROM item WHERE owner = -1", "INSERT INTO item (owner, note) VALUES (-1, $1)"
	must(one.BeginFunc(background, func(tx pgx.Tx) error {
		run(tx, add, "kept")
		same(value(other, count), "0")
		raises("22012", tx.BeginFunc(background, func(inner pgx.Tx) error {
			run(inner, add, "lost")
			_, err := inner.Exec(background, "SELECT 1 / $1::int", 0)
			return err
		}))
		return nil
	}))
	same(value(other, count), "1")
	tx, err := one.BeginTx(background, pgx.TxOptions{IsoLevel: pgx.Serializable})
	must(err)
	run(tx, "DELETE FROM item")
	must(tx.Rollback(background))
	same(value(other, count), "1")
	run(one, "DELETE FROM item WHERE owner < 0")
	hold("end")
}

func pipeline() {
	one := open("")
	batch := &pgx.Batch{}
	for n := 0; n < 20; n++ {
		batch.Queue("INSERT INTO item (owner, note) VALUES (-3, $1)", token(0, n))
		batch.Queue("SELECT 1 / $1::int", 10-n)
	}
	raises("22012", func() error {
		results := one.SendBatch(background, batch)
		for n := 0; n < 40; n++ {
			if _, err := results.Exec(); err != nil {
				results.Close()
				return err
			}
		}
		return results.Close()
	}())
	same(value(one, "SELECT count(*)::text FROM item WHERE owner = -3"), "0")
	batch = &pgx.Batch{}
	for n := 0; n < 50; n++ {
		batch.Queue("SELECT $1::text", token(0, n))
	}
	results := one.SendBatch(background, batch)
	for n := 0; n < 50; n++ {
		var got string
		must(results.QueryRow().Scan(&got))
		same(got, token(0, n))
	}
	must(results.Close())
	hold("end")
}

func copies() {
	one := open("")
	rows := make([][]interface{}, 10000)
	for n := range rows {
		rows[n] = []interface{}{n, token(0, n)}
	}
	from := func() error {
		_, err := one.CopyFrom(background, pgx.Identifier{"bulk"}, []string{"id", "note"}, pgx.CopyFromRows(rows))
		return err
	}
	must(from())
	var out bytes.Buffer
	_, err := one.PgConn().CopyTo(background, &out, "COPY (SELECT note FROM bulk ORDER BY id) TO STDOUT")
	must(err)
	for n, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		same(line, token(0, n))
	}
	raises("23505", from())
	run(one, "TRUNCATE bulk")
	same(value(one, "SELECT $1::text", token(0, 0)), token(0, 0))
	hold("end")
}

func cancel() {
	one := open("")
	go func() {
		time.Sleep(300 * time.Millisecond)
		one.PgConn().CancelRequest(background)
	}()
	_, err := one.Exec(background, "SELECT pg_sleep(30)")
	raises("57014", err)
	same(value(one, "SELECT $1::text", token(0, 0)), token(0, 0))
	hold("end")
}

func large() {
	big := strings.Repeat("12345678", 10*1024*128)
	same(value(open(""), "SELECT $1::text", big), big)
	hold("end")
}

func set() {
	one, other := open(""), open("")
	run(one, "SET search_path TO elsewhere; SET TIME ZONE 'Asia/Tokyo'; SET statement_timeout = '54321ms'")
	value(one, "SELECT set_config($1, $2, false)", "work_mem", "7MB")
	for n := 0; n < 5; n++ {
		must(other.BeginFunc(background, func(tx pgx.Tx) error {
			run(tx, "SET LOCAL work_mem = 65536")
			same(value(one, "SELECT name FROM place"), "elsewhere")
			same(value(tx, "SELECT name FROM place"), "public")
			same(value(one, "SHOW TimeZone"), "Asia/Tokyo")
			return nil
		}))
		same(value(one, "SHOW statement_timeout"), "54321ms")
		same(value(other, "SHOW statement_timeout"), "0")
		same(value(one, "SHOW work_mem"), "7MB")
		same(value(other, "SHOW work_mem"), "4MB")
	}
	hold("end")
}

func notify() {
	one, other := open(""), open("")
	run(one, "LISTEN news")
	hold("listening")
	value(other, "SELECT pg_notify('news', $1)::text", token(0, 0))
	within, end := context.WithTimeout(background, 10*time.Second)
	defer end()
	heard, err := one.WaitForNotification(within)
	must(err)
	same(heard.Payload, token(0, 0))
	run(one, "UNLISTEN *")
	same(value(one, "SELECT $1::text", token(0, 1)), token(0, 1))
	hold("end")
}

func temp() {
	one, other := open(""), open("")
	run(one, "CREATE TEMP TABLE cart (note text)")
	for n := 0; n < 5; n++ {
		run(one, "INSERT INTO cart VALUES ($1)", token(0, n))
		same(value(other, "SELECT to_regclass('cart')::text"), "NULL")
	}
	same(value(one, "SELECT count(*)::text FROM cart"), "5")
	hold("temp")
	run(one, "DROP TABLE cart")
	run(one, "DISCARD ALL")
	hold("end")
}

func ordinary(pool *pgxpool.Pool, me, rounds int) (failure error) {
	defer func() {
		if error := recover(); error != nil {
			failure = fmt.Errorf("%v", error)
		}
	}()
	for n := 0; n < rounds; n++ {
		same(value(pool, "SELECT $1::text", token(me, n)), token(me, n))
		must(pool.BeginFunc(background, func(tx pgx.Tx) error {
			item := value(tx, "INSERT INTO item (owner, note) VALUES ($1, $2) RETURNING id::text", me, token(me, n))
			raises("22012", tx.BeginFunc(background, func(inner pgx.Tx) error {
				_, err := inner.Exec(background, "SELECT 1 / $1::int", 0)
				return err
			}))
			run(tx, "INSERT INTO line (item_id, quantity) VALUES ($1::text::bigint, 3)", item)
			return nil
		}))
		same(value(pool, "SELECT note FROM item JOIN line ON item_id = item.id WHERE owner = $1", me), token(me, n))
		run(pool, "DELETE FROM item WHERE owner = $1", me)
	}
	return nil
}

func share() {
	clients, _ := strconv.Atoi(os.Getenv("CLIENTS"))
	rounds, _ := strconv.Atoi(os.Getenv("ROUNDS"))
	pool, err := pgxpool.Connect(background, os.Getenv("DATABASE_URL")+"?pool_max_conns="+strconv.Itoa(clients))
	must(err)
	done := make(chan error)
	for me := 0; me < clients; me++ {
		go func(me int) { done <- ordinary(pool, me, rounds) }(me)
	}
	for me := 0; me < clients; me++ {
		must(<-done)
	}
}

func main() {
	fmt.Println("version 4 (Debian)")
	work := map[string]func(){"connect": connect, "prepared": prepared, "transactions": transactions,
		"pipeline": pipeline, "copy": copies, "cancel": cancel, "large": large, "set": set,
		"notify": notify, "temp": temp, "share": share}[os.Args[len(os.Args)-1]]
	if work == nil {
		fmt.Println("n/a a driver, not an ORM")
		return
	}
	defer func() {
		if error := recover(); error != nil {
			fmt.Println("fail", strings.Join(strings.Fields(fmt.Sprint(error)), " "))
		} else {
			fmt.Println("pass")
		}
	}()
	work()
}
