<?php
// What a developer writes first with Laravel's Eloquent and query builder (illuminate/database).
require __DIR__ . '/../report.php';
require __DIR__ . '/database.php';

use Illuminate\Database\Capsule\Manager as DB;
use Illuminate\Database\Eloquent\Model;

start_database(OPTIONS);                                        // none but in a pool: statements are prepared

class OnTable extends Model
{
    protected $table = 'conversation_logs';
    public $timestamps = false;
    protected $guarded = [];
    protected $casts = ['nlu_entities' => 'array', 'response_success' => 'boolean'];
}

class OnView extends OnTable
{
    protected $table = 'conversation_capture';
}

// Eloquent's defaults to the letter: created_at and updated_at are its own.
class WithTimestamps extends OnTable
{
    public $timestamps = true;
}

function try_model(string $relation, string $model): void
{
    $create = function (string $name, array $values = [], ?callable $use = null, ?array $sent = null) use (
        $relation, $model) {
        attempt("$relation: $name", function ($session) use ($model, $values, $use) {
            $row = $model::create($values + ['session_id' => $session, 'user_message' => 'veg pizza']);
            return [1, $use ? $use($row) : $row->id];
        }, $sent ?? $values);
    };
    $create('create()');
    $create('a fraction of a millisecond', ['nlu_processing_time_ms' => 12.7]);
    $create('entities as a list, cast', ['nlu_entities' => [['dish' => 'pizza']]]);
    $create('entities as an object, cast', ['nlu_entities' => ['dish' => 'pizza']]);
    $create('entities as JSON text, cast', ['nlu_entities' => '[{"dish": "pizza"}]'], null,
            ['nlu_entities' => [['dish' => 'pizza']]]);
    $create('response_success false', ['response_success' => false]);
    $create('created_at as a DateTime', ['created_at' => new DateTime('2026-03-01 12:30', new DateTimeZone('UTC'))],
            null, ['created_at' => '2026-03-01T12:30:00Z']);
    $create('created_at with a zone', ['created_at' => '2026-03-01 12:30:00+05:30'], null,
            ['created_at' => '2026-03-01T07:00:00Z']);
    $create('an explicit id', ['id' => 4711], null, []);
    $create('create(), response_text = ..., save()', [], function ($row) {
        $row->response_text = 'yes';
        $row->save();
        return $row->id;
    });
    $create('create(), update([...])', [], fn($row) => $row->update(['response_text' => 'yes']) ? $row->id : null);
    $create('create(), refresh()', [], fn($row) => $row->refresh()->id);
    $create('create(), fresh()', [], fn($row) => $row->fresh()->id);
    $create('create(), find(id)', [], fn($row) => $model::find($row->id)->id);
    $create('create(), delete()', [], fn($row) => $row->delete() ? null : 0);

    attempt("$relation: firstOrCreate()", fn($session) => [1, $model::firstOrCreate(
        ['session_id' => $session], ['user_message' => 'veg pizza'])->id]);
    attempt("$relation: updateOrCreate()", fn($session) => [1, $model::updateOrCreate(
        ['session_id' => $session], ['user_message' => 'veg pizza'])->id]);
    attempt("$relation: upsert()", fn($session) => [$model::upsert(
        [['session_id' => $session, 'user_message' => 'veg pizza']], ['id'], ['user_message']), null]);
}

function try_builder(string $relation): void
{
    $row = fn($session, $number = 0) => ['session_id' => $session, 'user_message' => "pizza $number"];
    attempt("$relation: DB::table()->insert()", fn($session) =>
        [DB::table($relation)->insert($row($session)) ? 1 : 0, null]);
    attempt("$relation: DB::table()->insertGetId()", fn($session) =>
        [1, DB::table($relation)->insertGetId($row($session))]);
    attempt("$relation: DB::table()->insert([many])", fn($session) =>
        [DB::table($relation)->insert(array_map(fn($number) => $row($session, $number), range(1, 20))) ? 20 : 0, null]);
    attempt("$relation: DB::table()->insertOrIgnore()", fn($session) =>
        [DB::table($relation)->insertOrIgnore($row($session)), null]);
    attempt("$relation: DB::table()->insert(), false", fn($session) =>
        [DB::table($relation)->insert($row($session) + ['response_success' => false]) ? 1 : 0, null],
        ['response_success' => false]);
    attempt("$relation: DB::table()->insert(), entities as an array", fn($session) =>
        [DB::table($relation)->insert($row($session) + ['nlu_entities' => ['dish' => 'pizza']]) ? 1 : 0, null]);
    attempt("$relation: lastInsertId() of the connection", fn($session) =>
        [1, DB::table($relation)->insert($row($session)) ? DB::connection()->getPdo()->lastInsertId() : 0]);
    attempt("$relation: transaction that rolls back", function ($session) use ($relation, $row) {
        DB::connection()->beginTransaction();
        DB::table($relation)->insert($row($session));
        DB::connection()->rollBack();
        return [0, null];
    });
    foreach (['' => [], ', PGSQL_ATTR_DISABLE_PREPARES' => [PDO::PGSQL_ATTR_DISABLE_PREPARES => true],
              ', ATTR_EMULATE_PREPARES and false' => [PDO::ATTR_EMULATE_PREPARES => true]] as $how => $options) {
        attempt("$relation: two connections$how", function ($session) use ($relation, $row, $options) {
            $links = [open_database($options)->getConnection(), open_database($options)->getConnection()];
            try {
                foreach (range(1, 5) as $number) {
                    foreach ($links as $link) {
                        $id = $link->table($relation)->insertGetId(
                            $row($session, $number) + ['response_success' => false]);
                    }
                }
            } finally {
                array_map(fn($link) => $link->disconnect(), $links);
            }
            return [10, $id];
        }, ['response_success' => false]);
    }
}

attempt('conversation_logs: create() with timestamps', fn($session) =>
    [1, WithTimestamps::create(['session_id' => $session, 'user_message' => 'veg pizza'])->id]);
try_model('conversation_logs', OnTable::class);
try_builder('conversation_logs');
try_model('conversation_capture', OnView::class);
try_builder('conversation_capture');
foreach (['true' => true, 'false' => false] as $name => $value) {
    attempt("record_response(..., $name) and record_feedback()", function ($session) use ($value) {
        $id = DB::table('conversation_logs')->insertGetId(['session_id' => $session, 'user_message' => 'veg pizza']);
        $one = DB::select("SELECT record_response(?, ?, 'yes', ?) AS id", [$id, $session, $value])[0]->id;
        $two = DB::select("SELECT record_feedback(?, ?, 'negative') AS id", [$id, $session])[0]->id;
        return same_id($one, $two, $id);
    }, ['response_success' => $value, 'user_feedback' => 'negative']);
}
