package web

import (
	"fmt"
	"net/http"
	"strings"

	"rsc.io/qr"
)

// qr draws the link to the consent page for the camera of another device.
func (s *Server) qr(w http.ResponseWriter, r *request) {
	_, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	if err != nil {
		s.refuse(w, http.StatusNotFound, "refused_path")
		return
	}
	v := s.visit(p.ID)
	if v == nil {
		s.refuse(w, http.StatusNotFound, "refused_path")
		return
	}
	image, err := qrImage(v.URL)
	if err != nil {
		s.cfg.Log.Error("the QR code could not be drawn", "error", err)
		s.refuse(w, http.StatusInternalServerError, "refused_broken")
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
	w.Write([]byte(image))
}

// quiet is the white margin that cameras need, in modules.
const quiet = 4

// qrImage draws a text as QR code: dark on white, whatever the theme, for cameras want it so. Each row is drawn in runs.
func qrImage(text string) (string, error) {
	code, err := qr.Encode(text, qr.L) // the least correction: the link is long, and the larger its points, the better they are read
	if err != nil {
		return "", fmt.Errorf("encoding %d letters: %w", len(text), err)
	}
	var b strings.Builder
	n := code.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, n, n, n, n)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}
