package config

import (
	"log/slog"

	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// Secret is a text that prints as *** however it is printed. The zero value is no secret.
type Secret struct{ text *string } // a pointer: reflection shows an address, never the text

// NewSecret wraps text; an empty one is no secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	redact.Secret(text)
	return Secret{&text}
}

// Reveal returns the text, for the one who needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Set reports whether there is one.
func (s Secret) Set() bool { return s.text != nil }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return "***"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText implements encoding.TextMarshaler, for YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(s.GoString()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
