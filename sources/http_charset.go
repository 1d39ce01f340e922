package sources

import (
	"fmt"

	"golang.org/x/text/encoding/htmlindex"
)

// decodeCharset returns the text of data in a character set: UTF-8 if the name is empty.
func decodeCharset(data []byte, name string) (string, error) {
	if name == "" {
		return string(data), nil
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return "", fmt.Errorf("%q is no character set", name)
	}
	out, err := e.NewDecoder().Bytes(data)
	return string(out), err
}
