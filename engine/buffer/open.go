package buffer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// The data directory:
//
//	LOCK owner format       who has it, and what it is
//	db/                     Pebble's
//	watermarks              see marks
//	quarantine-TIME/        a damaged database, with its watermarks, for `buffer repair`
//	damaged/                frames that could not be read
const (
	lockName   = "LOCK"
	ownerName  = "owner"
	formatName = "format"
	dbName     = "db"
	quarantine = "quarantine-"

	formatVersion = 1

	maxQuarantines  = 3
	quarantineShare = 0.2 // of the volume
)

// open is Open without the goroutines.
func (s *Store) open() (err error) {
	if err := s.makeDir(); err != nil {
		return err
	}
	if s.lock, err = s.fs.Lock(s.path(lockName)); err != nil {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.own(); err != nil {
		return err
	}
	found, generations, err := readMarks(s.fs, s.path(marksName))
	if err != nil {
		return fmt.Errorf("reading the watermarks: %w", err)
	}
	err = s.openDB()
	if err != nil && isDamage(err) && s.dropOptions() {
		err = s.openDB()
	}
	if err == nil {
		err = s.recover(found)
	}
	if err != nil {
		if !isDamage(err) {
			return err
		}
		s.o.Log.Error("disk buffer cannot be opened, putting it aside", "dir", s.o.Dir, "error", line(err.Error()))
		if err := s.putDatabaseAside(found); err != nil {
			return err
		}
		clear(found)
		clear(generations)
		if err := s.openDB(); err != nil {
			return err
		}
		if err := s.recover(found); err != nil {
			return err
		}
	}
	if s.marks, err = openMarks(s.fs, s.o.Dir, generations); err != nil {
		return err
	}
	return errors.Join(s.writeMarks(found), s.failure())
}

// makeDir makes the directory. A power cut must not take it away by its name.
func (s *Store) makeDir() error {
	if err := s.fs.MkdirAll(s.o.Dir, 0o700); err != nil {
		return err
	}
	for dir := s.o.Dir; ; {
		above := s.fs.PathDir(dir)
		if above == dir {
			return nil
		}
		if err := syncDir(s.fs, above); err != nil {
			return nil // not ours, or a system without such a sync
		}
		dir = above
	}
}

func (s *Store) path(elem ...string) string {
	return s.fs.PathJoin(append([]string{s.o.Dir}, elem...)...)
}

func (s *Store) checkFormat() error {
	text, err := readFile(s.fs, s.path(formatName), 1<<10)
	if err != nil {
		return fmt.Errorf("reading the format: %w", err)
	}
	if version, ok := readFormat(string(text)); ok && version > formatVersion {
		return fmt.Errorf("%w: %s is of format %d, this engine knows %d", ErrFormat, s.path(formatName), version, formatVersion)
	} else if ok {
		return nil
	}
	// New, or a crash came before the sync, or it is damaged: that says nothing about the data, which has checksums of its own.
	return writeFile(s.fs, s.o.Dir, formatName, []byte(formatText(formatVersion)))
}

// formatText is what the format file says, with a CRC32C of its first three words.
func formatText(version int) string {
	text := fmt.Sprint("engine buffer ", version)
	return fmt.Sprintf("%s %08x\n", text, checksum([]byte(text)))
}

func readFormat(text string) (version int, ok bool) {
	words := strings.Fields(text)
	if len(words) != 4 {
		return 0, false
	}
	version, err := strconv.Atoi(words[2])
	return version, err == nil && formatText(version) == text
}

// own writes who has the directory: the lock does not tell when somebody has removed the directory and made a new one.
func (s *Store) own() error {
	var token [16]byte
	for i := range token {
		token[i] = byte(rand.Uint32())
	}
	s.token = hex.EncodeToString(token[:])
	return writeFile(s.fs, s.o.Dir, ownerName, []byte(s.token))
}

// checkOwner returns an error if the directory is not ours any more.
func (s *Store) checkOwner() error {
	text, err := readFile(s.fs, s.path(ownerName), 1<<10)
	if err != nil {
		return fmt.Errorf("looking whose the directory is: %w", err)
	}
	if string(text) != s.token {
		return errors.New("the data directory was removed or replaced")
	}
	return nil
}

// openDB opens Pebble. What it panics on is damage, too.
func (s *Store) openDB() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v: %w", r, errDamage)
		}
	}()
	dir := s.path(dbName)
	marker, err := s.made()
	if err != nil {
		return err
	}
	db, err := pebble.Open(dir, s.pebbleOptions())
	if err != nil {
		return err
	}
	s.db = db
	s.opened.Store(true)
	if marker {
		return nil
	}
	// The first log has an old format whatever is asked for, in which damage looks like an end. One flush ends it.
	batch := db.NewBatch()
	if err := batch.Set([]byte{kindName}, nil, nil); err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := s.applySynced(batch); err != nil {
		return err
	}
	return db.Flush()
}

