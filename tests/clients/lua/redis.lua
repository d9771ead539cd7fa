-- Uses redis-lua, and prints what the program's own call raised.
--
-- usage: redis.lua PORT MANNER

local redis = require 'redis'
local port, manner = tonumber(arg[1]), arg[2]

local function client()
    return redis.connect('127.0.0.1', port)
end

local manners = {
    get = function() client():get('key') end,
    password = function()
        local connected = client()
        connected:auth('p')
        connected:select(3)
        connected:set('key', 'value')
    end,
    pipeline = function()
        client():pipeline(function(pipeline) pipeline:get('a') end)
    end,
    transaction = function()
        client():transaction(function(transaction) transaction:set('a', 1) end)
    end,
    list = function() client():lrange('key', 0, -1) end,
    subscribe = function()
        for message in client():pubsub({ subscribe = 'news' }) do io.stderr:write(message.kind, '\n') end
    end,
}

local passed, raised = pcall(manners[manner])
if passed then
    io.stderr:write('no error was seen\n')
    os.exit(1)
end
print('error: ' .. tostring(raised))
