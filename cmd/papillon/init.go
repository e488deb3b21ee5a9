package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"maunium.net/go/mautrix/appservice"

	"papillon/bridge/matrix"
	"papillon/store"
)

// The names of the files that init writes, beside those that are settings.
const (
	configName = "config.yaml"
	puppetName = "registration-msn-puppet.yaml"
)

// initCmd writes the files of a new installation.
type initCmd struct {
	Dir    string `default:"." help:"The folder to write to." type:"path"`
	Domain string `help:"The domain of handles typed without one, like msn.example.org."`
}

// Run implements the command. It writes all files or none, and never over one
// that is there.
func (cmd initCmd) Run(io *streams) error {
	c, err := cmd.config()
	if err != nil {
		return err
	}
	files, err := initFiles(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cmd.Dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	key := within(cmd.Dir, c.Store.Key)
	names := []string{key}
	for name := range files {
		names = append(names, within(cmd.Dir, name))
	}
	slices.Sort(names)
	if err := nothingThere(names); err != nil {
		return err
	}
	if err := writeFiles(cmd.Dir, key, files); err != nil {
		return err
	}
	return cmd.tellNext(io.out, c, key)
}

// within places a file in a folder unless it has a place of its own.
func within(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// tellNext says what was written and what to do next.
func (cmd initCmd) tellNext(out io.Writer, c *Config, key string) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "Written:\n")
	fmt.Fprintf(w, "  %s\tthe configuration, every setting explained\n", within(cmd.Dir, configName))
	fmt.Fprintf(w, "  %s\tthe key of the database: keep a copy apart from it\n", key)
	fmt.Fprintf(w, "  %s\tfor a Matrix homeserver (docs/matrix.md)\n", within(cmd.Dir, c.Matrix.Registration))
	fmt.Fprintf(w, "  %s\tthe same, for people's own accounts there\n", within(cmd.Dir, c.Matrix.OwnRegistration))
	fmt.Fprintf(w, "\nNext:\n")
	if here, err := os.Getwd(); err != nil || here != cmd.Dir {
		fmt.Fprintf(w, "  cd %s\n", cmd.Dir)
	}
	fmt.Fprintf(w, "  papillon account add alice@%s\tmakes an account and prints its password\n", c.MSN.Domain)
	fmt.Fprintf(w, "  papillon serve\tlets MSN clients in at %s\n", c.MSN.Listen)
	return w.Flush()
}

// config is the configuration to write: the defaults, what the environment
// says, and the domain.
func (cmd initCmd) config() (*Config, error) {
	c := defaultConfig()
	problems := c.fromEnvironment(os.Environ())
	if cmd.Domain != "" {
		c.MSN.Domain = cmd.Domain
	}
	if problems = append(problems, c.problems()...); len(problems) > 0 {
		return nil, newConfigError("what init is told", problems)
	}
	return c, nil
}

// initFiles makes the contents of the files by their names.
func initFiles(c *Config) (map[string][]byte, error) {
	options := c.registrationOptions()
	ghosts, err := matrix.NewRegistration(options)
	if err != nil {
		return nil, err
	}
	puppets, err := matrix.NewPuppetRegistration(options)
	if err != nil {
		return nil, err
	}
	var config bytes.Buffer
	if err := writeConfig(&config, c); err != nil {
		return nil, err
	}
	files := map[string][]byte{configName: config.Bytes()}
	for name, reg := range map[string]*appservice.Registration{c.Matrix.Registration: ghosts, c.Matrix.OwnRegistration: puppets} {
		if files[name], err = matrix.RegistrationYAML(reg); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// nothingThere makes sure that no file would be written over.
func nothingThere(names []string) error {
	for _, name := range names {
		_, err := os.Lstat(name)
		if err == nil {
			return fmt.Errorf("%s exists already; nothing was written: choose another folder with --dir", name)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("look at %s: %w", name, err)
		}
	}
	return nil
}

// writeFiles writes the key and the files, and removes what it wrote when one
// fails.
func writeFiles(dir, key string, files map[string][]byte) (err error) {
	var written []string
	defer func() {
		if err != nil {
			for _, name := range written {
				err = errors.Join(err, os.Remove(name))
			}
		}
	}()
	if err := store.NewKey(key); err != nil {
		return err
	}
	written = append(written, key)
	for name, content := range files {
		path := within(dir, name)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		written = append(written, path)
		_, err = f.Write(content)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
