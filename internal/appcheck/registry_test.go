//go:build image

package appcheck

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// registry starts a registry of images, which anybody may read, or nobody without a password, and returns its address.
func registry(t *testing.T, private bool) string {
	t.Helper()
	dir, port := t.TempDir(), proctest.FreePort(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	text := "version: 0.1\nlog: {level: error}\nstorage: {inmemory: {}}\nhttp: {addr: " + address + "}\n"
	if private {
		users := filepath.Join(dir, "users")
		if err := os.WriteFile(users, []byte(owner), 0o600); err != nil {
			t.Fatal(err)
		}
		text += "auth: {htpasswd: {realm: test, path: " + users + "}}\n"
	}
	conf := filepath.Join(dir, "registry.yml")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := proctest.Start(t, "docker-registry", exec.Command("docker-registry", "serve", conf))
	proctest.Until(t, "the registry to listen", func() bool {
		if server.Ended() {
			t.Fatalf("the registry does not listen:\n%s", server.Tail())
		}
		return proctest.Listening(port)
	}, server.Tail)
	if res, err := http.Get("http://" + address + "/v2/"); err != nil || (res.StatusCode == http.StatusUnauthorized) != private {
		t.Fatalf("%v, %v", res, err)
	}
	return address
}

// owner is a line of htpasswd: user and password are "owner".
const owner = "owner:$2b$04$v7UnVVf.j6dLE0WdUNo4KOsnqZB0QOynalqFdhV/h1wnWS.rq1e/C\n"

// TestImagePublished: scripts/check-image is content with an image that everybody can pull, for both architectures, in the version that
// config.yaml names, and with no other.
func TestImagePublished(t *testing.T) {
	w := newWorkshop(t)
	public, private := registry(t, false), registry(t, true)
	// Nothing lies in them; it is about names, architectures and labels.
	list := func(address, tag, label string, archs ...string) {
		t.Helper()
		var images []string
		for _, arch := range archs {
			name := "localhost/" + arch + "-" + tag
			c := w.do(t, "from", "scratch")
			w.do(t, "config", "--arch", arch, "--os", "linux", "--label", "org.opencontainers.image.version="+label, c)
			w.do(t, "commit", "-q", c, name)
			w.do(t, "rm", c)
			images = append(images, name)
		}
		to := "docker://" + address + "/owner/fitbit-fetch:" + tag
		creds := []string{"--tls-verify=false", "--creds", "owner:owner"}
		if len(images) == 1 {
			w.do(t, append(append([]string{"push", "-q"}, creds...), images[0], to)...)
			return
		}
		w.try("manifest", "rm", "localhost/list-"+tag)
		w.do(t, append([]string{"manifest", "create", "localhost/list-" + tag}, images...)...)
		w.do(t, append(append([]string{"manifest", "push", "--all"}, creds...), "localhost/list-"+tag, to)...)
	}
	list(public, "0.99.0", "0.99.0", "amd64", "arm64")
	list(public, "0.99.1", "0.99.0", "amd64", "arm64")
	list(public, "0.99.2", "0.99.2", "amd64", "s390x")
	list(public, "0.99.3", "0.99.3", "amd64")
	list(private, "0.99.0", "0.99.0", "amd64", "arm64")

	home := t.TempDir()
	conf := filepath.Join(home, ".config", "containers", "registries.conf")
	if err := os.MkdirAll(filepath.Dir(conf), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, fmt.Appendf(nil, "[[registry]]\nlocation = %q\ninsecure = true\n[[registry]]\nlocation = %q\ninsecure = true\n", public, private), 0o600); err != nil {
		t.Fatal(err)
	}
	const refused = `cannot be pulled without credentials for aarch64`
	for name, c := range map[string]struct{ registry, version, want string }{
		"as it should be":         {public, "0.99.0", ""},
		"the label of another":    {public, "0.99.1", "is 'arm64 0.99.0'"},
		"an architecture missing": {public, "0.99.2", `(?s)no image found in .* for architecture.* arm64.*` + refused},
		"one architecture alone":  {public, "0.99.3", "is 'amd64 0.99.3'"},
		"never published":         {public, "0.99.4", `(?s)manifest unknown.*` + refused},
		"the owner's alone":       {private, "0.99.0", `(?s)authentication required.*` + refused + `.*make it public once`},
	} {
		t.Run(name, func(t *testing.T) {
			tree := releasedTree(t, c.version, append(words, "scripts/check-image")...)
			edit(t, filepath.Join(tree, "fitbit_fetch", "config.yaml"), regexp.MustCompile(`(?m)^image: .*$`), "image: "+c.registry+"/owner/fitbit-fetch")
			check := exec.Command("sh", filepath.Join(tree, "scripts", "check-image"))
			check.Env = append(os.Environ(), "HOME="+home)
			out, err := check.CombinedOutput()
			if (err == nil) != (c.want == "") || !regexp.MustCompile(c.want).Match(out) {
				t.Errorf("%v, want %q:\n%s", err, c.want, out)
			}
		})
	}
}
