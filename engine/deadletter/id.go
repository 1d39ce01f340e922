package deadletter

import (
	"fmt"
	"strconv"
	"strings"
)

// ID names an entry as long as it is stored: the number of its segment, and where in it the entry begins.
type ID struct {
	Segment uint64
	Offset  int64
}

// String returns the id as people see it: 7-1024.
func (id ID) String() string {
	return strconv.FormatUint(id.Segment, 10) + "-" + strconv.FormatInt(id.Offset, 10)
}

// ParseID reads an id as String writes it, and nothing else.
func ParseID(text string) (ID, error) {
	segment, offset, _ := strings.Cut(text, "-")
	number, err := strconv.ParseUint(segment, 10, 64)
	at, err2 := strconv.ParseUint(offset, 10, 63)
	id := ID{number, int64(at)}
	if err != nil || err2 != nil || id.String() != text {
		return ID{}, fmt.Errorf("%q is no id of a dead letter: write it as in 7-1024", text)
	}
	return id, nil
}
