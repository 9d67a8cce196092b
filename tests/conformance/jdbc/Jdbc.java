import java.io.*;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** JDBC; the first argument is its prepareThreshold, from which use on it names a statement. */
public final class Jdbc {
    interface Work { void run() throws Exception; }

    static String threshold;
    static final int CLIENTS = Integer.parseInt(System.getenv("CLIENTS"));
    static final int ROUNDS = Integer.parseInt(System.getenv("ROUNDS"));
    static final BufferedReader ANSWERS = new BufferedReader(new InputStreamReader(System.in));

    static Connection open(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.put("user", System.getenv("PGUSER"));
        properties.put("password", System.getenv("PGPASSWORD"));
        properties.put("prepareThreshold", threshold);
        properties.put("ApplicationName", "conformance");
        for (int i = 0; i < options.length; i += 2) properties.put(options[i], options[i + 1]);
        String host = System.getenv("PGHOST") + ":" + System.getenv("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://" + host + "/" + System.getenv("PGDATABASE"), properties);
    }

    static void same(Object got, Object expected) {
        if (Objects.equals(got, expected)) return;
        String g = String.valueOf(got), e = String.valueOf(expected);
        throw new AssertionError("expected " + e.substring(0, Math.min(80, e.length())) + ", got " + g.substring(0, Math.min(80, g.length())));
    }

    static void raises(String state, Work work) throws Exception {
        try {
            work.run();
        } catch (SQLException error) {
            SQLException last = error;
            while (!state.equals(last.getSQLState()) && last.getNextException() != null) last = last.getNextException();
            if (!state.equals(last.getSQLState())) throw error;
            return;
        }
        throw new AssertionError("no error " + state);
    }

    static void hold(String label) throws IOException {
        System.out.println("hold " + label);
        ANSWERS.readLine();
    }

    static String token(int client, int number) { return "client " + client + " value " + number; }

