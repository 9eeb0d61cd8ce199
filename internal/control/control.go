// Package control lets a command run inside the process that owns the archive.
//
// The owner listens on a Unix socket, beside the archive where one can be. A command that finds the socket sends its arguments and standard
// input there and shows what comes back; one that finds none runs in its own process. Both run the same function, so a command
// has one implementation and does not know where it runs.
//
// The protocol is one JSON value a line. The client sends a Call, then Input values; the owner sends Output values, the last
// with Done set.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

// Call says which command to run.
type Call struct {
	Args []string `json:"args"`
	Dir  string   `json:"dir"`            // folder against which relative paths are meant
	TTY  bool     `json:"tty,omitempty"`  // somebody watches the output
	Wide int      `json:"wide,omitempty"` // columns of the terminal
}

// input is a piece of the client's standard input.
type input struct {
	Text string `json:"text,omitempty"`
	EOF  bool   `json:"eof,omitempty"`
}

// output is a piece of what the command prints, or its end.
type output struct {
	Out  []byte `json:"out,omitempty"`
	Err  []byte `json:"err,omitempty"`
	Done bool   `json:"done,omitempty"`
	Exit int    `json:"exit,omitempty"`
}

// A Handler runs a command and returns its exit code. ctx ends when the client goes away.
type Handler func(ctx context.Context, call Call, stdin io.Reader, stdout, stderr io.Writer) int

// Serve answers calls on a socket at the first of the places that can have one until ctx ends, then waits for the running ones. Folders
// of a machine that are lent to a container cannot always. The socket can be used by its owner only. One left behind by a process that
// died is replaced: the caller holds the archive's lock, so nobody listens.
func Serve(ctx context.Context, places []string, handle Handler) error {
	l, err := listenAt(places)
	if err != nil {
		return fmt.Errorf("listening for commands: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("listening for commands: %w", err)
		}
		wg.Go(func() { serve(ctx, conn, handle) })
	}
}

func listenAt(places []string) (net.Listener, error) {
	var all []error
	for _, path := range places {
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = append(all, fmt.Errorf("removing the old socket: %w", err))
			continue
		}
		l, err := listen(path)
		if err == nil {
			return l, nil
		}
		all = append(all, err)
	}
	return nil, errors.Join(all...)
}

func serve(ctx context.Context, conn net.Conn, handle Handler) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()

	dec := json.NewDecoder(conn)
	var call Call
	if err := dec.Decode(&call); err != nil {
		return
	}
	stdin, feed := io.Pipe()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer stdin.Close()
	wg.Go(func() {
		defer feed.Close()
		for {
			var in input
			if err := dec.Decode(&in); err != nil {
				cancel() // the client has gone
				return
			}
			if in.EOF {
				feed.Close()
				continue
			}
			if _, err := io.WriteString(feed, in.Text); err != nil {
				continue // the command does not read any more; keep watching for the client's end
			}
		}
	})
	w := &frames{enc: json.NewEncoder(conn)}
	code := handle(ctx, call, stdin, w.stream(false), w.stream(true))
	w.send(output{Done: true, Exit: code})
}

// frames writes output values one at a time.
type frames struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (f *frames) send(o output) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.enc.Encode(o)
}

func (f *frames) stream(stderr bool) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		o := output{Out: p}
		if stderr {
			o = output{Err: p}
		}
		if err := f.send(o); err != nil {
			return 0, err
		}
		return len(p), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// ErrNobody says that no process listens on the socket.
var ErrNobody = errors.New("no running fitbit-fetch")

// missing reports whether there is no file; Windows does not say so when it cannot connect.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// dial reaches the owner at the first place where one listens.
func dial(places []string) (net.Conn, error) {
	none := ErrNobody
	for _, path := range places {
		conn, err := net.Dial("unix", path)
		if err == nil {
			return conn, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, refused) && !missing(path) {
			none = fmt.Errorf("reaching the running fitbit-fetch: %w", err)
		}
	}
	return nil, none
}

// Do has the owner run call and returns its exit code. It returns ErrNobody where no process owns the archive, and the error of stdout
// where that does not take what the command prints.
func Do(ctx context.Context, places []string, call Call, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	conn, err := dial(places)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	enc := json.NewEncoder(conn)
	if err := enc.Encode(call); err != nil {
		return 0, fmt.Errorf("reaching the running fitbit-fetch: %w", err)
	}
	// The goroutine ends with the connection or with standard input; a read from a terminal cannot be interrupted, so nobody
	// waits for it: the process is about to end.
	go forward(stdin, enc)
	dec := json.NewDecoder(conn)
	for {
		var o output
		if err := dec.Decode(&o); err != nil {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			return 0, fmt.Errorf("the running fitbit-fetch went away in the middle of the command: %w", err)
		}
		stderr.Write(o.Err)
		if _, err := stdout.Write(o.Out); err != nil {
			return 0, err // which ends the command, as the line is closed
		}
		if o.Done {
			return o.Exit, nil
		}
	}
}

func forward(stdin io.Reader, enc *json.Encoder) {
	buf := make([]byte, 4096)
	for {
		n, err := stdin.Read(buf)
		if n > 0 && enc.Encode(input{Text: string(buf[:n])}) != nil {
			return
		}
		if err != nil {
			enc.Encode(input{EOF: true})
			return
		}
	}
}
