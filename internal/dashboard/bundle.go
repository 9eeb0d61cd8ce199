package dashboard

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
)

// Bundle is all dashboards in one, small enough to lie in the program: gzipped JSON, by dialect a list of dashboards.
func Bundle() ([]byte, error) {
	all := map[Dialect][]json.RawMessage{}
	for _, d := range Dialects() {
		files, err := Files(d)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			var small bytes.Buffer
			if err := json.Compact(&small, f.JSON); err != nil {
				return nil, fmt.Errorf("dashboard %s: %w", f.Name, err)
			}
			all[d] = append(all[d], small.Bytes())
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
