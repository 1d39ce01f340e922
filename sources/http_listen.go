package sources

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
)

// unixMode lets the group write to the socket.
const unixMode = 0o660

func (s *httpSource) listen(ctx context.Context) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(s.config.Listen, "unix:")
	if !isUnix {
		return s.env.Listen(ctx, networkOf(s.config.Listen), s.config.Listen)
	}
	if err := s.removeDeadSocket(ctx, path); err != nil {
		return nil, err
	}
	l, err := s.env.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, unixMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// networkOf returns the network of an address. Where it is 0.0.0.0, Go would serve IPv6, too, which is more than what was asked for.
func networkOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
			return "tcp4"
		}
	}
	return "tcp"
}

var (
	errNotSocket = errors.New("is a file that is no socket")
	errSocketUse = errors.New("another process serves this socket")
)

// removeDeadSocket removes the socket of a process that was killed, and nothing else.
func (s *httpSource) removeDeadSocket(ctx context.Context, path string) error {
	info, err := s.env.FS.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errNotSocket
	}
	var dialer net.Dialer
	if c, err := dialer.DialContext(ctx, "unix", path); err == nil {
		c.Close()
		return errSocketUse
	}
	return s.env.FS.Remove(path)
}
