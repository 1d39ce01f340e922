package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/reugn/go-streams"

	"dataflow/engine/internal/batch"
)

// Exit codes of a run.
const (
	ExitDone     = 0  // nothing lost
	ExitFailed   = 1  // a node failed for good, or the ledger does not balance
	ExitConfig   = 3  // the data directory is in use, too small, or of a later version
	ExitLost     = 6  // stopped with data that was accepted, is not done and cannot be sent again
	ExitRepair   = 7  // a disk buffer is damaged, and so many damaged ones are kept already that a person must look
	ExitDeadline = 8  // the drain deadline passed; what was not done is read again
	ExitDisk     = 74 // I/O error on the data directory
)

// Result is how a run ended.
type Result struct {
	Code int
	Err  error // why, nil after a clean stop
}

// Run runs the graph until ctx ends, every source has ended, a node has failed or the graph has been idle for
// as long as the options say. Stopping has two phases: sources end, closing runs down the graph and sinks
// finish and acknowledge; after the drain timeout, or when hurry is closed, the rest is discarded without being acknowledged.
func (e *Engine) Run(ctx context.Context, hurry <-chan struct{}) Result {
	if code, err := e.openStore(); err != nil {
		return Result{code, errors.Join(err, e.closeStore())}
	}
	soft, endSources := context.WithCancel(ctx)
	defer endSources()
	// What runs behind the sources outlives ctx: it ends when the graph has drained, or hard.
	hard, discard := context.WithCancel(context.WithoutCancel(ctx))
	defer discard()

	var sources, graph sync.WaitGroup
	spare, dropSpare := context.WithCancel(hard)
	defer dropSpare()
	e.start(hard, spare, &graph)
	for _, s := range e.sources {
		sources.Go(func() {
			pprof.SetGoroutineLabels(pprof.WithLabels(soft, pprof.Labels("node", s.id)))
			if err := s.run(soft, hard); err != nil {
				e.stop.fail(err)
			}
		})
	}
	drained := make(chan struct{})
	go func() {
		sources.Wait()
		graph.Wait()
		close(drained)
	}()
	go func() {
		sources.Wait()
		e.endSpare(drained, dropSpare)
	}()

	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ctx.Done():
		case <-e.stop.ended:
		case <-ended:
			return
		}
		close(e.leaving) // also when the graph was about to end by itself
	}()
	e.await(soft, drained)
	endSources()
	code := e.drain(drained, hurry, discard)
	err := e.close()
	if failed := e.closeStore(); failed != nil {
		e.stop.fail(&diskError{failed})
	}
	if err != nil && code == ExitDone {
		return e.result(ExitDeadline, err)
	}
	return e.result(code, errors.New("stopped before everything was done"))
}

// start runs everything behind the sources.
func (e *Engine) start(ctx, spare context.Context, wg *sync.WaitGroup) {
	for _, in := range e.waitClose {
		wg.Go(in.closeAfterWriters)
	}
	for _, s := range e.stages {
		wg.Go(func() { s.stage.run(ctx) })
		wg.Go(s.inlet.run)
		wg.Go(func() { e.outlet(s.inbox).Via(s.stage).To(s.inlet) })
	}
	for _, s := range e.sinks {
		b := newBatcher(s.batching, s.encoder != nil, e.window, e.stop, &s.held, &s.memory, s.stats)
		ctx := ctx
		if s.spare {
			ctx = spare
		}
		wg.Go(func() {
			pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("node", s.id)))
			s.run(ctx)
		})
		wg.Go(b.run)
		wg.Go(func() { e.outlet(s.inbox).Via(b).To(s) })
	}
}

// spareTime is what branches that are not required get to finish once everything else is done.
const spareTime = time.Second

// endSpare ends the sinks of branches that are not required some time after the sources have ended and all that they
// read is done: such a branch holds nobody up, the end of the graph included.
func (e *Engine) endSpare(drained <-chan struct{}, drop func()) {
	look := time.NewTicker(spareTime / 10)
	defer look.Stop()
	for calm := 0; calm < 10; calm++ {
		select {
		case <-drained:
			return
		case <-look.C:
			if e.window.open.Load() > 0 {
				calm = -1
			}
		}
	}
	drop()
}

// outlet is what the stage behind an inbox reads.
func (e *Engine) outlet(in *inbox) interface {
	Via(streams.Flow) streams.Flow
} {
	if e.between == nil {
		return in
	}
	return in.Via(e.between())
}

// await returns when there is a reason to stop.
func (e *Engine) await(ctx context.Context, drained <-chan struct{}) {
	var look <-chan time.Time
	if e.options.UntilIdle > 0 {
		t := time.NewTicker(min(e.options.UntilIdle/4, 250*time.Millisecond))
		defer t.Stop()
		look = t.C
		e.active.Store(time.Now().UnixNano())
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-drained:
			return
		case <-e.stop.ended:
			return
		case now := <-look:
			if e.window.open.Load() > 0 || e.stored() > 0 || e.sourceFailing() {
				e.active.Store(now.UnixNano())
			} else if now.Sub(time.Unix(0, e.active.Load())) >= e.options.UntilIdle {
				return
			}
		}
	}
}

