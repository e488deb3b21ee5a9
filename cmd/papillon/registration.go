package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"maunium.net/go/mautrix/appservice"

	"papillon/bridge/matrix"
)

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

// loadRegistration returns the registration to work with: the one in the file,
// or if the configuration has changed since, one made of it with the tokens of
// the file. Current is false then, and the homeserver has to load it anew.
func (c *Config) loadRegistration() (reg *appservice.Registration, current bool, err error) {
	stored, err := matrix.LoadRegistration(c.Matrix.Registration)
	if err != nil {
		return nil, false, err
	}
	if reg, err = matrix.NewRegistration(c.registrationOptions()); err != nil {
		return nil, false, err
	}
	reg.ID, reg.SenderLocalpart = stored.ID, stored.SenderLocalpart
	reg.AppToken, reg.ServerToken = stored.AppToken, stored.ServerToken
	if stored.URL == reg.URL && sameUsers(stored, reg) {
		return stored, true, nil // it may say more than we would
	}
	return reg, false, nil
}

// loadOwnRegistration does so for the second registration. Without the file it is
// nil: people's own accounts are then not to be had.
func (c *Config) loadOwnRegistration() (reg *appservice.Registration, current bool, err error) {
	if _, err := os.Stat(c.Matrix.OwnRegistration); errors.Is(err, os.ErrNotExist) {
		return nil, true, nil
	}
	stored, err := matrix.LoadRegistration(c.Matrix.OwnRegistration)
	if err != nil {
		return nil, false, err
	}
	if reg, err = matrix.NewPuppetRegistration(c.registrationOptions()); err != nil {
		return nil, false, err
	}
	reg.ID, reg.SenderLocalpart = stored.ID, stored.SenderLocalpart
	reg.AppToken, reg.ServerToken = stored.AppToken, stored.ServerToken
	if stored.URL == "" && sameUsers(stored, reg) {
		return stored, true, nil
	}
	return reg, false, nil
}

// sameUsers says whether a registration has the namespaces of another.
func sameUsers(stored, wanted *appservice.Registration) bool {
	return !slices.ContainsFunc(wanted.Namespaces.UserIDs, func(w appservice.Namespace) bool {
		return !slices.ContainsFunc(stored.Namespaces.UserIDs, func(s appservice.Namespace) bool {
			return s.Regex == w.Regex && s.Exclusive == w.Exclusive
		})
	})
}

// registrationCmd prints a registration again.
type registrationCmd struct {
	configFlag
	Own bool `help:"The second one, for people's own accounts on the homeserver."`
}

// Run implements the command. A file that does not fit the configuration any
// more is written anew: its tokens stay.
func (cmd registrationCmd) Run(io *streams) error {
	c, err := loadConfig(cmd.Config)
	if err != nil {
		return err
	}
	path, load := c.Matrix.Registration, c.loadRegistration
	if cmd.Own {
		path, load = c.Matrix.OwnRegistration, c.loadOwnRegistration
	}
	reg, current, err := load()
	if err != nil {
		return err
	}
	if reg == nil {
		return fmt.Errorf("there is no %s: make one with \"papillon init\" in another folder and copy it", path)
	}
	out, err := matrix.RegistrationYAML(reg)
	if err != nil {
		return err
	}
	if !current {
		if err := replaceFile(path, out); err != nil {
			return err
		}
		fmt.Fprintf(io.err, "Brought %s up to the configuration. The homeserver must load it again: restart it.\n", path)
	}
	if c.Matrix.HomeserverURL == "" {
		fmt.Fprintln(io.err, "There is no homeserver: set matrix.homeserver_url and matrix.homeserver_domain.")
	}
	_, err = io.out.Write(out)
	return err
}

// replaceFile puts a file in the place of another, wholly or not at all.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}
