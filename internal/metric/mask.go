package metric

// Mask shortens the id of an account or a device so that it can be recognised but not used.
func Mask(id string) string {
	switch r := []rune(id); {
	case len(r) == 0:
		return "unknown"
	case len(r) < 6:
		return "…"
	case len(r) < 12:
		return string(r[:2]) + "…" + string(r[len(r)-2:])
	default:
		return string(r[:3]) + "…" + string(r[len(r)-3:])
	}
}
