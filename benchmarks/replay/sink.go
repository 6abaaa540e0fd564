package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/encoding/protowire"
)

// sink accepts export requests and counts their records, without making
// messages of them.
type sink struct {
	url    string
	server *http.Server
	served chan error

	records atomic.Int64
	first   atomic.Int64 // when the first record was accepted, in ns since 1970
	last    atomic.Int64 // when the last one was
	target  int64
	reached chan struct{} // closed when so many records are there

	mu      sync.Mutex
	failure error
	onUID   func(uid []byte, at time.Time) // nil: uids are not looked at; called under mu
}

// newSink starts a sink that waits for target records. onUID may be nil.
func newSink(target int, onUID func(uid []byte, at time.Time)) (*sink, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{
		url: "http://" + listener.Addr().String(), served: make(chan error, 1),
		target: int64(target), reached: make(chan struct{}), onUID: onUID,
	}
	s.server = &http.Server{Handler: http.HandlerFunc(s.accept), ReadHeaderTimeout: time.Minute}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// close stops the sink, once the requests that it is at are answered, and returns
// what went wrong in it.
func (s *sink) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.failure)
}

// quiet is how long nothing must arrive for what is missing to be lost.
const quiet = 15 * time.Second

// waitFor waits until done is closed, or the process ends, or nothing arrives
// any more.
func (s *sink) waitFor(ctx context.Context, run *process, done <-chan struct{}) {
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-run.exited:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			if time.Since(began) > quiet && time.Since(time.Unix(0, s.last.Load())) > quiet {
				return
			}
		}
	}
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

func (s *sink) accept(w http.ResponseWriter, r *http.Request) {
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	if err := readBody(body, r); err != nil {
		// The client was killed, or it will say that it failed.
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := s.count(body.Bytes())
	if err != nil {
		s.mu.Lock()
		s.failure = errors.Join(s.failure, err)
		s.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
	if n == 0 {
		return
	}
	now := time.Now().UnixNano()
	s.first.CompareAndSwap(0, now)
	s.last.Store(now)
	if all := s.records.Add(int64(n)); all >= s.target && all-int64(n) < s.target {
		close(s.reached)
	}
}

func readBody(into *bytes.Buffer, r *http.Request) error {
	if r.Header.Get("Content-Encoding") != "gzip" {
		_, err := into.ReadFrom(r.Body)
		return err
	}
	z := unzippers.Get().(*gzip.Reader)
	defer unzippers.Put(z)
	if err := z.Reset(r.Body); err != nil {
		return err
	}
	_, err := into.ReadFrom(z)
	return err
}

// count counts the records of an ExportLogsServiceRequest, and takes their uids.
func (s *sink) count(request []byte) (n int, err error) {
	if s.onUID != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	at := time.Now()
	const resourceLogs, scopeLogs, logRecords = 1, 2, 2
	err = eachField(request, resourceLogs, func(message []byte) error {
		return eachField(message, scopeLogs, func(message []byte) error {
			return eachField(message, logRecords, func(record []byte) error {
				n++
				if s.onUID == nil {
					return nil
				}
				uid, err := uidOf(record)
				if err == nil {
					s.onUID(uid, at)
				}
				return err
			})
		})
	})
	return n, err
}

// eachField calls f for the fields of that number, which are of type bytes.
func eachField(message []byte, number protowire.Number, f func([]byte) error) error {
	for len(message) > 0 {
		num, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if num != number || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, kind, message); n < 0 {
				return protowire.ParseError(n)
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(value); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

// uidOf returns the log.record.uid of a LogRecord.
func uidOf(record []byte) (uid []byte, err error) {
	const attributes, key, value, stringValue = 6, 1, 2, 1
	err = eachField(record, attributes, func(attribute []byte) error {
		isUID := false
		return errors.Join(
			eachField(attribute, key, func(text []byte) error {
				isUID = string(text) == "log.record.uid"
				return nil
			}),
			eachField(attribute, value, func(choice []byte) error {
				if !isUID {
					return nil
				}
				return eachField(choice, stringValue, func(text []byte) error {
					uid = text
					return nil
				})
			}))
	})
	if err == nil && uid == nil {
		err = fmt.Errorf("a record of %d bytes has no log.record.uid", len(record))
	}
	return uid, err
}
