package livehttp

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// events are Server-Sent Events, as the HTML standard has them.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	buf     []byte
}

func (h *Handler) startEvents(w http.ResponseWriter) (client, error) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would wait for more
	w.WriteHeader(http.StatusOK)
	return &events{w: w, control: http.NewResponseController(w), timeout: h.writeTimeout()}, nil
}

func (e *events) send(_ context.Context, message []byte, id uint64) error {
	b := e.buf[:0]
	if id > 0 {
		b = append(strconv.AppendUint(append(b, "id: "...), id, 10), '\n')
	}
	b = append(append(b, "data: "...), message...)
	e.buf = append(b, "\n\n"...)
	return e.write(e.buf)
}

func (e *events) ping(context.Context) error { return e.write([]byte(":\n\n")) }

func (e *events) write(b []byte) error {
	// A ResponseWriter of some middleware may know no deadlines.
	_ = e.control.SetWriteDeadline(time.Now().Add(e.timeout))
	if _, err := e.w.Write(b); err != nil {
		return err
	}
	return e.control.Flush()
}

func (e *events) end(error) {}
