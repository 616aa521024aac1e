<?php
// A chatbot that captures with plain PDO, from the variables PG*; the role is of kind capture, and its search_path
// begins with the extension's schema.

// A pool in transaction mode (pgbouncer before 1.21) needs this attribute: no prepared statements.
$db = new PDO(sprintf('pgsql:host=%s;port=%s;dbname=%s', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE')),
              getenv('PGUSER'), getenv('PGPASSWORD'), [PDO::PGSQL_ATTR_DISABLE_PREPARES => true]);

// PDO binds what execute() gets as text, and false as ''. So each value is bound by its own type.
$run = function (string $sql, array $values) use ($db): array {
    $statement = $db->prepare($sql);
    foreach (array_values($values) as $place => $value) {
        $statement->bindValue($place + 1, $value, is_bool($value) ? PDO::PARAM_BOOL : PDO::PARAM_STR);
    }
    $statement->execute();
    return $statement->fetch(PDO::FETCH_ASSOC) ?: [];
};

// Captures one message; returns the conversation's id.
$answer = function (string $session, string $text) use ($run): int {
    $version = $run("SELECT assign_model_version('router', ?) AS version", [$session])['version'];
    $nlu = $run("SELECT intent, confidence, module_type FROM classify_intent(?, 'router', ?)", [$text, $version]);
    // All is NULL while no model is live: the message is captured all the same, and a person labels it.
    $id = $run("INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type,
                    nlu_provider, nlu_model_version, nlu_entities, nlu_processing_time_ms)
                VALUES (?, ?, ?, ?, ?, 'indicbert', ?, ?, ?) RETURNING id",
               [$session, $text, $nlu['intent'], $nlu['confidence'], $nlu['module_type'], $version,
                json_encode([['dish' => 'pizza']]), 12.7])['id'];
    $reply = ['text' => '12 places near you', 'ok' => true];    // your own code
    $run('SELECT record_response(?, ?, ?, ?, ?)', [$id, $session, $reply['text'], $reply['ok'], 'opensearch']);
    return $id;
};

$thumbs_down = fn(int $id, string $session, ?string $correction = null) =>
    $run("SELECT record_feedback(?, ?, 'negative', ?)", [$id, $session, $correction]);

// Captures [session, text] pairs, all or none of them.
$many = function (array $messages) use ($db): void {
    $db->beginTransaction();
    try {
        $insert = $db->prepare("INSERT INTO conversation_logs (session_id, user_message, nlu_provider, nlu_entities)
                                VALUES (?, ?, 'llm', ?)");
        foreach ($messages as [$session, $text]) {
            $insert->execute([$session, $text, json_encode(['dish' => 'burger'])]);
        }
        $db->commit();
    } catch (Throwable $error) {
        $db->rollBack();
        throw $error;
    }
};

// The conversation is stored if the order is: both commit or roll back together.
$order = function (string $session, string $text, bool $fail) use ($db, $run, $answer): int {
    $db->beginTransaction();
    try {
        $id = $answer($session, $text);
        $run("INSERT INTO orders (conversation, note) VALUES (?, 'pizza')", [$id]);
        if ($fail) {
            throw new DomainException('the kitchen is closed');
        }
        $db->commit();
    } catch (Throwable $error) {
        $db->rollBack();
        throw $error;
    }
    return $id;
};

require __DIR__ . '/../report.php';
run_complete($answer, $thumbs_down, $many, $order);
