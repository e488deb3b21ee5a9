package matrixtest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent makes the kernel kill the child when the thread that started
// it ends, so that a killed test leaves no homeserver behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// runLocked runs the command on a thread of its own: the kernel sends the
// signal of dieWithParent when that thread ends, not when the process does, and
// Go ends a thread only when a goroutine that is locked to it ends.
func runLocked(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// startLocked starts the command as runLocked does. The channel gets the result
// of the start, and after a good start is followed by that of the wait.
func startLocked(cmd *exec.Cmd) (started <-chan error, exited <-chan error) {
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
