// Command clients uses the client libraries of Go, and prints what the program's own call returned as
// its error.
//
// usage: clients PORT USE LIBRARY [CERTIFICATE]
//
// With a certificate all of it goes through TLS.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// What the uses need: the address, and the certificate to trust, if there is one.
type target struct {
	address string
	tls     *tls.Config
}

// A use returns the errors that its own calls returned.
type uses map[string]func(target) []error

var libraries = map[string]uses{"go-redis": goRedis, "redigo": redigo, "rueidis": rueidisUses}

func trust(certificate string) (*tls.Config, error) {
	pem, err := os.ReadFile(certificate)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + certificate)
	}
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}, nil
}

func main() {
	arguments := os.Args[1:]
	if len(arguments) < 3 {
		fmt.Fprintln(os.Stderr, "usage: clients PORT USE LIBRARY [CERTIFICATE]")
		os.Exit(2)
	}
	to := target{address: "127.0.0.1:" + arguments[0]}
	if len(arguments) > 3 {
		config, err := trust(arguments[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		to.tls = config
	}
	use, known := libraries[arguments[2]][arguments[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "unknown use", arguments[1:])
		os.Exit(2)
	}
	failed := false
	for _, err := range use(to) {
		if err != nil {
			fmt.Printf("%T: %v\n", err, err)
			failed = true
		}
	}
	if !failed {
		fmt.Fprintln(os.Stderr, "no error was seen")
		os.Exit(1)
	}
}
