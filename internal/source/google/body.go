package google

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
)

const (
	maxBody  = 64 << 20 // bytes of one answer, decompressed
	maxValue = 4 << 20  // bytes of one point: no page's text is ever held
	maxHead  = 16 << 10 // bytes of an answer kept to tell its shape by
)

var (
	errTooLarge   = fmt.Errorf("answer larger than %d MB", maxBody>>20)
	errValueLarge = fmt.Errorf("a single value in the answer is larger than %d MB", maxValue>>20)
	errNotJSON    = errors.New("answer is not JSON")
	errHTML       = errors.New("answer is a web page, not data")
)

// A body reads one answer: decompressed, bounded, and with its beginning kept.
type body struct {
	buffer *bufio.Reader
	zip    *gzip.Reader
	dec    *jsontext.Decoder
	head   []byte

	src  io.Reader
	read int64 // bytes handed on
	mark int64 // where the value in hand began
	raw  counter
}

// counter counts the bytes that came over the network.
type counter struct {
	src io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	return n, err
}

func newBody() *body {
	return &body{buffer: bufio.NewReaderSize(nil, 32<<10), dec: jsontext.NewDecoder(eof{}), head: make([]byte, 0, maxHead)}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// open starts the reading of an answer.
func (b *body) open(resp *http.Response) error {
	b.raw = counter{src: resp.Body}
	b.read, b.mark, b.head = 0, 0, b.head[:0]
	b.buffer.Reset(&b.raw)
	b.src = b.buffer
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return nil
	}
	if b.zip == nil {
		z, err := gzip.NewReader(b.buffer)
		if err != nil {
			return fmt.Errorf("unpacking the answer: %w", emptyIsCut(err))
		}
		b.zip = z
	} else if err := b.zip.Reset(b.buffer); err != nil {
		return fmt.Errorf("unpacking the answer: %w", emptyIsCut(err))
	}
	b.src = b.zip
	return nil
}

// emptyIsCut: a packed answer of no bytes at all has been cut off.
func emptyIsCut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (b *body) Read(p []byte) (int, error) {
	if b.read >= maxBody {
		return 0, errTooLarge
	}
	if b.read-b.mark > maxValue {
		return 0, errValueLarge
	}
	n, err := b.src.Read(p)
	if room := maxHead - len(b.head); room > 0 {
		b.head = append(b.head, p[:min(n, room)]...)
	}
	b.read += int64(n)
	return n, err
}

// next says that a value has been read to its end.
func (b *body) next() { b.mark = b.read }

// first returns the first byte of the answer that is no blank, without reading past it.
func (b *body) first() (byte, io.Reader, error) {
	r := bufio.NewReader(b)
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, nil, emptyIsCut(err)
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0xEF && c != 0xBB && c != 0xBF {
			return c, r, r.UnreadByte()
		}
	}
}

// json returns a decoder at the beginning of the answer, which must be an object.
func (b *body) json() (*jsontext.Decoder, error) {
	b.dec.Reset(b, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch kind := b.dec.PeekKind(); {
	case kind == '{':
		return b.dec, nil
	case b.read == 0 || kind == 0 && blank(b.head):
		_, err := b.dec.ReadToken()
		return nil, fmt.Errorf("reading the answer: %w", emptyIsCut(err))
	case b.startsWith('<'):
		return nil, errHTML
	default:
		return nil, errNotJSON
	}
}

func (b *body) startsWith(want byte) bool {
	for _, c := range b.head {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c == want
		}
	}
	return false
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// end reads what is left, which must be blank: so the checksum is seen, and the connection can be used again.
func (b *body) end() error {
	_, err := b.dec.ReadToken()
	if err == io.EOF {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%w: something follows the answer's end", errNotJSON)
	}
	return err
}
