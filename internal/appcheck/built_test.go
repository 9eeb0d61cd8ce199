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
	"regexp"
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
	dir    string // base system, images, the compiler's cache
	base   string // name of the image with the Go toolchain
	driver string // how images are stored
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
	w := workshop{dir: filepath.Join(cache, "fitbit-fetch", "image"), base: "localhost/golang-own-caches:" + strings.TrimPrefix(runtime.Version(), "go")}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// With overlay a build copies nothing of its base; where the folder lies on an overlay itself, that is not possible.
	for _, w.driver = range []string{"overlay", "vfs"} {
		if w.try("info") == nil {
			break
		}
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
	// Modules come from two folders: ours as it would be published, and those that this machine has got already. A version of ours is another
	// tree at each run, which the go command's index of modules, kept in its cache, takes for impossible.
	w.do(t, "config", "--env", "PATH=/usr/local/go/bin:/usr/bin:/bin", "--env", "HOME=/tmp", "--env", "GOTOOLCHAIN=local", "--env", "GOMODCACHE=/go/mod", "--env", "GOCACHE=/go/cache",
		"--env", "GOPROXY=file:///ours,file:///modules/cache/download", "--env", "GOSUMDB=off", "--env", "GOFLAGS=-modcacherw", "--env", "GODEBUG=goindex=0", c)
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
	return exec.Command("buildah", append([]string{"--storage-driver", w.driver, "--root", filepath.Join(w.dir, "root-"+w.driver), "--runroot", filepath.Join(w.dir, "run-"+w.driver)}, args...)...)
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

// A modules is a folder of Go modules as a proxy serves them, with ours in it as GitHub's would be once it is published.
type modules string

// publish puts a tree there as a version, under the names by which it is asked for: its own, or a branch's.
func (m modules) publish(t *testing.T, tree, version string, branches ...string) {
	t.Helper()
	dir := filepath.Join(string(m), modulePath(t, tree), "@v")
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	packModule(t, &packed, tree, version)
	mod, err := os.ReadFile(filepath.Join(tree, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(version+".zip", packed.Bytes())
	write(version+".mod", mod)
	for _, name := range append(branches, version) {
		write(name+".info", fmt.Appendf(nil, `{"Version": %q, "Time": "2026-11-30T22:17:00Z"}`, version))
	}
}

// args are what every build has: the base, the modules that this machine has got already, and nothing from the network.
func (w workshop) args(t *testing.T, ours modules) []string {
	t.Helper()
	goCache := filepath.Join(w.dir, "gocache")
	if err := os.MkdirAll(goCache, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"bud", "--pull-never", "--format", "docker", "--isolation", "chroot", "--build-arg", "GO_IMAGE=" + w.base,
		"-v", goEnv(t, "GOMODCACHE") + ":/modules:O", "-v", goEnv(t, "GOMODCACHE") + ":/go/mod:O", "-v", goCache + ":/go/cache"}
	if ours != "" {
		args = append(args, "-v", string(ours)+":/ours:ro")
	}
	// What this machine has fetched of ours before is hidden: a build takes what is published now.
	owner := filepath.Dir(modulePath(t, root))
	for _, place := range []string{"/go/mod", "/go/mod/cache/download", "/modules/cache/download"} {
		args = append(args, "-v", t.TempDir()+":"+filepath.Join(place, owner))
	}
	return args
}

// dockerfile is a copy that buildah before 1.33 understands: it does not know one word, which the builders that are really used do.
func dockerfile(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(mine, bytes.Replace(text, []byte(" --start-interval=3s"), nil, 1), 0o644); err != nil {
		t.Fatal(err)
	}
	return mine
}

// build builds the image of an architecture from a context, as an engine would, and returns its name.
func (w workshop) build(t *testing.T, context, folder, arch, version string) string {
	t.Helper()
	name := "localhost/fitbit-fetch-test:" + arch
	w.do(t, append(w.args(t, ""), "--build-arg", "TARGETARCH="+arch, "--build-arg", "BUILD_VERSION="+version, "-t", name, "-f", dockerfile(t, folder), context)...)
	return name
}

// asSupervisor is the call with which Supervisor builds an app, from its folder alone.
func (w workshop) asSupervisor(t *testing.T, ours modules, folder, version string) *exec.Cmd {
	t.Helper()
	arch := map[string]string{"amd64": "amd64", "arm64": "aarch64"}[runtime.GOARCH]
	cmd := w.command(append(w.args(t, ours), "--tag", supervised+version, "--file", dockerfile(t, folder), "--platform", "linux/"+runtime.GOARCH,
		"--label", "io.hass.version="+version, "--label", "io.hass.arch="+arch, "--label", "io.hass.type=app", "--build-arg", "BUILD_VERSION="+version,
		"--build-arg", "BUILD_ARCH="+arch, "--build-arg", "TARGETARCH="+runtime.GOARCH, ".")...)
	cmd.Dir = folder
	return cmd
}

const supervised = "localhost/1a2b3c4d/addon-fitbit_fetch:"

// appAlone is a copy of a tree's app folder, where nothing else of the tree can be reached.
func appAlone(t *testing.T, tree string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "addon")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(tree, "fitbit_fetch"))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// offered is the version that an app's folder names.
func offered(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	version, _ := parseConfig(t, string(text)).values["version"].(string)
	return version
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

// TestImage builds the image as Supervisor does for who has added the repository by its address, from the app's folder alone, and runs
// it as Home Assistant (root, options.json in /data) and Docker (user 1000) do.
func TestImage(t *testing.T) {
	w := newWorkshop(t)
	tree, ours := copyTree(t), modules(t.TempDir())
	folder := appAlone(t, tree)
	version := offered(t, folder)
	want := version
	if strings.Contains(version, "-dev") {
		ours.publish(t, tree, "v0.0.0-20261130221700-1a2b3c4d5e6f", "main")
		want += "+1a2b3c4d5e6f"
	} else {
		ours.publish(t, tree, "v"+version)
	}
	if out, err := w.asSupervisor(t, ours, folder, version).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, tail(out))
	}
	image := supervised + version

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
		c.says(t, want)
	})
	for name, user := range map[string]int{"Home Assistant": 0, "Docker": 1000} {
		t.Run(name, func(t *testing.T) { lives(t, w.start(t, image, user), user == 0) })
	}
	for name, user := range map[string]int{"the Python project's way, as root": 0, "the Python project's way, as its user": 1000} {
		t.Run(name, func(t *testing.T) { takesOver(t, w, image, user) })
	}
}

