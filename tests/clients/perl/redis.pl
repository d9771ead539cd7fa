# Uses Redis or Redis::Fast, and prints what the program's own call died of, or what the callbacks of
# a pipeline were called with.
#
# usage: redis.pl PORT MANNER (Redis | Redis::Fast)
use strict;
use warnings;

my ($port, $manner, $class) = @ARGV;
eval "require $class" or die $@;

sub client {
    return $class->new(server => "127.0.0.1:$port", @_);
}

my %manners = (
    get => sub { client()->get('key') },
    password => sub { client(password => 'p', name => 'test')->set('key', 'value') },
    database => sub {
        my $client = client();
        $client->select(3);
        $client->get('key');
    },
    reconnect => sub { client(reconnect => 2)->get('key') },
    list => sub { client()->lrange('key', 0, -1) },
    pipeline => sub {
        my $client = client();
        my @errors;
        $client->get($_, sub { push @errors, $_[1] }) for 'a', 'b';
        $client->wait_all_responses;
        die join '', map {"$_\n"} @errors;
    },
    transaction => sub {
        my $client = client();
        $client->multi;
        $client->set('a', 1);
        $client->exec;
    },
    subscribe => sub { client()->subscribe('news', sub { }) },
);

eval { $manners{$manner}->(); 1 } and die "no error was seen\n";
print "die: $@";
