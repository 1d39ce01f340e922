package engine

import (
	"errors"
	"fmt"
	"time"
)

// ErrorClass says what a sink can do about a failed delivery (guarantees B6).
type ErrorClass uint8

// The classes.
const (
	Retry    ErrorClass = iota // transient: back off and send the same body again
	BadData                    // the body is at fault: narrow it to the guilty points
	TooLarge                   // halve the body and remember the limit
	Refused                    // credentials, quota or configuration: pause the lane and probe
)

var classNames = [...]string{"retry", "bad_data", "too_large", "refused"}

// String returns the name of the class as it stands in metrics.
func (c ErrorClass) String() string { return classNames[c] }

// SendError is a failed delivery.
type SendError struct {
	Class ErrorClass
	After time.Duration // the destination's wish for the next attempt, 0 is none
	Err   error
}

// Error returns the cause's text.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// permanent marks an error that no repetition mends.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks err as one that no repetition mends: a source that returns it is not started again, a
// writer's batch goes to the dead letters.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err or one of its causes was marked by [Permanent].
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// OptionError is a constructor's error on one option.
type OptionError struct {
	Path string // the option, as in "sasl.mechanism" or "streams.logs.topics"
	Err  error
}

// Error returns the option and the cause.
func (e *OptionError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// FieldError says that the option at path is wrong. A constructor returns it, or several joined by
// errors.Join; the position in the graph file is added where it is reported.
func FieldError(path string, err error) error { return &OptionError{Path: path, Err: err} }
