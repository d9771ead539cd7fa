# Uses redis-rb, and prints what the program's own call raised, or for INFO what it returned.
#
# usage: redis_rb.rb PORT MANNER

require 'redis'

port, manner = ARGV
client = ->(more = {}) { Redis.new(host: '127.0.0.1', port: port.to_i, timeout: 10, **more) }
cluster = ->(more = {}) { Redis.new(cluster: ["redis://127.0.0.1:#{port}"], **more) }

manners = {
  'get' => -> { client.call.get('key') },
  'password' => -> { client.call(username: 'u', password: 'p', db: 3).set('key', 'value') },
  'url' => -> { Redis.new(url: "redis://:p@127.0.0.1:#{port}/3").get('key') },
  'pipeline' => -> { client.call.pipelined { |pipeline| pipeline.get('a') } },
  'transaction' => -> { client.call.multi { |transaction| transaction.set('a', 1) } },
  'blocking' => -> { client.call.blpop('key', timeout: 1) },
  'subscribe' => -> { client.call.subscribe('news') {} },
  'scan' => -> { client.call.scan_each.to_a },
  'info' => -> { puts "Hash: #{client.call.info}" },
  'cluster' => -> { cluster.call.get('key') },
  'cluster-replicas' => -> { cluster.call(replica: true).get('key') }
}

begin
  manners.fetch(manner).call
  abort 'no error was seen' unless manner == 'info'
rescue Redis::BaseError => error
  puts "#{error.class}: #{error.message}"
end
