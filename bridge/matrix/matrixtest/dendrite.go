package matrixtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// dendrite is the homeserver that tools/dendrite pins.
type dendrite struct{}

func (dendrite) title() string { return "Dendrite" }

func (dendrite) traits() Traits { return Traits{TellsStrangers: true, LastWordCounts: true} }

func (dendrite) install(ctx context.Context, log io.Writer) (string, error) { return Build(ctx, log) }

// configure writes the configuration and, once, the signing key.
func (dendrite) configure(ctx context.Context, s *Server) error {
	config, err := renderConfig(dendriteConfig, s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "dendrite.yaml"), config, 0o600); err != nil {
		return fmt.Errorf("write the homeserver's configuration: %w", err)
	}
	key := filepath.Join(s.dir, "matrix_key.pem")
	if _, err := os.Stat(key); err == nil {
		return nil
	}
	out, err := exec.CommandContext(ctx, filepath.Join(s.bin, "generate-keys"), "--private-key", key).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the homeserver's key: %w: %s", err, out)
	}
	return nil
}

func (dendrite) command(s *Server) *exec.Cmd {
	return exec.Command(filepath.Join(s.bin, "dendrite"), "--config", "dendrite.yaml", "--http-bind-address", s.addr)
}
