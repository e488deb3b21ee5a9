package xmpptest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// unprivileged is the user and group that servers run as when the caller is
// root: Debian's nobody and nogroup.
const unprivileged = 65534

// childAttributes makes the kernel kill the child when the thread that started
// it ends, so that a killed test leaves no server behind, gives it a process
// group, so that what it starts is ended with it, and takes root from it.
func childAttributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	return attributes
}

// startLocked starts the command on a thread of its own: the kernel sends the
// signal of childAttributes when that thread ends, not when the process does,
// and Go ends a thread only when a goroutine that is locked to it ends. The
// channel started gets the result of the start; after a good one, exited gets
// that of the wait.
func startLocked(cmd *exec.Cmd) (started, exited <-chan error) {
	start, exit := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		start <- err
		if err == nil {
			exit <- cmd.Wait()
		}
		close(exit)
	}()
	return start, exit
}

// runLocked runs the command as startLocked starts it and returns what it
// printed on both outputs.
func runLocked(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.CombinedOutput()
}

// hand gives a file or folder to the user that the servers run as.
func hand(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, unprivileged, unprivileged)
}
