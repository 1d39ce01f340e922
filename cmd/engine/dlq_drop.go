package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"dataflow/engine"
	"dataflow/engine/deadletter"
)

// dropFlags are the flags of dlq drop.
type dropFlags struct {
	letterFlags
	all, yes bool
}

func dlqDropCommand(s streams) *cobra.Command {
	var f dropFlags
	c := &cobra.Command{
		Use: "drop graph.yaml (ID... | --node NODE | --all) --yes", Short: "Remove dead letters for good, of a graph that does not run", Args: cobra.MinimumNArgs(1),
		Example: "  engine dlq drop graph.yaml 7-1024 7-2210 --yes\n  engine dlq drop graph.yaml --node out --yes",
		RunE:    func(_ *cobra.Command, args []string) error { return f.run(s, args[0], args[1:]) },
	}
	f.add(c)
	c.Flags().BoolVar(&f.all, "all", false, "all of them, and what is damaged")
	c.Flags().BoolVar(&f.yes, "yes", false, "really drop them")
	return c
}

func (f *dropFlags) run(s streams, path string, args []string) error {
	ways := 0
	for _, given := range []bool{len(args) > 0, f.node != "", f.all} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return &exitError{exitUsage, errors.New("say which dead letters to drop: by their ids, by --node or by --all")}
	}
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}
	l, err := f.find(s, path)
	if err != nil {
		return err
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	chosen, n, err := f.choose(s, l, ids)
	if err != nil || n == 0 && !f.all {
		return err
	}
	if !f.yes {
		return &exitError{exitUsage, fmt.Errorf("this removes %s in %s for good: say --yes if you mean it", counted(n, "dead letter"), l.dir)}
	}
	var dropped deadletter.Dropped
	if f.all {
		dropped, err = deadletter.DropAll(engine.OS{}, l.dir)
	} else {
		dropped, err = deadletter.Drop(engine.OS{}, l.dir, chosen)
	}
	if err != nil {
		return diskFault(err)
	}
	if dropped.Damage.Places > 0 {
		fmt.Fprintf(s.out, "dropped %s, and what was damaged: %s\n", counted(dropped.Entries, "dead letter"), damageText(dropped.Damage))
	} else if dropped.Entries > 0 {
		fmt.Fprintf(s.out, "dropped %s\n", counted(dropped.Entries, "dead letter"))
	}
	return nil
}

// choose returns what is to be dropped, and how many there are. Every id must be there before any of them goes.
func (f *dropFlags) choose(s streams, l letters, ids []deadletter.ID) (chosen func(*deadletter.Entry) bool, n int, err error) {
	if len(ids) == 0 {
		n, err = f.each(s, l, func(*deadletter.Entry) error { return nil })
		return func(e *deadletter.Entry) bool { return f.ofNode(e) }, n, err
	}
	there := map[deadletter.ID]bool{}
	for _, id := range ids {
		there[id] = false
	}
	err = l.read(s, func(e *deadletter.Entry) error {
		if _, wanted := there[e.ID]; wanted {
			there[e.ID] = true
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for _, id := range ids {
		if !there[id] {
			return nil, 0, l.unknown(id)
		}
	}
	return func(e *deadletter.Entry) bool { return there[e.ID] }, len(there), nil
}

// lock keeps engines away while dead letters are dropped, and refuses while one runs. Where there are none nothing is
// made on the disk.
func (l letters) lock() (unlock func(), err error) {
	if _, err := os.Stat(filepath.FromSlash(l.dir)); errors.Is(err, os.ErrNotExist) {
		return func() {}, nil
	}
	if err := os.MkdirAll(l.dataDir, 0o700); err != nil {
		return nil, diskFault(err)
	}
	lock := flock.New(filepath.Join(l.dataDir, "lock"), flock.SetPermissions(0o600))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, diskFault(fmt.Errorf("locking the data directory: %w", err))
	case !ok:
		return nil, &exitError{exitConfig, fmt.Errorf("the data directory %s is in use by an engine: stop it before you drop its dead letters", l.dataDir)}
	}
	return func() { _ = lock.Close() }, nil
}
