// Package livehttp serves live queries to browsers: as Server-Sent Events, or over a
// WebSocket to those who ask for one.
//
//	mux.Handle("GET /rooms/{room}/live", &livehttp.Handler{DB: db, Query: func(r *http.Request) (*livehttp.Query, error) {
//		return &livehttp.Query{
//			SQL:     "SELECT id, author, body FROM messages WHERE room = ?",
//			Args:    []any{r.PathValue("room")},
//			Options: []kalam.SubscribeOption{kalam.LastRows(20)},
//		}, nil
//	}})
//
// The user is that of the request's context, see kalam.WithUser: put it there in the
// middleware that knows who is asking. What is subscribed to is the server's to say, never
// the browser's.
//
// # Messages
//
// Both ways carry the same JSON objects. The first is
//
//	{"type": "start", "columns": ["id", "author", "body"], "seq": 41, "resumed": false}
//
// and then comes one for each event:
//
//	{"type": "insert", "seq": 42, "row": {"id": 7, "author": "ann", "body": "hello"}}
//
// whose type is initial, insert, update or delete; "old" has the row from before where
// kalam.WithOld is given. If the live query ends with an error the last one is
//
//	{"type": "error", "code": 20023, "message": "…"}
//
// NULL is null, numbers beyond ±2⁵³, which JavaScript does not have, are strings, as are
// DECIMALs, dates and times; JSON is itself, and binary values are in base64.
//
// # Going on after a break
//
// An EventSource comes back by itself and says in Last-Event-ID which commit it had wholly:
// it gets what was missed, "resumed" is true. Over a WebSocket a page does so with the
// parameter last_event_id, a "seq" of which it has seen the message with "last": true, the
// last of its commit. Without one, or if the changes are not kept any more, it gets the
// rows that are there, "resumed" is false, and the page drops what it has.
package livehttp

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/kalamgo/kalam"
)

// Query is what a request subscribes to: the arguments of kalam.Subscribe.
type Query struct {
	SQL     string
	Args    []any
	Options []kalam.SubscribeOption
}

// Handler serves live queries, one for each request. Its fields are not changed once it
// serves.
type Handler struct {
	DB *sql.DB
	// Query says what a request subscribes to. Its error is answered with status 403, or
	// with its own if it has a method HTTPStatus() int.
	Query func(r *http.Request) (*Query, error)
	// KeepAlive is how long to be silent at most, so that proxies do not end the
	// connection; 0: 15 seconds.
	KeepAlive time.Duration
	// WriteTimeout is how long a write to the browser may take; 0: 30 seconds. A browser
	// that is slower is disconnected and may resume.
	WriteTimeout time.Duration
	// OriginPatterns are hosts, as in path.Match, whose pages may open a WebSocket beside
	// those of the request's own host.
	OriginPatterns []string
	// Log gets what went wrong on the server's side; nil: slog.Default().
	Log *slog.Logger
}

// client is a browser that messages are sent to.
type client interface {
	// send sends a message. id is a commit of which nothing follows, 0: none.
	send(ctx context.Context, message []byte, id uint64) error
	ping(ctx context.Context) error
	// end says goodbye; err is why, nil: the server ends.
	end(err error)
}

// ServeHTTP serves the live query until the browser leaves, the live query ends, or the
// request's context does.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "a live query is asked for with GET", http.StatusMethodNotAllowed)
		return
	}
	q, err := h.Query(r)
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	from, err := lastEventID(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	sub, resumed, err := h.subscribe(ctx, q, from)
	if err != nil {
		h.log().ErrorContext(ctx, "live query", "sql", q.SQL, "error", err)
		http.Error(w, "the live query failed", http.StatusInternalServerError)
		return
	}
	defer sub.Close()
	c, err := h.connect(w, r, cancel)
	if err != nil {
		return // it has been answered
	}
	err = h.serve(ctx, c, sub, resumed)
	if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		h.log().InfoContext(ctx, "live query ended", "sql", q.SQL, "error", err)
	}
	c.end(err)
}

func (h *Handler) log() *slog.Logger { return cmp.Or(h.Log, slog.Default()) }

func (h *Handler) writeTimeout() time.Duration { return cmp.Or(h.WriteTimeout, 30*time.Second) }

func statusOf(err error) int {
	var s interface{ HTTPStatus() int }
	if errors.As(err, &s) {
		return s.HTTPStatus()
	}
	return http.StatusForbidden
}

// lastEventID returns the commit after which a request wants to go on; nil: none.
func lastEventID(r *http.Request) (*uint64, error) {
	id := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("last_event_id"))
	if id == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil, errors.New("the last event's id is no number of a commit")
	}
	return &n, nil
}

// subscribe begins the live query after from, or afresh where that is not possible.
func (h *Handler) subscribe(ctx context.Context, q *Query, from *uint64) (sub *kalam.Subscription, resumed bool, err error) {
	if from != nil {
		options := append(q.Options[:len(q.Options):len(q.Options)], kalam.FromSeq(*from))
		sub, err = kalam.Subscribe(ctx, h.DB, q.SQL, q.Args, options...)
		if !errors.Is(err, kalam.ErrChangesGone) {
			return sub, true, err
		}
	}
	sub, err = kalam.Subscribe(ctx, h.DB, q.SQL, q.Args, q.Options...)
	return sub, false, err
}

// connect answers the request, as it wants to be.
func (h *Handler) connect(w http.ResponseWriter, r *http.Request, cancel context.CancelFunc) (client, error) {
	if wantsWebSocket(r) {
		return h.acceptWebSocket(w, r, cancel)
	}
	return h.startEvents(w)
}

// serve sends the events of sub until it ends or cannot be sent to c.
func (h *Handler) serve(ctx context.Context, c client, sub *kalam.Subscription, resumed bool) error {
	start, err := json.Marshal(startMessage{"start", sub.Columns(), sub.Seq(), resumed})
	if err != nil {
		return err
	}
	if err := c.send(ctx, start, 0); err != nil {
		return err
	}
	events := make(chan event)
	go read(ctx, sub, events)
	silent := time.NewTicker(cmp.Or(h.KeepAlive, 15*time.Second))
	defer silent.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-silent.C:
			if err := c.ping(ctx); err != nil {
				return err
			}
		case e := <-events:
			if e.err != nil {
				_ = c.send(ctx, errorMessage(e.err), 0)
				return e.err
			}
			id := uint64(0)
			if e.Last {
				id = e.Seq
			}
			message, err := eventMessage(&e.Event, sub.ColumnTypes())
			if err != nil {
				return err
			}
			if err := c.send(ctx, message, id); err != nil {
				return err
			}
		}
	}
}

type event struct {
	kalam.Event
	err error
}

// read hands on the events of sub; the last has an error.
func read(ctx context.Context, sub *kalam.Subscription, to chan<- event) {
	for ev, err := range sub.Events() {
		select {
		case to <- event{ev, err}:
		case <-ctx.Done():
			return
		}
	}
}
