package hostile

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The connection in memory behaves as the one of TCP that it stands for.
func TestPipe(t *testing.T) {
	read := func(c *Conn, n int) (string, error) {
		p := make([]byte, n)
		k, err := c.Read(p)
		return string(p[:k]), err
	}
	for name, f := range map[string]func(t *testing.T, a, b *Conn){
		"buffers and blocks": func(t *testing.T, a, b *Conn) {
			done := make(chan int)
			go func() {
				n, _ := a.Write([]byte("0123456789"))
				done <- n
			}()
			synctest.Wait()
			select {
			case <-done:
				t.Fatal("10 bytes fitted into 8")
			default:
			}
			if text, err := read(b, 4); text != "0123" || err != nil {
				t.Errorf("%q %v", text, err)
			}
			if n := <-done; n != 10 {
				t.Errorf("wrote %d", n)
			}
			if text, _ := read(b, 20); text != "456789" {
				t.Errorf("%q", text)
			}
		},
		"half-closed": func(t *testing.T, a, b *Conn) {
			a.Write([]byte("last"))
			a.CloseWrite()
			if text, err := io.ReadAll(b); string(text) != "last" || err != nil {
				t.Errorf("%q %v", text, err)
			}
			if _, err := b.Write([]byte("answer")); err != nil {
				t.Error(err)
			}
			if text, _ := read(a, 20); text != "answer" {
				t.Errorf("%q", text)
			}
			if _, err := a.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		},
		"closed": func(t *testing.T, a, b *Conn) {
			a.Write([]byte("last"))
			a.Close()
			if text, _ := read(b, 20); text != "last" {
				t.Errorf("%q", text)
			}
			if _, err := read(b, 1); err != io.EOF {
				t.Error(err)
			}
			if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
			if _, err := read(a, 1); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			b.AwaitGone()
		},
		"reset": func(t *testing.T, a, b *Conn) {
			a.Write([]byte("lost"))
			a.Reset()
			if text, err := read(b, 20); text != "" || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%q %v", text, err)
			}
			if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
		},
		"late": func(t *testing.T, a, b *Conn) {
			start := time.Now()
			b.SetDeadline(start.Add(3 * time.Second))
			if _, err := read(b, 1); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			b.SetDeadline(time.Now().Add(time.Second))
			if n, err := b.Write(make([]byte, 100)); n != 8 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d %v", n, err)
			}
			done := make(chan error)
			b.SetDeadline(time.Time{})
			go func() {
				_, err := read(b, 1)
				done <- err
			}()
			synctest.Wait()
			b.SetReadDeadline(time.Now().Add(-time.Second))
			if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe(8)
				f(t, a, b)
			})
		})
	}
}
