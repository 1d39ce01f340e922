package httpclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestSlowUploadTCP: what stands in the buffers of this machine is not sent. One server takes a body slowly, the other stops.
func TestSlowUploadTCP(t *testing.T) {
	for name, want := range map[string]bool{"slow": true, "stops": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			over, ended := make(chan struct{}), make(chan struct{})
			defer func() {
				close(over)
				l.Close()
				<-ended
			}()
			go func() {
				defer close(ended)
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
					t.Error(err)
				}
				pace := time.NewTicker(5 * time.Millisecond)
				defer pace.Stop()
				for piece := make([]byte, 4<<10); want; {
					if _, err := io.ReadFull(c, piece); err != nil {
						return
					}
					select {
					case <-pace.C:
					case <-over:
						return
					}
				}
				<-over
			}()
			client := newClient(t, testEnv(), Options{})
			req, err := http.NewRequest(http.MethodPost, "http://"+l.Addr().String(), bytes.NewReader(make([]byte, 1_500_000))) // less than the system's buffers hold
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := client.Do(ctx, req); err == nil || errors.Is(err, ErrSlow) != want {
				t.Errorf("error %v", err)
			}
		})
	}
}
