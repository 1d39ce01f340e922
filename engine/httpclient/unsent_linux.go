package httpclient

import (
	"net"
	"syscall"
	"unsafe"
)

// unacknowledged returns how many bytes that were written to a connection its other end has not got: they are in the system's buffers, or on
// their way. Where that cannot be known, it is none.
func unacknowledged(c net.Conn) int64 {
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	var n int32
	err = raw.Control(func(fd uintptr) {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n))); e != 0 {
			n = 0
		}
	})
	if err != nil {
		return 0
	}
	return int64(n)
}
