package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// style is how a piece of text looks on a terminal with colours.
type style string

const (
	plain style = ""
	bold  style = "\x1b[1m"
	dim   style = "\x1b[2m"
	green style = "\x1b[32m"
	reset       = "\x1b[0m"
)

// span is a piece of text in one style, line what stands in one line of the screen.
type span struct {
	style style
	text  string
}

type line []span

func (l line) text() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return b.String()
}

// render cuts a line to a width and colours it.
func (l line) render(wide int, colours bool) string {
	var b strings.Builder
	for _, s := range l {
		text := s.text
		if n := utf8.RuneCountInString(text); wide >= 0 && n > wide {
			text = cut(text, wide)
			if wide == 0 {
				break
			}
		}
		wide -= utf8.RuneCountInString(text)
		if colours && s.style != plain {
			text = string(s.style) + text + reset
		}
		b.WriteString(text)
	}
	return b.String()
}

// screen shows lines in place, on the terminal's second page: the first comes back untouched.
type screen struct {
	out     io.Writer
	size    func() (wide, high int)
	colours bool
}

func newScreen(c *call) *screen {
	s := &screen{out: c.stdout, size: c.size, colours: c.colours(os.Getenv)}
	io.WriteString(s.out, "\x1b[?1049h\x1b[?25l")
	return s
}

// colours reports whether the user wants them.
func (c *call) colours(env func(string) string) bool {
	return c.tty && env("NO_COLOR") == "" && env("TERM") != "dumb"
}

// draw shows the lines, or as many as fit: the last one stays, since it says how to end.
func (s *screen) draw(lines []line) {
	wide, high := s.size()
	if high > 1 && len(lines) > high {
		lines = append(lines[:high-1:high-1], lines[len(lines)-1])
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l.render(wide, s.colours) + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	io.WriteString(s.out, b.String())
}

func (s *screen) leave() { io.WriteString(s.out, "\x1b[?25h\x1b[?1049l") }
