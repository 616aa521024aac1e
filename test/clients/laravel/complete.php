<?php
// A chatbot that captures with Laravel's Eloquent; the role is of kind capture, and its search_path begins with the
// extension's schema.
require __DIR__ . '/database.php';

use Illuminate\Database\Capsule\Manager as DB;                  // Illuminate\Support\Facades\DB in an application
use Illuminate\Database\Eloquent\Model;

start_database();

class Conversation extends Model
{
    protected $table = 'conversation_capture';                  // written, never read or updated
    public $timestamps = false;                                 // there is no updated_at
    protected $guarded = ['id'];
    protected $casts = ['nlu_entities' => 'array'];
}

// Captures one message; returns the conversation's id.
$answer = function (string $session, string $text): int {
    $version = DB::select("SELECT assign_model_version('router', ?) AS version", [$session])[0]->version;
    $nlu = DB::select("SELECT * FROM classify_intent(?, 'router', ?)", [$text, $version])[0];
    // All is NULL while no model is live: the message is captured all the same, and a person labels it.
    $conversation = Conversation::create([
        'session_id' => $session, 'user_message' => $text, 'nlu_intent' => $nlu->intent,
        'nlu_confidence' => $nlu->confidence, 'nlu_module_type' => $nlu->module_type, 'nlu_provider' => 'indicbert',
        'nlu_model_version' => $version, 'nlu_entities' => [['dish' => 'pizza']], 'nlu_processing_time_ms' => 12.7]);
    $reply = ['text' => '12 places near you', 'ok' => true];    // your own code
    // Not $conversation->save(): what comes later is added by record_response() and record_feedback().
    DB::select('SELECT record_response(?, ?, ?, ?, ?)',
               [$conversation->id, $session, $reply['text'], $reply['ok'], 'opensearch']);
    return $conversation->id;
};

$thumbs_down = fn(int $id, string $session, ?string $correction = null) =>
    DB::select("SELECT record_feedback(?, ?, 'negative', ?)", [$id, $session, $correction]);

// Captures [session, text] pairs by one statement, which does not go through $casts.
$many = fn(array $messages) => Conversation::insert(array_map(fn($message) => [
    'session_id' => $message[0], 'user_message' => $message[1], 'nlu_provider' => 'llm',
    'nlu_entities' => json_encode(['dish' => 'burger'])], $messages));

// The conversation is stored if the order is: both commit or roll back together.
$order = fn(string $session, string $text, bool $fail): int => DB::connection()->transaction(
    function () use ($session, $text, $fail, $answer) {
        $id = $answer($session, $text);
        DB::table('orders')->insert(['conversation' => $id, 'note' => 'pizza']);
        if ($fail) {
            throw new DomainException('the kitchen is closed');
        }
        return $id;
    });

require __DIR__ . '/../report.php';
run_complete($answer, $thumbs_down, $many, $order);
