package answer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
)

// The bounds of an answer.
const (
	MaxBody  = 64 << 20 // bytes of one answer, decompressed
	MaxValue = 4 << 20  // bytes of one point: no page's text is ever held
	MaxHead  = 16 << 10 // bytes of an answer kept to tell its shape by
)

// What an answer can be in place of one.
var (
	ErrTooLarge   = fmt.Errorf("answer larger than %d MB", MaxBody>>20)
	ErrValueLarge = fmt.Errorf("a single value in the answer is larger than %d MB", MaxValue>>20)
	ErrNotJSON    = errors.New("answer is not JSON")
	ErrHTML       = errors.New("answer is a web page, not data")
)

// A Body reads one answer: decompressed, bounded, and with its beginning kept.
type Body struct {
	buffer *bufio.Reader
	zip    *gzip.Reader
	dec    *jsontext.Decoder
	Head   []byte // the beginning of the answer

	src  io.Reader
	head bool  // nothing has been read yet
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

// NewBody makes one that can be opened for one answer after the other.
func NewBody() *Body {
	return &Body{buffer: bufio.NewReaderSize(nil, 32<<10), dec: jsontext.NewDecoder(eof{}), Head: make([]byte, 0, MaxHead)}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// Reset forgets the answer before, so that Head and Network tell nothing of it where no other one comes.
func (b *Body) Reset() { b.raw, b.Head = counter{}, b.Head[:0] }

// Network returns how many bytes of the answer came over the network so far.
func (b *Body) Network() int64 { return b.raw.n }

// Open starts the reading of an answer.
func (b *Body) Open(resp *http.Response) error {
	b.raw = counter{src: resp.Body}
	b.head, b.read, b.mark, b.Head = true, 0, 0, b.Head[:0]
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

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.read >= MaxBody {
		return 0, ErrTooLarge
	}
	if b.read-b.mark > MaxValue {
		return 0, ErrValueLarge
	}
	n, err := b.next(p)
	if room := MaxHead - len(b.Head); room > 0 {
		b.Head = append(b.Head, p[:min(n, room)]...)
	}
	b.read += int64(n)
	return n, err
}

// byteOrder is the mark that some programs put before a text.
const byteOrder = "\xEF\xBB\xBF"

// next reads, and passes over a byte order mark at the beginning.
func (b *Body) next(p []byte) (int, error) {
	if !b.head || len(p) < len(byteOrder) {
		return b.src.Read(p)
	}
	b.head = false
	n, err := io.ReadAtLeast(b.src, p, len(byteOrder))
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if bytes.HasPrefix(p[:n], []byte(byteOrder)) {
		n = copy(p, p[len(byteOrder):n])
	}
	return n, err
}

// Next says that a value has been read to its end.
func (b *Body) Next() { b.mark = b.read }

// First returns the first byte of the answer that is no blank, without reading past it.
func (b *Body) First() (byte, io.Reader, error) {
	r := bufio.NewReader(b)
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, nil, emptyIsCut(err)
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, r, r.UnreadByte()
		}
	}
}

// JSON returns a decoder at the beginning of the answer, which must be a value of one of those kinds, as in "{[".
func (b *Body) JSON(kinds string) (*jsontext.Decoder, error) {
	b.dec.Reset(b, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch kind := b.dec.PeekKind(); {
	case kind != 0 && strings.IndexByte(kinds, byte(kind)) >= 0:
		return b.dec, nil
	case b.read == 0 || kind == 0 && blank(b.Head):
		_, err := b.dec.ReadToken()
		return nil, fmt.Errorf("reading the answer: %w", emptyIsCut(err))
	case b.startsWith('<'):
		return nil, ErrHTML
	default:
		return nil, ErrNotJSON
	}
}

func (b *Body) startsWith(want byte) bool {
	for _, c := range b.Head {
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

// End reads what is left, which must be blank: so the checksum is seen, and the connection can be used again.
func (b *Body) End() error {
	_, err := b.dec.ReadToken()
	if err == io.EOF {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%w: something follows the answer's end", ErrNotJSON)
	}
	return err
}
