<?php
// Uses phpredis, and prints what the program's own call threw. Where phpredis throws nothing, as for
// lists and pipelines, the call gives false, and this prints what getLastError() knows.
//
// usage: phpredis.php PORT MANNER

ini_set('display_errors', 'stderr');
[, $port, $manner] = $argv;

function client(): Redis
{
    global $port;
    $client = new Redis();
    $client->connect('127.0.0.1', (int) $port, 10);
    return $client;
}

/** What a program sees that asks why it got false. */
function reason(Redis $client, mixed $result): void
{
    if (in_array($result, [false, [false, false]], true)) {
        throw new RedisException((string) $client->getLastError());
    }
}

$manners = [
    'get' => fn () => client()->get('key'),
    'set' => fn () => client()->set('key', 'value'),
    'password' => function () {
        $client = client();
        $client->auth(['u', 'p']);
        $client->select(3);
        $client->get('key');
    },
    'persistent' => function () use ($port) {
        $client = new Redis();
        $client->pconnect('127.0.0.1', (int) $port, 10);
        $client->incr('key');
    },
    'transaction' => fn () => client()->multi()->set('a', 1)->get('a')->exec(),
    'raw' => fn () => client()->rawCommand('GET', 'key'),
    'array' => fn () => (new RedisArray(["127.0.0.1:$port"]))->get('key'),
    'session' => function () use ($port) {
        ini_set('session.use_cookies', '0');
        ini_set('session.cache_limiter', '');
        ini_set('session.save_handler', 'redis');
        ini_set('session.save_path', "tcp://127.0.0.1:$port");
        session_start();
    },
    'list' => function () {
        $client = client();
        reason($client, $client->lRange('key', 0, -1));
    },
    'pipeline' => function () {
        $client = client();
        reason($client, $client->pipeline()->get('a')->get('b')->exec());
    },
];

try {
    $manners[$manner]();
} catch (RedisException $error) {
    echo get_class($error), ': ', $error->getMessage(), "\n";
    exit(0);
}
fwrite(STDERR, "no error was seen\n");
exit(1);
