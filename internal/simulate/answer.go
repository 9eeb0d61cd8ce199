package simulate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// zippers are kept for the next answer: one takes more than a megabyte to make.
type zippers struct{ pool sync.Pool }

// pack returns the body as gzip, at the quick level.
func (z *zippers) pack(body []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(body)/8 + 512)
	gz, ok := z.pool.Get().(*gzip.Writer)
	if ok {
		gz.Reset(&out)
	} else {
		var err error
		if gz, err = gzip.NewWriterLevel(&out, gzip.BestSpeed); err != nil {
			panic(err) // the level is a constant
		}
	}
	_, _ = gz.Write(body) // a buffer takes everything
	_ = gz.Close()
	z.pool.Put(gz)
	return out.Bytes()
}

// buffer returns an empty buffer for an answer, reuse takes it back when the answer was sent.
func (g *Google) buffer() []byte {
	if b, ok := g.spare.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (g *Google) reuse(b []byte) { g.spare.Put(&b) }

// writeJSON sends a body the way the client asked for it: indented unless it said prettyPrint=false, packed where it may be.
func (g *Google) writeJSON(w http.ResponseWriter, r *http.Request, code int, body []byte) {
	switch r.URL.Query().Get("prettyPrint") {
	case "false", "0":
	default:
		var out bytes.Buffer
		if json.Indent(&out, body, "", "  ") == nil {
			out.WriteByte('\n')
			body = out.Bytes()
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("Vary", "Origin, X-Origin, Referer")
	h.Set("Cache-Control", "private")
	g.send(w, r, code, body)
}

// send packs a body where the client takes gzip.
func (f *front) send(w http.ResponseWriter, r *http.Request, code int, body []byte) {
	h := w.Header()
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = f.zip.pack(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client went away: nothing to be done
}

// keeps reads the mask of a request and checks it against the shape of the answer.
func (c *call) keeps(shape string) (*mask, *apiError) {
	s := c.r.URL.Query().Get("fields")
	if s == "" {
		s = c.r.Header.Get("X-Goog-FieldMask")
	}
	if s == "" || s == "*" {
		return nil, nil
	}
	m, err := parseMask(s)
	if err != nil {
		return nil, &apiError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", message: "Invalid field selection " + s + ": " + err.Error()}
	}
	if u := m.unknown(c.g.shapes[shape], ""); u != "" {
		return nil, &apiError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", message: "Invalid field selection " + u}
	}
	if c.g.cfg.Odd != nil {
		return nil, nil // the mask comes after the oddities: a member with another name is not kept
	}
	return m, nil
}

// object answers with one JSON object.
func (c *call) object(w http.ResponseWriter, shape string, write func(*enc)) *apiError {
	m, err := c.keeps(shape)
	if err != nil {
		return err
	}
	e := newEnc(c.p, m)
	e.b = append(e.b, '{')
	write(e)
	e.b = append(e.b, '}')
	c.g.writeJSON(w, c.r, http.StatusOK, e.b)
	return nil
}