// dropOptions puts Pebble's notes of its options aside, which it does not need, and reports whether there were any.
func (s *Store) dropOptions() (dropped bool) {
	names, err := s.fs.List(s.path(dbName))
	if err != nil || s.fs.MkdirAll(s.path(damagedName), 0o700) != nil {
		return false
	}
	for _, name := range names {
		if strings.HasPrefix(name, "OPTIONS-") && s.fs.Rename(s.path(dbName, name), s.path(damagedName, name)) == nil {
			dropped = true
		}
	}
	return dropped
}

// made reports whether the database was there before.
func (s *Store) made() (bool, error) {
	names, err := s.fs.List(s.path(dbName))
	if err != nil {
		if notExist(err) {
			return false, nil
		}
		return false, err
	}
	return len(names) > 0, nil
}

// applySynced writes a batch while nobody else does.
func (s *Store) applySynced(batch *pebble.Batch) error {
	if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return err
	}
	if err := s.failure(); err != nil {
		return err
	}
	return errors.Join(batch.SyncWait(), batch.Close())
}

var errDamage = errors.New("damaged database")

// isDamage tells damage, which is put aside, from a disk that does not work: then the next start may succeed.
func isDamage(err error) bool {
	if errors.Is(err, errDamage) || pebble.IsCorruptionError(err) || notExist(err) {
		return true
	}
	if errors.Is(err, ErrFailed) {
		return false
	}
	var errno syscall.Errno
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	return !errors.As(err, &errno) && !errors.As(err, &path) && !errors.As(err, &link) && !errors.As(err, &call)
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// putDatabaseAside keeps a damaged database, if not too many are kept already, and counts what is in it.
func (s *Store) putDatabaseAside(found map[uint32]mark) error {
	if db := s.db; db != nil {
		s.db = nil
		if err := db.Close(); err != nil {
			s.o.Log.Warn("disk buffer: closing a damaged database", "error", line(err.Error()))
		}
	}
	names, err := s.fs.List(s.o.Dir)
	if err != nil {
		return err
	}
	kept, size := 0, s.sizeOf(dbName)
	for _, name := range names {
		if strings.HasPrefix(name, quarantine) {
			kept++
			size += s.sizeOf(name)
		}
	}
	usage, err := s.fs.GetDiskUsage(s.o.Dir)
	if kept >= maxQuarantines || err == nil && float64(size) > quarantineShare*float64(usage.TotalBytes) {
		return fmt.Errorf("%w: %d damaged databases are kept in %s, %d bytes with this one", ErrRepair, kept, s.o.Dir, size)
	}
	to := quarantine + s.o.Now().UTC().Format("20060102T150405.000000000")
	if err := s.fs.Rename(s.path(dbName), s.path(to)); err != nil {
		return err
	}
	if err := s.fs.Rename(s.path(marksName), s.path(to, marksName)); err != nil && !notExist(err) {
		return err
	}
	for _, m := range found {
		s.meter.lost["quarantine"] += int64(m.next - m.low)
	}
	s.meter.quarantined++
	s.degrade("a damaged database was put aside")
	s.orphans, s.nextLane, s.nextID, s.lanes = map[string][]*Lane{}, 1, 1, 0
	return syncDir(s.fs, s.o.Dir)
}

func (s *Store) sizeOf(dir string) (size int64) {
	names, _ := s.fs.List(s.path(dir))
	for _, name := range names {
		if info, err := s.fs.Stat(s.path(dir, name)); err == nil {
			size += info.Size()
		}
	}
	return size
}