// says holds the version of the program in an image against the one that was to be built.
func (c container) says(t *testing.T, version string) {
	t.Helper()
	// Called from outside: what a container says in its last moment buildah loses now and then.
	if out, err := exec.Command(filepath.Join(c.root, "usr", "bin", "fitbit-fetch"), "version").CombinedOutput(); err != nil || !bytes.HasPrefix(out, []byte("fitbit-fetch "+version+" (")) {
		t.Errorf("want version %s, got %s, %v", version, out, err)
	}
}

// TestImageVersions: what is built is the version that the folder names, or nothing.
func TestImageVersions(t *testing.T) {
	w := newWorkshop(t)
	dev := copyTree(t)
	edit(t, filepath.Join(dev, "fitbit_fetch", "config.yaml"), regexp.MustCompile(`(?m)^version: .*$`), `version: "0.98.0-dev.2"`)
	released := releasedTree(t, "0.99.0")
	ours, empty := modules(t.TempDir()), modules(t.TempDir())
	ours.publish(t, released, "v0.99.0", "main")

	t.Run("a tag", func(t *testing.T) {
		if out, err := w.asSupervisor(t, ours, appAlone(t, released), "0.99.0").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, tail(out))
		}
		w.start(t, supervised+"0.99.0", 0).says(t, "0.99.0")
	})
	t.Run("sources in the folder", func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "app")
		if out, err := exec.Command("sh", filepath.Join(root, "scripts", "app-folder"), folder).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		folder = filepath.Join(folder, "fitbit_fetch")
		version := offered(t, folder)
		if out, err := w.asSupervisor(t, empty, folder, version).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, tail(out))
		}
		w.start(t, supervised+version, 0).says(t, version)
	})
	for name, c := range map[string]struct {
		tree    string
		ours    modules
		version string
		want    string
	}{
		"nothing is published":    {dev, empty, "0.98.0-dev.2", "The sources of version 0.98.0-dev.2 could not be fetched: github.com/"},
		"main has gone on":        {dev, ours, "0.98.0-dev.2", "This folder is version 0.98.0-dev.2, but github.com/"},
		"built as something else": {dev, ours, "0.97.0", "This folder is version 0.98.0-dev.2, and cannot be built as 0.97.0."},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := w.asSupervisor(t, c.ours, appAlone(t, c.tree), c.version).CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte(c.want)) {
				t.Errorf("%v, without %q:\n%s", err, c.want, tail(out))
			}
		})
	}
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
	service, logged := "", 0
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
		if err != nil {
			t.Fatalf("%v\n%s", err, tail(out))
		}
		log, err := os.ReadFile(filepath.Join(folder, "logs", "fitbit.log"))
		if news := log[min(logged, len(log)):]; err != nil || !bytes.Contains(news, []byte(want)) || !bytes.Contains(news, []byte("Bulk Update Complete")) {
			t.Fatalf("%s: %v\n%s", want, err, tail(news))
		}
		logged = len(log)
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
	image := w.build(t, root, appDir, "arm64", "dev")
	c := w.start(t, image, 0)
	binary := filepath.Join(c.root, "usr", "bin", "fitbit-fetch")
	cmd := exec.Command("qemu-aarch64", binary, "demo")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	demo := proctest.Start(t, "the demo", cmd)
	shows := func() bool { return strings.Contains(strings.ToLower(demo.Out.String()), "heart rate") }
	if proctest.Until(t, "the demo to show values", func() bool { return demo.Ended() || shows() }, demo.Tail); !shows() {
		t.Errorf("the demo shows no values:\n%s", demo.Tail())
	}
	if code, _ := demo.Stop(); code != 0 {
		t.Errorf("the demo ended with %d:\n%s", code, demo.Tail())
	}
}
