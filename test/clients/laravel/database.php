<?php
// What config/database.php says in a Laravel application, and the start of its database layer, illuminate/database.
require_once 'Illuminate/Database/autoload.php';

use Illuminate\Database\Capsule\Manager as DB;

function open_database(array $options): DB
{
    $manager = new DB();
    $manager->addConnection([
        'driver' => 'pgsql',
        'host' => getenv('PGHOST'), 'port' => getenv('PGPORT'), 'database' => getenv('PGDATABASE'),
        'username' => getenv('PGUSER'), 'password' => getenv('PGPASSWORD'), 'charset' => 'utf8',
        // No 'search_path' (from Laravel 9 on; 'schema' before): the role has its own, which holds through every pool.
        // A pool in transaction mode (pgbouncer before 1.21) needs PGSQL_ATTR_DISABLE_PREPARES. Not
        // ATTR_EMULATE_PREPARES: with that Laravel writes a boolean as a number, which PostgreSQL refuses.
        'options' => $options,
    ]);
    return $manager;
}

function start_database(array $options = [PDO::PGSQL_ATTR_DISABLE_PREPARES => true]): void
{
    $manager = open_database($options);
    $manager->setAsGlobal();
    $manager->bootEloquent();
}
