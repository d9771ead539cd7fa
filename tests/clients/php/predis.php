<?php
// Uses Predis, and prints what the program's own call threw.
//
// usage: predis.php PORT MANNER

ini_set('display_errors', 'stderr');
require 'Predis/Autoloader.php';
Predis\Autoloader::register();
[, $port, $manner] = $argv;

function client(array $more = []): Predis\Client
{
    global $port;
    return new Predis\Client(['host' => '127.0.0.1', 'port' => (int) $port] + $more);
}

$manners = [
    'get' => fn () => client()->get('key'),
    'password' => fn () => client(['password' => 'p', 'database' => 3])->set('key', 'value'),
    'pipeline' => fn () => client()->pipeline(fn ($pipeline) => $pipeline->get('a')->get('b')),
    'transaction' => fn () => client()->transaction(fn ($transaction) => $transaction->set('a', 1)),
    'blocking' => fn () => client()->blpop('key', 1),
    'scan' => fn () => iterator_to_array(new Predis\Collection\Iterator\Keyspace(client())),
    'cluster' => function () use ($port) {
        $options = ['cluster' => 'redis'];
        (new Predis\Client(["tcp://127.0.0.1:$port"], $options))->get('key');
    },
];

try {
    $manners[$manner]();
} catch (Predis\PredisException $error) {
    echo get_class($error), ': ', $error->getMessage(), "\n";
    exit(0);
}
fwrite(STDERR, "no error was seen\n");
exit(1);
