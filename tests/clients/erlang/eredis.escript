#!/usr/bin/env escript
%% Uses eredis, and prints every error that the program's own call gave.
%%
%% usage: eredis.escript PORT (get | password | pipeline)

main([Port, Manner | _]) ->
    [io:format("error: ~s~n", [Reason]) || {error, Reason} <- use(Manner, list_to_integer(Port))].

use("get", Port) ->
    {ok, Client} = eredis:start_link("127.0.0.1", Port),
    [eredis:q(Client, ["GET", "key"])];
use("password", Port) ->
    {ok, Client} = eredis:start_link("127.0.0.1", Port, 3, "p"),
    [eredis:q(Client, ["SET", "key", "value"])];
use("pipeline", Port) ->
    {ok, Client} = eredis:start_link("127.0.0.1", Port),
    eredis:qp(Client, [["GET", "a"], ["GET", "b"]]).
