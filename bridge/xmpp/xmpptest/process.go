package xmpptest

import (
	"os"
	"os/exec"
	"syscall"

	"papillon/bridge/child"
)

// unprivileged is the user and group that servers run as when the caller is
// root: Debian's nobody and nogroup.
const unprivileged = 65534

// prepare has the kernel end the command with its parent, gives it a process
// group, so that what it starts is ended with it, and takes root from it.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	child.DieWithParent(cmd)
}

// hand gives a file or folder to the user that the servers run as.
func hand(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, unprivileged, unprivileged)
}
