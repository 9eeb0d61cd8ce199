//go:build image

package appcheck

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// workshop is where images are built, without an engine: buildah and a folder that lives outside of the tree.
type workshop struct {
	dir  string // base system, images, the compiler's cache
	base string // name of the image with the Go toolchain
}

func newWorkshop(t *testing.T) workshop {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("the image can be built and run by root only")
	}
	for _, name := range []string{"buildah", "debootstrap", "qemu-aarch64"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("missing: %s; make test-image installs it", name)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	w := workshop{dir: filepath.Join(cache, "fitbit-fetch", "image"), base: "localhost/golang:" + strings.TrimPrefix(runtime.Version(), "go")}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if w.try("inspect", "--type", "image", w.base) == nil {
		return w
	}
	// No registry is asked: the base is Debian's smallest system and the toolchain that runs this test.
	system := filepath.Join(w.dir, "debian")
	if _, err := os.Stat(filepath.Join(system, "etc", "debian_version")); err != nil {
		out, err := exec.Command("debootstrap", "--variant=minbase", "--include=ca-certificates", "stable", system).CombinedOutput()
		if err != nil {
			t.Fatalf("debootstrap: %v\n%s", err, tail(out))
		}
	}
	c := w.do(t, "from", "scratch")
	w.do(t, "copy", "-q", c, system, "/")
	w.do(t, "copy", "-q", c, goEnv(t, "GOROOT"), "/usr/local/go")
	w.do(t, "config", "--env", "PATH=/usr/local/go/bin:/usr/bin:/bin", "--env", "GOTOOLCHAIN=local", c)
	w.do(t, "commit", "-q", c, w.base)
	w.do(t, "rm", c)
	return w
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

func (w workshop) command(args ...string) *exec.Cmd {
	return exec.Command("buildah", append([]string{"--storage-driver", "vfs", "--root", filepath.Join(w.dir, "root"), "--runroot", filepath.Join(w.dir, "run")}, args...)...)
}

func (w workshop) try(args ...string) error { return w.command(args...).Run() }

// do runs buildah and returns the last line it says.
func (w workshop) do(t *testing.T, args ...string) string {
	t.Helper()
	cmd := w.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("buildah %s: %v\n%s%s", args[0], err, tail(out), tail(stderr.Bytes()))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// build builds the image of an architecture from a context, as an engine would, and returns its name.
func (w workshop) build(t *testing.T, context, dockerfile, arch string) string {
	t.Helper()
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	// buildah before 1.33 does not know this word; the builders that are really used do.
	mine := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(mine, bytes.Replace(text, []byte(" --start-interval=3s"), nil, 1), 0o644); err != nil {
		t.Fatal(err)
	}
	goCache := filepath.Join(w.dir, "gocache")
	if err := os.MkdirAll(goCache, 0o755); err != nil {
		t.Fatal(err)
	}
	name := "localhost/fitbit-fetch-test:" + arch
	w.do(t, "bud", "-q", "--pull-never", "--format", "docker", "--isolation", "chroot",
		"--build-arg", "BUILD_FROM="+w.base, "--build-arg", "TARGETARCH="+arch, "--build-arg", "BUILD_VERSION=9.9.9",
		"-v", goEnv(t, "GOMODCACHE")+":/root/go/pkg/mod:ro", "-v", goCache+":/root/.cache/go-build",
		"--env", "GOPROXY=off", "--env", "GOFLAGS=-mod=mod", "--env", "HOME=/root", "-t", name, "-f", mine, context)
	return name
}

// container is a run of an image.
type container struct {
	w    workshop
	id   string
	root string // its file system, from outside
	data string // what is mounted at /data, if anything is

	mounts []string // folders of the machine, each with a colon and its place inside
}

// start makes a container with a /data of its own, which belongs to user.
func (w workshop) start(t *testing.T, image string, user int) container {
	t.Helper()
	c := container{w: w, id: w.do(t, "from", "--pull-never", image), data: t.TempDir()}
	t.Cleanup(func() { w.try("rm", c.id) })
	c.root = w.do(t, "mount", c.id)
	if err := os.Chown(c.data, user, user); err != nil {
		t.Fatal(err)
	}
	if user != 0 {
		w.do(t, "config", "--user", fmt.Sprint(user), c.id)
	}
	return c
}

func (c container) command(args ...string) *exec.Cmd {
	run := []string{"run", "--isolation", "chroot"}
	if c.data != "" {
		run = append(run, "-v", c.data+":/data")
	}
	for _, m := range c.mounts {
		run = append(run, "-v", m)
	}
	return c.w.command(append(append(run, c.id, "--", "/usr/bin/fitbit-fetch"), args...)...)
}

// snapshot lists the files of the image with their sizes and times.
func (c container) snapshot(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(c.root, path)
		switch top, _, _ := strings.Cut(rel, string(filepath.Separator)); {
		case slices.Contains([]string{"proc", "sys", "dev", "run"}, top), slices.Contains([]string{"etc/hostname", "etc/hosts", "etc/resolv.conf"}, rel):
			return nil // the engine's own
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !d.IsDir() {
			out = append(out, fmt.Sprintf("%s %d %s", rel, info.Size(), info.ModTime()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// program returns the process id of the program below one that was started: buildah stands between.
func program(t *testing.T, of int) int {
	t.Helper()
	found := 0
	proctest.Until(t, "the program to start", func() bool {
		parents := map[int]int{}
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			stat, err := os.ReadFile(dir + "/stat")
			if err != nil {
				continue
			}
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			pid, _ := strconv.Atoi(filepath.Base(dir))
			parents[pid], _ = strconv.Atoi(fields[1])
		}
		for pid := range parents {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if !bytes.HasPrefix(line, []byte("/usr/bin/fitbit-fetch\x00")) {
				continue
			}
			for p := pid; p > 1; p = parents[p] {
				if p == of {
					found = pid
					return true
				}
			}
		}
		return false
	}, nil)
	return found
}

// TestImage builds the image as Supervisor does, from a folder that has nothing but the app, and runs it as Home Assistant (root,
// options.json in /data) and Docker (user 1000) do.
func TestImage(t *testing.T) {
	w := newWorkshop(t)
	folder := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("sh", filepath.Join(root, "scripts", "app-folder"), folder).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	app := filepath.Join(folder, "fitbit_fetch")
	image := w.build(t, app, filepath.Join(app, "Dockerfile"), runtime.GOARCH)

	t.Run("facts", func(t *testing.T) {
		var facts struct {
			Docker struct {
				Config struct {
					User        string
					Entrypoint  []string
					Healthcheck struct{ Test []string }
				} `json:"config"`
			}
		}
		out, err := w.command("inspect", "--type", "image", image).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &facts); err != nil {
			t.Fatal(err)
		}
		f := facts.Docker.Config
		if f.User != "" || !slices.Equal(f.Entrypoint, []string{"/usr/bin/fitbit-fetch"}) ||
			!slices.Equal(f.Healthcheck.Test, []string{"CMD", "/usr/bin/fitbit-fetch", "healthcheck"}) {
			t.Errorf("%+v", f)
		}
		c := w.start(t, image, 0)
		packed, err := exec.Command("sh", "-c", `tar -C "$1" -cz . | wc -c`, "sh", c.root).Output()
		if err != nil {
			t.Fatal(err)
		}
		size, err := strconv.Atoi(strings.TrimSpace(string(packed)))
		if err != nil || size > 20e6 {
			t.Errorf("the image is %d bytes to fetch, %v", size, err)
		}
		t.Logf("%.1f MB to fetch", float64(size)/1e6)
		if out, err := c.command("version").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("9.9.9")) {
			t.Errorf("%s, %v", out, err)
		}
	})
	for name, user := range map[string]int{"Home Assistant": 0, "Docker": 1000} {
		t.Run(name, func(t *testing.T) { lives(t, w.start(t, image, user), user == 0) })
	}
	for name, user := range map[string]int{"the Python project's way, as root": 0, "the Python project's way, as its user": 1000} {
		t.Run(name, func(t *testing.T) { takesOver(t, w, image, user) })
	}
	t.Run("no sources", func(t *testing.T) {
		if err := w.command("bud", "-q", "--pull-never", "--isolation", "chroot", "--build-arg", "BUILD_FROM="+w.base, "-f", filepath.Join(app, "Dockerfile"), appDir).Run(); err == nil {
			t.Error("an image without a program was built")
		}
	})
}

// lives starts the program, asks after its health, takes a snapshot as before a backup, and stops it.
func lives(t *testing.T, c container, inApp bool) {
	if inApp {
		options, err := json.Marshal(readConfig(t).values["options"])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.data, "options.json"), options, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := c.snapshot(t)
	run := c.command()
	var log bytes.Buffer
	run.Stdout, run.Stderr = &log, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	pid := program(t, run.Process.Pid)
	var health []byte
	proctest.Until(t, "the program to be well", func() (well bool) {
		var err error
		health, err = c.command("healthcheck").CombinedOutput()
		return err == nil
	}, func() string { return string(health) })
	if out, err := c.command("snapshot").CombinedOutput(); err != nil {
		t.Errorf("before a backup: %v\n%s", err, out)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	if err := proctest.Receive(t, "its end", ended, nil); err != nil {
		t.Errorf("stopped with %v\n%s", err, log.String())
	}
	if out, err := c.command("healthcheck").CombinedOutput(); err == nil {
		t.Errorf("well after its end: %s", out)
	}
	if after := c.snapshot(t); !slices.Equal(before, after) {
		t.Errorf("files of the image changed:\n%q\n%q", before, after)
	}
	for _, name := range []string{"archive.db", "archive.db.snapshot"} {
		if _, err := os.Stat(filepath.Join(c.data, name)); err != nil {
			t.Error(err)
		}
	}
	if inApp && !strings.Contains(log.String(), "no client id") {
		t.Errorf("the log does not say what to do first:\n%s", log.String())
	}
}

// takesOver puts the image in the place of the Python project's: with its environment, its two folders that belong to user 1000, and
// nothing else to write to. A second container goes on where the first one was.
func takesOver(t *testing.T, w workshop, image string, user int) {
	folder := t.TempDir()
	var mounts []string
	for _, name := range []string{"tokens", "logs"} {
		path := filepath.Join(folder, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 1000, 1000); err != nil {
			t.Fatal(err)
		}
		mounts = append(mounts, path+":/app/"+name)
	}
	token := filepath.Join(folder, "tokens", "fitbit.token")
	if err := os.WriteFile(token, []byte(`{"access_token": "old", "refresh_token": "`+strings.Repeat("5a", 32)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(token, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	service := ""
	for i, want := range []string{"the bulk update begins", "fetched already"} {
		c := w.start(t, image, user)
		c.data, c.mounts = "", mounts
		for _, name := range []string{"data", "tmp"} {
			if err := os.Chmod(filepath.Join(c.root, name), 0o555); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			service = simulated(t, filepath.Join(c.root, "usr", "bin", "fitbit-fetch"))
		}
		for _, line := range []string{"FITBIT_LOG_FILE_PATH=/app/logs/fitbit.log", "TOKEN_FILE_PATH=/app/tokens/fitbit.token", "AUTO_DATE_RANGE=True", "CLIENT_ID=23ABCD",
			"CLIENT_SECRET=0123456789abcdef0123456789abcdef", "DEVICENAME=Charge5", "LOCAL_TIMEZONE=Automatic", "MANUAL_START_DATE=2026-11-18", "MANUAL_END_DATE=2026-11-18",
			"FITBIT_FETCH_API_URL=" + service, "FITBIT_FETCH_TOKEN_URL=" + service + "/oauth2/token", "FITBIT_FETCH_POLITE=no", "FITBIT_FETCH_CLOCK=2026-11-20T09:00:00Z"} {
			w.do(t, "config", "--env", line, c.id)
		}
		before := c.snapshot(t)
		out, err := c.command().CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(want)) || !bytes.Contains(out, []byte("Bulk Update Complete")) {
			t.Fatalf("%s: %v\n%s", want, err, tail(out))
		}
		if after := c.snapshot(t); !slices.Equal(before, after) {
			t.Errorf("files of the image changed:\n%q\n%q", before, after)
		}
	}
	for _, name := range []string{"tokens/fitbit.token", "tokens/archive.db", "logs/fitbit.log"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 1000 {
			t.Errorf("%s is not user 1000's, %v", name, err)
		}
	}
}

// simulated starts the simulated Fitbit Web API with the image's program, and returns its address.
func simulated(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.Command(program, "simulate", "--api", "fitbit", "--listen", "127.0.0.1:0", "--quota=false", "--start", "2026-11-01", "--clock", "2026-11-20T09:00:00Z")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "api_url: "); ok {
			go io.Copy(io.Discard, out)
			return address
		}
	}
	t.Fatal("the simulated service tells no address")
	return ""
}

// TestImageOtherArchitecture builds for the other architecture from the root of the repository, as the published image is built,
// and lets the binary do its demo.
func TestImageOtherArchitecture(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Fatal("this test runs arm64 on amd64")
	}
	w := newWorkshop(t)
	image := w.build(t, root, filepath.Join(appDir, "Dockerfile"), "arm64")
	c := w.start(t, image, 0)
	binary := filepath.Join(c.root, "usr", "bin", "fitbit-fetch")
	cmd := exec.Command("qemu-aarch64", binary, "demo")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	demo := proctest.Start(t, "the demo", cmd)
	shows := func() bool { return strings.Contains(strings.ToLower(demo.Out.String()), "heart rate") }
	proctest.Until(t, "values in the demo", func() bool { return shows() || demo.Ended() }, demo.Tail)
	if !shows() {
		t.Fatalf("the demo ended with code %d and showed no values:\n%s", demo.Code, demo.Tail())
	}
	if demo.Ended() && demo.Code != 0 {
		t.Errorf("the demo ended with code %d:\n%s", demo.Code, demo.Tail())
	}
}
