<?php
// What a developer writes first with plain PDO.
require __DIR__ . '/../report.php';

function connect(array $options = OPTIONS): PDO
{
    return new PDO(sprintf('pgsql:host=%s;port=%s;dbname=%s', getenv('PGHOST'), getenv('PGPORT'),
                           getenv('PGDATABASE')), getenv('PGUSER'), getenv('PGPASSWORD'), $options);
}

const EMULATE = [PDO::ATTR_EMULATE_PREPARES => true];
const DISABLE = [PDO::PGSQL_ATTR_DISABLE_PREPARES => true];

// One row with these columns, prepared and executed; the id comes from RETURNING, or from where $id_of has it.
function insert(string $relation, string $session, array $values, ?string $returning = 'id',
                ?callable $id_of = null, array $options = OPTIONS): array
{
    $db = connect($options);
    $values = ['session_id' => $session, 'user_message' => 'veg pizza'] + $values;
    $statement = $db->prepare(sprintf('INSERT INTO %s (%s) VALUES (%s)%s', $relation,
                                      implode(', ', array_keys($values)),
                                      implode(', ', array_fill(0, count($values), '?')),
                                      $returning ? " RETURNING $returning" : ''));
    $statement->execute(array_values($values));
    return [1, $returning ? $statement->fetch(PDO::FETCH_ASSOC)['id'] : ($id_of ? $id_of($db) : null)];
}

function try_one(string $relation): void
{
    $one = function (string $name, array $sent, ...$arguments) use ($relation) {
        attempt("$relation: $name", fn($session) => insert($relation, $session, ...$arguments), $sent);
    };
    // The filter promotes this row at once: it draws a number of another sequence.
    $confident = ['nlu_intent' => 'intent.food.item.search', 'nlu_confidence' => 0.97, 'nlu_provider' => 'indicbert'];
    $last = fn(PDO $db) => $db->lastInsertId();
    $last_of = fn(PDO $db) => $db->lastInsertId('conversation_logs_id_seq');

    $one('prepare, execute', [], [], null);
    $one('RETURNING id', [], []);
    $one('RETURNING id, emulated', [], [], 'id', null, EMULATE);
    $one('RETURNING *', [], [], '*');
    $one('lastInsertId()', [], [], null, $last);
    $one('lastInsertId() of a confident answer', $confident, $confident, null, $last);
    $one("lastInsertId('conversation_logs_id_seq')", [], [], null, $last_of);
    $one("lastInsertId('conversation_logs_id_seq') of a confident answer", $confident, $confident, null, $last_of);
    foreach (['' => OPTIONS, ', emulated' => EMULATE, ', PGSQL_ATTR_DISABLE_PREPARES' => DISABLE] as $how => $options) {
        $with = fn($name, $values, $sent = []) => $one("$name$how", $sent, $values, 'id', null, $options);
        $with('a fraction of a millisecond', ['nlu_processing_time_ms' => 12.7], ['nlu_processing_time_ms' => 12.7]);
        $with('entities by json_encode()', ['nlu_entities' => json_encode([['dish' => 'pizza']])],
              ['nlu_entities' => [['dish' => 'pizza']]]);
        $with('entities as an array', ['nlu_entities' => [['dish' => 'pizza']]]);
        $with('execute([... false ...])', ['response_success' => false]);
        $with('execute([... true ...])', ['response_success' => true], ['response_success' => true]);
        $with('created_at without a zone', ['created_at' => '2026-03-01 12:30:00'],
              ['created_at' => '2026-03-01 12:30']);
        $with('created_at with a zone', ['created_at' => '2026-03-01T12:30:00+05:30'],
              ['created_at' => '2026-03-01T07:00:00Z']);
        $with('NULL for what has a default', ['message_type' => null, 'created_at' => null],
              ['message_type' => 'text']);
        $with('an explicit id', ['id' => 4711]);
    }
}

function try_more(string $relation): void
{
    attempt("$relation: bindValue(false, PARAM_BOOL)", function ($session) use ($relation) {
        $statement = connect()->prepare(
            "INSERT INTO $relation (session_id, user_message, response_success) VALUES (?, 'veg', ?) RETURNING id");
        $statement->bindValue(1, $session);
        $statement->bindValue(2, false, PDO::PARAM_BOOL);
        $statement->execute();
        return [1, $statement->fetchColumn()];
    }, ['response_success' => false]);
    attempt("$relation: one statement, many times, in a transaction", function ($session) use ($relation) {
        $db = connect();
        $db->beginTransaction();
        $statement = $db->prepare("INSERT INTO $relation (session_id, user_message) VALUES (?, ?) RETURNING id");
        foreach (range(1, 20) as $number) {
            $statement->execute([$session, "pizza $number"]);
            $id = $statement->fetchColumn();
        }
        $db->commit();
        return [20, $id];
    });
    attempt("$relation: rollBack()", function ($session) use ($relation) {
        $db = connect();
        $db->beginTransaction();
        $db->prepare("INSERT INTO $relation (session_id, user_message) VALUES (?, 'veg')")->execute([$session]);
        $db->rollBack();
        return [0, null];
    });
    attempt("$relation: pgsqlCopyFromArray()", function ($session) use ($relation) {
        connect()->pgsqlCopyFromArray($relation, array_map(fn($number) => "$session\tpizza $number", range(1, 20)),
                                      "\t", '\\\\N', 'session_id, user_message');
        return [20, null];
    });
    attempt("$relation: SELECT afterwards", function ($session) use ($relation) {
        insert($relation, $session, []);
        $statement = connect()->prepare("SELECT id FROM $relation WHERE session_id = ?");
        $statement->execute([$session]);
        return [1, $statement->fetchColumn()];
    });
    attempt("$relation: UPDATE with the response", function ($session) use ($relation) {
        [, $id] = insert($relation, $session, []);
        connect()->prepare("UPDATE $relation SET response_text = 'yes' WHERE id = ?")->execute([$id]);
        return [1, $id];
    });
    foreach (['' => [], ', emulated' => EMULATE, ', PGSQL_ATTR_DISABLE_PREPARES' => DISABLE] as $how => $options) {
        attempt("$relation: two connections$how", function ($session) use ($relation, $options) {
            // Each connection has a statement of its own, which it executes more than once.
            $insert = "INSERT INTO $relation (session_id, user_message, nlu_intent) VALUES (?, ?, ?) RETURNING id";
            $one = connect($options)->prepare($insert);
            $other = connect($options)->prepare('SELECT ?::text');
            foreach (range(1, 5) as $number) {
                $one->execute([$session, "pizza $number", 'intent.food']);
                $id = $one->fetchColumn();
                $other->execute([$session]);
            }
            return [5, $id];
        });
    }
}

foreach (RELATIONS as $relation) {
    try_one($relation);
    try_more($relation);
}
foreach (['' => OPTIONS, ', emulated' => EMULATE] as $how => $options) {
    foreach (['true' => true, 'false' => false, "'false'" => 'false'] as $name => $value) {
        $default = "record_response([... $name ...]) and record_feedback()$how";
        attempt($default, function ($session) use ($options, $value) {
            [, $id] = insert('conversation_logs', $session, []);
            $db = connect($options);
            $response = $db->prepare("SELECT record_response(?, ?, 'yes', ?)");
            $response->execute([$id, $session, $value]);
            $feedback = $db->prepare("SELECT record_feedback(?, ?, 'negative')");
            $feedback->execute([$id, $session]);
            return same_id($response->fetchColumn(), $feedback->fetchColumn(), $id);
        }, $name === 'false' ? [] : ['response_success' => $value === true, 'user_feedback' => 'negative']);
    }
}
