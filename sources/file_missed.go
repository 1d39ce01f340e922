package sources

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// missed follows the files that had a name for so short a time that nobody saw them under it: of two rotations between two looks, or while the
// engine was down, the one in the middle. It stands beside the name, numbered after it, nobody follows it, and it was written since
// the one that was seen before, at since. It is read after that one. Missed returns the newest of them, or before.
//
// Where the name is all that identifies a file, it cannot be told from one that was read.
func (t *tail) missed(name string, before *followed, since time.Time) *followed {
	if nameIdentifies {
		return before
	}
	entries, err := t.env.FS.ReadDir(path.Dir(name))
	if err != nil {
		notThere(err, func(err error) { t.trouble("looking for rotated files fails", err) })
		return before
	}
	type found struct {
		name string
		info fs.FileInfo
	}
	var files []found
	for _, e := range entries {
		full := path.Join(path.Dir(name), e.Name())
		if !e.Type().IsRegular() || !rotatedName(path.Base(name), e.Name()) || t.excluded(full) || t.wants(full) {
			continue
		}
		if info, err := e.Info(); err == nil && !info.ModTime().Before(since) && !t.follows(identity(full, info)) {
			files = append(files, found{full, info})
		}
	}
	slices.SortFunc(files, func(a, b found) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), rotatedBefore(a.name, b.name))
	})
	for _, x := range files {
		id := identity(x.name, x.info)
		f := t.newFollowed(name, id, x.info)
		f.after, f.gone = before, time.Now() // its path stays the wanted one, by which the next start looks for it again
		f.begin(t.resume(id, x.name), x.info.Size())
		t.opens(f)
		t.add(f)
		before = f
	}
	return before
}

// follows reports whether a file is followed, or was until just now.
func (t *tail) follows(id fileID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id] != nil || slices.ContainsFunc(t.ended, func(f *followed) bool { return f.id == id && !f.unlinked })
}

// dateDigits are how many digits a number in a name has that is a date.
const dateDigits = 6

// rotatedName reports whether rotating a file of the name base has given it this name: app.log becomes app.log.1, app.log-20260102 or
// app-2026-01-02.log. App-1.log may as well be the log of another process.
func rotatedName(base, name string) bool {
	number, ok := strings.CutPrefix(name, base)
	least := 1
	if !ok {
		ext := path.Ext(base)
		if number, ok = strings.CutPrefix(name, strings.TrimSuffix(base, ext)); ok {
			number, ok = strings.CutSuffix(number, ext)
		}
		least = dateDigits
	}
	return ok && len(number) > 1 && strings.IndexByte("._-", number[0]) >= 0 && strings.Trim(number[1:], "0123456789._-:T") == "" && digitsIn(number) >= least
}

func digitsIn(s string) (n int) {
	for _, c := range s {
		if '0' <= c && c <= '9' {
			n++
		}
	}
	return n
}

// rotatedBefore orders the names of files that were written at the same time, as far as the file system can tell: dates grow,
// and a number tells how often a file was rotated.
func rotatedBefore(a, b string) int {
	if digitsIn(path.Base(a)) >= dateDigits {
		return cmp.Compare(a, b)
	}
	return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(b, a))
}
