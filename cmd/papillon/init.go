package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"maunium.net/go/mautrix/appservice"

	"papillon/bridge/matrix"
	"papillon/store"
)

// The names of the files that init writes.
const (
	configName       = "config.yaml"
	registrationName = "registration-msn.yaml"
	puppetName       = "registration-msn-puppet.yaml"
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
	key := filepath.Join(cmd.Dir, c.Store.Key)
	names := []string{key}
	for name := range files {
		names = append(names, filepath.Join(cmd.Dir, name))
	}
	if err := nothingThere(names); err != nil {
		return err
	}
	if err := writeFiles(cmd.Dir, key, files); err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, initDone, cmd.Dir, configName, c.Store.Key, registrationName, puppetName, c.MSN.Domain, c.MSN.Listen)
	return err
}

// initDone says what to do next.
const initDone = `Written to %s:
  %s                    the configuration, every setting explained
  %s                   the key of the database; keep a copy apart from it
  %s          for the Matrix homeserver
  %s   for the Matrix homeserver, later

Next: papillon account add alice@%s   makes an account and prints its password
      papillon serve                        MSN clients connect to %s
To reach people on Matrix see docs/matrix.md.
`

// config is the configuration to write: the defaults, what the environment
// says, and the domain.
func (cmd initCmd) config() (*Config, error) {
	c := defaultConfig()
	if err := c.fromEnvironment(os.Environ()); err != nil {
		return nil, configError{err}
	}
	if cmd.Domain != "" {
		c.MSN.Domain = cmd.Domain
	}
	if err := errors.Join(c.problems()...); err != nil {
		return nil, configError{fmt.Errorf("the configuration would not be usable:\n%w", err)}
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
	for name, reg := range map[string]*appservice.Registration{c.Matrix.Registration: ghosts, puppetName: puppets} {
		if files[name], err = matrix.RegistrationYAML(reg); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// registrationOptions are what a registration is made of. Before Matrix is set
// up its domain is most likely that of the handles.
func (c *Config) registrationOptions() matrix.RegistrationOptions {
	o := matrix.RegistrationOptions{Domain: c.Matrix.HomeserverDomain, URL: c.Matrix.AppserviceURL}
	if o.Domain == "" {
		o.Domain = c.MSN.Domain
	}
	if o.URL == "" {
		o.URL = "http://" + c.Matrix.Listen
	}
	return o
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
		path := filepath.Join(dir, name)
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

// registrationCmd prints the registration again.
type registrationCmd struct{ configFlag }

// Run implements the command: the tokens of the file, and what else the present
// configuration makes of it.
func (cmd registrationCmd) Run(io *streams) error {
	c, err := loadConfig(cmd.Config)
	if err != nil {
		return err
	}
	stored, err := matrix.LoadRegistration(c.Matrix.Registration)
	if err != nil {
		return err
	}
	reg, err := matrix.NewRegistration(c.registrationOptions())
	if err != nil {
		return err
	}
	reg.AppToken, reg.ServerToken = stored.AppToken, stored.ServerToken
	out, err := matrix.RegistrationYAML(reg)
	if err != nil {
		return err
	}
	_, err = io.out.Write(out)
	return err
}
