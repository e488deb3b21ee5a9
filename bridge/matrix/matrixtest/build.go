package matrixtest

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"papillon/bridge/child"
)

// BinEnv is the environment variable that names a folder with ready-made
// binaries of the homeserver. When it is set, nothing is built.
const BinEnv = "DENDRITE_BIN"

// homeserverModule is what tools/dendrite pins.
const homeserverModule = "github.com/element-hq/dendrite"

// programs are the commands of Dendrite that the harness runs.
var programs = []string{"dendrite", "generate-keys"}

// sayEvery is how often a running build says that it is still alive.
const sayEvery = 15 * time.Second

// Build makes sure that the homeserver's binaries are there and returns their
// folder: the one named by [BinEnv], else tools/dendrite/bin below the root of
// the module that the working directory belongs to, where they are built from
// the pinned module if they are missing. The first build takes some minutes;
// log is told what goes on. Several processes may build at once: one does the
// work, the others wait for it.
func Build(ctx context.Context, log io.Writer) (string, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		if missing := missingPrograms(dir); len(missing) > 0 {
			return "", fmt.Errorf("find the homeserver: %s is %s, which lacks %s: unset it to have them built", BinEnv, dir, strings.Join(missing, " and "))
		}
		return dir, nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	module := filepath.Join(root, "tools", "dendrite")
	dir := filepath.Join(module, "bin")
	if built(module, dir) {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the homeserver's folder: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, ".lock"))
	if err != nil {
		return "", fmt.Errorf("lock the homeserver's folder: %w", err)
	}
	defer unlock()
	if built(module, dir) {
		return dir, nil // by somebody else while we waited
	}
	return dir, compile(ctx, module, dir, log)
}

// missingPrograms returns the programs that the folder lacks.
func missingPrograms(dir string) []string {
	var missing []string
	for _, name := range programs {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			missing = append(missing, name)
		}
	}
	return missing
}

// built says whether all programs are there and of the pinned version.
func built(module, dir string) bool {
	if len(missingPrograms(dir)) > 0 {
		return false
	}
	pinned, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return false
	}
	info, err := buildinfo.ReadFile(filepath.Join(dir, programs[0]))
	if err != nil {
		return false
	}
	return info.Main.Path == homeserverModule &&
		strings.Contains(string(pinned), info.Main.Path+" "+info.Main.Version+"\n")
}

// moduleRoot asks the go command, because the working directory of a test is
// its package's folder.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("run go env GOMOD (is Go installed?): %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return "", errors.New("find the module root: run this inside the source tree, or set " + BinEnv)
	}
	return filepath.Dir(file), nil
}

// compile builds all programs into dir.
func compile(ctx context.Context, module, dir string, log io.Writer) error {
	fmt.Fprintln(log, "building the Matrix homeserver Dendrite (the first time this takes some minutes) ...")
	// -mod=readonly and no GOFLAGS: flags meant for the module of this package,
	// such as a vendor mode, must not reach the other one.
	args := []string{"build", "-mod=readonly", "-o", dir + string(filepath.Separator)}
	for _, name := range programs {
		args = append(args, homeserverModule+"/cmd/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second // for compilers that outlive a cancelled build
	child.DieWithParent(cmd)
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- child.Run(cmd) }()
	ticker := time.NewTicker(sayEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(log, "still building Dendrite, %s so far ...\n", time.Since(start).Round(time.Second))
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build Dendrite: %w: %s", err, strings.TrimSpace(output.String()))
			}
			fmt.Fprintf(log, "built Dendrite in %s\n", time.Since(start).Round(time.Second))
			return nil
		}
	}
}

// lockFile takes an exclusive lock that ends with the process at the latest.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}