    static String value(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) statement.setObject(i + 1, parameters[i]);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getString(1);
            }
        }
    }

    static int run(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) statement.setObject(i + 1, parameters[i]);
            statement.execute();
            return statement.getUpdateCount();
        }
    }

    static void connect() throws Exception {
        Connection one = open("options", "-c statement_timeout=12345", "currentSchema", "elsewhere", "connectTimeout", "5");
        same(value(one, "SHOW application_name"), "conformance");
        same(value(one, "SHOW statement_timeout"), "12345ms");
        same(value(one, "SELECT name FROM place"), "elsewhere");
        same(value(open(), "SELECT name FROM place"), "public");
        one.setNetworkTimeout(Runnable::run, 10000);
        same(one.isValid(5), true);
        try (ResultSet columns = one.getMetaData().getColumns(null, "public", "item", null)) {
            columns.next();
            same(columns.getString("COLUMN_NAME"), "id");
        }
        hold("end");
    }

    static void prepared() throws Exception {
        Connection one = open("preparedStatementCacheQueries", "1000"), other = open("preparedStatementCacheQueries", "20");
        one.setAutoCommit(false);
        PreparedStatement mine = one.prepareStatement("SELECT ?::text AS t");
        for (int n = 0; n < 20; n++) {
            mine.setString(1, token(1, n));
            ResultSet rows = mine.executeQuery();
            rows.next();
            same(rows.getString(1), token(1, n));
            one.commit();
            same(value(other, "SELECT ?::text AS t", token(2, n)), token(2, n));
        }
        for (int round = 0; round < 7; round++)
            for (int n = 0; n < 250; n++) {
                same(value(one, "SELECT ?::int + " + n, 1), String.valueOf(n + 1));
                one.commit();
                if (n < 60) same(value(other, "SELECT ?::int * " + n, 2), String.valueOf(2 * n));
            }
        mine.setString(1, "again");
        ResultSet rows = mine.executeQuery();
        rows.next();
        same(rows.getString(1), "again");
        one.commit();
        hold("end");
    }

    static void transactions() throws Exception {
        String count = "SELECT count(*) FROM item WHERE owner = -1", add = "INSERT INTO item (owner, note) VALUES (-1, ?)";
        Connection one = open(), other = open();
        one.setAutoCommit(false);
        run(one, add, "kept");
        same(value(other, count), "0");
        Savepoint savepoint = one.setSavepoint();
        run(one, add, "lost");
        raises("22012", () -> value(one, "SELECT 1 / ?", 0));
        raises("25P02", () -> value(one, "SELECT 1"));
        one.rollback(savepoint);
        one.commit();
        same(value(other, count), "1");
        run(one, "DELETE FROM item WHERE owner = ?", -1);
        one.rollback();
        same(value(other, count), "1");
        one.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        same(value(one, "SHOW transaction_isolation"), "serializable");
        one.commit();
        one.setReadOnly(true);
        raises("25006", () -> run(one, "DELETE FROM item"));
        one.rollback();
        one.setReadOnly(false);
        for (String autosave : new String[] {"always", "conservative"}) {
            Connection saving = open("autosave", autosave);
            saving.setAutoCommit(false);
            for (int n = 0; n < 10; n++) {
                same(value(saving, "SELECT ?::text", token(n, 1)), token(n, 1));
                try {
                    value(saving, "SELECT 1 / ?", 0);
                } catch (SQLException error) {
                    same(error.getSQLState(), "22012");
                }
                if (autosave.equals("conservative")) saving.rollback();
                same(value(saving, "SELECT ?::text", token(n, 2)), token(n, 2));
            }
            saving.commit();
        }
        try (Statement statement = one.createStatement()) {
            statement.setFetchSize(7);
            ResultSet rows = statement.executeQuery("SELECT generate_series(1, 100)");
            int sum = 0;
            while (rows.next()) sum += rows.getInt(1);
            same(sum, 5050);
        }
        run(one, "DELETE FROM item WHERE owner < 0");
        one.commit();
        hold("end");
    }

    static void pipeline() throws Exception {
        Connection one = open();
        String insert = "INSERT INTO bulk (id, note) VALUES (?, ?)";
        PreparedStatement batch = one.prepareStatement(insert);
        one.setAutoCommit(false);
        for (int id : new int[] {1, 2, 1, 3}) {
            batch.setInt(1, id);
            batch.setString(2, token(0, id));
            batch.addBatch();
        }
        raises("23505", batch::executeBatch);
        one.rollback();
        same(value(one, "SELECT count(*) FROM bulk"), "0");
        for (int id = 0; id < 1000; id++) {
            batch.setInt(1, id);
            batch.setString(2, token(0, id));
            batch.addBatch();
        }
        same(batch.executeBatch().length, 1000);
        one.commit();
        same(value(one, "SELECT note FROM bulk WHERE id = ?", 999), token(0, 999));
        run(one, "TRUNCATE bulk");
        one.commit();
        hold("end");
    }

    static void copy() throws Exception {
        Connection one = open();
        CopyManager copies = ((PGConnection) one).getCopyAPI();
        StringBuilder rows = new StringBuilder();
        for (int n = 0; n < 10000; n++) rows.append(n).append('\t').append(token(0, n)).append('\n');
        same(copies.copyIn("COPY bulk (id, note) FROM STDIN", new StringReader(rows.toString())), 10000L);
        StringWriter out = new StringWriter();
        copies.copyOut("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT", out);
        same(out.toString(), rows.toString());
        raises("22P02", () -> copies.copyIn("COPY bulk (id, note) FROM STDIN", new StringReader("not a number\tx\n")));
        run(one, "TRUNCATE bulk");
        hold("end");
    }

    static void cancel() throws Exception {
        Connection one = open();
        Statement statement = one.createStatement();
        Thread canceller = new Thread(() -> {
            try {
                Thread.sleep(300);
                statement.cancel();
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        });
        canceller.start();
        raises("57014", () -> statement.execute("SELECT pg_sleep(30)"));
        canceller.join();
        same(value(one, "SELECT ?::text", token(0, 0)), token(0, 0));
        statement.setQueryTimeout(1);
        raises("57014", () -> statement.execute("SELECT pg_sleep(30)"));
        same(value(one, "SELECT ?::text", token(0, 1)), token(0, 1));
        hold("end");
    }

    static void large() throws Exception {
        Connection one = open(), other = open();
        String big = "12345678".repeat(10 * 1024 * 128);
        same(value(one, "SELECT ?::text", big), big);
        same(value(other, "SELECT ?::text", big.replace('1', '9')), big.replace('1', '9'));
        hold("end");
    }

    static void set() throws Exception {
        Connection one = open(), other = open();
        String plain = value(other, "SHOW TimeZone");
        one.setSchema("elsewhere");
        run(one, "SET TIME ZONE 'Asia/Tokyo'");
        run(one, "SET statement_timeout = '54321ms'");
        value(one, "SELECT set_config(?, ?, false)", "work_mem", "7MB");
        other.setAutoCommit(false);
        run(other, "SET LOCAL search_path = elsewhere");
        same(value(other, "SELECT name FROM place"), "elsewhere");
        other.commit();
        for (int n = 0; n < 5; n++) {
            same(value(one, "SELECT name FROM place"), "elsewhere");
            same(value(other, "SELECT name FROM place"), "public");
            same(value(one, "SHOW TimeZone"), "Asia/Tokyo");
            same(value(other, "SHOW TimeZone"), plain);
            same(value(one, "SHOW statement_timeout"), "54321ms");
            same(value(other, "SHOW statement_timeout"), "0");
            same(value(one, "SHOW work_mem"), "7MB");
            same(value(other, "SHOW work_mem"), "4MB");
            other.commit();
        }
        one.setAutoCommit(false);
        one.setSchema("public");
        one.rollback();
        same(value(one, "SELECT name FROM place"), "elsewhere");
        one.commit();
        hold("end");
    }

    static void listen() throws Exception {
        Connection one = open(), other = open();
        run(one, "LISTEN news");
        hold("listening");
        value(other, "SELECT pg_notify('news', ?)", token(0, 0));
        same(((PGConnection) one).getNotifications(10000)[0].getParameter(), token(0, 0));
        run(one, "UNLISTEN *");
        same(value(one, "SELECT ?::text", token(0, 1)), token(0, 1));
        hold("end");
    }

    static void temp() throws Exception {
        Connection one = open(), other = open();
        run(one, "CREATE TEMP TABLE cart (note text)");
        for (int n = 0; n < 5; n++) {
            run(one, "INSERT INTO cart VALUES (?)", token(0, n));
            same(value(other, "SELECT to_regclass('cart')"), null);
        }
        same(value(one, "SELECT count(*) FROM cart"), "5");
        hold("temp");
        run(one, "DROP TABLE cart");
        run(one, "DISCARD ALL");
        hold("end");
    }

    static void client(int me) throws Exception {
        try (Connection one = open("autosave", me % 2 == 0 ? "never" : "always")) {
            for (int n = 0; n < ROUNDS; n++) {
                same(value(one, "SELECT ?::text", token(me, n)), token(me, n));
                one.setAutoCommit(false);
                String item = value(one, "INSERT INTO item (owner, note) VALUES (?, ?) RETURNING id", me, token(me, n));
                Savepoint savepoint = one.setSavepoint();
                raises("22012", () -> value(one, "SELECT 1 / ?", 0));
                one.rollback(savepoint);
                run(one, "INSERT INTO line (item_id, quantity) VALUES (?, 3)", Long.valueOf(item));
                one.commit();
                one.setAutoCommit(true);
                String join = "SELECT note FROM item JOIN line ON item_id = item.id WHERE owner = ? AND quantity = 3";
                same(value(one, join, me), token(me, n));
                same(run(one, "DELETE FROM item WHERE id = ?", Long.valueOf(item)), 1);
            }
        }
    }

    static void share() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
        List<Future<?>> clients = new ArrayList<>();
        for (int n = 0; n < CLIENTS; n++) {
            int me = n;
            clients.add(threads.submit(() -> { client(me); return null; }));
        }
        for (Future<?> one : clients) one.get();
    }

    public static void main(String[] arguments) {
        threshold = arguments[0];
        Map<String, Work> features = Map.ofEntries(
            Map.entry("connect", Jdbc::connect), Map.entry("prepared", Jdbc::prepared),
            Map.entry("transactions", Jdbc::transactions), Map.entry("pipeline", Jdbc::pipeline),
            Map.entry("copy", Jdbc::copy), Map.entry("cancel", Jdbc::cancel), Map.entry("large", Jdbc::large),
            Map.entry("set", Jdbc::set), Map.entry("notify", Jdbc::listen), Map.entry("temp", Jdbc::temp),
            Map.entry("share", Jdbc::share));
        System.out.println("version " + org.postgresql.util.DriverInfo.DRIVER_VERSION);
        Work work = features.get(arguments[arguments.length - 1]);
        try {
            if (work == null) {
                System.out.println("n/a a driver, not an ORM");
            } else {
                work.run();
                System.out.println("pass");
            }
        } catch (Throwable error) {
            error.printStackTrace();
            System.out.println("fail " + error.toString().replaceAll("\\s+", " "));
        }
        System.exit(0);
    }
}
