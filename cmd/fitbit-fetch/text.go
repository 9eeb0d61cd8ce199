package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// width is how many columns a text may have: those of the terminal, 80 where nobody watches.
func (c *call) width() int {
	if c.wide <= 0 {
		return 80
	}
	return max(c.wide, 20)
}

// wrap breaks a text into lines that fit: before stands before the first of them, rest before the others. Lines of the text that
// are indented are left as they are.
func (c *call) wrap(text, before, rest string) string {
	var b strings.Builder
	for i, line := range strings.Split(paragraphs(text), "\n") {
		if i > 0 {
			b.WriteByte('\n')
			before = rest
		}
		b.WriteString(before)
		used := utf8.RuneCountInString(before)
		if strings.HasPrefix(line, " ") {
			b.WriteString(line)
			continue
		}
		start := used
		for _, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case used == start:
			case used+1+n > c.width():
				b.WriteString("\n" + rest)
				used, start = utf8.RuneCountInString(rest), utf8.RuneCountInString(rest)
			default:
				b.WriteByte(' ')
				used++
			}
			b.WriteString(word)
			used += n
		}
	}
	return b.String()
}

// paragraphs joins the lines of a text that was written over several; an empty or indented line stays one.
func paragraphs(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var b strings.Builder
	for i, l := range lines {
		switch {
		case i == 0:
		case l == "" || lines[i-1] == "" || strings.HasPrefix(l, " ") || strings.HasPrefix(lines[i-1], " "):
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(l)
	}
	return b.String()
}

// cut shortens a line to the width of the terminal.
func cut(s string, wide int) string {
	if wide <= 0 || utf8.RuneCountInString(s) <= wide {
		return s
	}
	return string([]rune(s)[:wide-1]) + "…"
}

// dayTime is how a command shows an instant to its user: local to the person, to the minute.
func dayTime(t time.Time, zones metric.Zones) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(zones.Now()).Format("2006-01-02 15:04")
}

// countText writes n with its thousands apart.
func countText(n int) string {
	s := fmt.Sprint(max(n, -n))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	if n < 0 {
		return "-" + s
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// durationText is a duration as a person says it.
func durationText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	if n := int(d.Round(time.Second).Seconds()); n > 1 {
		return fmt.Sprintf("%d seconds", n)
	}
	return "1 second"
}

// bar draws progress, share from 0 to 1.
func bar(share float64, width int) string {
	n := int(min(max(share, 0), 1) * float64(width))
	return strings.Repeat("█", n) + strings.Repeat("░", width-n)
}
