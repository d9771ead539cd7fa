package main

import (
	"time"

	"github.com/gomodule/redigo/redis"
)

func redigoDial(to target, more ...redis.DialOption) (redis.Conn, error) {
	options := append([]redis.DialOption{
		redis.DialReadTimeout(10 * time.Second),
		redis.DialUseTLS(to.tls != nil),
		redis.DialTLSConfig(to.tls),
	}, more...)
	return redis.Dial("tcp", to.address, options...)
}

// Lets call use a connection of its own.
func withRedigo(call func(redis.Conn) []error, more ...redis.DialOption) func(target) []error {
	return func(to target) []error {
		connection, err := redigoDial(to, more...)
		if err != nil {
			return []error{err}
		}
		defer connection.Close()
		return call(connection)
	}
}

func redigoDo(command string, arguments ...interface{}) func(redis.Conn) []error {
	return func(connection redis.Conn) []error {
		_, err := connection.Do(command, arguments...)
		return []error{err}
	}
}

func redigoReceive(connection redis.Conn, times int) []error {
	if err := connection.Flush(); err != nil {
		return []error{err}
	}
	var all []error
	for i := 0; i < times; i++ {
		_, err := connection.Receive()
		all = append(all, err)
	}
	return all
}

func redigoPool(to target, check func(redis.Conn, time.Time) error) *redis.Pool {
	return &redis.Pool{
		MaxActive:    1,
		MaxIdle:      1,
		Wait:         true,
		Dial:         func() (redis.Conn, error) { return redigoDial(to) },
		TestOnBorrow: check,
	}
}

var redigo = uses{
	"get": withRedigo(redigoDo("GET", "key")),
	"url": func(to target) []error {
		connection, err := redis.DialURL("redis://:p@" + to.address + "/3")
		if err != nil {
			return []error{err}
		}
		defer connection.Close()
		return redigoDo("SET", "key", "value")(connection)
	},
	"password": withRedigo(redigoDo("SET", "key", "value"), redis.DialUsername("u"),
		redis.DialPassword("p"), redis.DialDatabase(3), redis.DialClientName("test")),
	"pool": func(to target) []error {
		pool := redigoPool(to, nil)
		defer pool.Close()
		var all []error
		for i := 0; i < 3; i++ {
			connection := pool.Get()
			_, err := connection.Do("INCR", "key")
			connection.Close()
			all = append(all, err)
		}
		return all
	},
	// The pool asks before it lends: what fails is thrown away, and a new connection comes.
	"pool-checked": func(to target) []error {
		pool := redigoPool(to, func(connection redis.Conn, _ time.Time) error {
			_, err := connection.Do("PING")
			return err
		})
		defer pool.Close()
		var all []error
		for i := 0; i < 2; i++ {
			connection := pool.Get()
			_, err := connection.Do("INCR", "key")
			connection.Close()
			all = append(all, err)
		}
		return all
	},
	"pipeline": withRedigo(func(connection redis.Conn) []error {
		for _, key := range []string{"a", "b"} {
			if err := connection.Send("GET", key); err != nil {
				return []error{err}
			}
		}
		return redigoReceive(connection, 2)
	}),
	"transaction": withRedigo(func(connection redis.Conn) []error {
		for _, command := range []string{"MULTI", "INCR"} {
			arguments := []interface{}{"a"}
			if command == "MULTI" {
				arguments = nil
			}
			if err := connection.Send(command, arguments...); err != nil {
				return []error{err}
			}
		}
		return redigoDo("EXEC")(connection)
	}),
	"blocking": withRedigo(func(connection redis.Conn) []error {
		_, err := redis.DoWithTimeout(connection, 0, "BLPOP", "key", 0)
		return []error{err}
	}),
	"subscribe": withRedigo(func(connection redis.Conn) []error {
		subscription := redis.PubSubConn{Conn: connection}
		if err := subscription.Subscribe("news"); err != nil {
			return []error{err}
		}
		err, _ := subscription.Receive().(error)
		return []error{err}
	}),
	"script": withRedigo(func(connection redis.Conn) []error {
		_, err := redis.NewScript(0, "return 1").Do(connection)
		return []error{err}
	}),
}
