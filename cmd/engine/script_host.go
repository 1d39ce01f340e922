package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/refer"
)

// scriptHost says what a script reaches outside of its point.
type scriptHost struct {
	geoip, isp string
	tables     []string
	allow      []string
}

func (f *scriptHost) add(c *cobra.Command) {
	c.Flags().StringVar(&f.geoip, "geoip", "", "a MaxMind database `file` for geoip")
	c.Flags().StringVar(&f.isp, "geoip-isp", "", "a `file` of networks and their providers for geoip")
	c.Flags().StringArrayVar(&f.tables, "refer-table", nil, "a `file or URL` of reference tables, may be repeated")
	c.Flags().StringArrayVar(&f.allow, "allow-host", nil, "a `host` that http_request may reach, may be repeated")
}

// host returns what the flags give.
func (f *scriptHost) host() (*tryHost, error) {
	h := &tryHost{tables: map[string]*refer.Table{}, allow: f.allow, tell: func(string) {}}
	if f.geoip == "" && f.isp != "" {
		return nil, &exitError{exitUsage, errors.New("--geoip-isp goes with --geoip")}
	}
	if f.geoip != "" {
		database, err := os.ReadFile(f.geoip)
		if err != nil {
			return nil, &exitError{exitConfig, err}
		}
		var isp []byte
		if f.isp != "" {
			if isp, err = os.ReadFile(f.isp); err != nil {
				return nil, &exitError{exitConfig, err}
			}
		}
		if h.geo, err = geo.Open(database, isp); err != nil {
			return nil, &exitError{exitConfig, fmt.Errorf("%s: %w", f.geoip, err)}
		}
	}
	for _, from := range f.tables {
		text, err := fetch(from)
		if err != nil {
			return nil, &exitError{exitConfig, fmt.Errorf("%s: %w", from, err)}
		}
		tables, err := refer.Parse(text)
		if err != nil {
			return nil, &exitError{exitConfig, fmt.Errorf("%s: %w", from, err)}
		}
		maps.Copy(h.tables, tables)
	}
	return h, nil
}

const (
	fetchTimeout = 10 * time.Second
	longestBody  = refer.MaxText
)

// fetch reads a file or a URL.
func fetch(from string) ([]byte, error) {
	if !strings.HasPrefix(from, "http://") && !strings.HasPrefix(from, "https://") {
		return os.ReadFile(from)
	}
	status, text, err := send(pipeline.Request{Method: http.MethodGet, URL: from}, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the server answers %d", status)
	}
	return text, err
}

// send sends a request, and those that it is redirected to if check lets them pass.
func send(r pipeline.Request, check func(*http.Request) error) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return 0, nil, err
	}
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	client := http.Client{CheckRedirect: func(to *http.Request, via []*http.Request) error {
		const most = 10
		if len(via) >= most {
			return errors.New("too many redirects")
		}
		if check != nil {
			return check(to)
		}
		return nil
	}}
	if check != nil {
		if err := check(req); err != nil {
			return 0, nil, err
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(resp.Body, longestBody+1)); err != nil {
		return 0, nil, err
	}
	if b.Len() > longestBody {
		return 0, nil, errors.New("the reply is too long")
	}
	return resp.StatusCode, b.Bytes(), nil
}

// tryHost is what scripts reach that are tried.
type tryHost struct {
	geo    *geo.DB // nil: none
	tables map[string]*refer.Table
	allow  []string
	tell   func(text string) // is told why a script gets nothing
}

// Do sends a request to a host that is allowed.
func (h *tryHost) Do(r pipeline.Request) (pipeline.Reply, error) {
	status, body, err := send(r, func(req *http.Request) error {
		if !slices.Contains(h.allow, req.URL.Hostname()) && !slices.Contains(h.allow, req.URL.Host) {
			return fmt.Errorf("the host %s is not allowed: give --allow-host", req.URL.Host)
		}
		return nil
	})
	if err != nil {
		h.tell("http_request: " + err.Error())
	}
	return pipeline.Reply{Status: status, Body: string(body)}, err
}

// Table returns a table of the flags.
func (h *tryHost) Table(name string) *refer.Table {
	t := h.tables[name]
	switch {
	case t == nil && len(h.tables) == 0:
		h.tell("there are no reference tables: give --refer-table")
	case t == nil:
		h.tell(fmt.Sprintf("there is no reference table %q; there are %s", name, strings.Join(sortedKeys(h.tables), ", ")))
	}
	return t
}

// Locate asks the database of the flags.
func (h *tryHost) Locate(ip string) (geo.Place, bool) {
	if h.geo == nil {
		h.tell("there is no geo database: give --geoip")
		return geo.Place{}, false
	}
	return h.geo.Locate(ip)
}
