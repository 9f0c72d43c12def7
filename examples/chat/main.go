// Command chat is a small chat server over HTTP.
//
//	go run ./examples/chat [-addr localhost:8080] [-db chat.kdb]
//
// One sql.DB serves all users; each request's statements are its user's, by
// kalam.WithUser. What a user has been sent is in a user table, so that no handler
// can show it to another one, whatever its SQL says; rooms and who is in them are
// shared; who is typing is in a stream table, whose events expire. The page shows both
// as they come, by live queries.
//
// Whoever names himself is let in: a server for others than oneself would look at
// passwords first.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	_ "github.com/kalamgo/kalam"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	path := flag.String("db", "chat.kdb", "the database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *path); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, path string) (err error) {
	db, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	server := &http.Server{Addr: addr, Handler: newChat(db), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }} // live queries end with it
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		soon, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		stopped <- server.Shutdown(soon)
	}()
	fmt.Printf("chatting at http://%s\n", addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// open opens the database at a path or data source name, and makes its tables.
func open(ctx context.Context, name string) (*sql.DB, error) {
	db, err := sql.Open("kalam", name)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

const schema = `
CREATE SHARED TABLE IF NOT EXISTS rooms (
	id   INT AUTO_INCREMENT PRIMARY KEY,
	name VARCHAR(60) NOT NULL UNIQUE
);
CREATE SHARED TABLE IF NOT EXISTS members (
	room INT NOT NULL REFERENCES rooms (id),
	user VARCHAR(60) NOT NULL,
	PRIMARY KEY (room, user)
);
-- What each user was sent: his own copy, which he may delete, and restore for a day.
CREATE USER TABLE IF NOT EXISTS messages (
	id     BIGINT AUTO_INCREMENT PRIMARY KEY,
	room   INT NOT NULL,
	author VARCHAR(60) NOT NULL,
	sent   DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
	text   TEXT NOT NULL,
	KEY (room, id)
) WITH (DELETED_RETENTION_HOURS=24);
CREATE STREAM TABLE IF NOT EXISTS typing (
	room INT NOT NULL,
	who  VARCHAR(60) NOT NULL,
	KEY (room)
) WITH (TTL_SECONDS=5, MAX_BUFFER=100);`
