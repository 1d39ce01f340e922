package runtime

import (
	"context"
	"errors"
	"path"
	"path/filepath"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/point"
)

// letters puts points into the dead-letter store. Done follows the fsync.
type letters struct {
	store *deadletter.Store
	env   engine.Env
	log   logger
}

// deadPoint is a point that could not be processed, and why.
type deadPoint struct {
	point point.Point
	err   error
}

func newLetters(g *graph.Graph, env engine.Env, log logger) *letters {
	o := deadletter.Options{Dir: g.DeadLetter.Dir, MaxBytes: int64(g.DeadLetter.MaxBytes)}
	if o.Dir == "" {
		o.Dir = path.Join(filepath.ToSlash(g.DataDir), "dead_letters")
	}
	if g.DeadLetter.WhenFull == "drop_oldest" {
		o.WhenFull = deadletter.DropOldest
	}
	env.Log = log.Logger
	return &letters{deadletter.New(env, o), env, log}
}

// bury returns once the points are on disk. What came from a record is kept as the record when it failed on
// its way, so that it can be read again by its source; a sink's points are kept as they are.
func (l *letters) bury(ctx context.Context, node string, b *engine.Batch, dead []deadPoint, asRecords bool) error {
	now := l.env.Now().UnixNano()
	entries := make([]deadletter.Entry, 0, len(dead))
	seen := map[int32]bool{}
	for _, d := range dead {
		e := deadletter.Entry{
			Kind: deadletter.Point, Time: now, Node: node, Error: d.err.Error(), Attempts: 1, Version: l.env.Version, Point: d.point,
		}
		if b.Origin != nil {
			e.Origin = *b.Origin
		}
		if i := d.point.Record; i >= 0 && int(i) < len(b.Records) {
			r := &b.Records[i]
			if r.Origin != nil {
				e.Origin = *r.Origin
			}
			e.Offset, e.Read = r.Offset, r.Time
			if asRecords {
				// One record is kept once, however many of its points failed here.
				if seen[i] {
					continue
				}
				seen[i] = true
				e.Kind, e.Key, e.Value, e.Headers = deadletter.Record, r.Key, r.Value, r.Headers
			}
		}
		entries = append(entries, e)
	}
	err := l.store.Append(ctx, entries)
	if errors.Is(err, deadletter.ErrTooLarge) && len(entries) > 0 {
		err = l.oneByOne(ctx, entries)
	}
	if err != nil && ctx.Err() == nil {
		return &diskError{err}
	}
	if err == nil && len(dead) > 0 {
		l.log.repeat("dead letters of "+node, "points go to the dead letters", "node", node, "points", len(dead), "error", dead[0].err)
	}
	return err
}

// buryBody keeps a body that was on the disk and whose points cannot be told.
func (l *letters) buryBody(ctx context.Context, node string, body engine.Body, cause error) error {
	e := deadletter.Entry{
		Kind: deadletter.Record, Time: l.env.Now().UnixNano(), Node: node, Error: cause.Error(), Attempts: 1, Version: l.env.Version,
		Value: body.Data, Headers: append([]engine.KV{
			{Key: "Lane", Value: []byte(body.Lane)}, {Key: "Content-Type", Value: []byte(body.ContentType)}, {Key: "Id", Value: []byte(body.ID)},
		}, body.Header...),
	}
	if err := l.oneByOne(ctx, []deadletter.Entry{e}); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &diskError{err}
	}
	return nil
}

// diskError is an I/O error on the data directory.
type diskError struct{ error }

// Unwrap returns the cause.
func (e *diskError) Unwrap() error { return e.error }

// oneByOne stores what the store can hold. An entry that is larger than all of it is lost, said and counted: to stop
// for it would mean to read it again and stop again.
func (l *letters) oneByOne(ctx context.Context, entries []deadletter.Entry) error {
	for i := range entries {
		err := l.store.Append(ctx, entries[i:i+1])
		if errors.Is(err, deadletter.ErrTooLarge) {
			l.env.Counter("dead_letters_lost", "too_large").Add(1)
			l.env.Log.Error("a dead letter is larger than dead_letter.max_bytes and is lost", "node", entries[i].Node, "topic", entries[i].Origin.Topic, "partition", entries[i].Origin.Partition, "offset", entries[i].Offset, "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *letters) close() error { return l.store.Close() }
