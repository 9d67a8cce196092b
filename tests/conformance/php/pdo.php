<?php
// PDO: a named statement for each prepare(), and a DEALLOCATE when it is dropped.

function same($got, $expected): void
{
    if ($got !== $expected) {
        throw new Exception('expected ' . substr(var_export($expected, true), 0, 80) . ', got '
            . substr(var_export($got, true), 0, 80));
    }
}

function raises(string $state, callable $work): void
{
    try {
        $work();
    } catch (PDOException $error) {
        same($error->getCode(), $state);
        return;
    }
    throw new Exception("no error $state");
}

function hold(string $label): void
{
    echo "hold $label\n";
    fgets(STDIN);
}

function token($client, $number = 0): string
{
    return "client $client value $number";
}

function open(string $more = ''): PDO
{
    $dsn = 'pgsql:host=' . getenv('PGHOST') . ';port=' . getenv('PGPORT') . ';dbname=' . getenv('PGDATABASE');
    return new PDO($dsn . $more, getenv('PGUSER'), getenv('PGPASSWORD'), [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function value(PDO $pdo, string $sql, array $parameters = [])
{
    $statement = $pdo->prepare($sql);
    $statement->execute($parameters);
    return $statement->columnCount() > 0 ? $statement->fetchColumn() : null;
}

$features = [
    'connect' => function () {
        $one = open(";application_name=conformance;options='-c search_path=elsewhere -c statement_timeout=12345'");
        same(value($one, 'SHOW application_name'), 'conformance');
        same(value($one, 'SHOW statement_timeout'), '12345ms');
        same(value($one, 'SELECT name FROM place'), 'elsewhere');
        $persistent = new PDO('pgsql:', getenv('PGUSER'), getenv('PGPASSWORD'), [PDO::ATTR_PERSISTENT => true]);
        same(value($persistent, 'SELECT name FROM place'), 'public');
        hold('end');
    },
    'prepared' => function () {
        [$one, $other] = [open(), open()];
        $mine = $one->prepare('SELECT ?::text AS t');
        for ($n = 0; $n < 10; $n++) {
            $one->beginTransaction();
            $mine->execute([token(1, $n)]);
            same($mine->fetchColumn(), token(1, $n));
            $one->commit();
            same(value($other, 'SELECT ?::text AS t', [token(2, $n)]), token(2, $n));
        }
        $kept = [];
        for ($n = 0; $n < 250; $n++) {
            $kept[] = $one->prepare("SELECT ?::int + $n");
        }
        foreach ($kept as $n => $statement) {
            $statement->execute([1]);
            same($statement->fetchColumn(), $n + 1);
        }
        unset($kept, $statement);
        $mine->execute(['again']);
        same($mine->fetchColumn(), 'again');
        $emulated = open();
        $emulated->setAttribute(PDO::ATTR_EMULATE_PREPARES, true);
        same(value($emulated, 'SELECT ?::text', [token(3)]), token(3));
        hold('end');
    },
    'transactions' => function () {
        [$one, $other] = [open(), open()];
        $count = 'SELECT count(*) FROM item WHERE owner = -1';
        $add = 'INSERT INTO item (owner, note) VALUES (-1, ?)';
        $one->beginTransaction();
        value($one, $add, ['kept']);
        same(value($other, $count), 0);
        $one->exec('SAVEPOINT a');
        raises('22012', fn () => value($one, 'SELECT 1 / ?::int', [0]));
        raises('25P02', fn () => value($one, 'SELECT ?::int', [0]));
        $one->exec('ROLLBACK TO SAVEPOINT a');
        $one->commit();
        same(value($other, $count), 1);
        $one->beginTransaction();
        value($one, $add, ['lost']);
        $one->rollBack();
        same(value($other, $count), 1);
        $one->exec('DELETE FROM item WHERE owner < 0');
        hold('end');
    },
    'copy' => function () {
        $one = open();
        $rows = [];
        for ($n = 0; $n < 10000; $n++) {
            $rows[] = "$n\t" . token('copy', $n) . "\n";
        }
        $one->pgsqlCopyFromArray('bulk', $rows);
        same($one->pgsqlCopyToArray('bulk'), $rows);
        raises('22P02', fn () => $one->pgsqlCopyFromArray('bulk', ["not a number\tx"]));
        $one->exec('TRUNCATE bulk');
        same(value($one, 'SELECT ?::text', [token(0)]), token(0));
        hold('end');
    },
    'large' => function () {
        $big = str_repeat('12345678', 10 * 1024 * 128);
        same(value(open(), 'SELECT ?::text', [$big]), $big);
        hold('end');
    },
    'set' => function () {
        [$one, $other] = [open(), open()];
        $one->exec("SET search_path TO elsewhere; SET TIME ZONE 'Asia/Tokyo'");
        $one->exec("SET statement_timeout = '54321ms'");
        value($one, 'SELECT set_config(?, ?, false)', ['work_mem', '7MB']);
        $plain = value($other, 'SHOW TimeZone');
        for ($n = 0; $n < 5; $n++) {
            $other->beginTransaction();
            $other->exec('SET LOCAL work_mem = 65536');
            same(value($one, 'SELECT name FROM place'), 'elsewhere');
            same(value($other, 'SELECT name FROM place'), 'public');
            same(value($one, 'SHOW TimeZone'), 'Asia/Tokyo');
            same(value($other, 'SHOW TimeZone'), $plain);
            $other->commit();
            same(value($one, 'SHOW statement_timeout'), '54321ms');
            same(value($other, 'SHOW statement_timeout'), '0');
            same(value($one, 'SHOW work_mem'), '7MB');
            same(value($other, 'SHOW work_mem'), '4MB');
        }
        hold('end');
    },
    'notify' => function () {
        [$one, $other] = [open(), open()];
        $one->exec('LISTEN news');
        hold('listening');
        value($other, "SELECT pg_notify('news', ?)", [token(0)]);
        same($one->pgsqlGetNotify(PDO::FETCH_ASSOC, 10000)['payload'], token(0));
        $one->exec('UNLISTEN *');
        same(value($one, 'SELECT ?::text', [token(1)]), token(1));
        hold('end');
    },
    'temp' => function () {
        [$one, $other] = [open(), open()];
        $one->exec('CREATE TEMP TABLE cart (note text)');
        for ($n = 0; $n < 5; $n++) {
            value($one, 'INSERT INTO cart VALUES (?)', [token(0, $n)]);
            same(value($other, "SELECT to_regclass('cart')"), null);
        }
        same(value($one, 'SELECT count(*) FROM cart'), 5);
        hold('temp');
        $one->exec('DROP TABLE cart');
        $one->exec('DISCARD ALL');
        hold('end');
    },
    'share' => function () {
        // As under a web server: a process for each client.
        $children = [];
        for ($me = 0; $me < (int) getenv('CLIENTS'); $me++) {
            $child = pcntl_fork();
            if ($child === 0) {
                $failed = 0;
                try {
                    ordinary($me);
                } catch (Throwable $error) {
                    fwrite(STDERR, get_class($error) . ' ' . $error->getMessage() . "\n");
                    $failed = 1;
                }
                posix_kill(posix_getpid(), $failed ? SIGTERM : SIGKILL);
            }
            $children[] = $child;
        }
        foreach ($children as $child) {
            pcntl_waitpid($child, $status);
            same(pcntl_wtermsig($status), SIGKILL);
        }
    },
];

function ordinary(int $me): void
{
    for ($n = 0; $n < (int) getenv('ROUNDS'); $n++) {
        if ($n % 5 === 0) {
            $pdo = open(';application_name=conformance');
            $pdo->exec("SET NAMES 'UTF8'");
        }
        same(value($pdo, 'SELECT ?::text', [token($me, $n)]), token($me, $n));
        $pdo->beginTransaction();
        $item = value($pdo, 'INSERT INTO item (owner, note) VALUES (?, ?) RETURNING id', [$me, token($me, $n)]);
        $pdo->exec('SAVEPOINT a');
        raises('22012', fn () => value($pdo, 'SELECT 1 / ?::int', [0]));
        $pdo->exec('ROLLBACK TO SAVEPOINT a');
        value($pdo, 'INSERT INTO line (item_id, quantity) VALUES (?, 3)', [$item]);
        $pdo->commit();
        $join = 'SELECT note FROM item JOIN line ON item_id = item.id WHERE owner = ? AND quantity = ?';
        same(value($pdo, $join, [$me, 3]), token($me, $n));
        value($pdo, 'DELETE FROM item WHERE id = ?', [$item]);
    }
}

echo 'version ', PHP_VERSION, ' (libpq ', open()->getAttribute(PDO::ATTR_CLIENT_VERSION), ")\n";
$work = $features[end($argv)] ?? null;
if ($work === null) {
    echo "n/a it has no such thing\n";
    exit(0);
}
try {
    $work();
    echo "pass\n";
} catch (Throwable $error) {
    echo 'fail ', get_class($error), ' ', preg_replace('/\s+/', ' ', $error->getMessage()), ' at line ', $error->getLine(), "\n";
}
