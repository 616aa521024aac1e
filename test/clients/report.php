<?php
// What the PHP programs have in common: one line of JSON for each default that is tried; see check.sh.
//
// A default is a function of its session; it returns how many rows it believes to have stored, and the id of one of
// them (null where the client learns none). What it throws is shown with its message, as the client shows it.

const RELATIONS = ['conversation_capture', 'conversation_logs'];
// Through a pool in transaction mode the programs use the setting that the lines "two connections" are about.
define('OPTIONS', getenv('TW_POOL') === 'transaction' ? [PDO::PGSQL_ATTR_DISABLE_PREPARES => true] : []);

// A warning of PHP's, of an array given as a string for one, must not end up among the lines of JSON.
ini_set('log_errors', '0');
ini_set('display_errors', 'stderr');

function show(string $default, int $rows, $id, ?string $error, array $sent): void
{
    echo json_encode(['default' => $default, 'session' => $default, 'rows' => $rows,
                      'id' => $id === null ? null : (int) $id, 'error' => $error, 'sent' => (object) $sent],
                     JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}

function attempt(string $default, callable $function, array $sent = []): void
{
    try {
        [$rows, $id] = $function($default);
        show($default, $rows, $id, null, $sent);
    } catch (Throwable $error) {                                // whatever a client throws is its outcome
        show($default, 0, null, get_class($error) . ': ' . $error->getMessage(), $sent);
    }
}

function same_id($one, $two, int $id): array
{
    if ((int) $one !== $id || (int) $two !== $id) {
        throw new RuntimeException('the functions returned ' . var_export($one, true) . ' and '
                                   . var_export($two, true) . ", not $id");
    }
    return [1, $id];
}

// Calls the four functions of a complete program, as a chatbot would.
function run_complete(callable $answer, callable $thumbs_down, callable $many, callable $order): void
{
    attempt('complete: one message with its response', fn($session) => [1, $answer($session, 'veg pizza milega?')], [
        'response_text' => '12 places near you', 'response_success' => true, 'routed_to' => 'opensearch',
        'nlu_provider' => 'indicbert', 'nlu_entities' => [['dish' => 'pizza']], 'nlu_processing_time_ms' => 12.7]);
    attempt('complete: one message with feedback', function ($session) use ($answer, $thumbs_down) {
        $id = $answer($session, 'nahi');
        $thumbs_down($id, $session, 'I meant veg burger');
        return [1, $id];
    }, ['user_feedback' => 'negative', 'user_correction' => 'I meant veg burger']);
    attempt('complete: many messages', function ($session) use ($many) {
        $many(array_map(fn($number) => [$session, "burger $number"], range(1, 10)));
        return [10, null];
    });
    attempt('complete: in a transaction with an order', fn($session) => [1, $order($session, 'ek pizza', false)]);
    attempt('complete: in a transaction that rolls back', function ($session) use ($order) {
        try {
            $order($session, 'ek pizza', true);
        } catch (DomainException $expected) {
            return [0, null];
        }
        throw new RuntimeException('the transaction did not fail');
    });
}