// sourceFailing reports whether a source is ill: it would have something to read otherwise. An ill sink with
// nothing on its way to it has given up.
func (e *Engine) sourceFailing() bool {
	return slices.ContainsFunc(e.health.failing(), func(h NodeHealth) bool {
		return slices.ContainsFunc(e.sources, func(s *sourceNode) bool { return s.id == h.Node })
	})
}

// drain waits for the graph to empty itself, at most until the deadline; then it discards what is left.
func (e *Engine) drain(drained, hurry <-chan struct{}, discard func()) int {
	// A part of the time is kept for the last commits.
	deadline := time.NewTimer(e.options.DrainTimeout * 95 / 100)
	defer deadline.Stop()
	select {
	case <-drained:
		return ExitDone
	case <-deadline.C:
		e.log.Warn("drain deadline passed", "open_batches", e.window.open.Load())
	case <-hurry:
		e.log.Warn("stopping at once", "open_batches", e.window.open.Load())
	}
	code := ExitDeadline
	for _, s := range e.sources {
		for _, p := range s.ports {
			points, _, _ := p.share.unacked()
			if points > 0 && !s.rereads {
				code = ExitLost
			}
		}
	}
	return e.discardAll(drained, discard, code)
}

// hangTime is how long stages may take to notice a hard stop before their stacks are written out.
const hangTime = 5 * time.Second

func (e *Engine) discardAll(drained <-chan struct{}, discard func(), code int) int {
	// In this order: a component that is told to stop finds its ctx ended, so that its error is no failure of
	// the points, which would be done with by on_error.
	discard()
	e.stop.flag.Store(true)
	t := time.NewTimer(hangTime)
	defer t.Stop()
	select {
	case <-drained:
	case <-t.C:
		e.log.Error("the graph hangs; stacks of all goroutines follow")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	}
	return code
}

// close lets the components finish: the last commits, then the dead letters. An error means that something
// that is done will be read again.
func (e *Engine) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), max(e.options.DrainTimeout/20, 2*time.Second))
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(e.closers))
	for i, c := range e.closers {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					errs[i] = fmt.Errorf("closing %s: %w: %v", c.node, errPanic, r)
				}
			}()
			if err := c.Close(ctx); err != nil {
				errs[i] = fmt.Errorf("closing %s: %w", c.node, err)
			}
		})
	}
	wg.Wait()
	if err := e.letters.close(); err != nil {
		e.stop.fail(fmt.Errorf("closing the dead letters: %w", err))
	}
	return errors.Join(errs...)
}

func (e *Engine) result(code int, why error) Result {
	if err := e.stop.failure(); err != nil {
		var disk *diskError
		if errors.As(err, &disk) {
			return Result{ExitDisk, err}
		}
		return Result{max(code, ExitFailed), err}
	}
	if code != ExitDone {
		return Result{code, why}
	}
	for _, s := range e.sinks {
		if s.spare {
			s.stats.dropped.add("stopped", int(s.stats.imbalance())) // what endSpare has cut off
		}
	}
	if err := e.Balanced(); err != nil {
		return Result{ExitFailed, err}
	}
	return Result{}
}

// Balanced checks the ledger of a drained graph: every point that came in or was made went out, was dropped
// or failed, on every node and edge, and no batch is open.
func (e *Engine) Balanced() error {
	var errs []error
	kept := map[*stats]int64{} // on the disk, for the next start
	for _, s := range e.sinks {
		if s.shelf != nil {
			kept[s.stats] = max(0, min(s.shelf.holds(), s.shelf.buffer.Stats().LivePoints))
		}
	}
	for _, s := range e.stats {
		if n := s.queued.Load() - kept[s]; n != 0 {
			errs = append(errs, fmt.Errorf("%s still holds %d points", s.node, n))
		}
		if n := s.imbalance(); n != 0 {
			errs = append(errs, fmt.Errorf("the ledger of %s is off by %d points: %+v", s.node, n, s.read()))
		}
	}
	for _, x := range e.edges {
		if in, out, dropped := x.in.Load(), x.out.Load(), x.dropped.Load(); in != out+dropped {
			errs = append(errs, fmt.Errorf("the ledger of the edge %s.%s -> %s is off: in %d, out %d, dropped %d", x.from, x.port, x.to, in, out, dropped))
		}
	}
	if n := e.window.open.Load(); n != 0 {
		errs = append(errs, fmt.Errorf("%d batches are not done", n))
	}
	if live := batch.Live(); len(live) > 0 {
		errs = append(errs, fmt.Errorf("%d batches leaked; the first was made at\n%s", len(live), live[0]))
	}
	return errors.Join(errs...)
}
